"""Time as bots see it: what it is, how to let it pass, and how to wait no longer than so long."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Clock(Protocol):
    """Seconds of a monotonic clock; every wait of a bot goes through it."""

    def now(self) -> float:
        """Seconds since some moment that does not change."""
        ...

    async def sleep(self, seconds: float, /) -> None:
        """Return after `seconds`."""
        ...

    async def wait(self, event: asyncio.Event, timeout_s: float, /) -> bool:
        """Return when the event is set, or after `timeout_s`; whether it is set."""
        ...


class LoopClock:
    """The running event loop's own time; under a loop with virtual time, virtual."""

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        """Return when the event is set, or after `timeout_s`; whether it is set."""
        if not event.is_set():
            try:
                async with asyncio.timeout(timeout_s):
                    await event.wait()
            except TimeoutError:
                return False
        return True
