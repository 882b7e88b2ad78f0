"""A phase: the rooms of one tick rate that step together and whose ticks are committed together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from server.core.metrics import Metrics
from server.core.ports import Clock
from server.host.journal_writer import JournalWriter
from server.host.room_host import RoomHost
from server.store.base import Append
from shared.errors import CloseCode
from shared.schedule import Schedule


class Phase:
    """Runs its rooms' ticks until stopped; a tick is step, commit, publish, for all of them."""

    def __init__(
        self,
        rate: int,
        start_s: float,
        clock: Clock,
        writer: JournalWriter,
        metrics: Metrics,
        log: logging.Logger,
        let_go: Callable[[RoomHost], None],
    ) -> None:
        self.rooms: list[RoomHost] = []
        self._let_go = let_go
        self._schedule = Schedule(rate, start_s)
        self._clock = clock
        self._writer = writer
        self._metrics = metrics
        self._log = log
        self._stopping = asyncio.Event()
        # Ticks of rooms that run ahead of their journal, and the task that commits them.
        self._late: list[tuple[RoomHost, Append]] = []
        self._committing: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Tick until `stop`."""
        while not self._stopping.is_set():
            await self._clock.sleep(self._schedule.wait_s(self._clock.now()))
            skipped = self._schedule.skipped
            for _ in range(self._schedule.due(self._clock.now())):
                await self._tick()
            if self._schedule.skipped > skipped:
                self._metrics.count("ticks_skipped_total", self._schedule.skipped - skipped)
        if self._committing is not None:
            await self._committing

    def due_in_s(self) -> float:
        """Seconds until the next tick."""
        return self._schedule.wait_s(self._clock.now())

    def stop(self) -> None:
        """End `run` after the tick it is in."""
        self._stopping.set()

    async def _tick(self) -> None:
        stepped: list[RoomHost] = []
        batch: list[Append] = []
        for room in list(self.rooms):
            try:
                append = await room.step()
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends this room alone.
                self._crashed(room, error)
                continue
            if append is not None and room.runs_ahead:
                self._run_ahead(room, append)
            elif append is not None:
                stepped.append(room)
                batch.append(append)
        if self._late and self._committing is None:
            self._committing = asyncio.ensure_future(self._commit_late())
        if batch:
            for room, outcome in zip(stepped, await self._writer.commit(batch), strict=True):
                try:
                    room.publish(outcome)
                except Exception as error:  # noqa: BLE001 - as above.
                    self._crashed(room, error)
        for room in [room for room in self.rooms if room.done]:
            self.rooms.remove(room)
            await room.close()
            self._let_go(room)

    def _run_ahead(self, room: RoomHost, append: Append) -> None:
        try:
            room.run_ahead(append)
        except Exception as error:  # noqa: BLE001 - as above.
            self._crashed(room, error)
            return
        self._late.append((room, append))

    async def _commit_late(self) -> None:
        """Commit what was shown already, for as long as there is some, beside the ticks."""
        try:
            while self._late:
                late, self._late = self._late, []
                outcomes = await self._writer.commit([append for _, append in late])
                for (room, append), outcome in zip(late, outcomes, strict=True):
                    room.acknowledge(append.tick, outcome)
        finally:
            self._committing = None

    def _crashed(self, room: RoomHost, error: Exception) -> None:
        """A bug of ours ends the room it showed in; the others go on."""
        self._metrics.count("rooms_failed_total")
        self._log.critical("room %s: the server failed, the room ends", room.id, exc_info=error)
        room.over = (CloseCode.GAME_FAILED, "the server failed")
