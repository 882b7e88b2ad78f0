"""What the host's tests share: a host on virtual time, a moody store, a follower that notes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from server.app import seeded_chance
from server.core.inbox import decode_items
from server.core.metrics import Metrics
from server.core.ports import Publication, Watch
from server.core.post import Present
from server.core.room import SeatRequest
from server.host.clock import LoopClock
from server.host.context import Context
from server.host.host import RoomsHost
from server.host.owner import RoomOwner
from server.host.room_handle import RoomHandle
from server.host.seat_bots import MakeBrain
from server.store.base import Append, Loaded, StoreUnavailable
from server.store.exchange import Listing, NoSeat, Process
from server.store.memory import MemoryStore
from server.store.memory_exchange import MemoryExchange
from shared.errors import CloseCode, StoreError
from shared.game import Game
from shared.messages import InputItem, Join, Role, Status
from shared.schema import Schema
from shared.view import View
from tests.server.core.yard import Push, Yard, nonce

LOG = logging.getLogger("tests.host")


class MoodyStore(MemoryStore):
    """The memory store on a bad day: away, slow to answer, or broken for good, as told."""

    def __init__(self) -> None:
        super().__init__(lambda: 1_000_000)
        self.away = False
        self.broken: StoreError | None = None
        self.answering = asyncio.Event()
        self.answering.set()
        self.batches: list[Sequence[Append]] = []

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        self.batches.append(batch)
        await self.answering.wait()
        self._mood()
        return await super().append(batch)

    async def load(self, room: str) -> Loaded:
        self._mood()
        return await super().load(room)

    async def acquire(self, room: str, owner: str, *, blameless: bool = False) -> Loaded:
        self._mood()
        return await super().acquire(room, owner, blameless=blameless)

    async def create(self, room: str, meta: bytes, owner: str = "") -> None:
        await self.answering.wait()
        self._mood()
        await super().create(room, meta, owner)

    async def checkpoint(self, room: str, epoch: int, tick: int, blob: bytes) -> None:
        self._mood()
        await super().checkpoint(room, epoch, tick, blob)

    async def acquire_for_somebody_else(self, room: str) -> None:
        """Another process takes the room, whatever this one's mood."""
        await super().acquire(room, "somebody else")

    def committed(self, room: str) -> int:
        """The newest tick in the journal."""
        return self._rooms[room].tick

    def _mood(self) -> None:
        if self.away:
            raise StoreUnavailable("gone fishing")
        if self.broken is not None:
            raise self.broken


class MoodyExchange(MemoryExchange):
    """An exchange whose directory is away, as told; news and letters go on."""

    away = False

    async def processes(self) -> list[Process]:
        self._mood()
        return await super().processes()

    async def beat(self, process: Process) -> None:
        self._mood()
        await super().beat(process)

    async def announce(self, listings: Sequence[Listing]) -> None:
        self._mood()
        await super().announce(listings)

    async def listings(self, key: str | None = None) -> list[Listing]:
        self._mood()
        return await super().listings(key)

    async def find_seat(
        self, key: str, nonce: bytes, process: str = "", excluding: Sequence[str] = ()
    ) -> str | NoSeat:
        self._mood()
        return await super().find_seat(key, nonce, process, excluding)

    async def delist(self, room: str) -> None:
        self._mood()
        await super().delist(room)

    async def depart(self, name: str) -> None:
        self._mood()
        await super().depart(name)

    def _mood(self) -> None:
        if self.away:
            raise StoreUnavailable("no directory")


class Watcher:
    """A `Follower` that writes down what it is told, and when."""

    def __init__(self, room: RoomHandle, store: MoodyStore) -> None:
        self.publications: list[Publication] = []
        self.statuses: list[Status] = []
        self.end: tuple[CloseCode, str] | None = None
        self.times: list[float] = []
        self.during: Callable[[Publication], object] = lambda publication: None
        self._room = room
        self._store = store
        room.follow(self)

    @property
    def ticks(self) -> list[int]:
        return [publication.commit.tick for publication in self.publications]

    def published(self, publication: Publication) -> None:
        tick = publication.commit.tick
        if self._room.owned is not None:
            assert self._store.committed(self._room.id) == tick, "committed before it is published"
        assert self._room.match.tick == tick, "the match holds exactly the committed rows"
        assert self._room.settled
        self.publications.append(publication)
        self.times.append(asyncio.get_running_loop().time())
        self.during(publication)

    def changed(self, status: Status) -> None:
        self.statuses.append(status)

    def ended(self, code: CloseCode, reason: str) -> None:
        assert self.end is None, "told once"
        self.end = (code, reason)


