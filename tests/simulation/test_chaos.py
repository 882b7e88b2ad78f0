"""Matches survive whatever a seed thinks up; and where the fence is missing, it is seen."""

from __future__ import annotations

import pytest

from bench.checker import Kind, tally
from tests.simulation.chaos import Chaos
from tests.simulation.loop import virtually

pytestmark = pytest.mark.timeout(300)

PLAYERS = 6
SECONDS = 40


def lived_through(seed: int, *, fenced: bool = True) -> Chaos:
    async def scenario() -> Chaos:
        chaos = Chaos(seed, fenced=fenced)
        await chaos.run(PLAYERS, SECONDS)
        return chaos

    return virtually(scenario())


@pytest.mark.parametrize("seed", range(8))
def test_a_match_survives(seed: int) -> None:
    chaos = lived_through(seed)
    assert [str(one) for one in chaos.violations] == [], f"seed {seed}: {dict(chaos.done)}"
    # It was no quiet afternoon, and everybody played through it.
    assert chaos.done.total() >= 10
    [history] = chaos.histories.values()
    assert len({record.epoch for record in history.writes}) >= 4
    assert len(history.witnesses) == PLAYERS
    for witness in history.witnesses:
        assert witness.counts is not None
        assert witness.counts.applied > 100
        assert len(witness.frames) > 200


def test_without_the_fence_it_does_not() -> None:
    found = tally(one for seed in range(3) for one in lived_through(seed, fenced=False).violations)
    assert found[Kind.TWICE.value] > 0
    assert found[Kind.DIFFERENT.value] > 0
