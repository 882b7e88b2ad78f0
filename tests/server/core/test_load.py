"""A room's load is what its ticks cost, and its pace what that leaves to the others."""

from __future__ import annotations

import pytest

from server.core.load import AGAIN, WARM_UP_TICKS, Load, Pace, Part

BUDGET = 0.25


def loaded(share: float, ticks: int = 200, rate: int = 20) -> Load:
    """The load of a room whose every tick takes this share of the time between two."""
    load = Load(rate)
    for _ in range(ticks):
        load.spent(Part.STEP, share / rate * 0.75)
        load.spent(Part.VIEWS, share / rate * 0.25)
        load.ticked()
    return load


@pytest.mark.parametrize("rate", [1, 20, 128])
@pytest.mark.parametrize("share", [0.01, 0.25, 1.0, 4.0])
def test_a_load_is_the_share_of_its_period_that_a_tick_takes(rate: int, share: float) -> None:
    assert loaded(share, 10 * rate + 100, rate).share == pytest.approx(share, rel=0.01)


def test_what_costs_most_is_told_first() -> None:
    assert loaded(2.0).told() == (
        "2.00 of its tick period (step 1.50, views and sending 0.50, record 0.00)"
    )


@pytest.mark.parametrize(
    ("share", "stretch"), [(0.1, 1), (0.24, 1), (0.3, 2), (0.9, 4), (1.1, 8), (3.9, 16)]
)
def test_a_room_beside_others_takes_no_more_than_its_budget(share: float, stretch: int) -> None:
    pace, load = Pace(BUDGET), loaded(share)
    pace.weigh(load, neighbours=True)
    assert pace.stretch == stretch
    assert load.share / pace.stretch <= BUDGET
    stepped = sum(pace.due() for _ in range(pace.stretch * 100))
    assert stepped == 100


def test_a_room_alone_and_one_whose_budget_is_everything_are_never_slowed() -> None:
    for pace, neighbours in ((Pace(BUDGET), False), (Pace(1.0), True)):
        assert not pace.weigh(loaded(40.0), neighbours=neighbours)
        assert pace.stretch == 1
        assert all(pace.due() for _ in range(10))


def test_one_slow_tick_slows_nobody_down() -> None:
    pace, load = Pace(BUDGET), loaded(0.02)
    load.spent(Part.STEP, 0.2)
    load.ticked()
    assert not pace.weigh(load, neighbours=True)
    early = loaded(40.0, WARM_UP_TICKS - 1)
    assert not pace.weigh(early, neighbours=True)


def test_a_pace_does_not_swing_where_a_load_is_near_its_budget() -> None:
    pace = Pace(BUDGET)
    assert pace.weigh(loaded(BUDGET * 1.02), neighbours=True)
    assert not pace.weigh(loaded(BUDGET * 0.98), neighbours=True)
    assert pace.stretch == 2
    assert pace.weigh(loaded(BUDGET * AGAIN * 0.98), neighbours=True)
    assert pace.stretch == 1
