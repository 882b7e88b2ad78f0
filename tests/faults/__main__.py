"""Every fault, one at a time: `python -m tests.faults` says which test noticed it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.faults import FAULTS, Fault
from tests.faults.proof import write
from tests.faults.tree import PASSED, Tree, check, notices

EPILOG = """examples:
  python -m tests.faults                 all of them
  python -m tests.faults --only fence    those with this word in their name
  python -m tests.faults --write         write the table in docs/PROOF.md, once all are noticed
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 1 where a fault was not noticed."""
    asked = _parser().parse_args(arguments)
    faults = [fault for fault in FAULTS if asked.only in fault.name]
    for fault in faults:
        check(fault)
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(Path(folder) / "tree")
        status, output = tree.run(*dict.fromkeys(fault.test for fault in faults))
        if status != PASSED:
            print(f"without a fault these tests fail:\n{output}")
            return 1
        unnoticed = _each(tree, faults)
    print(f"{len(faults)} faults, {len(faults) - unnoticed} noticed, {unnoticed} not")
    if asked.write and not unnoticed:
        write()
    return 1 if unnoticed else 0


def _each(tree: Tree, faults: Sequence[Fault]) -> int:
    began_s, unnoticed = time.monotonic(), 0
    for done, fault in enumerate(faults, 1):
        why = notices(tree, fault)
        unnoticed += bool(why)
        spent_s = time.monotonic() - began_s
        left_s = spent_s / done * (len(faults) - done)
        told = f"NOT NOTICED by {fault.test}: {why}" if why else fault.test
        print(f"{done:3} of {len(faults)}, {left_s:4.0f} s left: {fault.name}: {told}", flush=True)
    return unnoticed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Makes each fault in a copy of the source and runs the test that must notice.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", metavar="WORD", help="faults with this in their name")
    parser.add_argument("--write", action="store_true", help="write the table in docs/PROOF.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
