"""A clock that tests turn: waiting takes no time, and is written down."""

from __future__ import annotations

import asyncio

# Turns of the loop that everything ready to run gets before time passes.
TURNS = 20


class TestClock:
    """Time passes only while somebody waits; `waits` holds for how long, in seconds."""

    __test__ = False

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        await self.wait(asyncio.Event(), seconds)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        for _ in range(TURNS):
            if event.is_set():
                return True
            await asyncio.sleep(0)
        self.waits.append(timeout_s)
        self.now_s += timeout_s
        return event.is_set()
