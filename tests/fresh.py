"""Runs the whole suite again and again in a fresh clone: `python -m tests.fresh --times 10`.

The clone is of what is committed here, and gets an environment and Node packages of its own.
Nothing is repaired between two runs; each prints how long it took and which tests were red.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What pytest and Node's runner say of a test that is red.
RED = re.compile(r"^(?:FAILED|ERROR|not ok \d+ -) (.*)$", re.MULTILINE)


def clone(folder: Path) -> None:
    """A clone that is ready to be tested."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run(["make", "venv"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    if npm := shutil.which("npm"):
        subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)


def once(folder: Path, log: Path) -> tuple[float, list[str]]:
    """One run: its seconds, and the tests that were red."""
    began_s = time.monotonic()
    with log.open("wb") as output:
        ended = subprocess.run(
            ["make", "test"], cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    seconds = time.monotonic() - began_s
    red = RED.findall(log.read_text(encoding="utf-8", errors="replace"))
    if ended.returncode and not red:
        red = [f"exit status {ended.returncode}"]
    return seconds, red


def main() -> int:
    """Run, and tell; the exit status is 1 where any run was red."""
    parser = argparse.ArgumentParser(prog="python -m tests.fresh")
    parser.add_argument("--times", type=int, default=10)
    given = parser.parse_args()
    reds = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-fresh-") as parent:
        folder = Path(parent, "clone")
        clone(folder)
        for number in range(1, given.times + 1):
            seconds, red = once(folder, Path(parent, f"run-{number}.log"))
            reds += bool(red)
            print(f"run {number}: {seconds:.0f} s, {'red' if red else 'green'}", flush=True)
            for name in red:
                print(f"  {name}")
            if red:
                kept = ROOT / "var" / f"fresh-{number}.log"
                kept.parent.mkdir(exist_ok=True)
                shutil.copy(Path(parent, f"run-{number}.log"), kept)
                print(f"  {kept}", flush=True)
    print(f"{given.times - reds} of {given.times} runs green")
    return 1 if reds else 0


if __name__ == "__main__":
    sys.exit(main())
