"""An event loop whose time is a number, and whose turns belong to simulated processes.

Where a loop would wait, time passes at once. What a process began (a callback, a timer, a task)
runs in a context that names the process, so a process that is frozen runs nothing: what became due
meanwhile is kept for it in order, as the kernel does for a process that was sent SIGSTOP.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import selectors
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from contextvars import Context, ContextVar
from types import FunctionType, MethodType
from typing import Any, TypeVar, TypeVarTuple
from weakref import WeakSet

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Deadlock(Exception):
    """Everyone waits and no timer is set: this would be for ever."""


class Killed(Exception):
    """The process that was to do something was killed meanwhile."""


class Turns:
    """One process's share of the loop: whether it runs, and what waits until it does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frozen = False
        self.killed = False
        self.held: list[asyncio.Handle] = []
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._thaw: asyncio.TimerHandle | None = None
        self._corpses: list[asyncio.Task[Any]] = []
        self._death = asyncio.Event()

    def freeze(self) -> None:
        """Run nothing of this process from the next callback on."""
        self.frozen = True

    def kill(self) -> None:
        """Run nothing of this process any more.

        Its tasks are kept: to collect them would run their `finally` blocks, which the kill of a
        real process does not.
        """
        if self.killed:
            return
        self.killed = self.frozen = True
        self._death.set()
        self._corpses = self.unfinished()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.killed.append(self)

    async def done(self, task: asyncio.Task[T]) -> T:
        """Wait from outside for one of its tasks; `Killed` where it never comes to an end."""
        death = asyncio.get_running_loop().create_task(self._death.wait(), context=Context())
        await asyncio.wait((task, death), return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        if not task.done():
            raise Killed(self.name)
        return task.result()

    async def bury(self) -> None:
        """At the end of the world, let a killed process's tasks be cancelled.

        Steps of tasks that were due go on to that end; callbacks that are no task's do not.
        """
        self.killed = self.frozen = False
        held, self.held = self.held, []
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        for task in self._corpses:
            task.cancel()
        loop.again([h for h in held if not isinstance(h._callback, FunctionType | MethodType)])  # type: ignore[attr-defined]
        for _ in range(20):
            if not self._corpses:
                return
            for task in self._corpses:
                task.cancel()
            await asyncio.wait(self._corpses, timeout=60)
            self._corpses = self.unfinished()

    def thaw(self) -> None:
        """Run what became due meanwhile, in order, and go on."""
        if self.killed:
            return
        self.frozen = False
        held, self.held = self.held, []
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.again(held)

    def busy(self, seconds: float) -> None:
        """Freeze the process for so long, as a callback does that takes that time.

        The callback that asks for it still runs to its end.
        """
        self.freeze()
        if self._thaw is not None:
            self._thaw.cancel()
        loop = asyncio.get_running_loop()
        self._thaw = loop.call_later(seconds, self._wake, context=Context())

    def unfinished(self) -> list[asyncio.Task[Any]]:
        """The tasks of this process that are not done."""
        return [task for task in self.tasks if not task.done()]

    def _wake(self) -> None:
        self._thaw = None
        self.thaw()


PROCESS: ContextVar[Turns | None] = ContextVar("PROCESS", default=None)
"""The process that what runs now belongs to; None for the world around them."""


class _Handle(asyncio.Handle):
    """A callback of a process; held back while the process is frozen."""

    def __init__(
        self,
        turns: Turns,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        super().__init__(callback, args, loop, context)
        self._turns = turns

    def _run(self) -> None:
        if self._turns.frozen:
            self._turns.held.append(self)
        else:
            super()._run()


class _TimerHandle(asyncio.TimerHandle):
    """A timer of a process; held back while the process is frozen."""

    def __init__(
        self,
        turns: Turns,
        when_s: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        super().__init__(when_s, callback, args, loop, context)
        self._turns = turns

    def _run(self) -> None:
        if self._turns.frozen:
            self._turns.held.append(self)
        else:
            super()._run()


class _Waiter(selectors.BaseSelector):
    """Moves the loop's time on instead of waiting; what is ready already is told at once."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._inner = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # A busy loop asks with no time to wait; nothing but its own end could be ready then.
        ready = self._inner.select(0) if timeout is None or timeout > 0 else []
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

    # asyncio's own: what runs in this turn, and the timers by when they are due.
    _ready: Any
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self.now_s = 0.0
        self.killed: list[Turns] = []
        super().__init__(_Waiter(self))

    def time(self) -> float:
        """Virtual seconds."""
        return self.now_s

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """As asyncio does; a process's callback waits while its process is frozen."""
        turns = PROCESS.get() if context is None else context.get(PROCESS)
        if turns is None:
            return super().call_soon(callback, *args, context=context)
        handle = _Handle(turns, callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio does; a process's timer waits while its process is frozen."""
        turns = PROCESS.get() if context is None else context.get(PROCESS)
        if turns is None:
            return super().call_at(when, callback, *args, context=context)
        timer = _TimerHandle(turns, when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """As asyncio does; a process's task is noted in its `Turns`."""
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        context = options.get("context")
        turns = PROCESS.get() if context is None else context.get(PROCESS)
        if turns is not None:
            turns.tasks.add(task)
        return task

    def again(self, held: list[asyncio.Handle]) -> None:
        """Run what was held back, in its order, in the next turn."""
        self._ready.extend(held)


@contextmanager
def uncollected() -> Generator[None, None, None]:
    """Within, the garbage collector rests: when it runs depends on what this process did before.

    What it collects may be a task, whose `finally` blocks would run then.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run a scenario in virtual time to its end; `Deadlock` where it can never end."""

    async def whole() -> T:
        try:
            return await work
        finally:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            for turns in loop.killed:
                await turns.bury()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(whole())
