"""What goes wrong is drawn from a seed, and every kind of it comes early."""

from __future__ import annotations

from bench.faults import BAG, FIRST_S, Kind, plan


def test_a_seed_is_a_plan() -> None:
    assert plan(1, 60, 3) == plan(1, 60, 3)
    assert plan(1, 60, 3) != plan(2, 60, 3)


def test_every_kind_comes_in_the_first_bag() -> None:
    for seed in range(20):
        faults = plan(seed, 120, 3)
        assert {fault.kind for fault in faults[: len(BAG)]} == set(Kind)
        assert {fault.server for fault in faults} == {0, 1, 2}


def test_faults_come_in_order_and_within_the_time() -> None:
    times = [fault.at_s for fault in plan(3, 60, 3)]
    assert times == sorted(times)
    assert times[0] == FIRST_S
    assert times[-1] < 60
    assert len(times) >= 60 / 4 - 1


def test_only_the_kinds_asked_for_come() -> None:
    assert {fault.kind for fault in plan(1, 60, 2, [Kind.KILL])} == {Kind.KILL}
