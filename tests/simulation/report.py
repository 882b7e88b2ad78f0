"""Many seeds: run in parallel, counted together, and told while they run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context

from server.core.lifecycle import TABLE, Event, State
from tests.simulation.controls import CONTROLS
from tests.simulation.simulation import Outcome, simulate

# So many seeds are one piece of work for a process of the pool.
CHUNK = 10
WRONG_SHOWN = 5


@dataclass(slots=True)
class Report:
    """What came of many seeds."""

    seeds: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter[str])
    transitions: Counter[tuple[State, Event]] = field(default_factory=Counter[tuple[State, Event]])
    sizes: Counter[str] = field(default_factory=Counter[str])
    wrong: list[Outcome] = field(default_factory=list[Outcome])

    def add(self, outcome: Outcome) -> None:
        """Count one more seed."""
        self.seeds += 1
        self.seconds += outcome.seconds
        self.counts += outcome.counts
        self.transitions += outcome.transitions
        self.sizes[outcome.size] += 1
        if outcome.wrong:
            self.wrong.append(outcome)

    def unreached(self) -> list[tuple[State, Event]]:
        """The transitions of a room's life that no seed came through."""
        table = ((state, event) for state, pairs in TABLE.items() for event in pairs)
        return [pair for pair in table if pair not in self.transitions]

    def text(self) -> str:
        """The report, for a terminal."""
        worlds = ", ".join(f"{count} {size}" for size, count in sorted(self.sizes.items()))
        hours, wrong = self.seconds / 3600, len(self.wrong)
        lines = [
            f"{self.seeds} seeds ({worlds}), {hours:.2f} hours simulated, {wrong} with violations",
            "what went wrong on purpose, and how often:",
        ]
        for kind, count in sorted(self.counts.items(), key=lambda one: (-one[1], one[0])):
            lines.append(f"  {count:8} {kind}")
        known = sum(len(pairs) for pairs in TABLE.values())
        unreached = self.unreached()
        lines.append(f"{known - len(unreached)} of {known} transitions of a room's life reached")
        lines += [f"  not reached: {state}, {event}" for state, event in unreached]
        for outcome in sorted(self.wrong, key=lambda one: one.seed)[:20]:
            lines.append(f"seed {outcome.seed} ({outcome.size}):")
            lines += [f"  {wrong}" for wrong in outcome.wrong[:WRONG_SHOWN]]
        return "\n".join(lines)


def run(
    seeds: Sequence[int],
    *,
    jobs: int,
    control: str = "",
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Run these seeds in so many processes; a `control` breaks one thing in each of them."""
    report, began_s = Report(), time.monotonic()
    for outcome in _outcomes(seeds, jobs, control):
        report.add(outcome)
        if progress is not None and report.seeds % CHUNK == 0:
            spent_s = time.monotonic() - began_s
            left_s = spent_s / report.seeds * (len(seeds) - report.seeds)
            progress(
                f"{report.seeds} of {len(seeds)} seeds, {len(report.wrong)} with violations, "
                f"{spent_s:.0f} s, about {left_s:.0f} s left"
            )
    return report


def _outcomes(seeds: Sequence[int], jobs: int, control: str) -> Iterator[Outcome]:
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    if jobs == 1:
        for chunk in chunks:
            yield from _chunk(chunk, control)
        return
    # A fresh interpreter each: nothing of the parent's is shared, as when a seed is replayed.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_chunk, chunk, control) for chunk in chunks]):
            yield from done.result()


def _chunk(seeds: Sequence[int], control: str) -> list[Outcome]:
    broken = next((one for one in CONTROLS if one.name == control), None)
    return [simulate(seed, control=broken) for seed in seeds]
