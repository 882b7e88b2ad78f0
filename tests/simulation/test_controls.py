"""Controls: with one thing broken on purpose, a violation is found within twenty seeds."""

from __future__ import annotations

import pytest

from tests.simulation.controls import CONTROLS, Control
from tests.simulation.simulation import simulate

pytestmark = pytest.mark.timeout(240)

SEEDS = 20


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_control_is_found(control: Control) -> None:
    for seed in range(SEEDS):
        if simulate(seed, control=control).wrong:
            return
    pytest.fail(f"{control.what}, and {SEEDS} seeds did not notice")
