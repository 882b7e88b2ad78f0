"""Directed runs: one thing that a room goes through, with one call or message failed at a time.

A walk is played once with nothing failed, and what was asked meanwhile is counted. Then it is
played again for each of these calls and each way to fail it, and for each of them with the process
that makes it killed before the call was done and after: these are the points at which a process
can stop with something half done. After each of them everything must come to rest as ever.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field

from bots.bot import Bot
from server.core.lifecycle import Event, State
from shared.messages import Role
from tests.simulation.faults import CALL_FAULTS, CRASHES, MESSAGE_FAULTS, Fault, Nth
from tests.simulation.loop import uncollected, virtually
from tests.simulation.process import Process
from tests.simulation.simulation import Outcome, Simulation, Size

SIZE = Size("directed", 2, 0, 0.0, ("patrol",), 0.0, 0.0, 0.0)
# How long a walk waits for what it wants; with one fault in the way it may not come.
WAIT_S = 4.0
LOOK_S = 0.02
EVERY_WAY = (*CALL_FAULTS, *CRASHES, *MESSAGE_FAULTS)
# A tick's append is one like another: after so many of them nothing new can happen.
APPENDS_MOST = 4


class Walk(Simulation):
    """A world of two processes in which `walk` is gone through once."""

    def __init__(self, name: str, decider: Nth, *, lines: bool = False) -> None:
        super().__init__(0, size=SIZE, decider=decider, lines=lines)
        self.nth = decider
        self.rough = False
        self._walk = WALKS[name]

    async def happen(self) -> None:
        """Two processes, and the walk."""
        for _ in range(self.size.processes):
            await self.start()
        await self._walk(self)
        # What the walk began is seen through with the faults still on, for a moment.
        await asyncio.sleep(0.3)

    def arm(self) -> None:
        """From here on calls are counted, and one of them fails."""
        self.nth.on = True

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, but not for ever."""
        for _ in range(int(WAIT_S / LOOK_S)):
            if is_so():
                return
            await asyncio.sleep(LOOK_S)

    async def seated(self, name: str, options: dict[str, object] | None = None) -> Bot:
        """A player who has come."""
        bot = self.join(name, "patrol", options)
        await self.until(bot.arrived.is_set)
        return bot

    def owner(self) -> Process | None:
        """The process that runs a room."""
        return next((process for process in self.processes if process.owns()), None)

    async def played(self) -> tuple[Bot, Bot]:
        """Two players in one room, each at a process of its own, for a while."""
        first = await self.seated("first")
        second = await self.seated("second")
        await asyncio.sleep(0.5)
        return first, second


async def _create(walk: Walk) -> None:
    walk.arm()
    await walk.seated("first", {"private": True})


async def _join(walk: Walk) -> None:
    await walk.seated("first")
    walk.arm()
    await walk.seated("second")
    watcher = walk.join("watcher", "patrol", {"room": walk.world.bots[0].room}, Role.SPECTATOR)
    await walk.until(watcher.arrived.is_set)


async def _resume(walk: Walk) -> None:
    first, second = await walk.played()
    walk.arm()
    for bot in (first, second):
        welcomes = bot.connection.welcomes
        bot.connection.drop()
        await walk.until(lambda bot=bot, welcomes=welcomes: bot.connection.welcomes > welcomes)  # type: ignore[misc]


async def _handover(walk: Walk) -> None:
    await walk.played()
    before = walk.owner()
    walk.arm()
    if before is not None:
        walk.move(before)
    await walk.until(lambda: walk.owner() not in (None, before))


async def _takeover(walk: Walk) -> None:
    await walk.played()
    before = walk.owner()
    walk.arm()
    if before is not None:
        before.die()
    await walk.until(lambda: walk.owner() not in (None, before))


async def _sleep(walk: Walk) -> None:
    first = await walk.seated("first", {"private": True})
    await asyncio.sleep(0.3)
    walk.arm()
    first.leave()
    await walk.until(lambda: not any(process.owns() for process in walk.processes))


async def _wake(walk: Walk) -> None:
    first = await walk.seated("first", {"private": True})
    first.leave()
    await walk.until(lambda: not any(process.owns() for process in walk.processes))
    walk.arm()
    await walk.seated("second", {"room": first.room})


async def _close(walk: Walk) -> None:
    first = await walk.seated("first", {"private": True, "short": True})
    await asyncio.sleep(3.5)
    walk.arm()
    await walk.until(lambda: first.connection.gone)


async def _drain(walk: Walk) -> None:
    await walk.played()
    before = walk.owner()
    walk.arm()
    if before is not None:
        walk.drain(before)
    await walk.until(lambda: walk.owner() not in (None, before))


WALKS: dict[str, Callable[[Walk], Awaitable[None]]] = {
    "create": _create,
    "join": _join,
    "resume": _resume,
    "handover": _handover,
    "takeover": _takeover,
    "sleep": _sleep,
    "wake": _wake,
    "close": _close,
    "drain": _drain,
}


@dataclass(frozen=True, slots=True)
class Case:
    """The nth call or message of a method, failed in one way, in one walk."""

    walk: str
    method: str
    nth: int
    fault: Fault | None

    def __str__(self) -> str:
        way = self.fault.kind if self.fault is not None else "nothing"
        return f"{self.walk}: {way} at {self.method} {self.nth}"


def play(case: Case, *, lines: bool = False) -> tuple[Outcome, Nth]:
    """Play one case to its end."""
    decider = Nth(case.method, case.nth, case.fault)

    async def scenario() -> Outcome:
        return await Walk(case.walk, decider, lines=lines).run()

    with uncollected():
        return virtually(scenario()), decider


def cases(walk: str, *, most: int = 1000, ways: Collection[Fault] = EVERY_WAY) -> Iterator[Case]:
    """Every case of a walk, or those of the first `most` calls of each method, in these ways."""
    _, seen = play(Case(walk, "", 0, None))
    for method, count in sorted(seen.calls.items()):
        last = min(count, most, APPENDS_MOST if method == "append" else count)
        for nth in range(1, last + 1):
            for fault in (*CALL_FAULTS, *CRASHES):
                if fault in ways:
                    yield Case(walk, method, nth, fault)
    for method, count in sorted(seen.messages.items()):
        for nth in range(1, min(count, most) + 1):
            for fault in MESSAGE_FAULTS:
                if fault in ways:
                    yield Case(walk, method, nth, fault)


@dataclass(slots=True)
class Tally:
    """What came of one walk's cases."""

    walk: str
    calls: int = 0
    crashes: int = 0
    messages: int = 0
    missed: int = 0
    transitions: Counter[tuple[State, Event]] = field(default_factory=Counter[tuple[State, Event]])
    wrong: list[str] = field(default_factory=list[str])

    def text(self) -> str:
        """A line for the terminal."""
        return (
            f"{self.walk:9} {self.calls:5} failed calls, {self.crashes:5} crash points, "
            f"{self.messages:5} messages, {len(self.wrong)} with violations"
        )


def walk_through(walk: str, *, most: int = 1000, ways: Collection[Fault] = EVERY_WAY) -> Tally:
    """Play every case of a walk, or some (see `cases`)."""
    tally = Tally(walk)
    for case in cases(walk, most=most, ways=ways):
        outcome, decider = play(case)
        if case.fault in CRASHES:
            tally.crashes += 1
        elif case.fault in MESSAGE_FAULTS:
            tally.messages += 1
        else:
            tally.calls += 1
        tally.missed += not decider.hit
        tally.transitions += outcome.transitions
        tally.wrong += [f"{case}: {wrong}" for wrong in outcome.wrong]
    return tally
