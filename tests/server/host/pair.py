"""What the tests of followed rooms share: two processes with one room, and an edge at each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.core.inbox import Item
from server.core.ports import Publication
from server.host.room_handle import RoomHandle
from server.store.exchange import Gap, News, Subscription
from server.store.memory_exchange import MemoryExchange
from shared.errors import CloseCode
from shared.messages import Status
from tests.server.core.yard import Yard, item
from tests.server.host.rig import Rig


class Patient(Yard):
    """Works no backlog off: each tick applies the next input."""

    input_backlog_ticks = 20


GAME = Patient()


class Edge:
    """A `Follower` that writes down what it is told."""

    def __init__(self, room: RoomHandle) -> None:
        self.publications: list[Publication] = []
        self.changes: list[tuple[int, Status]] = []
        self.end: tuple[CloseCode, str] | None = None
        self._room = room
        room.follow(self)

    @property
    def ticks(self) -> list[int]:
        return [one.commit.tick for one in self.publications]

    @property
    def seated(self) -> dict[bytes, int]:
        return {n: player for one in self.publications for n, player in one.seated.items()}

    def published(self, publication: Publication) -> None:
        assert self._room.settled
        assert self._room.match.tick == publication.commit.tick
        self.publications.append(publication)

    def changed(self, status: Status) -> None:
        self.changes.append((self._room.epoch, status))

    def ended(self, code: CloseCode, reason: str) -> None:
        self.end = (code, reason)


class Lossy(MemoryExchange):
    """The memory exchange, which brings what is to be lost to nobody."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop().time)
        self.loses: Callable[[News | Gap], bool] = lambda news: False

    async def follow(self, room: str, hear: Callable[[News | Gap], None]) -> Subscription:  # type: ignore[override]
        return await super().follow(room, lambda news: None if self.loses(news) else hear(news))


class Two:
    """A room of one process that another follows, each with an edge."""

    def __init__(self, one: Rig, two: Rig, room: RoomHandle, copy: RoomHandle) -> None:
        self.one, self.two = one, two
        self.room, self.copy = room, copy
        self.here, self.there = Edge(room), Edge(copy)

    async def stop(self) -> None:
        await self.two.stop()
        await self.one.stop()


async def two(exchange: MemoryExchange | None = None) -> Two:
    one = await Rig({"yard": GAME}, exchange=exchange).start()
    other = await one.beside(2)
    owned, _ = await one.room("Ada")
    [room] = one.host.rooms()
    copy = await other.host.reach(owned.id)
    assert copy is not None
    both = Two(one, other, room, copy)
    await one.seconds(0.6)
    return both


def items(first: int, last: int) -> list[Item]:
    return [item(GAME, seq, 1) for seq in range(first, last + 1)]


def hears(both: Two, news: News | Gap) -> None:
    """Let the copy hear something."""
    mirror = both.copy.follower
    assert mirror is not None
    mirror._hear(news)
