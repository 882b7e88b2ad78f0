"""Silences: how long somebody saw nothing of a match, around a moment and at any other time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


def longest_gap_s(
    times_s: Sequence[float], from_s: float, to_s: float, *, whole: bool = True
) -> float | None:
    """The longest silence that was or began in [from_s, to_s); None for who saw nothing before.

    `times_s` are the moments of frames, in order. A silence that goes on at `to_s` counts as long
    as it lasted, or, unless `whole`, up to there; and up to there if nothing ended it.
    """
    first = max(0, bisect_right(times_s, from_s) - 1)
    last = bisect_left(times_s, to_s)
    around = list(times_s[first:last])
    if not around:
        return None
    around.append(times_s[last] if whole and last < len(times_s) else to_s)
    return max(after - before for before, after in pairwise(around))


@dataclass(frozen=True, slots=True)
class Spread:
    """Durations in ms: their number, median, 99th percentile and longest."""

    count: int
    p50: float
    p99: float
    most: float

    @staticmethod
    def of(durations_s: Iterable[float]) -> Spread | None:
        """The spread of these durations in seconds, None without any."""
        ordered = sorted(durations_s)
        if not ordered:
            return None
        return Spread(
            len(ordered),
            round(quantile(ordered, 0.5) * 1000, 1),
            round(quantile(ordered, 0.99) * 1000, 1),
            round(ordered[-1] * 1000, 1),
        )

    def __str__(self) -> str:
        return f"p50 {self.p50:g} ms, p99 {self.p99:g} ms, max {self.most:g} ms ({self.count})"


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of these values, in order, that at least this share do not exceed."""
    return ordered[max(0, -(-int(share * 10_000) * len(ordered) // 10_000) - 1)]
