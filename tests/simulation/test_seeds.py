"""Fixed seeds: whatever fails in them, every match goes on and nothing is lost."""

from __future__ import annotations

import os

import pytest

from tests.simulation.report import run
from tests.simulation.unreached import UNREACHED

# By far the longest of its kind: it begins first.
pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

SEEDS = 500
# Each kind of trouble came up, or the worlds have become too quiet to say anything.
LEAST = {
    "refused": 200,
    "timed_out": 200,
    "answer_lost": 200,
    "done_late": 200,
    "answered_late": 200,
    "twice": 200,
    "cancelled": 20,
    "dropped": 100,
    "gap": 50,
    "doubled": 100,
    "delayed": 100,
    "raised": 100,
    "overran": 100,
    "killed": 100,
    "hung": 100,
    "cut": 100,
    "store_away": 100,
    "drained": 100,
    "moved": 100,
    "rolled": 30,
    "clock_stepped": 100,
    "dropped_socket": 100,
    "visited_again": 100,
    "decreed": 100,
    "damaged": 10,
    "broken": 10,
    "out_of_memory": 10,
}


def test_five_hundred_seeds_hold_every_promise() -> None:
    report = run(range(SEEDS), jobs=min(2, os.cpu_count() or 1))
    print(report.text())
    assert report.wrong == [], report.text()
    assert report.seeds == SEEDS
    listed = {(state, event) for state, events in UNREACHED.items() for event in events}
    assert set(report.unreached()) <= listed, "the table of a room's life is walked as before"
    assert {kind: report.counts[kind] for kind in LEAST if report.counts[kind] < LEAST[kind]} == {}
