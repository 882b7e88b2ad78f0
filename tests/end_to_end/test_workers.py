"""A real server with several workers on one port and a store they share."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.end_to_end.server import Server, refused, serve, until
from tests.server.store.valkey import Valkey, free_port, running

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the supervisor is for POSIX")
WORKERS = 2


@pytest.fixture
def redis(tmp_path: Path) -> Generator[Valkey, None, None]:
    with running(tmp_path / "valkey", "--appendonly", "yes") as server:
        yield server


def processes(server: Server) -> dict[str, int]:
    """Name and process id of two workers."""
    found: dict[str, int] = {}
    # Whoever is free takes a connection, so the one that answered is held back.
    status = server.ask("/api/status")
    found[status["process"]] = status["pid"]
    os.kill(status["pid"], signal.SIGSTOP)
    try:
        status = server.ask("/api/status")
    finally:
        os.kill(next(iter(found.values())), signal.SIGCONT)
    found[status["process"]] = status["pid"]
    return found


def test_workers_answer_under_names_of_their_own_and_are_replaced_one_by_one(
    tmp_path: Path, redis: Valkey
) -> None:
    with serve(tmp_path, "--store", redis.url, "--workers", str(WORKERS)) as server:
        until(lambda: server.log().count(" serves: worker ") == WORKERS)
        before = processes(server)
        assert sorted(name.split("-")[1] for name in before) == ["1", "2"]
        assert len(set(before.values())) == WORKERS
        name, pid = before.popitem()
        os.kill(pid, signal.SIGKILL)
        until(lambda: server.log().count(" serves: worker ") == WORKERS + 1)
        after = processes(server)
        assert set(before) == set(before) & set(after)
        assert name not in after
        assert len(after) == WORKERS
        assert server.stop() == 0
        assert server.log().count("stopping") == WORKERS


def test_what_is_wrong_with_the_store_is_one_line_however_many_workers(tmp_path: Path) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}"
    status, lines = refused(tmp_path, "--store", nobody, "--workers", "4")
    assert status == 2
    [line] = lines
    assert line.startswith("holdfast: no Redis is to be reached at redis://127.0.0.1:")


def test_a_worker_outlasts_a_store_that_is_away_while_it_starts(
    tmp_path: Path, redis: Valkey
) -> None:
    with serve(tmp_path, "--store", redis.url) as server:
        pid = server.worker()
        redis.kill()
        os.kill(pid, signal.SIGKILL)
        until(lambda: "exited with 4; restarting" in server.log())
        redis.restart()
        assert until(server.worker) != pid
        assert server.stop() == 0
