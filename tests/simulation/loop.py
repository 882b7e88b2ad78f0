"""An event loop whose time is a number: where a loop would wait, time passes at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(Exception):
    """Everyone waits and no timer is set: this would be for ever."""


class _Waiter(selectors.BaseSelector):
    """Moves the loop's time on instead of waiting; what is ready already is told at once."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._inner = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._inner.select(0)
        if not ready:
            if timeout is None:
                raise Deadlock
            self._loop.now_s += max(0.0, timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on virtual seconds, which begin at 0.

    With nothing but virtual timers and one thread, the order of all that happens is decided by the
    program alone.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__(_Waiter(self))

    def time(self) -> float:
        """Virtual seconds."""
        return self.now_s


def virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run a scenario in virtual time to its end; `Deadlock` where it can never end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
