"""The ring of recent ticks, and what is merged from it."""

from __future__ import annotations

import pytest

from shared.history import History, Merged, Refusal
from shared.limits import HISTORY_TICKS
from shared.tables import Change


def noted(*ticks: int) -> History:
    """A history of ticks without a change."""
    history = History()
    for tick in ticks:
        history.note(tick, [], [])
    return history


def test_nothing_reaches_an_empty_history() -> None:
    assert not History().reaches(0)
    assert not History().reaches(1)


def test_it_reaches_the_tick_before_the_oldest_and_the_newest() -> None:
    history = noted(5, 6, 7)
    assert [base for base in range(10) if history.reaches(base)] == [4, 5, 6, 7]


def test_nothing_leads_on_from_before_the_floor() -> None:
    history = History()
    for tick in range(1, 9):
        history.note(tick, [], [])
    assert history.reaches(3)
    history.floor = 5
    assert [history.reaches(base) for base in (3, 4, 5, 6)] == [False, False, True, True]


def test_it_keeps_so_many_ticks() -> None:
    history = noted(*range(1, HISTORY_TICKS + 11))
    assert not history.reaches(9)
    assert history.reaches(10)


@pytest.mark.parametrize("tick", [4, 5, 7, 0])
def test_ticks_follow_one_another(tick: int) -> None:
    with pytest.raises(AssertionError):
        noted(5).note(tick, [], [])


def test_asking_for_what_is_not_remembered_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        noted(5).since(3)


def test_masks_are_joined_and_gone_ids_gathered_in_table_order() -> None:
    history = History()
    history.note(1, [Change(3, [(1, [10])], [])], [])
    history.note(2, [Change(3, [(2, [10, 11])], [12])], [])
    history.note(3, [Change(2, [(8, [20])], []), Change(3, [(4, [11])], [13])], [])
    assert history.since(1) == {2: Merged({20: 8}, []), 3: Merged({10: 2, 11: 6}, [12, 13])}
    assert list(history.since(0)) == [2, 3]
    assert history.since(0)[3].masks == {10: 3, 11: 6}
    assert history.since(3) == {}


def test_refusals_are_told_to_whom_they_concern() -> None:
    history = History()
    early, other, late = Refusal(1, 4, 0, "a"), Refusal(2, 4, 1, "b"), Refusal(1, 5, 1, "c")
    history.note(1, [], [early])
    history.note(2, [], [])
    history.note(3, [], [other, late])
    assert history.refusals(1, 0) == [early, late]
    assert history.refusals(1, 1) == [late]
    assert history.refusals(2, 0) == [other]
    assert history.refusals(3, 0) == []
    assert history.recent() == [(1, [early]), (3, [other, late])]


def test_refusals_put_back_from_a_checkpoint_are_told_as_long_as_others() -> None:
    history, old, young = History(), Refusal(1, 4, 0, "a"), Refusal(1, 5, 1, "b")
    history.recall(7, [old])
    assert history.recent() == [(7, [old])]
    history.note(8, [], [young])
    assert history.refusals(1, 6) == [old, young]
    assert history.refusals(1, 7) == [young]
    assert history.refusals(2, 0) == []
    assert history.recent() == [(7, [old]), (8, [young])]
    for tick in range(9, 8 + HISTORY_TICKS):
        history.note(tick, [], [])
    assert history.recent() == [(8, [young])]
