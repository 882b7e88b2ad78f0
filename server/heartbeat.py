"""What a worker does for its supervisor's watchdog: its loop beats, and it can tell its stacks."""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from collections.abc import Callable
from typing import Final

from server.settings import STACK_SIGNAL, Inherited
from server.watch_page import SLOTS, Conviction, PageSuspicion, SlotWriter, WatchPage
from server.watchdog import BEAT_S

SLOW_LOOK_S: Final = 1.0
"""Seconds between looks for slow rooms; a room is slow for longer before it is moved."""


class Heartbeat:
    """A worker's part of the page that its supervisor shares; `name` is the process's."""

    def __init__(self, inherited: Inherited, name: str, beat_s: float = BEAT_S) -> None:
        self.name = name
        self._beat_s = beat_s
        self._page = WatchPage(inherited.page)
        self._number = inherited.number
        self._stacks = inherited.stacks
        self.marker: SlotWriter = self._page.writer(inherited.number, name)
        self.suspicion = PageSuspicion(self._page, inherited.number, SLOTS)

    def begin(self, has_slow_rooms: Callable[[], bool] = bool) -> asyncio.Task[None]:
        """Beat from now on, until the task is cancelled; call it where the loop runs.

        `has_slow_rooms` is asked now and then whether a room needs more time than there is.
        """
        # Written by the signal's own handler, which runs whatever holds the interpreter.
        faulthandler.register(STACK_SIGNAL, file=self._stacks, all_threads=True, chain=False)
        return asyncio.get_running_loop().create_task(self._run(has_slow_rooms))

    def sentenced(self) -> list[Conviction]:
        """The rooms that the process before this one was ended for, and nobody has settled."""
        return [one for one in self._page.convictions() if one.worker == self._number]

    def settle(self, conviction: Conviction) -> None:
        """Its room is put aside."""
        self._page.settle(conviction)

    def pardon(self) -> None:
        """Every room may be tried again."""
        self._page.pardon()

    def kept(self) -> list[Conviction]:
        """The rooms of all workers that wait for their game to be saved again."""
        return self._page.convictions()

    async def _run(self, has_slow_rooms: Callable[[], bool]) -> None:
        beats, slow = 0, False
        every = round(SLOW_LOOK_S / self._beat_s)
        while True:
            beats += 1
            if beats % every == 0:
                slow = has_slow_rooms()
            self.marker.beat(traced=is_traced(), slow=slow)
            await asyncio.sleep(self._beat_s)


def is_traced() -> bool:
    """Whether a debugger follows this thread: then it may stand still for as long as it likes."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None:
        return True
    return sys.gettrace() is not None
