"""Silences are as long as they were, and belong to the window they fall into."""

from __future__ import annotations

import pytest

from bench.gaps import Spread, longest_gap_s, quantile

TIMES_S = [0.0, 1.0, 2.0, 2.5, 6.0, 7.0]


@pytest.mark.parametrize(
    ("from_s", "to_s", "whole", "longest_s"),
    [
        (0.0, 2.0, True, 1.0),
        # It began before the window and ended in it.
        (1.5, 2.4, True, 1.0),
        # It began in the window and ended long after it.
        (2.2, 3.0, True, 3.5),
        (2.2, 3.0, False, 0.5),
        (3.0, 4.0, True, 3.5),
        # What is not ended counts as long as it was seen.
        (6.5, 9.5, True, 2.5),
        (6.5, 9.5, False, 2.5),
        (-2.0, 0.0, True, None),
    ],
)
def test_the_longest_silence_of_a_window(
    from_s: float, to_s: float, whole: bool, longest_s: float | None
) -> None:
    assert longest_gap_s(TIMES_S, from_s, to_s, whole=whole) == longest_s


def test_who_saw_nothing_has_no_silence() -> None:
    assert longest_gap_s([], 0.0, 1.0) is None


def test_a_spread_is_of_all_durations() -> None:
    found = Spread.of(n / 1000 for n in range(200, 0, -1))
    assert found == Spread(200, 100.0, 198.0, 200.0)
    assert str(found) == "p50 100 ms, p99 198 ms, max 200 ms (200)"
    assert Spread.of([]) is None


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.25, 1), (0.26, 2), (0.99, 4), (1.0, 4)])
def test_a_quantile_is_the_least_that_so_many_do_not_exceed(share: float, value: float) -> None:
    assert quantile([1, 2, 3, 4], share) == value
