"""Chaos under a seed: servers die, lose their store and their letters, leave, and come back.

What happened is judged by the checker of `bench`, as that of real processes is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random

from bench.checker import Violation, judge, rows_digest
from bench.history import Recovered, RoomHistory
from bench.recorder import Recorder
from bots.clock import LoopClock
from server.core.journal import restore
from server.core.lobby import RoomMeta
from server.loading import load_game
from server.store.base import Append, Fenced, OutOfOrder, Record
from shared.errors import StoreError
from tests.simulation.process import Process
from tests.simulation.world import Archive, World

SERVERS = 3
SETTLE_S = 30.0
# News and letters that are lost, beside those that a cut loses.
LOST_SHARE = 0.02


class UnfencedArchive(Archive):
    """The control: a store that takes whatever it is given, from whomever, and says so."""

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        outcomes = await super().append(batch)
        stale = [isinstance(outcome, Fenced | OutOfOrder) for outcome in outcomes]
        self.written += [one for one, late in zip(batch, stale, strict=True) if late]
        return [None if late else o for o, late in zip(outcomes, stale, strict=True)]


class Chaos:
    """One seed's troubles. `violations` is what the checker said of every room."""

    def __init__(self, seed: int, *, fenced: bool = True) -> None:
        self.world = World(seed, archive=Archive if fenced else UnfencedArchive)
        self.done: Counter[str] = Counter()
        self.histories: dict[str, RoomHistory] = {}
        self.recorders: list[Recorder] = []
        self.violations: list[Violation] = []
        self._rng = Random(f"chaos {seed}")
        self._processes: list[Process] = []
        self._later: list[asyncio.Task[None]] = []
        self._started = 0

    async def run(self, players: int, seconds: float) -> list[Violation]:
        """Play, with something going wrong every other second, and judge what came of it."""
        world = self.world
        for _ in range(SERVERS):
            await self._start()
        await world.play(players, 0)
        self.recorders = [Recorder(bot, LoopClock(), digest_ticks=1) for bot in world.bots]
        await asyncio.sleep(8)
        end_s = world.now() + seconds
        while world.now() < end_s:
            await self._trouble()
            await asyncio.sleep(self._rng.uniform(0.3, 4))
        await asyncio.gather(*self._later)
        await asyncio.gather(*(bot.settle(SETTLE_S) for bot in world.bots))
        for recorder in self.recorders:
            recorder.finish()
        await self._judge()
        await world.part()
        for process in self._processes:
            await process.drain()
        return self.violations

    async def _start(self) -> None:
        self._started += 1
        process = await self.world.join_in(f"server {self._started}")
        rng = Random(f"{self.world.seed} letters {self._started}")
        process.way.loses = lambda: rng.random() < LOST_SHARE
        self._processes.append(process)

    async def _trouble(self) -> None:
        rng = self._rng
        troubles = (self._kill, self._kill, self._cut, self._cut, self._drain, self._cut_all)
        trouble = rng.choice(troubles)
        process = rng.choice(self._processes) if self._processes else None
        if process is None or not process.way.is_open:
            return
        self.done[trouble.__name__.strip("_")] += 1
        await trouble(process)

    async def _kill(self, process: Process) -> None:
        self._processes.remove(process)
        await process.kill()
        self._spawn(self._start_again())

    async def _drain(self, process: Process) -> None:
        self._processes.remove(process)
        self._spawn(process.drain())
        self._spawn(self._start_again())

    async def _cut(self, process: Process) -> None:
        process.way.cut()
        self._spawn(self._mend([process], self._rng.uniform(0.05, 6)))

    async def _cut_all(self, process: Process) -> None:
        del process
        cut = [one for one in self._processes if one.way.is_open]
        for one in cut:
            one.way.cut()
        self._spawn(self._mend(cut, self._rng.uniform(0.05, 2)))

    async def _mend(self, processes: list[Process], after_s: float) -> None:
        await asyncio.sleep(after_s)
        for process in processes:
            if process in self._processes:
                process.way.mend()

    async def _start_again(self) -> None:
        await asyncio.sleep(self._rng.uniform(0.1, 3))
        await self._start()

    def _spawn(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        self._later.append(asyncio.ensure_future(work))

    async def _judge(self) -> None:
        """Put together what was written and seen of each room, and what servers have of it now."""
        store, game = self.world.store, load_game(self.world.game, self.world.game).game
        kept: dict[str, dict[int, Record]] = {}
        for one in store.written:
            if one.room not in self.histories:
                meta = RoomMeta.decode(store._rooms[one.room].meta)
                self.histories[one.room] = RoomHistory(one.room, game, meta)
            record = Record(one.epoch, one.tick, one.record)
            # An append that was repeated, because its answer was lost, is one write.
            if kept.setdefault(one.room, {}).get(one.tick) != record:
                kept[one.room][one.tick] = record
                self.histories[one.room].writes.append(record)
        for recorder in self.recorders:
            self.histories[recorder.witness.room].witnesses.append(recorder.witness)
        for history in self.histories.values():
            await self._recover(history)
            self.violations += judge(history)

    async def _recover(self, history: RoomHistory) -> None:
        loaded = await self.world.store.load(history.room)
        options = history.game.options.from_wire(list(history.meta.options))
        checkpoints = [checkpoint.blob for checkpoint in loaded.checkpoints]
        records = [record.record for record in loaded.records]
        match = restore(history.game, options, history.meta.seed, checkpoints, records)
        history.recovered = [Recovered("the store", match.tick, rows_digest(match))]
        for process in self._processes:
            for room in process.app.host.rooms():
                if room.id == history.room and room.settled:
                    held = Recovered(process.name, room.match.tick, rows_digest(room.match))
                    history.recovered.append(held)
