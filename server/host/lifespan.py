"""When a room has nothing left to do: its match is finished, or nobody has been in it for long."""

from __future__ import annotations

from enum import Enum

from server.core.room import ROUNDING_S, Room


class Expiry(Enum):
    """Why a room ends of itself; one that is merely empty sleeps, and may be woken."""

    FINISHED = "the match is finished"
    EMPTY = "nobody is in the room"


def expiry(room: Room, *, stands: bool) -> Expiry | None:
    """Whether a room ends after its last tick, and why; one that `stands` is kept while empty.

    A room that a player waits to enter is not empty.
    """
    finished_s = room.finished_for_s
    if finished_s is not None and finished_s >= room.game.finished_s - ROUNDING_S:
        return Expiry.FINISHED
    empty_s = room.empty_for_s
    if empty_s is None or empty_s < room.game.room_empty_s - ROUNDING_S:
        return None
    return None if stands or room.humans or room.awaited else Expiry.EMPTY
