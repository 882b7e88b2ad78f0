"""Ticks are due at fixed times, neither early nor in bursts, whatever the clock does."""

from __future__ import annotations

from random import Random

import pytest

from shared.schedule import Schedule


def test_the_first_tick_is_one_period_after_the_start() -> None:
    schedule = Schedule(20, start_s=100.0)
    assert schedule.due(100.0) == 0
    assert schedule.wait_s(100.0) == pytest.approx(0.05)
    assert schedule.late_s(100.0) == 0
    assert schedule.due(100.049) == 0
    assert schedule.due(100.05) == 1
    assert schedule.due(100.05) == 0


def test_what_is_due_is_late_until_it_is_run() -> None:
    schedule = Schedule(10, start_s=0.0)
    assert schedule.wait_s(0.13) == 0
    assert schedule.late_s(0.13) == pytest.approx(0.03)
    assert schedule.due(0.13) == 1
    assert schedule.late_s(0.13) == 0


def test_lateness_does_not_add_up() -> None:
    schedule, rng, now = Schedule(50, start_s=0.0), Random(1), 0.0
    ran = 0
    for _ in range(10_000):
        now += schedule.wait_s(now) + rng.random() * 0.001
        ran += schedule.due(now)
    assert ran == 10_000
    assert now == pytest.approx(10_000 / 50, abs=0.002)
    assert schedule.skipped == 0


def test_a_stall_is_made_up_for_by_few_ticks_and_keeps_the_phase() -> None:
    schedule = Schedule(10, start_s=0.0, catch_up_max=3)
    assert schedule.due(1.05) == 3
    assert schedule.skipped == 7
    assert schedule.next_s == pytest.approx(1.1)
    assert schedule.due(1.05) == 0
    assert schedule.due(1.1) == 1


@pytest.mark.parametrize(("rate", "most"), [(0, 3), (-1, 3), (20, 0)])
def test_a_rate_and_a_catch_up_of_nothing_are_our_bug(rate: float, most: int) -> None:
    with pytest.raises(AssertionError):
        Schedule(rate, 0.0, most)


def test_a_moment_missed_by_a_rounding_is_there() -> None:
    schedule = Schedule(20, 0.0)
    now = schedule.next_s - 1e-13
    assert schedule.due(now) == 1, "to sleep for the rest would take no time at all"
    assert schedule.due(now) == 0
    assert schedule.due(schedule.next_s - 1e-6) == 0
