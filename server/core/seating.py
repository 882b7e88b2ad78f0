"""Seats asked for and refused: what a JOIN asks of a room, and why a room gives it no seat."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from shared.errors import CloseCode


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
        full = self.code is RefusalCode.FULL
        return CloseCode.ROOM_FULL if full else CloseCode.REFUSED


FULL = JoinRefusal(RefusalCode.FULL, "the room is full")
LOCKED = JoinRefusal(RefusalCode.LOCKED, "the room takes no new players")
