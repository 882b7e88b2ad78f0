"""What can go wrong with a call to the store or the bus, or with a message, and when it does.

A decision is drawn for each call from the world's seed (`Chances`), or made for one call of a run
alone (`Nth`, of the directed mode). Nothing here knows the calls: a fault is of any method.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Protocol


class Fault(StrEnum):
    """What becomes of one call, or of one message on its way to one subscriber."""

    REFUSED = "refused: StoreUnavailable at once, nothing was done"
    TIMED_OUT = "timed out: StoreUnavailable after a while, nothing was done"
    ANSWER_LOST = "answer lost: done, and StoreUnavailable"
    DONE_LATE = "done late: the call arrives after a while"
    ANSWERED_LATE = "answered late: done, the answer comes after a while"
    TWICE = "twice: done two times, the second answer counts"

    DAMAGED = "damaged: StoreCorrupt, for this room alone"
    BROKEN = "broken: an error that no contract knows, as of a bug in the store's client"

    KILLED_BEFORE = "killed before: the process dies, nothing was done"
    KILLED_AFTER = "killed after: done, and the process dies before it hears the answer"

    DROPPED = "dropped: the message is lost, nobody knows"
    GAP = "gap: the message is lost, and its subscriber is told that something was"
    DOUBLED = "doubled: the message arrives two times"
    DELAYED = "delayed: the message, and what its sender sends after it, arrives late"

    @property
    def kind(self) -> str:
        """One word, as reports count it."""
        return self.name.lower()


CALL_FAULTS = (
    Fault.REFUSED,
    Fault.TIMED_OUT,
    Fault.ANSWER_LOST,
    Fault.DONE_LATE,
    Fault.ANSWERED_LATE,
    Fault.TWICE,
)
# What a room does not survive, and its neighbours do.
DOOMS = (Fault.DAMAGED, Fault.BROKEN)
CRASHES = (Fault.KILLED_BEFORE, Fault.KILLED_AFTER)
MESSAGE_FAULTS = (Fault.DROPPED, Fault.GAP, Fault.DOUBLED, Fault.DELAYED)


class BrokenClient(Exception):
    """What a bug in the store's client raises: nothing that a contract speaks of."""


class Decider(Protocol):
    """Decides, call by call; `None` is a call that goes well, as all do while it is not `on`."""

    on: bool

    def call(self, process: str, method: str) -> Fault | None:
        """What becomes of a call that this process makes now."""
        ...

    def message(self, process: str, method: str) -> Fault | None:
        """What becomes of a message that is on its way to this process now."""
        ...


class Faultless:
    """A `Decider` that lets everything go well."""

    on = False

    def call(self, process: str, method: str) -> Fault | None:
        """Nothing goes wrong."""
        del process, method
        return None

    def message(self, process: str, method: str) -> Fault | None:
        """Nothing goes wrong."""
        del process, method
        return None


class Chances:
    """A `Decider` that draws from a seed.

    Each method has a rate of its own, drawn once: many fail never in a given world and some often,
    so that worlds differ and a rare call is not only ever hit beside a hundred others.
    """

    def __init__(self, rng: Random, *, calls: float, messages: float, dooms: float = 0.0) -> None:
        self.on = True
        self._rng = rng
        self._calls = calls
        self._messages = messages
        self._dooms = dooms
        # How often each method goes wrong, once that is drawn. Three owners of a room that cannot
        # append for as long as followers wait are put aside as three crashes would be.
        self.rates: dict[str, float] = {"append": rng.choice((0.0, 0.01, 0.03))}

    def call(self, process: str, method: str) -> Fault | None:
        """Draw for a call."""
        del process
        if self.on and self._dooms and self._rng.random() < self._dooms:
            return self._rng.choice(DOOMS)
        return self._draw(method, self._calls, CALL_FAULTS)

    def message(self, process: str, method: str) -> Fault | None:
        """Draw for a message."""
        del process
        return self._draw(method, self._messages, MESSAGE_FAULTS)

    def _draw(self, method: str, most: float, faults: Sequence[Fault]) -> Fault | None:
        if not self.on:
            return None
        rng = self._rng
        rate = self.rates.get(method)
        if rate is None:
            rate = self.rates[method] = most * rng.choice((0.0, 0.1, 0.3, 1.0))
        return rng.choice(faults) if rng.random() < rate else None


class Nth:
    """A `Decider` of the directed mode: the nth call of one method goes wrong in one way.

    `seen` counts what was asked while it was `on`, by method, so that a run without a fault says
    what there is to fail. Calls and messages of a method are counted apart.
    """

    def __init__(self, method: str = "", nth: int = 0, fault: Fault | None = None) -> None:
        self.on = False
        self.calls: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()
        self.hit = False
        self._method = method
        self._nth = nth
        self._fault = fault

    def call(self, process: str, method: str) -> Fault | None:
        """The fault, if it is this call's."""
        del process
        return self._decide(self.calls, method, (*CALL_FAULTS, *CRASHES))

    def message(self, process: str, method: str) -> Fault | None:
        """The fault, if it is this message's."""
        del process
        return self._decide(self.messages, method, MESSAGE_FAULTS)

    def _decide(self, seen: Counter[str], method: str, faults: Sequence[Fault]) -> Fault | None:
        if not self.on:
            return None
        seen[method] += 1
        meant = method == self._method and seen[method] == self._nth
        if not meant or self._fault not in faults:
            return None
        self.hit = True
        return self._fault
