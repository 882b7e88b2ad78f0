"""The simulator's command line: many seeds with a report, or one seed with its trace."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.controls import CONTROLS
from tests.simulation.directed import WALKS, walk_through
from tests.simulation.report import run
from tests.simulation.simulation import simulate

EPILOG = """examples:
  python -m tests.simulation --seeds 2000              two thousand seeds on every core
  python -m tests.simulation --replay 58               one seed, and all that happened in it
  python -m tests.simulation --each                    one call, message or process at a time
  python -m tests.simulation --each handover           the same, of one walk
  python -m tests.simulation --control unfenced        a world without the fence: it must be red
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 1 where a violation was found."""
    asked = _parser().parse_args(arguments)
    control = next((one for one in CONTROLS if one.name == asked.control), None)
    if asked.replay is not None:
        outcome = simulate(asked.replay, control=control, lines=True)
        for line in outcome.lines or ():
            if asked.journal or " record " not in line:
                print(line, end="")
        print(f"seed {outcome.seed}: trace {outcome.digest}, {len(outcome.wrong)} violations")
        for wrong in outcome.wrong:
            print(f"  {wrong}")
        return 1 if outcome.wrong else 0
    if asked.each is not None:
        return _each(list(WALKS) if asked.each == "all" else [asked.each], asked.jobs)
    report = run(
        range(asked.first, asked.first + asked.seeds),
        jobs=asked.jobs,
        control=asked.control,
        progress=lambda text: print(text, file=sys.stderr, flush=True),
    )
    print(report.text())
    return 1 if report.wrong else 0


def _each(walks: list[str], jobs: int) -> int:
    wrong: list[str] = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done, tally in enumerate(pool.map(walk_through, walks), 1):
            print(f"{tally.text()} ({done} of {len(walks)} walks)", flush=True)
            wrong += tally.wrong
    for line in wrong:
        print(f"  {line}")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description="Whole servers, their store and their players under one seed each, with every "
        "call to the store and the bus failing now and then.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=500, help="how many (default 500)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)"
    )
    parser.add_argument(
        "--control",
        choices=[one.name for one in CONTROLS],
        default="",
        help="break one thing on purpose; every control must be found",
    )
    parser.add_argument(
        "--each",
        nargs="?",
        const="all",
        choices=["all", *WALKS],
        help="fail each call of a walk once, in each way, and stop its process at each call once",
    )
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one seed, print its trace")
    parser.add_argument("--journal", action="store_true", help="with --replay: the journal too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
