"""The host's clock is the loop's, whatever loop that is."""

from __future__ import annotations

import asyncio
import time

from server.host.clock import LoopClock
from tests.simulation.loop import virtually


def test_it_shows_the_running_loops_time_and_the_walls() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(lambda: 7.5, lambda: 0.25)
        began = clock.now()
        await clock.sleep(3600)
        assert (clock.now(), loop.time()) == (began + 3600, began + 3600)
        assert (clock.wall_s(), clock.stopwatch_s()) == (7.5, 0.25)

    virtually(scenario())


def test_by_default_it_is_the_systems() -> None:
    clock = LoopClock()
    before = (time.time(), time.perf_counter())
    assert clock.wall_s() >= before[0]
    assert clock.stopwatch_s() >= before[1]
