"""One call, one message or one process at a time: whatever it is that fails, all comes to rest.

The whole of it takes minutes (`make sim-each`); here are the first call of each method and the ways
to fail that leave most undone.
"""

from __future__ import annotations

import pytest

from tests.simulation.directed import WALKS, Case, play, walk_through
from tests.simulation.faults import Fault

pytestmark = pytest.mark.timeout(300)

WAYS = (Fault.REFUSED, Fault.ANSWER_LOST, Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.DROPPED)


@pytest.mark.parametrize("walk", WALKS)
def test_the_first_call_of_each_kind_may_fail(walk: str) -> None:
    tally = walk_through(walk, most=1, ways=WAYS)
    assert tally.wrong == []
    assert tally.missed == 0, "each fault was met"
    assert tally.calls >= 10
    assert tally.crashes == tally.calls


@pytest.mark.parametrize(
    ("walk", "reached"),
    [
        ("handover", {"follow", "release", "take_over"}),
        ("takeover", {"listen", "take_over"}),
        ("wake", {"load", "take_over", "set_status"}),
        ("close", {"set_status", "delist"}),
    ],
)
def test_a_walk_goes_where_it_says(walk: str, reached: set[str]) -> None:
    outcome, seen = play(Case(walk, "", 0, None))
    assert outcome.wrong == []
    assert reached <= set(seen.calls)