class Pusher:
    """A brain that pushes on."""

    def think(self, view: View, rng: Random, /) -> Push:
        return Push(by=1)


def make_pusher(schema: Schema) -> Pusher:
    return Pusher()


class Rig:
    """A host of games over a store, in a running loop of virtual time."""

    def __init__(
        self,
        games: Mapping[str, Game] | None = None,
        *,
        store: MoodyStore | None = None,
        brain: MakeBrain = make_pusher,
        rooms_max: int = 10,
        standing: Sequence[tuple[str, Mapping[str, Any]]] = (),
        seed: int = 1,
        development: bool = False,
        exchange: MemoryExchange | None = None,
        watch: Watch | None = None,
        slow: bool = False,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.store = store or MoodyStore()
        self.exchange = exchange or MemoryExchange(loop.time)
        self.metrics = Metrics()
        self.clock = LoopClock(lambda: 1_000_000 + loop.time(), loop.time)
        chance = seeded_chance(seed)
        self.host = RoomsHost(
            {name: (game, brain) for name, game in (games or {"yard": Yard()}).items()},
            Context(
                f"host-{seed}",
                self.store,
                self.exchange,
                self.clock,
                chance,
                Random(chance(16)),
                self.metrics,
                LOG,
                development,
                watch=watch or Watch(),
            ),
            rooms_max=rooms_max,
            standing=standing,
            slow=slow,
        )

    async def start(self) -> Rig:
        """Open the store and start the host."""
        await self.store.open()
        await self.host.start()
        return self

    async def beside(self, seed: int, **wishes: Any) -> Rig:
        """One more process over the same store."""
        rig = Rig(self.host.games, store=self.store, exchange=self.exchange, seed=seed, **wishes)
        return await rig.start()

    async def enter(self, name: str, game: str = "yard", **options: Any) -> RoomHandle:
        """Place a player and ask for the seat."""
        room = await self.host.place(join(name, game, **options))
        room.join(SeatRequest(nonce(name), name))
        return owned(room)

    async def room(
        self, *names: str, game: str = "yard", **options: Any
    ) -> tuple[RoomHandle, Watcher]:
        """A room with these players seated, present, and committed."""
        room = await self.enter(names[0], game, **options)
        watcher = Watcher(room, self.store)
        for name in names[1:]:
            room.obey("", SeatRequest(nonce(name), name))
        await self.ticks(room, 1)
        self.present(room, {player.id for player in room.match.players if not player.bot})
        return room, watcher

    def local(self, room: RoomHandle) -> RoomHandle:
        """A room as this process has it."""
        [local] = [one for one in self.host.rooms() if one.id == room.id]
        return local

    def owned(self) -> list[RoomHandle]:
        """The rooms that run here."""
        return [room for room in self.host.rooms() if room.owned is not None]

    def present(self, room: RoomHandle | RoomOwner, players: set[int], spectators: int = 0) -> None:
        """Whose connections are open, as this process's edge says."""
        room.obey("edge", Present(frozenset(players), spectators))

    async def ticks(self, room: RoomHandle | RoomOwner, count: int) -> None:
        """Let so many ticks of a room be committed."""
        wanted = room.census.tick + count
        async with asyncio.timeout(60):
            while room.census.tick < wanted:  # noqa: ASYNC110 - time is virtual
                await asyncio.sleep(0.001)

    def seconds(self, seconds: float) -> Any:
        """Let virtual time pass."""
        return asyncio.sleep(seconds)

    async def kill(self) -> None:
        """Die from one moment to the next: nobody is told, and nothing is finished."""
        self.host._mail.close()
        for room in self.host.rooms():
            await room.close()
        tasks = list(self.host._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """End everything this host runs."""
        await self.host.drain()
        await self.host.stop()
        await asyncio.sleep(0)


def owned(room: RoomHandle) -> RoomHandle:
    """The room itself, which runs here."""
    assert room.owned is not None
    return room


def join(name: str, game: str = "yard", *, role: Role = Role.PLAYER, **options: Any) -> Join:
    return Join(nonce(name), game, options, name, role)


def player(room: RoomHandle | RoomOwner, name: str) -> Any:
    """A player's row."""
    return next(one for one in room.match.players if one.name == name)


def post(
    room: RoomHandle | RoomOwner, name: str, seq: int, by: int | None, *words: str, trap: int = 0
) -> None:
    """Queue an item of a player's."""
    wire = None if by is None else [by, trap]
    items = [InputItem(seq, wire, tuple([0, one] for one in words))]
    room.submit(player(room, name).id, decode_items(room.game, items))
