"""Tick groups: rooms of one tick rate that step together and whose ticks are committed together.

A tick is step, commit, publish, for all rooms of the group; nothing else is waited for in it. A
rate has one group for each part of the store, and a second one half a period later as soon as there
is that much to do that rooms would wait for each other. Where one part does not answer, the others'
rooms go on. A room stays in its group should it move to another part; its ticks are committed there
as well. Each group's ticks are one write to the store, and the cost of committing grows with the
groups (measured: 10 groups cost 3 times, 100 groups 8 times the CPU of one).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from server.core.metrics import Metrics
from server.core.ports import Clock
from server.host.journal_writer import JournalWriter
from server.store.base import Append
from shared.errors import StoreError
from shared.game import Game
from shared.schedule import Schedule

GROUPS_PER_RATE = 2
SPREAD_LOAD = 0.2
"""The share of a tick period that a group's rooms take together from which on they are spread."""
LOOK_TICKS = 16
"""How often a group looks whether it takes that much."""
# A group this near to where a room's next tick is due is as good as one of its own.
NEAR_PERIODS = 0.125


class Stepped(Protocol):
    """A room as its tick group sees it: its handle."""

    @property
    def id(self) -> str: ...
    @property
    def game(self) -> Game: ...
    @property
    def load(self) -> float: ...

    def tick(self) -> Append | None:
        """The room's next tick is due: what to append, if there is anything."""
        ...

    def answered(self, append: Append, outcome: StoreError | None) -> None:
        """The store's answer for a tick."""


class TickGroup:
    """Runs its rooms' ticks until stopped. No room raises: what fails in one ends that room."""

    def __init__(
        self,
        rate: int,
        start_s: float,
        clock: Clock,
        writer: JournalWriter,
        metrics: Metrics,
        spread: Callable[[TickGroup], None],
    ) -> None:
        self.rooms: list[Stepped] = []
        self._spread = spread
        self._looked = 0
        self._schedule = Schedule(rate, start_s)
        self._clock = clock
        self._writer = writer
        self._metrics = metrics
        self._stopping = asyncio.Event()
        # Ticks of rooms that run ahead of their journal, and the task that commits them.
        self._late: list[tuple[Stepped, Append]] = []
        self._committing: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Tick until `stop`."""
        while not self._stopping.is_set():
            await self._clock.sleep(self._schedule.wait_s(self._clock.now()))
            skipped = self._schedule.skipped
            for _ in range(self._schedule.due(self._clock.now())):
                await self._tick()
            self._looked += 1
            if self._looked % LOOK_TICKS == 0:
                # Between two ticks: no room here waits for the store.
                self._spread(self)
            if self._schedule.skipped > skipped:
                self._metrics.count("ticks_skipped_total", self._schedule.skipped - skipped)
        if self._committing is not None:
            await self._committing

    @property
    def load(self) -> float:
        """What its rooms' ticks take of the time between them."""
        return sum(room.load for room in self.rooms)

    def due_in_s(self) -> float:
        """Seconds until the next tick."""
        return self._schedule.wait_s(self._clock.now())

    def stop(self) -> None:
        """End `run` after the tick it is in."""
        self._stopping.set()

    async def _tick(self) -> None:
        stepped: list[tuple[Stepped, Append]] = []
        for room in list(self.rooms):
            append = room.tick()
            if append is not None:
                ahead = room.game.journal_lag_ticks_max > 0
                (self._late if ahead else stepped).append((room, append))
        if self._late and self._committing is None:
            self._committing = asyncio.ensure_future(self._commit_late())
        if stepped:
            await self._commit(stepped)

    async def _commit(self, stepped: list[tuple[Stepped, Append]]) -> None:
        outcomes = await self._writer.commit([append for _, append in stepped])
        for (room, append), outcome in zip(stepped, outcomes, strict=True):
            room.answered(append, outcome)

    async def _commit_late(self) -> None:
        """Commit what was shown already, for as long as there is some, beside the ticks."""
        try:
            while self._late:
                late, self._late = self._late, []
                await self._commit(late)
        finally:
            self._committing = None


