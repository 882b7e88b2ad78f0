"""A short chaos run on real processes, and its control: the same without the fence must be seen.

`make chaos` is the long one. Seeds are printed by what fails; what the machine does is not seeded.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from bench import disturbances
from bench.chaos import Plan, run
from bench.checker import Kind, tally
from bench.faults import BAG
from bench.faults import Kind as Fault
from bench.scene import Scene
from tests.server.store.valkey import require_program

pytestmark = [
    pytest.mark.asyncio(loop_factories=["asyncio"]),
    pytest.mark.timeout(240),
    pytest.mark.slow,
]

ROOMS, PLAYERS = 4, 12


@pytest.fixture(autouse=True)
def valkey() -> None:
    require_program()


@pytest.mark.parametrize(("seed", "nodes"), [(1, 1), (2, 3)])
async def test_matches_survive_half_a_minute_of_chaos(
    seed: int, nodes: int, tmp_path: Path
) -> None:
    wanted = Plan(30, seed, rooms=ROOMS, players=PLAYERS, store_nodes=nodes, folder=tmp_path)
    result = await run(wanted)
    assert [str(one) for one in result.violations] == [], f"seed {seed}\n{result}"
    # Something went wrong, and was judged.
    assert set(result.faults) == set(BAG)
    assert result.rooms == ROOMS
    assert result.takeovers >= 3
    assert result.resumes >= 3
    assert result.digests > 1000
    assert result.inputs > 1000


async def test_without_the_fence_the_same_is_found_out(tmp_path: Path) -> None:
    # Owners that were stopped for long, and do not know that they own nothing any more.
    wanted = Plan(
        15, 4, rooms=ROOMS, players=PLAYERS, folder=tmp_path, kinds=[Fault.PAUSE], unfenced=True
    )
    found = tally((await run(wanted)).violations)
    assert found[Kind.ACK.value] + found[Kind.DIFFERENT.value] > 0, found


async def test_a_kill_is_measured_beside_the_same_time_without_one() -> None:
    async with Scene.set_up(2, 4) as scene:
        kills = await disturbances.kill(scene, 2, Random(1))
        assert await scene.judge() == []
    found, control = kills.own.spreads()
    assert found is not None
    assert control is not None
    assert (found.count, control.count) == (2, 2)
    # Who loses its connection waits longer than who does not.
    assert found.p50 > control.p50
