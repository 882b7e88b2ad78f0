"""What the client does about a bad network is worth at least five times what it is without."""

from __future__ import annotations

import shutil
from random import Random

import pytest

from bench.feel import STALL_EVERY_MS, STALL_MS, Way, feel

pytestmark = pytest.mark.slow
SECONDS = 40.0
TIMES = 5


def test_the_network_is_as_bad_as_it_says() -> None:
    way = Way(Random(1), STALL_EVERY_MS)
    arrivals = [(at, way.arrival_ms(at)) for at in range(0, 60_000, 10)]
    trips = [came - at for at, came in arrivals]
    assert min(trips) >= 100
    assert 300 < max(trips) <= 200 + STALL_MS
    assert [came for _, came in arrivals] == sorted(came for _, came in arrivals)
    stalled = [came for _, came in arrivals if 5000 <= came < 5000 + STALL_MS]
    assert stalled == []


def test_each_step_is_five_times_better_than_without() -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no Node on the PATH")
    found = feel(SECONDS, seed=3)
    off, on = found["newest"], found["smoothed"]
    assert off["others_jump_max"] > TIMES * on["others_jump_max"]
    assert off["others_jump_p99"] > TIMES * on["others_jump_p99"]
    assert off["others_halted_percent"] > TIMES * on["others_halted_percent"]
    assert off["answer_ms_p50"] > TIMES * on["answer_ms_p50"]
    assert off["own_away_p95"] > TIMES * on["own_away_p95"]
    assert off["own_jump_max"] > TIMES * on["own_jump_max"]
    # Smoothing by itself, and the adaptive delay by itself.
    assert found["predicted"]["own_jump_max"] > TIMES * on["own_jump_max"]
    fixed = found["interpolated"]
    assert fixed["others_jump_max"] > TIMES * found["adaptive"]["others_jump_max"]
    assert on["clock_error_ms_p95"] < 50
