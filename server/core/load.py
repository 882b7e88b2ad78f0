"""A room's load and pace: what its ticks cost of the loop, and how slow it goes for that."""

from __future__ import annotations

import math
from enum import StrEnum

AVERAGED_S = 1.0
"""A load is an average over about this long, so that one slow tick slows nobody down."""
WARM_UP_TICKS = 10
"""The first ticks of a room build what later ones find."""
AGAIN = 0.8
"""A room goes faster again where it would cost so much of its budget: not back and forth."""


class Part(StrEnum):
    """What a room's time goes to."""

    STEP = "step"
    RECORD = "record"
    VIEWS = "views and sending"


PARTS = tuple(Part)


class Load:
    """The time a room's ticks take, as a share of the time between them; 1 is all of it."""

    def __init__(self, tick_rate: int) -> None:
        self.ticks = 0
        self._period_s = 1 / tick_rate
        self._weight = 1 / max(4.0, AVERAGED_S * tick_rate)
        self.share = 0.0
        """The load of a room that is stepped at its rate."""
        self._now_s = dict.fromkeys(Part, 0.0)
        self._average_s = dict.fromkeys(Part, 0.0)

    def spent(self, part: Part, seconds: float) -> None:
        """So much of this tick's time went to this part."""
        self._now_s[part] += seconds

    def ticked(self, periods: int = 1) -> None:
        """The tick is over, which is the first in so many tick periods."""
        self.ticks += 1
        weight = min(1.0, self._weight * periods)
        now_s, average_s, sum_s = self._now_s, self._average_s, 0.0
        for part in PARTS:
            before_s = average_s[part]
            average_s[part] = after_s = before_s + (now_s[part] - before_s) * weight
            now_s[part] = 0.0
            sum_s += after_s
        self.share = sum_s / self._period_s

    def told(self) -> str:
        """The load and what it is made of, the dearest part first."""
        parts = sorted(self._average_s.items(), key=lambda one: -one[1])
        made_of = ", ".join(f"{part} {seconds / self._period_s:.2f}" for part, seconds in parts)
        return f"{self.share:.2f} of its tick period ({made_of})"


def _power(least: float) -> int:
    """The power of two from 1 on that is not less: so a pace that grows changes seldom."""
    return 1 if least <= 1 else 2 ** math.ceil(math.log2(least))


class Pace:
    """Every how manieth due tick of a room is stepped, so that it keeps to its budget.

    `budget` is the share of the loop that a room with neighbours may take.
    """

    def __init__(self, budget: float) -> None:
        assert 0 < budget <= 1, budget
        self.stretch = 1
        self._budget = budget
        self._passed = 0

    def due(self) -> bool:
        """Whether the tick that is due is stepped."""
        self._passed += 1
        if self._passed < self.stretch:
            return False
        self._passed = 0
        return True

    def weigh(self, load: Load, *, neighbours: bool) -> bool:
        """Judge the room by its load; whether its pace changes."""
        before = self.stretch
        if not neighbours or self._budget >= 1:
            self.stretch = 1
        elif load.ticks >= WARM_UP_TICKS:
            wanted = _power(load.share / self._budget)
            again = _power(load.share / (AGAIN * self._budget))
            if wanted > self.stretch:
                self.stretch = wanted
            elif again < self.stretch:
                self.stretch = again
        if self.stretch != before:
            self._passed = 0
        return self.stretch != before
