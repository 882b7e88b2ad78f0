"""Seats asked for and refused: what a JOIN asks of a room, why it gets none, where it asks next."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from shared.errors import CloseCode
from shared.messages import Join, Role

ROOMS_TRIED_MAX = 5
"""So many rooms are asked for a seat in a row; then one is made, or the player is told."""


@dataclass(frozen=True, slots=True)
class SeatRequest:
    """A join waiting for its tick."""

    nonce: bytes
    name: str
    identity: str = ""


class RefusalCode(IntEnum):
    """Whose decision it was that a player gets no seat; the numbers are journaled."""

    GAME = 0
    """The game's `join` raised `Refused`."""
    FULL = 1
    """Every seat is taken."""
    LOCKED = 2
    """The game set `match.room.open` to False."""
    FAILED = 3
    """A hook of the game raised in the tick that was to seat the player."""
    ENDED = 4
    """The room ended, or fell asleep, before it answered; never journaled."""


class JoinRefusal(NamedTuple):
    """Why a room gave a player no seat: a code, and words for the player."""

    code: RefusalCode
    reason: str

    @property
    def elsewhere(self) -> bool:
        """Whether another room of the kind may seat the player."""
        return self.code is not RefusalCode.FAILED

    @property
    def close_code(self) -> CloseCode:
        """What the player's connection is closed with."""
        match self.code:
            case RefusalCode.FULL:
                return CloseCode.ROOM_FULL
            case RefusalCode.ENDED:
                return CloseCode.ROOM_CLOSED
            case _:
                return CloseCode.REFUSED


FULL = JoinRefusal(RefusalCode.FULL, "the room is full")
LOCKED = JoinRefusal(RefusalCode.LOCKED, "the room takes no new players")


@dataclass(slots=True)
class SeatSearch:
    """A JOIN on its way from room to room: `passed` gave it no seat, `made` was made for it."""

    join: Join
    passed: list[str] = field(default_factory=list[str])
    made: str = ""

    @property
    def exhausted(self) -> bool:
        """Whether enough rooms were asked."""
        return len(self.passed) >= ROOMS_TRIED_MAX

    def goes_on(self, room: str, refusal: JoinRefusal) -> bool:
        """Whether to look for a seat again after a room refused; it is not asked again.

        A player who asks for a certain room is told its answer, except that it is woken where it
        fell asleep meanwhile. So is one for whom a room was made that refuses too.
        """
        again = not self.exhausted
        self.passed.append(room)
        if refusal.code is RefusalCode.ENDED:
            return again
        options = self.join.options
        anywhere = "room" not in options and not options.get("private", False)
        return (
            anywhere and refusal.elsewhere and room != self.made and self.join.role is Role.PLAYER
        )
