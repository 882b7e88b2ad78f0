"""Tells an author what commits change of what was written: swallowed motion, clamped numbers.

A runner of 0.2 units a second at 60 ticks moves 0.0033 a tick; on a grid of 0.01 it stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

SWALLOWED_TICKS = 5
# Rows come and go; what is forgotten here is only a count.
WATCHED_MAX = 10_000
# In steps: what sine and cosine leave of a motion along the other axis is no motion.
NOTHING = 1e-6


class RoundingWatch:
    """Watches commits in development. `tell` gets one sentence a field, once.

    A field counts as swallowed in a tick when some row's change was rounded away and no row's
    survived: that one of many moves along an axis by a hair is no fault of the grid.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: set[str] = set()
        self._clamped: set[str] = set()
        self._last: dict[tuple[int, str], float] = {}
        self._runs: dict[str, int] = {}

    def clamped(self, field: str, why: str) -> None:
        """Take in that a number of a field without a declared policy was clamped."""
        if field not in self._clamped:
            self._clamped.add(field)
            self._tell(
                f"{field} was clamped: {why}; use a wider field, or say what is meant: "
                "overflow='clamp', 'wrap' or 'fail'"
            )

    def see(
        self,
        field: str,
        ids: Sequence[int],
        written: Sequence[float],
        rounded: Sequence[float],
        scale: float,
    ) -> None:
        """Take in one column of a commit, before and after rounding, by row id."""
        if field in self._told:
            return
        if len(self._last) >= WATCHED_MAX:
            self._last.clear()
        moved = swallowed = False
        for number, before, after in zip(ids, written, rounded, strict=True):
            last = self._last.get((number, field))
            self._last[number, field] = after
            if last is not None and after != last:
                moved = True
            elif last is not None and abs(before - after) * scale > NOTHING:
                swallowed = True
        if moved:
            self._runs[field] = 0
        elif swallowed:
            self._runs[field] = self._runs.get(field, 0) + 1
            if self._runs[field] >= SWALLOWED_TICKS:
                self._told.add(field)
                self._tell(
                    f"{field} was written in {SWALLOWED_TICKS} ticks running and rounded back each "
                    f"time: its step is 1/{scale:g}. Use a step of at most a tenth of the slowest "
                    "change a tick, or keep the exact value in an f64(to=SERVER) field"
                )
