"""The server's time as a client knows it: through jitter, stalls, halts and sleep."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from random import Random

import pytest

from bots.timeline import Pace, Sampling, ServerClock

TICK_S = 0.05


def heard(arrivals: Iterable[tuple[int, float]]) -> ServerClock:
    """A clock at 20 ticks a second that heard (tick, seconds)."""
    clock = ServerClock(20)
    for tick, now_s in arrivals:
        clock.arrived(tick, now_s)
    return clock


def jittery(count: int, seed: int = 1, way_s: float = 0.15) -> list[tuple[int, float]]:
    """Frames that take 150 ms, 50 more or less, and stay in order."""
    rng, last_s, found = Random(seed), 0.0, list[tuple[int, float]]()
    for tick in range(1, count):
        last_s = max(last_s, tick * TICK_S + way_s + rng.uniform(-0.05, 0.05))
        found.append((tick, last_s))
    return found


def test_jitter_moves_the_clock_by_little_and_is_measured() -> None:
    clock = heard(jittery(100))
    for _ in range(9):
        clock.answered(0.0, 0.3)
    assert abs(clock.tick(100 * TICK_S) - 100) < 0.4
    assert 0.05 < clock.jitter_s < 0.12
    assert clock.ping_s == pytest.approx(0.3)


def test_one_trip_that_met_a_stall_is_not_the_ping() -> None:
    clock = ServerClock(20)
    for trip_s in (0.1, 0.1, 0.9, 0.1, 0.1):
        clock.answered(1.0, 1.0 + trip_s)
    assert clock.ping_s == pytest.approx(0.1)
    assert clock.tick(1.0) == -float("inf")


def test_a_stall_is_bridged_and_leaves_no_trace() -> None:
    even = [(tick, tick * TICK_S) for tick in range(1, 60)]
    stalled = [(tick, max(tick * TICK_S, 2.3)) for tick, _ in even if tick >= 40]
    clock = heard(even[:39] + stalled)
    assert clock.heard(3.0) == pytest.approx(60)
    assert clock.jitter_s < 0.11


@pytest.mark.parametrize("halt_s", [0.3, 3.0])
def test_after_the_server_stood_still_the_clock_follows(halt_s: float) -> None:
    frames = [(tick, tick * TICK_S + (halt_s if tick >= 40 else 0)) for tick in range(1, 50)]
    clock = heard(frames)
    assert clock.heard(49 * TICK_S + halt_s) == pytest.approx(49)


def test_a_pace_never_jumps_unless_it_is_far_away() -> None:
    pace = Pace(TICK_S)
    assert pace.follow(10.0, 1.0) == 10.0
    assert pace.follow(13.0, 1.05) == pytest.approx(11.12)
    assert pace.follow(9.0, 1.10) == pytest.approx(11.82)
    assert pace.follow(9.0, 1.0) == pytest.approx(11.82)
    assert pace.follow(40.0, 1.15) == 40.0


def test_a_pace_waits_where_it_may_go_no_further() -> None:
    pace = Pace(TICK_S)
    assert pace.follow(10.0, 1.0, 10.5) == 10.0
    assert pace.follow(12.0, 1.1, 10.5) == 10.5
    assert pace.follow(12.0, 1.15) == pytest.approx(11.62)


def test_before_the_first_sample_nothing_of_its_tick_has_passed() -> None:
    clock = heard([(1, TICK_S)])
    sampling = Sampling(clock)
    assert sampling.part(0.08) == 0
    assert sampling.due(1, 0.08)
    assert sampling.due(1, 0.08), "asking takes none"
    sampling.taken(0.08)
    assert not sampling.due(1, 0.08)
    assert sampling.part(0.09) == pytest.approx(0.8)


def samples(clock: ServerClock, frames: list[tuple[int, float]], until_s: float) -> list[float]:
    """When samples were taken by somebody who asks every 25 ms and at every frame."""
    sampling, taken, newest = Sampling(clock), list[float](), 0
    moments = sorted([*[(at, tick) for tick, at in frames], *_looks(until_s)])
    for now_s, tick in moments:
        if tick:
            clock.arrived(tick, now_s)
            newest = tick
        if sampling.due(newest, now_s):
            sampling.taken(now_s)
            taken.append(now_s)
    return taken


def _looks(until_s: float) -> list[tuple[float, int]]:
    return [(look * 0.025, 0) for look in range(int(until_s / 0.025))]


def test_as_many_samples_as_ticks_through_jitter() -> None:
    taken = samples(ServerClock(20), jittery(200), 10.0)
    assert abs(len(taken) - 197) <= 3
    assert max(b - a for a, b in pairwise(taken)) < 0.11


def test_a_sleeper_neither_samples_nor_makes_up_for_it() -> None:
    before = [(tick, tick * TICK_S) for tick in range(1, 41)]
    # A minute passes; what waited in the socket comes at once, then frames come as ever.
    heap = [(tick, 62.0) for tick in range(41, 1240)]
    after = [(tick, tick * TICK_S) for tick in range(1241, 1281)]
    clock = ServerClock(20)
    sampling, taken, newest = Sampling(clock), list[float](), 0
    for tick, now_s in [*before, *heap, *after]:
        clock.arrived(tick, now_s)
        newest = tick
        if sampling.due(newest, now_s):
            sampling.taken(now_s)
            taken.append(now_s)
    assert sum(now_s == 62.0 for now_s in taken) == 1
    assert len(taken) <= 40 + 1 + 41
    assert clock.heard(64.0) == pytest.approx(1280)


def test_without_frames_the_server_hears_no_more() -> None:
    frames = [(tick, tick * TICK_S) for tick in range(1, 21)]
    taken = samples(ServerClock(20), frames, 5.0)
    assert 1.4 < taken[-1] < 1.6
