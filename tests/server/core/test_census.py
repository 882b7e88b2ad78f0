"""Counting is done on committed rows; what was never committed is known by its epoch."""

from __future__ import annotations

import pytest

from server.core.census import census_of, diverges
from server.core.ports import Census
from tests.server.core.yard import Ground, Yard


def test_a_room_before_its_first_tick_counts_nobody() -> None:
    assert census_of(Ground(Yard()).match, 7, 0.5) == Census()


def test_people_and_brains_are_counted_apart() -> None:
    ground = Ground(Yard(), bots=2)
    ground.seat("Ada")
    assert census_of(ground.match, 7, 0.5) == Census(1, 1, 2, 7, False, 0.5)
    ground.post("Ada", None, "finish")
    ground.tick()
    assert census_of(ground.match, 0, 0.0) == Census(2, 1, 2, 0, True, 0.0)


STARTS = [(5, 1), (7, 11), (8, 11), (9, 31)]


@pytest.mark.parametrize(
    ("epoch", "held", "never_was"),
    [
        (5, 10, False),
        # Epoch 7 wrote tick 11 anew.
        (5, 11, True),
        (7, 10, False),
        # Epoch 7 committed nothing: its tick 11 is epoch 8's.
        (7, 11, True),
        (8, 30, False),
        (8, 31, True),
        (9, 31, False),
        (9, 1000, False),
        (10, 1000, False),
        # An epoch older than all that is known, or one between those known.
        (1, 0, False),
        (1, 1, True),
        (6, 10, False),
        (6, 11, True),
    ],
)
def test_a_tick_that_a_later_epoch_has_anew_was_never_committed(
    epoch: int, held: int, never_was: bool
) -> None:
    assert diverges(STARTS, epoch, held) is never_was


def test_without_epochs_nothing_is_known_to_diverge() -> None:
    assert not diverges([], 3, 1000)
