"""The rooms of this process: made, found, recovered from the store, ticked, and let go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any

from server.core.lobby import ROOM_ID_LENGTH, RoomMeta, Wish, find_open, read_wish, room_id
from server.core.metrics import Metrics
from server.core.ports import Chance, Clock
from server.core.room import Room
from server.host.journal_writer import JournalWriter
from server.host.phase import Phase
from server.host.room_host import RoomHost, restored
from server.host.seat_bots import MakeBrain, SeatBots
from server.store.base import Loaded, RoomEntry, Store, StoreUnavailable
from server.store.base import Status as StoredStatus
from shared.errors import CloseCode, RemoteError, StoreError
from shared.game import Game
from shared.match import Match
from shared.messages import Join, Role, Status
from shared.rounding import RoundingWatch

PHASES_PER_RATE = 2


class RoomsHost:
    """Implements `server.core.ports.Host`."""

    def __init__(
        self,
        games: dict[str, tuple[Game, MakeBrain]],
        store: Store,
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
        self._brains = {name: brain for name, (_, brain) in games.items()}
        self._store = store
        self._clock = clock
        self._chance = chance
        self._metrics = metrics
        self._log = log
        self._owner = owner
        self._rooms_max = rooms_max
        self._development = development
        self.standing = [read_wish(name, self._served(name), options) for name, options in standing]
        self._rooms: dict[str, RoomHost] = {}
        self._phases: dict[int, list[Phase]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._making = asyncio.Lock()
        self._draining = False
        self._writer = JournalWriter(store, clock, metrics, log, self._store_trouble)

    async def start(self) -> None:
        """Take up every live room of the store whose game is served here."""
        for entry in await self._store.rooms():
            if entry.status is StoredStatus.LIVE:
                await self._take_up(entry)
        await self._stand()

    async def drain(self) -> None:
        """Finish the ticks under way, write a checkpoint of every room, and let them go."""
        self._draining = True
        for phases in self._phases.values():
            for phase in phases:
                phase.stop()
        try:
            if self._tasks and not self._writer.failing:
                await asyncio.wait(self._tasks)
            for room in self.rooms():
                await room.checkpoint()
                try:
                    await self._store.release(room.id, room.epoch)
                except StoreError as error:
                    self._log.warning("room %s: %s", room.id, error)
        finally:
            # Also where the budget has run out: a room that waits for its store waits no more.
            for task in list(self._tasks):
                task.cancel()

    async def place(self, join: Join) -> RoomHost:
        """The room a JOIN leads to, made if need be; RemoteError says why not."""
        game = self._served(join.game)
        wish = read_wish(join.game, game, join.options)
        if wish.room is not None:
            return self._seated(join) or self._certain(wish, join.role)
        # Inside, since the same JOIN may be making its room on another connection.
        async with self._making:
            return self._seated(join) or self._open(wish) or await self._make(game, wish)

    def find(self, room: str) -> RoomHost | None:
        """A room that is run here."""
        return self._rooms.get(room)

    def rooms(self) -> list[RoomHost]:
        """All rooms run here."""
        return list(self._rooms.values())

    async def result(self, room: str) -> bytes | None:
        """What a match finished with, as JSON."""
        return await self._store.result(room)

    def _served(self, name: str) -> Game:
        game = self.games.get(name)
        if game is None:
            known = ", ".join(self.games)
            raise RemoteError(
                CloseCode.NOT_FOUND, f"there is no game {name[:40]!r} here; there is {known}"
            )
        return game

    async def _stand(self) -> None:
        """Make the standing rooms that are missing, and keep them open when empty."""
        async with self._making:
            for wish in self.standing:
                room = self._open(wish) or await self._make(self.games[wish.game], wish)
                room.stands = True

    async def _replace(self) -> None:
        try:
            await self._stand()
        except RemoteError as error:
            self._log.warning("a standing room was not made again: %s", error.reason)

    def _forget(self, name: str) -> None:
        room = self._rooms.pop(name, None)
        if room is not None and room.stands and not self._draining:
            self._spawn(self._replace())

    def _seated(self, join: Join) -> RoomHost | None:
        """The room where this nonce has a seat or asked for one, for a repeated JOIN."""
        for room in self._rooms.values():
            if room.over is None and room.meta.game == join.game and room.holds(join.nonce):
                return room
        return None

    def _open(self, wish: Wish) -> RoomHost | None:
        return find_open((room for room in self._rooms.values() if room.over is None), wish)

    def _certain(self, wish: Wish, role: Role) -> RoomHost:
        room = self._rooms.get(wish.room or "")
        if room is None or room.over is not None or room.meta.game != wish.game:
            raise RemoteError(CloseCode.NOT_FOUND, "there is no such room")
        if role is Role.PLAYER and room.free_seats <= 0:
            raise RemoteError(CloseCode.ROOM_FULL, "the room is full")
        return room

    async def _make(self, game: Game, wish: Wish) -> RoomHost:
        if self._draining or self._writer.failing:
            raise RemoteError(CloseCode.UNAVAILABLE, "no new rooms right now", 2000)
        if len(self._rooms) >= self._rooms_max:
            raise RemoteError(CloseCode.UNAVAILABLE, "no room for another room", 5000)
        meta = RoomMeta(
            wish.game,
            tuple(wish.options.to_wire()),
            int.from_bytes(self._chance(16), "little"),
            wish.bots,
            wish.private,
            int(self._clock.wall_s() * 1000),
            game.version,
        )
        name = room_id(self._chance(ROOM_ID_LENGTH))
        try:
            await self._store.create(name, meta.encode())
            loaded = await self._store.acquire(name, self._owner)
        except StoreError as error:
            self._log.error("a room could not be made: %s", error)
            raise RemoteError(CloseCode.UNAVAILABLE, "the store is away", 2000) from None
        return self._run(meta, Match(game, wish.options, meta.seed), loaded)

    async def _take_up(self, entry: RoomEntry) -> None:
        """Recover a room; one that cannot be is quarantined, its journal kept.

        StoreUnavailable passes: that is no fault of the room.
        """
        try:
            meta = RoomMeta.decode(entry.meta)
            game = self.games.get(meta.game)
            if game is None:
                self._log.warning("room %s waits: its game %s is not served", entry.room, meta.game)
                return
            loaded = await self._store.acquire(entry.room, self._owner)
            match = restored(game, meta, loaded)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - stored bytes may fail a decoder in any way.
            self._log.error(
                "room %s is quarantined, it cannot be read: %s", entry.room, error, exc_info=error
            )
            try:
                loaded = await self._store.acquire(entry.room, self._owner)
                await self._store.set_status(entry.room, loaded.epoch, StoredStatus.QUARANTINED)
            except StoreError as again:
                self._log.error("room %s: %s", entry.room, again)
            return
        room = self._run(meta, match, loaded)
        self._log.info("room %s goes on from tick %d", room.id, match.tick)

    def _run(self, meta: RoomMeta, match: Match, loaded: Loaded) -> RoomHost:
        name, kept = loaded.room, loaded.checkpoints
        if self._development:
            match.watch_rounding(RoundingWatch(self._log.warning))
        rng = Random(self._chance(16))
        bots = SeatBots(self._brains[meta.game], rng, self._log)
        room = RoomHost(
            Room(name, match, loaded.epoch, meta.bots),
            meta,
            bots,
            self._store,
            self._clock,
            self._metrics,
            self._log,
            self._spawn,
            kept[0].tick if kept else 0,
        )
        self._rooms[name] = room
        self._phase(match.game.tick_rate).rooms.append(room)
        room.follow(_Undertaker(lambda: self._forget(name)))
        return room

    def _phase(self, rate: int) -> Phase:
        """The less busy of the phases of a rate; the second starts half a period later."""
        phases = self._phases.setdefault(rate, [])
        if len(phases) < PHASES_PER_RATE and all(phase.rooms for phase in phases):
            offset = len(phases) / PHASES_PER_RATE / rate
            start = self._clock.now() + offset
            phase = Phase(rate, start, self._clock, self._writer, self._metrics, self._log)
            phases.append(phase)
            self._spawn(phase.run())
        return min(phases, key=lambda phase: len(phase.rooms))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._log.critical("a phase or a checkpoint failed", exc_info=task.exception())

    def _store_trouble(self, away: bool) -> None:
        for room in self._rooms.values():
            room.show(Status.PAUSED if away else Status.LIVE)


class _Undertaker:
    """Follows a room only to forget it when it ends."""

    def __init__(self, forget: Callable[[], object]) -> None:
        self._forget = forget

    def published(self, publication: object) -> None:
        """Nothing to do with a tick."""

    def changed(self, status: Status) -> None:
        """Nothing to do with a status."""

    def ended(self, code: CloseCode, reason: str) -> None:
        """Forget the room."""
        self._forget()
