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
MESSAGE_FAULTS = (Fault.DROPPED, Fault.GAP, Fault.DOUBLED, Fault.DELAYED)


class Decider(Protocol):
    """Decides, call by call; `None` is a call that goes well."""

    def call(self, process: str, method: str) -> Fault | None:
        """What becomes of a call that this process makes now."""
        ...

    def message(self, process: str, method: str) -> Fault | None:
        """What becomes of a message that is on its way to this process now."""
        ...


class Faultless:
    """A `Decider` that lets everything go well."""

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

    def __init__(self, rng: Random, *, calls: float, messages: float) -> None:
        self.on = True
        self._rng = rng
        self._calls = calls
        self._messages = messages
        # How often each method goes wrong, once that is drawn. Three owners of a room that cannot
        # append for as long as followers wait are put aside as three crashes would be.
        self.rates: dict[str, float] = {"append": rng.choice((0.0, 0.01, 0.03))}

    def call(self, process: str, method: str) -> Fault | None:
        """Draw for a call."""
        del process
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
    """A `Decider` of the directed mode: the nth call of one kind goes wrong in one way.

    `calls` and `messages` count what was asked, so that a first run without a fault says how many
    there are. Counting begins when `armed` is set.
    """

    def __init__(self, fault: Fault | None = None, nth: int = 0, method: str = "") -> None:
        self.armed = False
        self.seen: Counter[str] = Counter()
        self.hit = ""
        self._fault = fault
        self._nth = nth
        self._method = method

    def call(self, process: str, method: str) -> Fault | None:
        """The fault for the nth call of the method, if it is one of calls."""
        return self._decide(process, method, CALL_FAULTS)

    def message(self, process: str, method: str) -> Fault | None:
        """The fault for the nth message, if it is one of messages."""
        return self._decide(process, method, MESSAGE_FAULTS)

    def _decide(self, process: str, method: str, faults: Sequence[Fault]) -> Fault | None:
        if not self.armed:
            return None
        self.seen[method] += 1
        meant = method == self._method and self.seen[method] == self._nth
        if not meant or self._fault not in faults:
            return None
        self.hit = f"{method} {self._nth} of {process}"
        return self._fault