class TickGroups:
    """Where a room is put, and when it is stepped first. `spawn` runs a group."""

    def __init__(
        self,
        clock: Clock,
        writer: JournalWriter,
        metrics: Metrics,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.by_kind: dict[tuple[int, str], list[TickGroup]] = {}
        """By tick rate and part of the store."""
        self._clock = clock
        self._writer = writer
        self._metrics = metrics
        self._spawn = spawn

    @property
    def store_is_away(self) -> bool:
        """Whether the store did not answer the last attempt to commit."""
        return self._writer.failing

    def add(self, room: Stepped, due_s: float | None) -> None:
        """Step this room from now on; where its next tick has a time, near that time."""
        rate = room.game.tick_rate
        groups = self.by_kind.setdefault((rate, self._writer.shard(room.id)), [])
        if due_s is None:
            self._evenly(rate, groups).rooms.append(room)
        else:
            self._nearest(rate, groups, due_s).rooms.append(room)

    def remove(self, room: Stepped) -> float:
        """Step a room no more; seconds until its next tick would have been due."""
        for groups in self.by_kind.values():
            for group in groups:
                if room in group.rooms:
                    group.rooms.remove(room)
                    return group.due_in_s()
        return 0.0

    def stop(self) -> None:
        """End every group after the tick it is in."""
        for groups in self.by_kind.values():
            for group in groups:
                group.stop()

    def _evenly(self, rate: int, groups: list[TickGroup]) -> TickGroup:
        """The less busy group; a second starts half a period after the first, which is busy."""
        if not groups:
            return self._begin(rate, groups, self._clock.now())
        if len(groups) < GROUPS_PER_RATE and groups[0].rooms and groups[0].load >= SPREAD_LOAD:
            return self._second(rate, groups)
        return min(groups, key=lambda group: len(group.rooms))

    def _second(self, rate: int, groups: list[TickGroup]) -> TickGroup:
        [first] = groups
        due_s, period_s = first.due_in_s(), 1 / rate
        # Its first tick is the next moment half a period away from the ticks of the first.
        due_s += period_s / 2 if due_s < period_s / 2 else -period_s / 2
        return self._begin(rate, groups, self._clock.now() + due_s - period_s)

    def _spread_out(self, group: TickGroup) -> None:
        """Let every other room of a group that is busy, and alone, tick half a period later."""
        alone = [groups for groups in self.by_kind.values() if groups == [group]]
        if not alone or len(group.rooms) < 2 or group.load < SPREAD_LOAD:
            return
        rate = group.rooms[0].game.tick_rate
        second = self._second(rate, alone[0])
        # Ticks that are committed beside those that follow stay in the order of one group.
        moved = [room for room in group.rooms[1::2] if not room.game.journal_lag_ticks_max]
        for room in moved:
            group.rooms.remove(room)
            second.rooms.append(room)

    def _nearest(self, rate: int, groups: list[TickGroup], due_s: float) -> TickGroup:
        """The group whose next tick is nearest to when this one is due."""

        def away(group: TickGroup) -> float:
            periods = (self._clock.now() + group.due_in_s() - due_s) * rate % 1.0
            return min(periods, 1.0 - periods)

        nearest = min(groups, key=away, default=None)
        if nearest is not None and (
            away(nearest) <= NEAR_PERIODS or len(groups) >= GROUPS_PER_RATE
        ):
            return nearest
        return self._begin(rate, groups, due_s - 1 / rate)

    def _begin(self, rate: int, groups: list[TickGroup], start_s: float) -> TickGroup:
        group = TickGroup(rate, start_s, self._clock, self._writer, self._metrics, self._spread_out)
        groups.append(group)
        self._spawn(group.run())
        return group
