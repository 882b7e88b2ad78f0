"""When a room has nothing left to do: its match is finished, or nobody has been in it for long."""

from __future__ import annotations

from enum import Enum

from server.core.room import Room


class Expiry(Enum):
    """Why a room ends of itself; one that is merely empty sleeps, and may be woken."""

    FINISHED = "the match is finished"
    EMPTY = "nobody is in the room"


def expiry(room: Room, *, stands: bool) -> Expiry | None:
    """Whether a room ends after its last tick, and why; one that `stands` is kept while empty."""
    tick, game, finished = room.match.tick, room.game, room.match.room.finished
    if finished and tick - finished >= game.finished_s * game.tick_rate:
        return Expiry.FINISHED
    empty = room.empty_since
    for_long = empty is not None and tick - empty >= game.room_empty_s * game.tick_rate
    return Expiry.EMPTY if for_long and not room.humans and not stands else None
