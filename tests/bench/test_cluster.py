"""A cluster on this machine: started, seen through its proxy, hurt, healed and ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.cluster import Cluster
from bench.cluster_server import ROOT, Server, get
from bench.processes import is_gone, until
from tests.server.store.valkey import require_program

# All is in other processes: which loop waits for them makes no difference.
one_loop = pytest.mark.asyncio(loop_factories=["asyncio"])
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the supervisor is for POSIX")


@pytest.fixture(autouse=True)
def valkey() -> None:
    require_program()


async def status(port: int) -> dict[str, Any]:
    answered, body = await get(port, "/api/status")
    assert answered == 200
    found: dict[str, Any] = json.loads(body)
    return found


async def seen(cluster: Cluster, count: int) -> Counter[str]:
    """Which processes answered so many connections through the proxy."""
    answers = [await status(cluster.proxy_port) for _ in range(count)]
    return Counter(answer["process"] for answer in answers)


def names(cluster: Cluster) -> set[str]:
    return {server.name for server in cluster.servers}


def processes(cluster: Cluster) -> list[int]:
    servers = [pid for one in cluster.servers for pid in (one.pid, one.supervisor_pid)]
    return [cluster.valkey.pid, *servers]


@pytest.mark.parametrize("proxy", ["auto", "relay"])
@one_loop
async def test_a_cluster_starts_takes_turns_and_leaves_nothing(proxy: Any) -> None:
    async with Cluster(3, proxy=proxy) as cluster:
        assert await seen(cluster, 9) == Counter(dict.fromkeys(names(cluster), 3))
        for server in cluster.servers:
            answer = await status(server.port)
            assert (answer["process"], answer["pid"]) == (server.name, server.pid)
            assert await server.ask("/readiness_check") == (200, b"ready\n")
        pids = processes(cluster)
        assert len(set(pids)) == 7
        assert not any(map(is_gone, pids))
    assert all(map(is_gone, pids))
    with pytest.raises(OSError, match=r"refused|failed"):
        await get(cluster.proxy_port, "/")


@one_loop
async def test_a_killed_worker_is_followed_by_another_and_its_server_by_none() -> None:
    async with Cluster(2, proxy="relay") as cluster:
        first, second = cluster.servers
        old = (first.name, first.pid, first.supervisor_pid)
        assert await first.kill() == old[1]
        assert is_gone(old[1])
        await first.ready()
        assert first.name != old[0]
        assert first.pid != old[1]
        assert first.supervisor_pid == old[2]
        await first.kill_all()
        assert is_gone(first.pid)
        assert not first.alive
        assert await seen(cluster, 3) == Counter({second.name: 3})
        await first.start()
        assert await seen(cluster, 4) == Counter(dict.fromkeys(names(cluster), 2))


@one_loop
async def test_a_drained_server_ends_well_and_starts_again() -> None:
    async with Cluster(2, proxy="relay") as cluster:
        first, second = cluster.servers
        assert await first.drain() == 0
        assert await seen(cluster, 3) == Counter({second.name: 3})
        await first.start()
        assert len(await seen(cluster, 2)) == 2


@one_loop
async def test_a_paused_worker_answers_only_once_it_is_resumed() -> None:
    async with Cluster(1, proxy="relay") as cluster:
        [server] = cluster.servers
        await server.pause()
        asked = asyncio.create_task(server.ask("/liveness_check"))
        _, waiting = await asyncio.wait([asked], timeout=0.3)
        assert waiting == {asked}
        await server.resume()
        assert await asked == (200, b"ok\n")
        # What is paused at the end is ended, too.
        await server.pause()
        pids = processes(cluster)
    assert all(map(is_gone, pids))


async def ticks(server: Server) -> int:
    _, body = await server.ask("/api/rooms")
    [room] = json.loads(body)["rooms"]
    tick: int = room["tick"]
    return tick


async def advanced(server: Server, tick: int) -> bool:
    return await ticks(server) > tick


@one_loop
async def test_a_valkey_that_pauses_and_dies_comes_back_with_what_it_had() -> None:
    # With one server, since rooms are its own.
    async with Cluster(1, proxy="relay", flags=["--open", "coins"]) as cluster:
        [server] = cluster.servers
        await cluster.valkey.pause(0.2)
        old, tick = cluster.valkey.pid, await ticks(server)
        await cluster.valkey.restart(away_s=0.2)
        assert is_gone(old)
        assert cluster.valkey.pid != old
        await until(lambda: advanced(server, tick), "the room to go on")


@one_loop
async def test_a_cluster_that_does_not_start_leaves_nothing(tmp_path: Path) -> None:
    cluster = Cluster(2, games=["nosuchgame"], proxy="relay", folder=tmp_path)
    with pytest.raises(ExceptionGroup) as failed:
        await cluster.start()
    assert "nosuchgame" in str(failed.value.exceptions[0])
    assert is_gone(cluster.valkey.pid)
    assert not any(server.alive for server in cluster.servers)
    with pytest.raises(ValueError, match="one server or more, not 0"):
        Cluster(0)


ABANDONED = """
import asyncio, sys
from bench.cluster import Cluster
async def main():
    async with Cluster(2, proxy="auto") as cluster:
        await cluster.servers[1].pause()
        workers = [pid for one in cluster.servers for pid in (one.pid, one.supervisor_pid)]
        print(cluster.valkey.pid, *workers, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_cluster_ends_with_the_program_that_started_it(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ABANDONED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as program:
        assert program.stdout is not None
        pids = [int(word) for word in program.stdout.readline().split()]
        try:
            assert len(pids) == 5
            assert not any(map(is_gone, pids))
            program.send_signal(number)
            asyncio.run(until(lambda: all(map(is_gone, pids)), "the end of what was started"))
        finally:
            program.kill()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def test_the_command_says_where_to_play_and_what_happens() -> None:
    command = [sys.executable, "-m", "bench.cluster", "--processes", "1", "--proxy", "relay"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        lines = iter(program.stdout)
        try:
            assert next(lines).startswith("play at http://127.0.0.1:")
            serves = next(line for line in lines if " serves at " in line)
            assert serves.startswith("server 1: process ")
            worker = int(serves.split()[-1])
            assert serves.endswith(f"kill -9 {worker}\n")
            room = next(line for line in lines if line.startswith("room "))
            assert room.endswith("with server 1\n")
            os.kill(worker, signal.SIGKILL)
            assert next(line for line in lines if f"worker {worker} is gone" in line)
            again = int(next(line for line in lines if " serves at " in line).split()[-1])
            assert again != worker
            moved = next(line for line in lines if "server 1 took it up again" in line)
            assert moved.startswith("room ")
            os.kill(again, signal.SIGKILL)
            assert next(line for line in lines if f"worker {again} is gone" in line)
            program.send_signal(signal.SIGINT)
            assert program.wait(30) == 0
        finally:
            program.kill()


@pytest.mark.parametrize(
    ("flags", "said"),
    [(["--processes", "0"], "give 1 or more"), (["--games", "nosuchgame"], "nosuchgame")],
)
def test_a_command_that_cannot_run_says_why(flags: list[str], said: str) -> None:
    command = [sys.executable, "-m", "bench.cluster", "--proxy", "relay", *flags]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=40, check=False
    )
    assert ended.returncode != 0
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
