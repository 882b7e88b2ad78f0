"""What a simulated game does wrong now and then: a hook raises, or takes long."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from shared.match import Match
from tests.simulation.loop import PROCESS
from tests.simulation.trace import Trace

# A tick that raises again when it is done without what it consumed ends its room, by design; so a
# game rests after it raised until this many ticks were stepped well.
REST_STEPS = 25
OVERRUN_S = (0.02, 0.6)


class Mischief:
    """Asked by every hook. `spend` lets time pass for the process that runs the hook."""

    def __init__(
        self,
        rng: Random,
        trace: Trace,
        spend: Callable[[str, float], None],
        chance: float,
        *,
        doomed: bool = False,
    ) -> None:
        self.on = True
        self._rng = rng
        self._trace = trace
        self._spend = spend
        self._chance = chance
        self._resting = 0
        # Whether games may fail for good: then they raise without rest, and run out of memory.
        self._doomed = doomed
        self._failing = 0

    def __call__(self, hook: str, match: Match) -> None:
        """Raise, overrun, or mostly do nothing."""
        turns = PROCESS.get()
        if hook == "step" and self._resting:
            self._resting -= 1
        if not self.on or turns is None:
            return
        if self._failing:
            self._failing -= 1
            raise RuntimeError(f"simulated: {hook} raised again")
        rare = self._chance if hook in ("step", "visible") else min(1.0, self._chance * 20)
        if self._rng.random() >= rare or self._resting:
            return
        self._resting = REST_STEPS
        what = f"{turns.name} {hook} of tick {match.tick}"
        if self._rng.random() < 0.5:
            self._trace.note("overran", what)
            self._spend(turns.name, self._rng.uniform(*OVERRUN_S))
        elif self._doomed and self._rng.random() < 0.3:
            self._trace.note("out_of_memory", what)
            raise MemoryError
        else:
            self._trace.note("raised", what)
            if self._doomed and self._rng.random() < 0.4:
                self._failing = 3
            raise RuntimeError(f"simulated: {hook} raised")
