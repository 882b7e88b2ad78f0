"""What a simulated game does wrong now and then: a hook raises, or takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from shared.match import Match
from tests.simulation.loop import PROCESS
from tests.simulation.trace import Trace

# A hook that raises twice in a row ends its room by design; it does not here.
REST_S = 1.5
OVERRUN_S = (0.02, 0.6)


class Mischief:
    """Asked by every hook. `spend` lets time pass for the process that runs the hook."""

    def __init__(
        self, rng: Random, trace: Trace, spend: Callable[[str, float], None], chance: float
    ) -> None:
        self.on = True
        self._rng = rng
        self._trace = trace
        self._spend = spend
        self._chance = chance
        self._rested_s = 0.0

    def __call__(self, hook: str, match: Match) -> None:
        """Raise, overrun, or mostly do nothing."""
        turns = PROCESS.get()
        if not self.on or turns is None:
            return
        rare = self._chance if hook in ("step", "visible") else min(1.0, self._chance * 20)
        if self._rng.random() >= rare:
            return
        now_s = asyncio.get_running_loop().time()
        if now_s < self._rested_s:
            return
        self._rested_s = now_s + REST_S
        what = f"{turns.name} {hook} of tick {match.tick}"
        if self._rng.random() < 0.5:
            self._trace.note("overran", what)
            self._spend(turns.name, self._rng.uniform(*OVERRUN_S))
        else:
            self._trace.note("raised", what)
            raise RuntimeError(f"simulated: {hook} raised")
