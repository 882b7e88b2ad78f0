"""The running loop's time: the only importer of `time` in the host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class LoopClock:
    """A `Clock` on the running event loop, so that a loop of virtual time carries it along."""

    def __init__(
        self,
        wall_s: Callable[[], float] = time.time,
        stopwatch_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._wall_s = wall_s
        self._stopwatch_s = stopwatch_s

    def now(self) -> float:
        """Seconds of the loop's monotonic clock."""
        return asyncio.get_running_loop().time()

    def wall_s(self) -> float:
        """Seconds since 1970."""
        return self._wall_s()

    def stopwatch_s(self) -> float:
        """Seconds of a clock finer than the loop's, which stands still within a turn."""
        return self._stopwatch_s()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)
