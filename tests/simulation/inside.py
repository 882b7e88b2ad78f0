"""What the simulator knows of the inside of a server and of the memory store, in one place.

Everything else in this folder sees a server as its clients, its store and its bus do.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.app import App
from server.store.memory import MemoryStore
from server.store.memory_exchange import MemoryExchange
from shared.match import Match


@dataclass(frozen=True, slots=True)
class Held:
    """A room as one process has it. `match` is None while its rows are not all committed."""

    room: str
    owned: bool
    epoch: int
    tick: int
    match: Match | None


def held(app: App) -> list[Held]:
    """Every room that this process runs, or has a copy of."""
    return [
        Held(
            room.id,
            room.owned is not None,
            room.epoch,
            room.match.tick,
            room.match if room.settled else None,
        )
        for room in app.host.rooms()
        if room.owned is not None or room.follower is not None
    ]


def followed(app: App) -> int:
    """How many rooms this process follows, or is about to."""
    rooms = app.host.rooms()
    return sum(1 for room in rooms if room.owned is None) + len(app.host._reaching)


def name(app: App) -> str:
    """The process's name."""
    return app.host.name


@dataclass(frozen=True, slots=True)
class Kept:
    """A room as the memory store keeps it."""

    room: str
    meta: bytes
    epoch: int
    tick: int
    owner: str
    status: str


def kept(store: MemoryStore) -> list[Kept]:
    """Every room that was ever created."""
    return [
        Kept(room, one.meta, one.epoch, one.tick, one.owner, one.status.value)
        for room, one in sorted(store._rooms.items())
    ]


def subscribers(exchange: MemoryExchange) -> int:
    """How many subscriptions there are, of all processes."""
    kinds = (exchange._followers, exchange._listeners)
    return sum(len(each) for kind in kinds for each in kind.values())


def disown(store: MemoryStore, room: str, owner: str) -> None:
    """For a control: let the room look as if somebody else than `owner` had it."""
    kept = store._rooms.get(room)
    if kept is not None and kept.owner == owner:
        kept.owner = f"{owner} before"
