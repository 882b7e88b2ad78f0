"""The bounds' own sense, and the budget's arithmetic."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from server.edge.limits import Budget, EdgeLimits
from tests.server.edge.rig import Clock


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"head_bytes_max": 0}, "head_bytes_max"),
        ({"close_timeout_s": -1.0}, "close_timeout_s"),
        ({"ping_timeout_s": 0.0}, "ping_timeout_s"),
        ({"write_buffer_bytes_max": 64 * 1024}, "write_buffer_bytes_max"),
    ],
)
def test_senseless_limits_are_named(changed: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        replace(EdgeLimits(), **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_budget_never_grants_more_than_burst_and_rate(seed: int) -> None:
    rng = random.Random(seed)
    clock = Clock()
    rate, burst = rng.uniform(1, 300), rng.randrange(1, 500)
    budget = Budget(rate, burst, clock)
    began, granted = clock.now, 0
    for _ in range(3000):
        clock.now += rng.choice([0.0, 0.001, 0.01, 0.2, 3.0]) * rng.random()
        granted += budget.spend()
        assert granted <= burst + rate * (clock.now - began) + 1e-6
    assert granted > burst


def test_a_silence_saves_up_no_more_than_the_burst() -> None:
    clock = Clock()
    budget = Budget(100, 50, clock)
    clock.now += 3600
    granted = 0
    while budget.spend():
        granted += 1
        assert granted <= 100
    assert granted == 100


def test_uneven_sender_at_the_rate_is_never_refused() -> None:
    clock = Clock()
    budget = Budget(50, 5, clock)
    for turn in range(4000):
        clock.now += 1.9 / 50
        assert all(budget.spend() for _ in range(1 if turn % 4 == 0 else 2))


def test_budget_asks_for_the_time_only_when_dry() -> None:
    asked = 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        return 0.0

    budget = Budget(10, 100, clock)
    assert all(budget.spend() for _ in range(100))
    assert asked == 1
    assert not budget.spend()
    assert asked == 2
