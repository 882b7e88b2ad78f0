"""A copy of the source in which one fault is made, and the tests that run there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.faults import Fault

ROOT = Path(__file__).resolve().parent.parent.parent
COPIED = ("shared", "server", "bots", "bench", "games", "tests")
LEFT_OUT = shutil.ignore_patterns("end_to_end", "client", "web", "docs", "__pycache__")
PASSED, FAILED = 0, 1
TIMEOUT_S = 240


class Stale(Exception):
    """The place of a fault is not there any more, or there are several like it."""


class Tree:
    """A copy of the tree; `broken` has a fault in it for a while."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
        # A server serves it; nothing in it is needed.
        (folder / "client").mkdir()
        for name in ("holdfast.py", "pyproject.toml"):
            shutil.copy2(ROOT / name, folder / name)

    @contextmanager
    def broken(self, fault: Fault) -> Generator[None]:
        """Within, the copy has this fault; `Stale` where its place is not found exactly once."""
        path = self.folder / fault.file
        text = path.read_text(encoding="utf-8")
        check(fault, text)
        path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")

    def run(self, *tests: str) -> tuple[int, str]:
        """The exit status and output of pytest for these tests, run in a process of its own."""
        # No plugin but the one the settings ask for: most of the time would go into loading them.
        options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--no-header"]
        done = subprocess.run(
            # A file is changed twice within a second, so nothing compiled may be kept.
            [sys.executable, "-B", "-m", "pytest", *options, *tests],
            cwd=self.folder,
            env={
                "PYTHONPATH": str(self.folder),
                "PATH": "",
                "HYPOTHESIS_STORAGE_DIRECTORY": str(self.folder),
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


def check(fault: Fault, text: str | None = None) -> None:
    """Raise `Stale` unless the place of the fault occurs once."""
    if text is None:
        text = (ROOT / fault.file).read_text(encoding="utf-8")
    found = text.count(fault.old)
    if found != 1:
        raise Stale(f"{fault.file}: the place of {fault.name!r} occurs {found} times; find it anew")


def notices(tree: Tree, fault: Fault) -> str:
    """Why the fault was not noticed by its test; "" if it was."""
    with tree.broken(fault):
        status, output = tree.run(fault.test)
    last = output.strip().splitlines()[-1] if output.strip() else ""
    if status != FAILED or "failed" not in last:
        return f"status {status}: {last}"
    return "it only ran out of time" if "Failed: Timeout" in output else ""
