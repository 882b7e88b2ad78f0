"""Rooms that nobody owns and nobody here follows, taken up from what the store has of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.core.lifecycle import Event
from server.host.context import Context
from server.host.follower import RECOVERIES_MAX, Won
from server.host.room_handle import RoomHandle
from server.host.room_store import first_ticks
from server.host.room_work import FAILED_AGAIN
from server.store.base import Held, Loaded, Status, Taken
from server.store.exchange import Ended
from shared.errors import CloseCode, StoreError

REASONS_KEPT = 1000
"""Rooms of which it is remembered why they were left alone, to say so once."""


class Failover:
    """Owns rooms in place of the dead; `register` says whether a handle is the process's only."""

    def __init__(self, context: Context, register: Callable[[RoomHandle], bool]) -> None:
        self._context = context
        self._log = context.log
        self._register = register
        self._left_alone: dict[str, str] = {}
        self._reading = asyncio.Lock()

    async def take_up(
        self, room: RoomHandle, loaded: Loaded, before: str = "", stuck: str = ""
    ) -> bool:
        """Own a room from what the store has of it; False if another process was faster.

        `before` names its last owner, as far as known, and `stuck` the room it was stuck in.

        LeftAlone, before anything is written, where its rules are not this process's to run.
        """
        context = self._context
        async with self._reading:
            # One in a turn of the loop: a tick that is due here waits for one room, not for all.
            await context.clock.sleep(0)
            match = room.store.restored(loaded, development=context.development)
        inbox = await context.exchange.listen(room.id, room.receive)
        try:
            held = Held(loaded.epoch, match.tick, loaded.records[-1:])
            answer = await room.store.take_over(held, before, stuck)
            if isinstance(answer, Taken) and loaded.status is Status.ASLEEP:
                await room.store.set_status(answer.epoch, Status.LIVE)
        except BaseException:
            inbox.cancel()
            raise
        if not isinstance(answer, Taken):
            inbox.cancel()
            room.on(Event.NOT_TAKEN)
            return False
        if answer.recoveries >= RECOVERIES_MAX:
            inbox.cancel()
            room.on(Event.HOPELESS, answer)
            return True
        if not self._register(room):
            # A player came for it while it was taken up: that follower takes it in a moment.
            inbox.cancel()
            room.on(Event.NOT_TAKEN)
            return True
        kept = loaded.checkpoints
        self._log.info("room %s goes on from tick %d", room.id, match.tick)
        newest, starts = kept[0].tick if kept else 0, first_ticks(loaded)
        room.on(Event.TAKEN, Won(match, answer.epoch, inbox, None, starts, newest))
        return True

    def leave_alone(self, room: str, reason: str) -> None:
        """Say why a room is not taken up: once, though the reaper meets it again and again."""
        if self._left_alone.get(room) != reason:
            self._left_alone.pop(room, None)
            self._left_alone[room] = reason
            if len(self._left_alone) > REASONS_KEPT:
                del self._left_alone[next(iter(self._left_alone))]
            self._log.warning("room %s is left alone: %s", room, reason)

    async def put_aside(self, room: str, why: Exception) -> None:
        """Quarantine a room that nobody can read, its journal kept."""
        self._log.error("room %s is quarantined, it cannot be read: %s", room, why, exc_info=why)
        store, exchange = self._context.store, self._context.exchange
        try:
            loaded = await store.acquire(room, self._context.name)
            await store.set_status(room, loaded.epoch, Status.QUARANTINED)
            exchange.tell([(room, Ended(loaded.epoch, CloseCode.GAME_FAILED, FAILED_AGAIN))])
        except StoreError as again:
            self._log.error("room %s: %s", room, again)
