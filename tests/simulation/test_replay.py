"""A seed is one run, to the byte: in this process, and in one that hashes otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.simulation import SIZES, simulate

pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = range(2 * len(SIZES))


def elsewhere(hash_seed: str) -> list[str]:
    """The trace hashes of the seeds in a process of its own."""
    code = (
        "from tests.simulation.simulation import simulate\n"
        f"for seed in {list(SEEDS)}: print(simulate(seed).digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.split()


def test_a_seed_replays_to_the_byte_in_every_process() -> None:
    here = [simulate(seed).digest for seed in SEEDS]
    assert len(set(here)) == len(here), "different seeds are different runs"
    assert elsewhere("1") == here
    assert elsewhere("2") == here
