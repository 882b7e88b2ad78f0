"""Who owns a room next, as far as this process has a say: following, taking over, letting go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from random import Random
from typing import Any, Protocol

from server.core.room import Room
from server.host.local_room import LocalRoom
from server.host.mirror import Mirror
from server.host.parts import Parts
from server.host.replica import Replica
from server.host.room_host import RoomHost
from server.host.room_store import RELOAD_S, first_ticks, restored
from server.host.seat_bots import MakeBrain, SeatBots
from server.store.base import (
    Held,
    Loaded,
    NoSuchRoom,
    Status,
    StoreUnavailable,
    Taken,
)
from server.store.exchange import Ended, NewEpoch, Subscription
from shared.errors import CloseCode, StoreError
from shared.match import Match
from shared.rounding import RoundingWatch

RECOVERIES_MAX = 3
"""A room that crashed so many processes running is not given to a next one."""

FAILED = "the room failed again and again; it is kept aside"


class Run(Protocol):
    """How the host begins to step a room; `due_s` is when its next tick is due (None: at once)."""

    def __call__(self, room: LocalRoom, owned: RoomHost, due_s: float | None, /) -> None: ...


class Succession:
    """Makes owners and followers of rooms. `letter` gets what is posted to rooms owned here."""

    def __init__(
        self,
        parts: Parts,
        brains: Mapping[str, MakeBrain],
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        run: Run,
        letter: Callable[[LocalRoom, bytes], None],
        may_take: Callable[[], bool],
        development: bool,
    ) -> None:
        self._parts = parts
        self._brains = brains
        self._name = parts.name
        self._store = parts.store
        self._exchange = parts.exchange
        self._clock = parts.clock
        self._rng = parts.rng
        self._metrics = parts.metrics
        self._log = parts.log
        self._spawn = spawn
        self._run = run
        self._letter = letter
        self._may_take = may_take
        self._development = development
        self._inboxes: dict[LocalRoom, Subscription] = {}
        self._left_alone: dict[str, str] = {}
        self._reading = asyncio.Lock()

    async def listen(self, room: LocalRoom) -> Subscription:
        """Hear what is posted to this room."""
        return await self._exchange.listen(room.id, lambda letter: self._letter(room, letter))

    def owner_of(
        self,
        room: LocalRoom,
        match: Match,
        epoch: int,
        inbox: Subscription,
        *,
        checkpointed: int = 0,
        starts: list[tuple[int, int]] | None = None,
    ) -> RoomHost:
        """The room run here, from committed rows, under an epoch of ours."""
        self._inboxes[room] = inbox
        if self._development:
            match.watch_rounding(RoundingWatch(self._log.warning))
        rng = Random(self._rng.getrandbits(128))
        return RoomHost(
            Room(room.id, match, epoch, room.meta.bots),
            room.meta,
            SeatBots(self._brains[room.meta.game], rng, self._log),
            self._store,
            self._clock,
            self._metrics,
            self._log,
            self._spawn,
            lambda news: self._exchange.tell([(room.id, news)]),
            checkpointed,
            starts or [],
            self._development,
        )

    async def follow(self, room: LocalRoom, replica: Replica | None = None) -> None:
        """Follow a room from its replica or, without one, from what the store has of it."""
        mirror = Mirror(
            room.id,
            room.meta,
            room.game,
            self._parts,
            outbox=room.outbox,
            follower=room,
            won=lambda mirror, taken, due_s: self._won(room, mirror, taken, due_s),
            letters=lambda letter: self._letter(room, letter),
            may_take=self._may_take,
        )
        try:
            await mirror.open(replica)
        except BaseException:
            mirror.stop()
            raise
        room.mirrored(mirror)
        mirror.begin()

    async def let_go(self, room: LocalRoom, owned: RoomHost) -> None:
        """Follow what was owned a moment ago: its rows are whole, and so are kept."""
        self._close_inbox(room)
        match = owned.match
        await self.follow(room, Replica(match, owned.epoch, match.tick, (), owned.starts))

    async def lost(self, room: LocalRoom) -> None:
        """Another process took the room: what was stepped here and refused never was."""
        self._close_inbox(room)
        while True:
            try:
                await self.follow(room)
            except NoSuchRoom:
                room.ended(CloseCode.ROOM_CLOSED, "the room is over")
            except StoreUnavailable as error:
                self._log.warning("room %s waits for the store: %s", room.id, error)
                await self._clock.sleep(RELOAD_S)
                continue
            except StoreError as error:
                self._log.error("room %s cannot be followed: %s", room.id, error)
                room.ended(CloseCode.UNAVAILABLE, "the room cannot be read here; try again")
            return

    async def take_up(self, room: LocalRoom, loaded: Loaded) -> bool:
        """Own a room from what the store has of it; False if somebody was faster.

        LeftAlone, before anything is written, where its rules are not this process's to run.
        """
        async with self._reading:
            # One in a turn of the loop: a tick that is due here waits for one room, not for all.
            await self._clock.sleep(0)
            match = restored(room.game, room.meta, loaded, development=self._development)
        inbox = await self.listen(room)
        try:
            held = Held(loaded.epoch, match.tick, loaded.records[-1:])
            answer = await self._store.take_over(room.id, self._name, held)
            if not isinstance(answer, Taken):
                inbox.cancel()
                return False
            if loaded.status is Status.ASLEEP:
                await self._store.set_status(room.id, answer.epoch, Status.LIVE)
        except BaseException:
            inbox.cancel()
            raise
        kept = loaded.checkpoints
        starts = first_ticks(loaded)
        if self._is_hopeless(room, answer):
            inbox.cancel()
            return True
        owned = self.owner_of(
            room,
            match,
            answer.epoch,
            inbox,
            checkpointed=kept[0].tick if kept else 0,
            starts=starts,
        )
        self._log.info("room %s goes on from tick %d", room.id, match.tick)
        self._begin(room, owned, None)
        return True

    def leave_alone(self, room: str, reason: str) -> None:
        """Say why a room is not taken up: once, though every sweep meets it again."""
        if self._left_alone.get(room) != reason:
            self._left_alone[room] = reason
            self._log.warning("room %s is left alone: %s", room, reason)

    async def put_aside(self, room: str, why: Exception) -> None:
        """Quarantine a room that nobody can read, its journal kept."""
        self._log.error("room %s is quarantined, it cannot be read: %s", room, why, exc_info=why)
        try:
            loaded = await self._store.acquire(room, self._name)
            await self._store.set_status(room, loaded.epoch, Status.QUARANTINED)
            self._exchange.tell([(room, Ended(loaded.epoch, CloseCode.GAME_FAILED, FAILED))])
        except StoreError as again:
            self._log.error("room %s: %s", room, again)

    def forget(self, room: LocalRoom) -> None:
        """Neither own nor follow it any more."""
        self._close_inbox(room)
        if room.mirror is not None:
            room.mirror.stop_soon()

    def _won(self, room: LocalRoom, mirror: Mirror, taken: Taken, due_s: float | None) -> None:
        inbox, mirror.inbox = mirror.inbox, None
        replica = mirror.replica
        assert inbox is not None
        assert replica is not None
        mirror.stop_soon()
        if self._is_hopeless(room, taken):
            inbox.cancel()
            room.ended(CloseCode.GAME_FAILED, FAILED)
            return
        owned = self.owner_of(room, replica.match, taken.epoch, inbox, starts=replica.starts)
        self._begin(room, owned, due_s)

    def _begin(self, room: LocalRoom, owned: RoomHost, due_s: float | None) -> None:
        news = NewEpoch(owned.epoch, owned.match.tick, self._name)
        self._exchange.tell([(room.id, news)])
        self._run(room, owned, due_s)

    def _is_hopeless(self, room: LocalRoom, taken: Taken) -> bool:
        if taken.recoveries < RECOVERIES_MAX:
            return False
        self._log.error("room %s is quarantined: it crashed %d times", room.id, taken.recoveries)
        self._metrics.count("rooms_quarantined_total")
        self._spawn(self._quarantine(room.id, taken.epoch))
        return True

    async def _quarantine(self, room: str, epoch: int) -> None:
        try:
            await self._store.set_status(room, epoch, Status.QUARANTINED)
            self._exchange.tell([(room, Ended(epoch, CloseCode.GAME_FAILED, FAILED))])
        except StoreError as error:
            self._log.error("room %s: %s", room, error)

    def _close_inbox(self, room: LocalRoom) -> None:
        inbox = self._inboxes.pop(room, None)
        if inbox is not None:
            inbox.cancel()
