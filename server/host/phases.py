"""The phases of a process: rooms of one tick rate step in at most two groups a period.

That is so for each part of the store: where one of them does not answer, the others' rooms go on. A
room stays in its phase should it move to another part; its ticks are committed there as well.

Each group's ticks are one write to the store, and the cost of committing grows with the groups
(measured: 10 groups cost 3 times, 100 groups 8 times the CPU of one).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from server.core.metrics import Metrics
from server.core.ports import Clock
from server.host.journal_writer import JournalWriter
from server.host.phase import Phase
from server.host.room_host import RoomHost

PHASES_PER_RATE = 2
# A phase this near to where a room's next tick is due is as good as one of its own.
NEAR_PERIODS = 0.125


class Phases:
    """Where a room is put, and when it is stepped first."""

    def __init__(
        self,
        clock: Clock,
        writer: JournalWriter,
        metrics: Metrics,
        log: logging.Logger,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        let_go: Callable[[RoomHost], None],
    ) -> None:
        self.by_kind: dict[tuple[int, str], list[Phase]] = {}
        """By tick rate and part of the store."""
        self._clock = clock
        self._writer = writer
        self._metrics = metrics
        self._log = log
        self._spawn = spawn
        self._let_go = let_go

    def add(self, room: RoomHost, due_s: float | None) -> None:
        """Step this room from now on; where its next tick has a time, near that time."""
        rate = room.game.tick_rate
        phases = self.by_kind.setdefault((rate, self._writer.shard(room.id)), [])
        if due_s is None:
            self._evenly(rate, phases).rooms.append(room)
        else:
            self._nearest(rate, phases, due_s).rooms.append(room)

    def remove(self, room: RoomHost) -> float:
        """Step a settled room no more; seconds until its next tick would have been due."""
        room.halted = True
        for phases in self.by_kind.values():
            for phase in phases:
                if room in phase.rooms:
                    phase.rooms.remove(room)
                    return phase.due_in_s()
        return 0.0

    def stop(self) -> None:
        """End every phase after the tick it is in."""
        for phases in self.by_kind.values():
            for phase in phases:
                phase.stop()

    def _evenly(self, rate: int, phases: list[Phase]) -> Phase:
        """The less busy phase; the second starts half a period after the first."""
        if len(phases) < PHASES_PER_RATE and all(phase.rooms for phase in phases):
            offset = len(phases) / PHASES_PER_RATE / rate
            self._begin(rate, phases, self._clock.now() + offset)
        return min(phases, key=lambda phase: len(phase.rooms))

    def _nearest(self, rate: int, phases: list[Phase], due_s: float) -> Phase:
        """The phase whose next tick is nearest to when this one is due."""

        def away(phase: Phase) -> float:
            periods = (self._clock.now() + phase.due_in_s() - due_s) * rate % 1.0
            return min(periods, 1.0 - periods)

        nearest = min(phases, key=away, default=None)
        if nearest is not None and (
            away(nearest) <= NEAR_PERIODS or len(phases) >= PHASES_PER_RATE
        ):
            return nearest
        return self._begin(rate, phases, due_s - 1 / rate)

    def _begin(self, rate: int, phases: list[Phase], start_s: float) -> Phase:
        phase = Phase(
            rate, start_s, self._clock, self._writer, self._metrics, self._log, self._let_go
        )
        phases.append(phase)
        self._spawn(phase.run())
        return phase
