"""One of several servers in a world: it can hang, be killed, be told to leave, and be cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

from server.app import App
from tests.simulation import inside
from tests.simulation.link import Link
from tests.simulation.loop import PROCESS, Turns
from tests.simulation.network import Network


class Clocks:
    """A process's clocks: the loop's, a wall clock that may be wrong, and time spent in a hook."""

    def __init__(self, wall_ms: int, offset_s: float) -> None:
        self.offset_s = offset_s
        self.spent_s = 0.0
        self._wall_ms = wall_ms

    def now(self) -> float:
        """Seconds of the loop."""
        return asyncio.get_running_loop().time()

    def wall_s(self) -> float:
        """Seconds since 1970, as this machine believes."""
        return self._wall_ms / 1000 + self.now() + self.offset_s

    def stopwatch_s(self) -> float:
        """Seconds that only go on while the process works."""
        return self.now() + self.spent_s

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)


class Process:
    """A server, and the share of the loop that is its own."""

    def __init__(
        self, app: App, link: Link, network: Network, turns: Turns, context: Context, clocks: Clocks
    ) -> None:
        self.app = app
        self.link = link
        self.clocks = clocks
        self.turns = turns
        self.version = ""
        # Told when it was killed.
        self.died: Callable[[Process], None] | None = None
        link.die = self.die
        self._context = context
        self._network = network

    @property
    def name(self) -> str:
        """Its name, unlike any other's."""
        return inside.name(self.app)

    def owns(self) -> list[str]:
        """The rooms it runs."""
        return [one.room for one in inside.held(self.app) if one.owned]

    async def start(self) -> None:
        """Start the server, in turns of its own; it listens from then on."""
        await self.run(self.app.start(None))
        self._network.pool.append(self.app.listener)
        self._network.contexts[self.app.listener] = self._context

    async def run(self, work: Any) -> Any:
        """Let the process do something, and wait for it from outside; `Killed` where it dies."""
        return await self.turns.done(self.call(work))

    def call(self, work: Any) -> asyncio.Task[Any]:
        """Let the process do something beside the rest."""
        return asyncio.get_running_loop().create_task(work, context=self._context)

    def hang(self, seconds: float) -> None:
        """It does nothing for so long, and then goes on, as after SIGSTOP and SIGCONT."""
        self.turns.busy(seconds)

    def spend(self, seconds: float) -> None:
        """What the process runs now takes so long: it runs nothing else meanwhile."""
        self.clocks.spent_s += seconds
        self.turns.busy(seconds)

    @property
    def dead(self) -> bool:
        """Whether it was killed."""
        return self.turns.killed

    async def kill(self) -> None:
        """It does nothing any more, from one moment to the next, as after SIGKILL."""
        self.die()

    def die(self) -> None:
        """As `kill`, also from within."""
        if self.turns.killed:
            return
        self.turns.kill()
        self.link.sever()
        self._network.cut(self.app.listener)
        if self.died is not None:
            self.died(self)

    async def drain(self, budget_s: float = 4) -> None:
        """It is told to end, as by SIGTERM."""
        if self.app.listener in self._network.pool:
            self._network.pool.remove(self.app.listener)
        await self.run(self.app.stop(budget_s))


def own_turns(name: str) -> tuple[Turns, Context]:
    """A share of the loop, and the context in which what belongs to it runs."""
    turns, context = Turns(name), Context()
    context.run(PROCESS.set, turns)
    return turns, context
