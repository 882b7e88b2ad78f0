"""The worker dies by SIGKILL, again and again, and by SIGTERM; matches, seats and inputs do not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.client import FRAME, INPUT, Client, Seat, connected
from tests.end_to_end.server import ROOT, Server, environment, serve, until

BOTS, KILLS = 40, 10
# Between two kills the match goes on for so many ticks: a second at 20.
TICKS_BETWEEN = 20


class Swarm:
    """Bots in a process of their own, and the report they end with."""

    def __init__(self, server: Server, count: int, seconds: float) -> None:
        self._process = subprocess.Popen(
            [
                *[sys.executable, "-m", "bots", "swarm", "--json", "--url", server.url],
                *["--count", str(count), "--seconds", str(seconds), "--arrive-s", "1"],
            ],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @property
    def playing(self) -> bool:
        return self._process.poll() is None

    def report(self) -> tuple[int, dict[str, Any]]:
        """Wait for the end; exit status and findings."""
        output, _ = self._process.communicate(timeout=60)
        return self._process.returncode, json.loads(output)

    def stop(self) -> None:
        """Let the bots compare their inputs with the server's, and leave."""
        if self.playing:
            self._process.terminate()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def seated(server: Server, count: int) -> None:
    """Wait until so many sessions have a connection."""
    until(lambda: server.metrics()["sessions"] == count)


def ticks(server: Server) -> dict[str, int]:
    return {room["room"]: room["tick"] for room in server.rooms()}


def advanced(server: Server, before: dict[str, int]) -> bool:
    now = ticks(server)
    return all(now.get(room, 0) >= tick + TICKS_BETWEEN for room, tick in before.items())


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_ten_kills_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Four digests between two kills: a tick that a slow machine sends no frame for has none.
    with serve(tmp_path, "--digest-ticks", str(TICKS_BETWEEN // 4)) as server:
        swarm = Swarm(server, BOTS, seconds=90)
        try:
            seated(server, BOTS)
            rooms = ticks(server)
            pids: list[int] = []
            for _ in range(KILLS):
                before = ticks(server)
                pids.append(server.kill_worker())
                seated(server, BOTS)
                until(partial(advanced, server, before))
            assert len({*pids, server.worker()}) == KILLS + 1
            assert set(ticks(server)) == set(rooms)
            swarm.stop()
            status, report = swarm.report()
        finally:
            swarm.kill()
        assert server.log().count("died by SIGKILL; restarting") == KILLS
    nothing = (
        "inputs_lost",
        "inputs_doubled",
        "inputs_unchecked",
        "divergence",
        "ticks_back",
        "player_changed",
    )
    assert {key: report[key] for key in nothing} == dict.fromkeys(nothing, 0)
    assert report["sessions"] == report["joined"] == report["inputs_checked"] == BOTS
    assert report["rooms"] == len(rooms)
    assert report["resumes"] == BOTS * KILLS
    assert report["digests"] > BOTS * KILLS
    assert status == 0
    with capsys.disabled():
        print(f"\n{KILLS} kills, {BOTS} bots: gap {report['resume_gap_ms']} ms", end=" ")


def test_without_a_store_a_kill_is_noticed(tmp_path: Path) -> None:
    """The bots' report can fail: here it must."""
    with serve(tmp_path, "--store", "memory:", "--digest-ticks", "10") as server:
        swarm = Swarm(server, 3, seconds=90)
        try:
            seated(server, 3)
            time.sleep(1)
            server.kill_worker()
            status, report = swarm.report()
        finally:
            swarm.kill()
    assert status == 1
    assert report["inputs_unchecked"] == 3
    assert report["resumes"] == 0
    assert any(reason.startswith("4410 ") for reason in report["errors"])


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_sigterm_ends_cleanly_and_the_next_server_goes_on(tmp_path: Path) -> None:
    seats: list[Seat] = []
    held: list[int] = []
    with serve(tmp_path) as server:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(server)) for _ in range(3)]
            for client in clients:
                seats.append(await client.join("coins"))
                await plays(client, 1)
            assert await asyncio.to_thread(server.stop) == 0
            for client in clients:
                ending = await client.ended()
                assert (ending.code, ending.reason) == (1001, "the process ends; resume")
                held.append(client.tick)
        assert "Traceback" not in server.log()
    with serve(tmp_path) as server:
        for seat, tick in zip(seats, held, strict=True):
            async with connected(server) as client:
                resumed = await client.resume(seat, held=tick, first_seq=2)
                assert (resumed.room, resumed.player) == (seat.room, seat.player)
                assert resumed.epoch > seat.epoch
                assert client.tick > tick
                await plays(client, 2)
        counted = server.ask(f"/api/rooms/{seats[0].room}/inputs")["players"]
        assert [counted[str(seat.player)]["applied"] for seat in seats] == [2, 2, 2]
        assert server.stop() == 0


async def plays(client: Client, seq: int) -> None:
    """Post an input with this seq and wait for its ack."""
    await client.send(INPUT, client.tick, [seq, [1, 0]])
    while (await client.hear(FRAME))[4] < seq:
        pass
