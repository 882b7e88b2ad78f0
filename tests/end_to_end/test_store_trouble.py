"""Stores that are damaged, too new, taken or full: one clear line, or rooms that wait for space."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import resource
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.client import FRAME, INPUT, JOIN, ROOM, connected
from tests.end_to_end.server import ROOT, command, environment, refused, serve, until

LIVE, PAUSED = 0, 1


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a store in which a match was played."""
    folder = tmp_path_factory.mktemp("sound")
    with serve(folder, "--open", "coins?bots=2") as server:
        until(lambda: server.rooms()[0]["tick"] > 40)
        assert server.stop() == 0
    assert not (folder / "holdfast.db-wal").exists()
    return (folder / "holdfast.db").read_bytes()


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")


def damaged(path: Path) -> None:
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 512)


def of_another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")


Harm = Callable[[Path], object]
HARMED: dict[str, tuple[Harm, str]] = {
    "corrupted": (damaged, "is damaged"),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size - 4096), "was cut off"),
    "cut to nothing": (lambda path: os.truncate(path, 0), "too short for a store"),
    "newer": (newer, "was written by a newer Holdfast (format 999"),
    "no database": (lambda path: path.write_bytes(b"no database\n" * 100), "not a database"),
    "another program's": (of_another_program, "is a database, but not one of Holdfast's"),
}


@pytest.mark.parametrize("name", HARMED)
def test_a_store_that_will_not_do_is_refused_and_left(
    tmp_path: Path, sound: bytes, name: str
) -> None:
    harm, reason = HARMED[name]
    path = tmp_path / "holdfast.db"
    path.write_bytes(sound)
    harm(path)
    before = hashlib.sha256(path.read_bytes()).digest()
    status, lines = refused(tmp_path, "--store", f"sqlite:{path}")
    assert status == 2
    [line] = lines
    assert line.startswith(f"holdfast: {path} ")
    assert reason in line
    # What would be right is told too.
    assert re.search(r"restore it|--store elsewhere|update", line)
    assert hashlib.sha256(path.read_bytes()).digest() == before


WRONG_STARTS = {
    "unknown flag": (("--prot", "8080"), "'--prot' is not known; did you mean --port?"),
    "port too large": (("--port", "70000"), "--port '70000': give a whole number from 0 to 65535"),
    "no value": (("--games",), "--games: no value follows; give --games LIST"),
    "unknown game": (("--games", "chess"), "game 'chess': there is no module games.chess.game"),
    "no such file": (("--games", "./chess.py"), "game './chess.py': there is no such file"),
    "unknown store": (("--store", "mysql:x"), "--store 'mysql:x': give memory:"),
    "a folder for a store": (("--store", "sqlite:."), "cannot be read or written"),
    "several workers": (("--workers", "2"), "--workers 2: sqlite: belongs to one process"),
    "unknown standing room": (("--open", "chess"), "--open: there is no game 'chess' here"),
    "wrong option": (("--open", "coins?bots=99"), "--open: option bots: 99 is not a whole number"),
    "no address of ours": (("--host", "203.0.113.7"), "--host 203.0.113.7"),
}


@pytest.mark.parametrize("name", WRONG_STARTS)
def test_a_wrong_start_is_one_clear_line(tmp_path: Path, name: str) -> None:
    flags, reason = WRONG_STARTS[name]
    store = () if "--store" in flags else ("--store", f"sqlite:{tmp_path}/holdfast.db")
    status, lines = refused(tmp_path, *store, *flags)
    assert status == 2
    [line] = lines
    assert line.startswith("holdfast: ")
    assert reason in line


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, lines = refused(tmp_path, "--port", str(port), "--store", "memory:")
    assert status == 2
    [line] = lines
    assert line == (
        f"holdfast: --port {port}: another program listens there; end it, or choose another with "
        "--port (or HOLDFAST_PORT)"
    )


def test_a_second_server_leaves_the_store_to_the_first(tmp_path: Path) -> None:
    with serve(tmp_path, "--open", "coins?bots=2") as server:
        status, lines = refused(tmp_path, "--store", f"sqlite:{tmp_path}/holdfast.db")
        assert status == 2
        [line] = lines
        assert line.startswith(f"holdfast: {tmp_path}/holdfast.db ")
        assert f"is in use by another process (pid {server.worker()})" in line
        before = server.rooms()[0]["tick"]
        until(lambda: server.rooms()[0]["tick"] > before + 5)


def test_assertions_stay_on(tmp_path: Path) -> None:
    flags = command("--port", "0", "--store", "memory:")
    ended = subprocess.run(
        [sys.executable, "-O", *flags[1:]],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("holdfast: python -O (or PYTHONOPTIMIZE) turns assertions off")


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_full_disk_makes_rooms_wait_until_there_is_space(tmp_path: Path) -> None:
    """No file of the worker may grow beyond a page: SQLite meets the error of a full disk."""
    with serve(tmp_path) as server:
        async with connected(server) as client, connected(server) as late:
            seat = await client.join("coins")
            await client.send(INPUT, client.tick, [1, [1, 0]])
            worker, no_limit = server.worker(), resource.RLIM_INFINITY
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (1024, no_limit))
            paused = await client.hear(ROOM)
            held = client.tick
            assert paused[1:4] == [seat.epoch, held, PAUSED]
            # The server is well: restarting it would not make room on the disk.
            assert server.get("/readiness_check") == (200, b"ready\n")
            assert server.get("/liveness_check")[0] == 200
            assert "store unavailable, rooms stand still" in server.log()
            await late.send(JOIN, os.urandom(16), "coins", {"private": True}, "late", 0, None, "")
            ending = await late.ended()
            assert (ending.code, ending.reason) == (4503, "no new rooms right now")
            assert ending.close is not None
            assert ending.close[3] == 2000
            # What is asked for meanwhile is not lost.
            await client.send(INPUT, held, [2, [1, 0]])
            await asyncio.sleep(0.5)
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (no_limit, no_limit))
            live = await client.hear(ROOM)
            assert live[3] == LIVE
            frame = await client.hear(FRAME)
            assert frame[1] > held
            while frame[4] < 2:
                frame = await client.hear(FRAME)
            assert client.tick < held + 40, "the outage is over, not caught up"
        assert server.worker() == worker
        assert server.log().count("store is back after") == 1
        counted = server.ask(f"/api/rooms/{seat.room}/inputs")["players"][str(seat.player)]
        assert (counted["seq"], counted["applied"]) == (2, 2)
        assert server.stop() == 0
