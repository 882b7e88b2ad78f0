"""The way from one process to its store and bus, and everything that can happen on it.

One wrapper stands before both contracts. It knows no method by name but those that carry messages:
whatever has a signature of theirs is called through the same faults.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from contextvars import Context
from random import Random
from typing import Any

from server.store.base import StoreCorrupt, StoreUnavailable
from server.store.exchange import Gap, Subscription
from tests.simulation.faults import BrokenClient, Decider, Fault
from tests.simulation.trace import Trace

# How long one way takes when all is well, how long a hiccup, in seconds.
WAY_S = (0.0003, 0.003)
HICCUP_S = (0.05, 2.5)
DELAY_S = (0.02, 0.8)
# These never fail: without them there is no process whose trouble would be worth seeing.
SPARED = ("open", "close")


class Link:
    """One process's link: whole, or cut until it is mended.

    What is asked while it is cut waits until it is whole, as behind a connection that hangs; what
    is sent or heard meanwhile is lost.
    """

    def __init__(self, name: str, rng: Random, decider: Decider, trace: Trace) -> None:
        self.name = name
        self.rng = rng
        self.decider = decider
        self.trace = trace
        self.context: Context | None = None
        # Kills the process.
        self.die: Callable[[], None] = lambda: None
        self.subscriptions: list[Hearing] = []
        self._whole = asyncio.Event()
        self._whole.set()

    @property
    def is_whole(self) -> bool:
        """Whether what is asked gets through."""
        return self._whole.is_set()

    def cut(self) -> None:
        """Let nothing through."""
        self._whole.clear()

    def mend(self) -> None:
        """Let everything through again."""
        self._whole.set()

    def sever(self) -> None:
        """Cut it for good, for a process that is dead: nobody subscribes any more either."""
        self.cut()
        for subscription in list(self.subscriptions):
            subscription.cancel()

    async def way(self) -> None:
        """Go one way, and wait where the link is cut."""
        await asyncio.sleep(self.rng.uniform(*WAY_S))
        if not self._whole.is_set():
            await self._whole.wait()

    async def call(self, method: str, act: Callable[[], Any]) -> Any:
        """Make one call, under the fault that is decided for it."""
        fault = self.decider.call(self.name, method)
        if fault is not None:
            self.trace.note(fault.kind, f"{self.name} {method}")
        try:
            return await self._under(fault, act)
        except asyncio.CancelledError:
            self.trace.note("cancelled", f"{self.name} {method}")
            raise

    async def _under(self, fault: Fault | None, act: Callable[[], Any]) -> Any:
        await self.way()
        match fault:
            case Fault.REFUSED:
                raise StoreUnavailable("simulated: refused")
            case Fault.TIMED_OUT:
                await self.hiccup()
                raise StoreUnavailable("simulated: timed out")
            case Fault.DAMAGED:
                raise StoreCorrupt("simulated: damaged")
            case Fault.BROKEN:
                raise BrokenClient("simulated")
            case Fault.DONE_LATE:
                await self.hiccup()
            case Fault.TWICE:
                _unheard(await act())
            case Fault.KILLED_BEFORE:
                await self._dead()
            case _:
                pass
        answer = await act()
        if fault is Fault.KILLED_AFTER:
            await self._dead()
        try:
            if fault is Fault.ANSWERED_LATE:
                await self.hiccup()
            await self.way()
        except asyncio.CancelledError:
            _unheard(answer)
            raise
        if fault is Fault.ANSWER_LOST:
            _unheard(answer)
            raise StoreUnavailable("simulated: the answer was lost")
        return answer

    async def _dead(self) -> None:
        """The process that asked is killed; it never comes to anything after this."""
        self.die()
        await asyncio.Event().wait()

    async def hiccup(self) -> None:
        """Wait for as long as a store that has a problem takes."""
        await asyncio.sleep(self.rng.uniform(*HICCUP_S))


class Hearing:
    """A subscription of one process: each message reaches it in the process's own turn, or not."""

    def __init__(self, link: Link, method: str, hear: Callable[[Any], object]) -> None:
        self._link = link
        self.method = method
        self._hear: Callable[[Any], object] | None = hear
        self._inner: Subscription | None = None
        self._not_before_s = 0.0

    def begin(self, inner: Subscription) -> Hearing:
        """The subscription is there."""
        self._inner = inner
        self._link.subscriptions.append(self)
        return self

    def cancel(self) -> None:
        """Hear no more; doing so twice does nothing."""
        self._hear = None
        if self in self._link.subscriptions:
            self._link.subscriptions.remove(self)
        if self._inner is not None:
            self._inner.cancel()
            self._inner = None

    def bring(self, message: Any) -> None:
        """A message is here; decide what becomes of it."""
        link = self._link
        if not link.is_whole:
            return
        fault = link.decider.message(link.name, self.method)
        # Letters are heard at most once and nobody learns of lost ones.
        if fault is Fault.GAP and self.method == "listen":
            fault = Fault.DROPPED
        if fault is not None:
            link.trace.note(fault.kind, f"{link.name} {self.method}")
        match fault:
            case Fault.DROPPED:
                return
            case Fault.GAP:
                self._soon(Gap())
            case Fault.DOUBLED:
                self._soon(message)
                self._soon(message)
            case Fault.DELAYED:
                now_s = asyncio.get_running_loop().time()
                self._not_before_s = max(self._not_before_s, now_s + link.rng.uniform(*DELAY_S))
                self._soon(message)
            case _:
                self._soon(message)

    def _soon(self, message: Any) -> None:
        """Hand it over in a turn of the process it is for, after what came before it."""
        loop, context = asyncio.get_running_loop(), self._link.context
        if self._not_before_s > loop.time():
            self._not_before_s += 1e-6
            loop.call_at(self._not_before_s, self._deliver, message, context=context)
        else:
            loop.call_soon(self._deliver, message, context=context)

    def _deliver(self, message: Any) -> None:
        if self._hear is not None:
            self._hear(message)


def _unheard(answer: Any) -> None:
    """An answer that does not arrive: a subscription of which nobody knows is heard by nobody."""
    if isinstance(answer, Hearing):
        answer.cancel()


class Linked:
    """A `Store` or an `Exchange` behind a link."""

    def __init__(self, inner: Any, link: Link) -> None:
        self._inner = inner
        self._link = link

    async def open(self) -> None:
        """It is open: others use it already."""
        await self._inner.open()

    async def close(self) -> None:
        """Others use it still."""

    def tell(self, news: Sequence[Any]) -> None:
        """Send, unless the link is cut; what becomes of it is decided where it is heard."""
        if self._link.is_whole:
            self._inner.tell(news)

    def post(self, name: str, letter: bytes) -> None:
        """As `tell`."""
        if self._link.is_whole:
            self._inner.post(name, letter)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any, **named: Any) -> Any:
            hearing = next((a for a in arguments if callable(a)), None)
            if hearing is None:
                return await self._link.call(name, lambda: method(*arguments, **named))
            return await self._link.call(name, lambda: self._subscribe(name, method, arguments))

        setattr(self, name, call)
        return call

    async def _subscribe(self, name: str, method: Any, arguments: tuple[Any, ...]) -> Hearing:
        """Subscribe, with the link between the subscriber and what it hears."""
        [hear] = [a for a in arguments if callable(a)]
        hearing = Hearing(self._link, name, hear)
        passed = [hearing.bring if a is hear else a for a in arguments]
        return hearing.begin(await method(*passed))
