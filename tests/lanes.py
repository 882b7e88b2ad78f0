"""Runs every test in lanes, so that what measures time or draws pages is short of no core.

    python -m tests.lanes                  all lanes, and a table of what each took
    python -m tests.lanes browser          one of them

`alone` has nothing beside it. Beside the pages runs what knows no clock but a virtual one, and
gives way to them. Processes, which mostly wait for each other, come last, several at a time. A lane
that fails keeps no other from running.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SAYS = "Runs every test in lanes, so that what measures time or draws pages is short of no core."
ROOT = Path(__file__).resolve().parents[1]
NODE_MAJOR_MIN = 20
# Where no test waits for a process, a socket or a page.
VIRTUAL = ("faults", "games", "server/core", "shared", "simulation", "typing", "vectors")
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
# Below every other program: it takes what they leave of a core.
GIVES_WAY = ("nice", "-n", "10") if shutil.which("nice") else ()


@dataclass(frozen=True, slots=True)
class Lane:
    """A command and what it is called; None for `command` where this machine cannot run it."""

    name: str
    command: Sequence[str] | None
    why_not: str = ""


@dataclass(slots=True)
class Running:
    """A lane that runs; its output is shown when it has ended, unless it is shown at once."""

    lane: Lane
    process: subprocess.Popen[bytes]
    output: IO[bytes] | None
    began_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a lane ended."""

    name: str
    seconds: float
    status: int


def stages(workers: int) -> list[list[Lane]]:
    """The lanes in order; those of one stage run side by side."""
    folders = [f"tests/{name}" for name in VIRTUAL]
    rest = ("-m", "not alone and not browser", "--dist", "loadgroup", "--no-loadscope-reorder")
    return [
        [client()],
        [Lane("alone", (*PYTEST, "-m", "alone", *marked("alone")))],
        [
            Lane("browser", (*PYTEST, "-m", "browser and not alone", *marked("browser"))),
            Lane("virtual", (*GIVES_WAY, *PYTEST, *rest, "-n", "2", *folders)),
        ],
        [
            Lane(
                "processes",
                (*PYTEST, *rest, "-n", str(workers), *(f"--ignore={name}" for name in folders)),
            )
        ],
    ]


def marked(name: str) -> list[str]:
    """The files with tests of this mark: collecting all the others would take longer than these."""
    files = sorted(ROOT.glob("tests/**/test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if f"mark.{name}" in file.read_text()]


def client() -> Lane:
    """The browser client's own tests, where there is a Node that can run them."""
    files = sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / "tests/client").glob("*.test.js")
    )
    node = shutil.which("node")
    if node is None:
        return Lane("client", None, "there is no Node on the PATH")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").partition(".")[0]) < NODE_MAJOR_MIN:
        return Lane("client", None, f"Node {version.strip()} is older than {NODE_MAJOR_MIN}")
    return Lane("client", (node, "--test", *files))


def begin(lane: Lane, *, shown: bool) -> Running:
    """Start a lane."""
    assert lane.command is not None
    output = None if shown else tempfile.TemporaryFile()  # noqa: SIM115 - `show` closes it.
    process = subprocess.Popen(lane.command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    return Running(lane, process, output, time.monotonic())


def wait(running: Sequence[Running]) -> list[Outcome]:
    """Wait for lanes that run side by side; each is shown when it has ended."""
    left, outcomes = list(running), list[Outcome]()
    try:
        while left:
            ended = [one for one in left if one.process.poll() is not None]
            for one in ended:
                left.remove(one)
                outcomes.append(show(one))
            if not ended:
                time.sleep(0.1)
    finally:
        for one in left:
            one.process.terminate()
            one.process.wait()
    return outcomes


def show(one: Running) -> Outcome:
    """A lane's output where it was kept back, and how it ended."""
    seconds = time.monotonic() - one.began_s
    if one.output is not None:
        one.output.seek(0)
        with one.output:
            sys.stdout.buffer.write(one.output.read())
            sys.stdout.buffer.flush()
    return Outcome(one.lane.name, seconds, one.process.returncode)


def run(chosen: Sequence[str], workers: int) -> list[Outcome]:
    """Run the lanes of these names, or all; how they ended, in that order."""
    outcomes = list[Outcome]()
    for stage in stages(workers):
        wanted = [lane for lane in stage if not chosen or lane.name in chosen]
        for lane in wanted:
            if lane.command is None:
                print(f"test: SKIPPED the lane {lane.name}: {lane.why_not}.", flush=True)
        able = [lane for lane in wanted if lane.command is not None]
        for lane in able:
            print(f"== {lane.name}", flush=True)
        outcomes += wait([begin(lane, shown=len(able) == 1) for lane in able])
    return outcomes


def main() -> int:
    """Run what was asked for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.lanes", description=SAYS)
    names = [lane.name for stage in stages(1) for lane in stage]
    parser.add_argument(
        "lanes", nargs="*", choices=[*names, []], metavar="LANE", help=f"of {names}"
    )
    parser.add_argument("--workers", type=int, default=4, help="of the lane of processes")
    given = parser.parse_args()
    if unknown := set(given.lanes) - set(names):
        parser.error(f"there is no lane {', '.join(sorted(unknown))}")
    began_s = time.monotonic()
    outcomes = run(given.lanes, given.workers)
    for one in outcomes:
        print(f"test: {one.name:<10} {one.seconds:6.0f} s  {'red' if one.status else 'green'}")
    red = [one.name for one in outcomes if one.status]
    print(
        f"test: {'red: ' + ', '.join(red) if red else 'green'}, {time.monotonic() - began_s:.0f} s"
    )
    return 1 if red else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    raise SystemExit(main())
