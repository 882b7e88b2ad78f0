"""What can be known to be wrong is said before anything listens; what is right is said in order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.server import environment, serve

REDIS = "redis://localhost:6379/0"
WRONG = {
    "a game that is not there": (("--games", "./walk.py"), "game './walk.py': there is no such"),
    "a game that is broken": (
        ("--games", "./broken.py"),
        "ZeroDivisionError: division by zero (br",
    ),
    "a room of no game": (
        ("--open", "chess"),
        "--open: there is no game 'chess' here; --games has",
    ),
    "a room's option": (("--open", "coins?bots=99"), "--open: option bots: 99 is not a whole"),
    "a store's address": (("--store", "redis://localhost/x", "--secret", "s" * 32), "redis"),
    "no secret": (("--store", REDIS), "--secret: a store in Redis needs one"),
    "a damaged secret": (("--store", "sqlite:./short.db"), "short.db.secret is damaged: remove it"),
}


@pytest.mark.parametrize("name", WRONG)
def test_nothing_listens_before_what_is_wrong_is_said(tmp_path: Path, name: str) -> None:
    flags, reason = WRONG[name]
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "short.db.secret").write_text("short")
    store = () if "--store" in flags else ("--store", "memory:")
    ended = subprocess.run(
        [sys.executable, "-m", "server", "--port", "0", *store, *flags],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith("holdfast: ")
    assert reason in line


def test_a_right_start_listens_starts_its_worker_and_serves(tmp_path: Path) -> None:
    """The control; the only worker is number 1."""
    with serve(tmp_path, "--store", "memory:") as server:
        said = [line.partition(" INFO ")[2] for line in server.log().splitlines()]
        starts = ["listening on ", "worker started: ", "process "]
        assert [line[: len(start)] for line, start in zip(said, starts, strict=False)] == starts
        assert f" serves: worker 1, pid {server.worker()}" in said[2]
