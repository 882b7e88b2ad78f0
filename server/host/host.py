"""The rooms of this process: made, found, followed, taken up, run, and let go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping, Sequence, Set
from typing import Any

from server.core.lifecycle import Event, State
from server.core.lobby import ROOM_ID_LENGTH, RoomMeta, Wish, room_id
from server.core.ports import Listed
from server.core.seating import SeatSearch
from server.host.context import Context
from server.host.directory import Directory, meta_key
from server.host.failover import Failover
from server.host.follower import Won
from server.host.handover import Handover
from server.host.journal_writer import JournalWriter
from server.host.mail import Mail
from server.host.placement import Placement, other_rules
from server.host.reaper import Reaper
from server.host.recovery import Recovery
from server.host.room_handle import RoomHandle
from server.host.seat_bots import MakeBrain
from server.host.tick_group import TickGroups
from server.store.base import Fenced, Loaded, MatchResult, NoSuchRoom, StoreUnavailable
from server.store.base import Status as StoredStatus
from shared.errors import CloseCode, RemoteError, StoreError
from shared.game import Game
from shared.limits import INTEGER_MAX
from shared.match import Match
from shared.messages import Join

# A follower that no edge uses is kept for players who come back.
UNUSED_KEEP_S = 30.0
# How often a room whose life moves on beside its ticks is looked at.
LOOK_S = 0.005
# How often this process looks for one that takes a slow room.
SLOW_LOOK_S = 5.0


class RoomsHost:
    """Implements `server.core.ports.Host`; a `slow` one is kept for rooms too slow elsewhere."""

    def __init__(
        self,
        games: dict[str, tuple[Game, MakeBrain]],
        context: Context,
        *,
        rooms_max: int,
        standing: Sequence[tuple[str, Mapping[str, Any]]] = (),
        slow: bool = False,
    ) -> None:
        self.games = {name: game for name, (game, _) in games.items()}
        self.name = context.name
        self._context = context
        self._store, self._exchange = store, exchange = context.store, context.exchange
        self._clock, self._chance, self._log = context.clock, context.chance, context.log
        clock, metrics, log = context.clock, context.metrics, context.log
        self._brains = {name: brain for name, (_, brain) in games.items()}
        self._rooms_max = rooms_max
        self._slow = slow
        self._rooms: dict[str, RoomHandle] = {}
        self._reaching: dict[str, asyncio.Task[RoomHandle | None]] = {}
        # Sleeping rooms whose takeover was not answered.
        self._maybe_woken: set[str] = set()
        self._beginning: set[str] = set()
        # Rooms that are on their way to a process kept for slow ones.
        self._moving: set[str] = set()
        # In the order they began: a set of tasks has another order in each process.
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._draining = False
        self._writer = JournalWriter(store, clock, metrics, log, self._store_trouble, exchange.tell)
        self.groups = TickGroups(clock, self._writer, metrics, self._spawn)
        self.directory = self._directory()
        self.placement = self._placement(standing)
        self.failover = Failover(context, self._register)
        self.handover = Handover(context)
        self._mail = Mail(context, spawn=self._spawn, reach=self._reach)
        self.recovery = Recovery(
            context,
            self.games,
            self.failover,
            local=self._handle,
            passes_over=self._passes_over,
        )
        self.reaper = self._reaper()

    async def start(self) -> None:
        """Take up every live room that no living process owns and whose game is served here."""
        await self._mail.open()
        await self.directory.beat()
        await self.reaper.once(whole=True)
        await self.placement.stand()
        self._spawn(self.directory.run())
        self._spawn(self.reaper.run())

    async def drain(self) -> None:
        """Hand every room over; where there is nobody, finish the tick, checkpoint and let go."""
        self._draining = True
        try:
            try:
                await self.directory.beat()
                await self.handover.everything(list(self._owned()))
            except StoreError as error:
                self._log.warning("nothing is handed over: %s", error)
            rooms = self._owned()
            for room in rooms:
                room.on(Event.DRAINED)
            while any(room.life.owned for room in rooms) and not self._writer.failing:
                await self._clock.sleep(LOOK_S)
        finally:
            self.groups.stop()

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
        await asyncio.gather(*(room.close() for room in self.rooms()))
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._exchange.depart(self.name)
        except StoreError as error:
            self._log.warning("could not say goodbye: %s", error)

    async def place(self, join: Join, search: SeatSearch | None = None) -> RoomHandle:
        """The room a JOIN leads to, made if need be; RemoteError says why not."""
        return await self.placement.place(join, search)

    async def reach(self, room: str) -> RoomHandle | None:
        """A room, followed from here; None if there is none, RemoteError if not here or not now."""
        found = await self._reach(room)
        if found is not None and not found.understood:
            raise other_rules()
        return found

    async def _reach(self, room: str) -> RoomHandle | None:
        if (known := self._rooms.get(room)) is not None:
            return known
        task = self._reaching.get(room)
        if task is None:
            task = self._reaching[room] = asyncio.get_running_loop().create_task(self._follow(room))
            self._tasks[task] = None
            task.add_done_callback(lambda done: self._tasks.pop(done, None))
            task.add_done_callback(lambda _: self._reaching.pop(room, None))
        try:
            return await asyncio.shield(task)
        except (StoreError, ValueError) as error:
            self._log.warning("room %s cannot be followed: %s", room, error)
            raise RemoteError(CloseCode.UNAVAILABLE, "the room cannot be read now", 1000) from None

    def rooms(self) -> list[RoomHandle]:
        """The rooms that are run or followed here."""
        return list(self._rooms.values())

    async def listed(self) -> Mapping[str, Listed]:
        """Every running room of every process, by id, as its owner last described it."""
        return await self.directory.listed()

    async def find(self, room: str) -> Listed | None:
        """One room, running or asleep, without waking it."""
        return await self.directory.find(room)

    async def result(self, room: str) -> bytes | None:
        """What a room's last match finished with, as JSON."""
        return await self._store.result(room)

    async def results(self, room: str) -> Sequence[MatchResult]:
        """What a room's matches finished with, in their order."""
        return await self._store.results_of(room)

    def may_take(self) -> bool:
        """Whether this process takes rooms."""
        return not self._draining

    def brain_of(self, game: str) -> MakeBrain:
        """What makes the brains in seats of this game."""
        return self._brains[game]

    def owns(self, room: RoomHandle) -> None:
        """A room is owned here from now on."""
        room.pinned = meta_key(room.meta) in self.placement.standing_keys
        self.placement.owns(room)

    def lost(self, room: RoomHandle) -> None:
        """Another process owns the room, or may: it announces it."""
        self.directory.forget(room.id)

    def forget(self, room: RoomHandle) -> None:
        """A room is over here; what is under way for it ends with the process at the latest."""
        for task in room.pending:
            self._tasks[task] = None
            task.add_done_callback(lambda done: self._tasks.pop(done, None))
        if self._rooms.get(room.id) is not room:
            return
        del self._rooms[room.id]
        if room.was_owned and room.life.state is not State.DROPPED:
            self._spawn(self._delist(room))

    def move(self, room: RoomHandle, to: str) -> None:
        """Hand a room over, to this process or ("") to any."""
        self._spawn(self._move(room, to))

    def has_neighbours(self, room: RoomHandle) -> bool:
        """Whether anybody else's ticks wait for this room's."""
        return any(
            other is not room and (other.life.steps or other.used) for other in self._rooms.values()
        )

    def too_slow(self, room: RoomHandle) -> None:
        """A room takes too much of the loop: where there is a process for such, it goes there."""
        if not self._slow and room.id not in self._moving:
            self._moving.add(room.id)
            self._spawn(self._move_slow(room))

    async def _move_slow(self, room: RoomHandle) -> None:
        try:
            while not await self.handover.to_slow(room) and room.life.state is State.SLOWED:
                await self._clock.sleep(SLOW_LOOK_S)
        finally:
            self._moving.discard(room.id)

    async def _move(self, room: RoomHandle, to: str) -> None:
        if not await self.handover.room(room, to):
            self._log.warning("room %s was asked to move, and nobody took it", room.id)

    def _owned(self) -> list[RoomHandle]:
        return [room for room in self._rooms.values() if room.life.owned and not room.ending]

    def _directory(self) -> Directory:
        return Directory(
            self._context,
            games=self.games,
            rooms=self._owned,
            takes_more=self._takes_more,
            slow=self._slow,
        )

    def _reaper(self) -> Reaper:
        return Reaper(
            self._context,
            self.directory,
            take_up=self.recovery.take_up,
            passes_over=self._passes_over,
            every_round=self._look_after,
        )

    def _placement(self, standing: Sequence[tuple[str, Mapping[str, Any]]]) -> Placement:
        return Placement(
            self._context,
            self.games,
            self.directory,
            standing=standing,
            rooms=lambda: self._rooms,
            reach=self._reach,
            make=self._make,
        )

    def _takes_more(self) -> bool:
        # Those that are being made or woken count as if they ran.
        count = len(self._owned()) + len(self._beginning)
        return not self._draining and count < self._rooms_max

    async def _make(self, meta: RoomMeta, game: Game, wish: Wish, nonce: bytes) -> RoomHandle:
        """Create a room and run it here."""
        if self._draining or self._writer.failing:
            raise RemoteError(CloseCode.UNAVAILABLE, "no new rooms right now", 2000)
        if self._context.watch.suspicion.refuses(meta.game):
            raise RemoteError(CloseCode.UNAVAILABLE, "this game hangs; no new rooms of it", 30_000)
        if not self._takes_more():
            raise RemoteError(CloseCode.UNAVAILABLE, "no room for another room", 5000)
        name = room_id(self._chance(ROOM_ID_LENGTH))
        self._beginning.add(name)
        try:
            await self._store.create(name, meta.encode(), self.name)
            loaded = await self._store.acquire(name, self.name)
            room = self._handle(name, meta, game)
            match = Match(game, wish.options, meta.seed)
            inbox = await self._exchange.listen(name, room.receive)
            self._rooms[name] = room
            if nonce:
                room.made_for.append(nonce)
            room.on(Event.TAKEN, Won(match, loaded.epoch, inbox))
        finally:
            self._beginning.discard(name)
        try:
            await self.directory.announce()
        except StoreError as error:
            # It is announced when the directory is back.
            self._log.warning("room %s: the directory was not told: %s", name, error)
        return room

    async def _follow(self, name: str) -> RoomHandle | None:
        """Begin to follow a room; one that sleeps is woken by this process."""
        try:
            loaded = await self._store.load(name)
        except NoSuchRoom:
            return None
        if loaded.status is StoredStatus.QUARANTINED:
            raise RemoteError(CloseCode.GAME_FAILED, "the room failed; it is kept aside")
        meta = RoomMeta.decode(loaded.meta)
        game = self.placement.served(meta.game)
        room = self._handle(name, meta, game)
        if loaded.status is not StoredStatus.ASLEEP:
            await room.open()
            if room.life.over:
                # The room ended or slept while it was read: the next try is told so, or wakes it.
                raise RemoteError(CloseCode.UNAVAILABLE, "the room has just changed hands", 500)
            if not self._register(room):
                await room.close()
                return self._rooms[name]
        else:
            await self._wake(room, loaded)
        return room

    async def _wake(self, room: RoomHandle, loaded: Loaded) -> None:
        """Own a room that sleeps; RemoteError says why not."""
        if not self._draining and not self._takes_more():
            sentence = "this server runs as many rooms as it may; the room sleeps on"
            raise RemoteError(CloseCode.UNAVAILABLE, sentence, 5000)
        self._beginning.add(room.id)
        try:
            owner = (await self._store.tail(room.id, INTEGER_MAX)).owner
            living = {process.name for process in await self._exchange.processes()}
            # A living owner is about to release the room to sleep, or is waking it itself.
            elsewhere = owner != self.name and owner in living
            if self._draining or elsewhere or not await self.failover.take_up(room, loaded, owner):
                raise RemoteError(CloseCode.UNAVAILABLE, "the room wakes elsewhere", 500)
        except StoreUnavailable:
            self._maybe_woken.add(room.id)
            raise
        finally:
            self._beginning.discard(room.id)
        if room.life.state is State.QUARANTINED:
            raise RemoteError(CloseCode.GAME_FAILED, "the room failed; it is kept aside")

    def _passes_over(self, room: str) -> bool:
        """Whether the reaper leaves a room alone: it is here, or about to be, or does not come."""
        if self._slow:
            # What comes here is handed over; the others take up what has no owner.
            return True
        return self._draining or any(
            room in here for here in (self._rooms, self._reaching, self._beginning)
        )

    def _handle(self, name: str, meta: RoomMeta, game: Game) -> RoomHandle:
        return RoomHandle(name, meta, game, self._context, self)

    def _register(self, room: RoomHandle) -> bool:
        """Hold this room from now on, unless another handle of it is held."""
        return self._rooms.setdefault(room.id, room) is room

    async def _delist(self, room: RoomHandle) -> None:
        try:
            await self.directory.gone(room.id)
        except StoreError as error:
            self._log.warning("room %s: the directory was not told: %s", room.id, error)
        if meta_key(room.meta) in self.placement.standing_keys:
            await self._stand()

    async def _stand(self) -> None:
        """Make the standing rooms that are missing; the reaper tries again if that fails."""
        if self._draining:
            return
        try:
            await self.placement.stand()
        except (RemoteError, StoreError) as error:
            self._log.warning("a standing room was not made again: %s", error)

    async def _look_after(self) -> None:
        """In every round of the reaper, make standing rooms and drop copies that nobody uses."""
        now = self._clock.now()
        for room in self.rooms():
            idle = room.life.droppable and not room.used
            if idle and now - room.unused_since_s > UNUSED_KEEP_S:
                room.on(Event.UNUSED)
        await self._let_sleep()
        await self._stand()

    async def _let_sleep(self) -> None:
        """Give back sleeping rooms that a takeover without an answer may have made this process's.

        Other processes leave a room to its owner while that lives.
        """
        for name in sorted(self._maybe_woken - self._rooms.keys() - self._beginning):
            with contextlib.suppress(NoSuchRoom, Fenced):
                entry = await self._store.entry(name)
                if entry.owner == self.name and entry.status is StoredStatus.ASLEEP:
                    await self._store.release(name, entry.epoch)
            self._maybe_woken.discard(name)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            self._log.critical("a task of the host failed", exc_info=task.exception())

    def _store_trouble(self, rooms: Set[str], away: bool) -> None:
        for name in rooms:
            room = self._rooms.get(name)
            if room is not None and room.life.owned:
                room.on(Event.STORE_AWAY if away else Event.STORE_BACK)
