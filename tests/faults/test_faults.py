"""The tests can fail: each fault in a copy of the tree is noticed by the test named beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.faults import FAULTS, Fault

ROOT = Path(__file__).resolve().parent.parent.parent
COPIED = ("shared", "server", "bots", "games", "tests")
LEFT_OUT = shutil.ignore_patterns("end_to_end", "client", "vectors", "web", "docs")
PASSED, FAILED = 0, 1


def copy_of_the_tree(folder: Path) -> Path:
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
    for name in ("holdfast.py", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder / name)
    return folder


def status_of(folder: Path, *tests: str) -> tuple[int, str]:
    """The exit status and output of pytest for these tests, run in a process of its own."""
    # No plugin but the one the settings ask for: most of the time would go into loading them.
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--no-header"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "", "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_without_a_fault_every_test_named_passes(tmp_path: Path) -> None:
    folder = copy_of_the_tree(tmp_path / "tree")
    status, output = status_of(folder, *dict.fromkeys(fault.test for fault in FAULTS))
    assert status == PASSED, output


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_is_noticed(fault: Fault, tmp_path: Path) -> None:
    folder = copy_of_the_tree(tmp_path / "tree")
    path = folder / fault.file
    text = path.read_text(encoding="utf-8")
    assert text.count(fault.old) == 1, (
        f"{fault.file} has changed; find the place of this fault anew"
    )
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    status, output = status_of(folder, fault.test)
    assert status == FAILED, f"nobody noticed that {fault.name}:\n{output}"
    assert "failed" in output.splitlines()[-1], output
