"""Fixed-step arithmetic: which ticks are due, without drift and without bursts.

Time is an argument, in seconds of any monotonic clock.
"""

from __future__ import annotations

from .limits import CATCH_UP_TICKS_MAX

ROUNDING_S = 1e-9
"""Sums of floats miss a moment by less than this."""


class Schedule:
    """Ticks at `start_s + n * period_s`. A stall is made up for by a bounded number of ticks.

    What lies further back is over, not caught up: the schedule moves on whole periods, so the
    phase is kept.
    """

    __slots__ = ("_catch_up_max", "next_s", "period_s", "skipped")

    def __init__(self, rate: float, start_s: float, catch_up_max: int = CATCH_UP_TICKS_MAX) -> None:
        assert rate > 0, rate
        assert catch_up_max >= 1, catch_up_max
        self.period_s = 1 / rate
        self.next_s = start_s + self.period_s
        self.skipped = 0
        self._catch_up_max = catch_up_max

    def due(self, now_s: float) -> int:
        """How many ticks to run now, at most `catch_up_max`; they count as run."""
        # A clock that stands still for less than it can tell would never get there.
        behind = now_s - self.next_s + ROUNDING_S
        if behind < 0:
            return 0
        count = int(behind / self.period_s) + 1
        self.next_s += count * self.period_s
        run = min(count, self._catch_up_max)
        self.skipped += count - run
        return run

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next tick is due, 0 when it is."""
        return max(0.0, self.next_s - now_s)

    def late_s(self, now_s: float) -> float:
        """How long the next tick has been due, 0 when it is not."""
        return max(0.0, now_s - self.next_s)
