"""The rooms of this process: made, found, followed, taken up, run, and let go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence, Set
from random import Random
from typing import Any

from server.core.lobby import ROOM_ID_LENGTH, RoomMeta, Wish, room_id
from server.core.metrics import Metrics
from server.core.ports import Chance, Clock, Listed
from server.host.directory import Directory, meta_key
from server.host.handover import Handover
from server.host.journal_writer import JournalWriter
from server.host.local_room import LocalRoom
from server.host.mail import Mail
from server.host.parts import Parts
from server.host.phases import Phases
from server.host.placing import Placing, other_rules
from server.host.recovery import Recovery
from server.host.room_host import RoomHost
from server.host.seat_bots import MakeBrain
from server.host.succession import Succession
from server.host.sweep import Sweep
from server.store.base import NoSuchRoom, Store
from server.store.base import Status as StoredStatus
from server.store.exchange import Exchange, Listing
from shared.errors import CloseCode, RemoteError, StoreError
from shared.game import Game
from shared.match import Match
from shared.messages import Join

# A copy nobody looks at is kept for those who come back.
UNUSED_KEEP_S = 30.0


class RoomsHost:
    """Implements `server.core.ports.Host`. `owner` is this process's name, unlike any other's."""

    def __init__(
        self,
        games: dict[str, tuple[Game, MakeBrain]],
        store: Store,
        exchange: Exchange,
        clock: Clock,
        chance: Chance,
        metrics: Metrics,
        log: logging.Logger,
        *,
        owner: str,
        rooms_max: int,
        standing: Sequence[tuple[str, Mapping[str, Any]]] = (),
        development: bool = False,
    ) -> None:
        self.games = {name: game for name, (game, _) in games.items()}
        self.name = owner
        rng = Random(chance(16))
        self._parts = parts = Parts(owner, store, exchange, clock, chance, rng, metrics, log)
        self._store, self._exchange = store, exchange
        self._clock, self._chance, self._log = clock, chance, log
        self._rooms_max = rooms_max
        self._rooms: dict[str, LocalRoom] = {}
        self._reaching: dict[str, asyncio.Task[LocalRoom | None]] = {}
        self._making: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._draining = False
        self._writer = JournalWriter(store, clock, metrics, log, self._store_trouble, exchange.tell)
        self.phases = Phases(clock, self._writer, metrics, log, self._spawn, self._let_go)
        self.directory = self._directory()
        self.placing = self._placing(standing)
        brains = {name: brain for name, (_, brain) in games.items()}
        self._succession = self._successions(brains, development)
        self.handover = Handover(parts, self.phases, self._succession.let_go)
        self._mail = Mail(parts, self.handover, spawn=self._spawn, reach=self._reach)
        self.recovery = Recovery(
            parts,
            self.games,
            self._succession,
            local=self._local,
            passes_over=self._passes_over,
        )
        self.sweep = Sweep(
            parts, self.directory, take_up=self.recovery.take_up, every_time=self._look_after
        )

    async def start(self) -> None:
        """Take up every live room that no living process owns and whose game is served here."""
        await self._mail.open()
        await self.directory.beat()
        await self.sweep.once(whole=True)
        await self.placing.stand()
        self._spawn(self.directory.run())
        self._spawn(self.sweep.run())

    async def drain(self) -> None:
        """Hand every room over; where there is nobody, finish the tick, checkpoint and let go."""
        self._draining = True
        try:
            try:
                await self.directory.beat()
                await self.handover.everything(list(self._owned()))
            except StoreError as error:
                self._log.warning("nothing is handed over: %s", error)
            self.phases.stop()
            while not self._writer.failing and not all(room.settled for room in self._owned()):
                await self._clock.sleep(0.005)
            for room in list(self._owned()):
                owned = room.owned
                if owned is not None and not owned.done:
                    await owned.checkpoint()
                    try:
                        await self._store.release(room.id, room.epoch)
                    except StoreError as error:
                        self._log.warning("room %s: %s", room.id, error)
        finally:
            self.phases.stop()

    async def has_peers(self) -> bool:
        """Whether another process takes rooms and players."""
        try:
            living = await self._exchange.processes()
        except StoreError:
            return False
        return any(process.open and process.name != self.name for process in living)

    async def stop(self) -> None:
        """End everything that runs here; the rooms' followers hear nothing more."""
        self._mail.close()
        for room in self._rooms.values():
            self._succession.forget(room)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._exchange.depart(self.name)
        except StoreError as error:
            self._log.warning("could not say goodbye: %s", error)

    async def place(self, join: Join) -> LocalRoom:
        """The room a JOIN leads to, made if need be; RemoteError says why not."""
        return await self.placing.place(join)

    async def reach(self, room: str) -> LocalRoom | None:
        """A room, followed from here; None if there is none, RemoteError if not here or not now."""
        found = await self._reach(room)
        if found is not None and not found.understood:
            raise other_rules()
        return found

    async def _reach(self, room: str) -> LocalRoom | None:
        if (known := self._rooms.get(room)) is not None and known.over is None:
            return known
        task = self._reaching.get(room)
        if task is None:
            task = self._reaching[room] = asyncio.get_running_loop().create_task(self._follow(room))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _: self._reaching.pop(room, None))
        try:
            return await asyncio.shield(task)
        except (StoreError, ValueError) as error:
            self._log.warning("room %s cannot be followed: %s", room, error)
            raise RemoteError(CloseCode.UNAVAILABLE, "the room cannot be read now", 1000) from None

    def rooms(self) -> list[LocalRoom]:
        """The rooms that are run or followed here."""
        return list(self._rooms.values())

    async def listed(self) -> list[Listed]:
        """Every room of every process, as its owner last described it."""
        return await self.directory.listed()

    async def result(self, room: str) -> bytes | None:
        """What a match finished with, as JSON."""
        return await self._store.result(room)

    def _owned(self) -> list[LocalRoom]:
        return [
            room for room in self._rooms.values() if room.owned is not None and room.over is None
        ]

    def _directory(self) -> Directory:
        return Directory(
            self._parts,
            games=tuple(self.games),
            rooms=self._owned,
            takes_more=self._takes_more,
        )

    def _placing(self, standing: Sequence[tuple[str, Mapping[str, Any]]]) -> Placing:
        return Placing(
            self._parts,
            self.games,
            self.directory,
            standing=standing,
            rooms=self.rooms,
            reach=self._reach,
            make=self._make,
            listed=self.listed,
        )

    def _successions(self, brains: dict[str, MakeBrain], development: bool) -> Succession:
        return Succession(
            self._parts,
            brains,
            spawn=self._spawn,
            run=self._run,
            letter=self._letter,
            may_take=lambda: not self._draining,
            development=development,
        )

    def _letter(self, room: LocalRoom, letter: bytes) -> None:
        self._mail.to_room(room, letter)

    def _takes_more(self) -> bool:
        return not self._draining and len(self._owned()) < self._rooms_max

    async def _make(self, meta: RoomMeta, game: Game, wish: Wish) -> LocalRoom:
        """Create a room and run it here."""
        if self._draining or self._writer.failing:
            raise RemoteError(CloseCode.UNAVAILABLE, "no new rooms right now", 2000)
        if not self._takes_more():
            raise RemoteError(CloseCode.UNAVAILABLE, "no room for another room", 5000)
        name = room_id(self._chance(ROOM_ID_LENGTH))
        self._making.add(name)
        try:
            await self._store.create(name, meta.encode())
            loaded = await self._store.acquire(name, self.name)
            room = self._local(name, meta, game)
            match = Match(game, wish.options, meta.seed)
            inbox = await self._succession.listen(room)
            owned = self._succession.owner_of(room, match, loaded.epoch, inbox)
            self._run(room, owned, None)
        finally:
            self._making.discard(name)
        await self.directory.announce(promised=name)
        return room

    async def _follow(self, name: str) -> LocalRoom | None:
        """Begin to follow a room; one that sleeps is woken by this process."""
        try:
            loaded = await self._store.load(name)
        except NoSuchRoom:
            return None
        if loaded.status is StoredStatus.QUARANTINED:
            raise RemoteError(CloseCode.GAME_FAILED, "the room failed; it is kept aside")
        meta = RoomMeta.decode(loaded.meta)
        game = self.placing.served(meta.game)
        room = self._local(name, meta, game)
        if loaded.status is not StoredStatus.ASLEEP:
            await self._succession.follow(room)
            self._rooms[name] = room
        elif self._draining or not await self._succession.take_up(room, loaded):
            raise RemoteError(CloseCode.UNAVAILABLE, "the room wakes elsewhere", 500)
        elif room.owned is None:
            raise RemoteError(CloseCode.GAME_FAILED, "the room failed; it is kept aside")
        return room

    def _passes_over(self, room: str) -> bool:
        """Whether a sweep leaves a room alone: it is here, or about to be, or not to come here."""
        return self._draining or any(
            room in here for here in (self._rooms, self._reaching, self._making)
        )

    def _local(self, name: str, meta: RoomMeta, game: Game) -> LocalRoom:
        return LocalRoom(name, meta, game, self.name, self._clock.now, self._forget)

    def _run(self, room: LocalRoom, owned: RoomHost, due_s: float | None) -> None:
        """Step a room from now on."""
        if self._rooms.setdefault(room.id, room) is not room:
            # A player came for it while it was taken up: that follower takes it in a moment.
            self._succession.forget(room)
            return
        owned.stands = meta_key(room.meta) in self.placing.standing_keys
        if self._writer.failing:
            owned.store_is(away=True)
        self.phases.add(owned, due_s)
        room.run(owned)

    def _let_go(self, owned: RoomHost) -> None:
        """A room left its phase: it is over, or another process has it."""
        room = self._rooms.get(owned.id)
        if room is not None and room.owned is owned and owned.fenced:
            self.directory.forget(owned.id)
            self._spawn(self._succession.lost(room))

    def _forget(self, room: LocalRoom) -> None:
        """A room is over here."""
        if self._rooms.get(room.id) is not room:
            return
        del self._rooms[room.id]
        owned = room.owned
        self._succession.forget(room)
        if owned is not None:
            self._spawn(self._delist(room, owned))

    async def _delist(self, room: LocalRoom, owned: RoomHost) -> None:
        try:
            if owned.sleeps:
                await self.directory.sleeping(room)
            else:
                await self.directory.gone(room.id)
        except StoreError as error:
            self._log.warning("room %s: the directory was not told: %s", room.id, error)
        if owned.stands:
            await self._stand()

    async def _stand(self) -> None:
        """Make the standing rooms that are missing; the sweep tries again if that fails."""
        if self._draining:
            return
        try:
            await self.placing.stand()
        except (RemoteError, StoreError) as error:
            self._log.warning("a standing room was not made again: %s", error)

    async def _look_after(self, listings: list[Listing]) -> None:
        """With every sweep: standing rooms are there, and copies that nobody uses are dropped."""
        now = self._clock.now()
        for room in list(self._rooms.values()):
            idle = room.mirror is not None and not room.used
            if idle and now - room.unused_since_s > UNUSED_KEEP_S:
                del self._rooms[room.id]
                self._succession.forget(room)
        self.placing.mark(listings)
        await self._stand()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.critical("a phase or a checkpoint failed", exc_info=task.exception())

    def _store_trouble(self, rooms: Set[str], away: bool) -> None:
        for room in self._owned():
            if room.owned is not None and room.id in rooms:
                room.owned.store_is(away=away)
