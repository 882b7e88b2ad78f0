"""The report's arithmetic, and that it can fail for each thing it promises to fail for."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from bots import report as module
from bots.report import REASONS_MAX, Applied, Tally, Times, report


def good(**changes: Any) -> Tally:
    tally = Tally(joined=True, player=3, rooms={"a"}, seated_s=2.0, frames=40, bytes=4000)
    tally.digests, tally.inputs_sent, tally.expected = 2, 40, 38
    tally.inputs_skipped, tally.applied = 2, Applied(seq=40, applied=38, skipped=2)
    for key, value in changes.items():
        assert hasattr(tally, key)
        setattr(tally, key, value)
    return tally


def test_two_good_sessions_add_up() -> None:
    one, two = good(), good(player=9, rooms={"b"}, errors=Counter({"1006 lost": 2}))
    one.gaps.add(0.050)
    two.gaps.add(0.052)
    found = report(2, 2.04, [one, two])
    assert found.failures == []
    values = found.values
    assert (values["count"], values["sessions"], values["joined"], values["rooms"]) == (2, 2, 2, 2)
    assert values["frames"] == 80
    assert values["bytes_per_player_s"] == 2000.0
    assert values["gap_ms"] == {"p50": 50.0, "p99": 52.0, "max": 52.0}
    assert values["ack_ms"] == {"p50": None, "p99": None}
    assert (values["inputs_lost"], values["inputs_doubled"], values["inputs_checked"]) == (0, 0, 2)
    assert values["errors"] == {"1006 lost": 2}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"joined": False}, "joined"),
        ({"divergence": 1}, "divergence"),
        ({"applied": Applied(40, 37, 2)}, "inputs_lost"),
        ({"unacked": 1}, "inputs_lost"),
        ({"given_up": 1}, "inputs_lost"),
        ({"applied": Applied(40, 39, 2)}, "inputs_doubled"),
        ({"applied": None}, "inputs_unchecked"),
        ({"player_changed": 1}, "player_changed"),
        ({"digests": 0}, "digests"),
    ],
)
def test_each_promise_can_fail(changes: dict[str, Any], key: str) -> None:
    found = report(1, 1.0, [good(**changes)])
    assert len(found.failures) == 1
    assert found.failures[0].startswith(key)


def test_losing_in_one_session_is_not_made_up_for_by_doubling_in_another() -> None:
    found = report(2, 1.0, [good(applied=Applied(40, 36, 2)), good(applied=Applied(40, 40, 2))])
    assert (found.values["inputs_lost"], found.values["inputs_doubled"]) == (2, 2)


def test_bots_that_never_began_are_missed() -> None:
    assert report(2, 1.0, [good()]).failures == ["joined is 1, must be 2"]


def test_spectators_have_no_inputs_to_compare() -> None:
    found = report(1, 1.0, [good(player=0, applied=None, expected=0, inputs_sent=0)])
    assert found.failures == []
    assert found.values["inputs_checked"] == found.values["inputs_unchecked"] == 0


def test_percentiles_are_those_of_the_sorted_list() -> None:
    rng, times = Random(3), [Times(), Times()]
    drawn = [rng.randrange(1, 5000) for _ in range(1000)]
    for index, tenths in enumerate(drawn):
        times[index % 2].add(tenths / 10_000)
    times[0].merge(times[1])
    ordered = sorted(drawn)
    assert times[0].ms(0.5) == ordered[499] / 10
    assert times[0].ms(0.99) == ordered[989] / 10
    assert times[0].ms(1.0) == ordered[-1] / 10
    assert Times().ms(0.5) is None


def test_many_reasons_are_cut_to_the_commonest() -> None:
    errors = Counter({f"reason {n}": n for n in range(1, 41)})
    found = report(1, 1.0, [good(errors=errors)]).values["errors"]
    assert len(found) == REASONS_MAX + 1
    assert sum(found.values()) == errors.total()
    assert found["reason 40"] == 40


def test_every_key_is_explained_in_order() -> None:
    explained = [
        line.split()[0]
        for line in (module.__doc__ or "").splitlines()
        if line.startswith("    ") and not line.startswith("     ")
    ]
    assert explained == list(report(1, 1.0, [good()]).values)


def test_the_table_names_every_key() -> None:
    found = report(1, 1.0, [good()])
    assert [line.split()[0] for line in found.table().splitlines()] == list(found.values)
