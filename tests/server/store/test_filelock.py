"""One process at a time: the lock file says who holds it and outlives nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.store.base import StoreUnavailable
from server.store.filelock import FileLock


def test_a_held_lock_names_its_holder_and_what_to_do(tmp_path: Path) -> None:
    held = FileLock(tmp_path / "a.db")
    held.acquire()
    says = rf"a\.db is in use .* \(pid {os.getpid()}\): stop that process, or point --store"
    with pytest.raises(StoreUnavailable, match=says):
        FileLock(tmp_path / "a.db").acquire()
    FileLock(tmp_path / "b.db").acquire()
    held.release()
    held.release()
    FileLock(tmp_path / "a.db").acquire()


def test_a_lock_file_left_by_the_dead_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "a.db.lock").write_text("99999999999\n")
    lock = FileLock(tmp_path / "a.db")
    lock.acquire()
    assert (tmp_path / "a.db.lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_holder_that_has_not_said_its_pid_is_unknown(tmp_path: Path) -> None:
    held = FileLock(tmp_path / "a.db")
    held.acquire()
    (tmp_path / "a.db.lock").write_text("")
    with pytest.raises(StoreUnavailable, match="pid unknown"):
        FileLock(tmp_path / "a.db").acquire()
    held.release()


def test_a_lock_that_the_file_system_refuses_is_the_systems_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, operation: int) -> None:
        del fd, operation
        raise OSError("no locks here")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(OSError, match="no locks here"):
        FileLock(tmp_path / "a.db").acquire()
