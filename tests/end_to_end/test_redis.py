"""Matches kept in a Redis: workers die, the Redis stops and dies, servers change; matches go on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.client import FRAME, INPUT, ROOM, connected
from tests.end_to_end.server import ROOT, environment, refused, serve, until
from tests.end_to_end.test_kill import Swarm, advanced, seated, ticks
from tests.server.store.valkey import Valkey, free_port, running

LIVE, PAUSED = 0, 1
BOTS, KILLS = 20, 3
NOTHING = ("inputs_lost", "inputs_doubled", "inputs_unchecked", "divergence", "ticks_back")


@pytest.fixture
def redis(tmp_path: Path) -> Generator[Valkey, None, None]:
    with running(tmp_path / "valkey", "--appendonly", "yes") as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_workers_that_are_killed_and_a_redis_that_goes_and_comes_lose_nothing(
    tmp_path: Path, redis: Valkey
) -> None:
    flags = ("--store", redis.url, "--dev", "--digest-ticks", "20")
    with serve(tmp_path, *flags) as server:
        swarm = Swarm(server, BOTS, seconds=90)
        try:
            seated(server, BOTS)
            rooms = ticks(server)
            for _ in range(KILLS):
                before = ticks(server)
                server.kill_worker()
                seated(server, BOTS)
                until(partial(advanced, server, before))
            with redis.stopped():
                time.sleep(2.5)
            until(partial(advanced, server, ticks(server)))
            redis.kill()
            time.sleep(0.5)
            redis.restart()
            until(partial(advanced, server, ticks(server)))
            assert set(ticks(server)) == set(rooms)
            swarm.stop()
            status, report = swarm.report()
        finally:
            swarm.kill()
        assert server.log().count("died by SIGKILL; restarting") == KILLS
        assert "rooms stand still: " in server.log()
        assert "store is back after" in server.log()
    assert {key: report[key] for key in NOTHING} == dict.fromkeys(NOTHING, 0)
    assert report["sessions"] == report["joined"] == report["inputs_checked"] == BOTS
    # Of the Redis's absence no connection hears but by standing still.
    assert report["resumes"] == BOTS * KILLS
    assert status == 0


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_while_the_redis_is_away_rooms_stand_still_and_say_so(
    tmp_path: Path, redis: Valkey
) -> None:
    with serve(tmp_path, "--store", redis.url) as server:
        async with connected(server) as client:
            seat = await client.join("coins")
            await client.send(INPUT, client.tick, [1, [1, 0]])
            with redis.stopped():
                paused = await client.hear(ROOM)
                assert paused[1:4] == [seat.epoch, client.tick, PAUSED]
                held = client.tick
                assert server.get("/readiness_check") == (200, b"ready\n")
                assert "did not answer within" in server.log()
                await client.send(INPUT, held, [2, [1, 0]])
            assert (await client.hear(ROOM))[3] == LIVE
            frame = await client.hear(FRAME)
            while frame[4] < 2:
                frame = await client.hear(FRAME)
            await asyncio.to_thread(redis.kill)
            assert (await client.hear(ROOM))[3] == PAUSED
            await asyncio.to_thread(redis.restart)
            assert (await client.hear(ROOM))[3] == LIVE
            await client.send(INPUT, client.tick, [3, [1, 0]])
            while frame[4] < 3:
                frame = await client.hear(FRAME)
            # In place of the outage there is nothing; the match is not sped up to make up for it.
            assert client.tick < held + 100
        counted = server.ask(f"/api/rooms/{seat.room}/inputs")["players"][str(seat.player)]
        assert (counted["seq"], counted["applied"]) == (3, 3)


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_another_server_takes_up_what_one_left(tmp_path: Path, redis: Valkey) -> None:
    with serve(tmp_path, "--store", redis.url) as first:
        async with connected(first) as client:
            seat = await client.join("coins")
            await client.send(INPUT, client.tick, [1, [1, 0]])
            while (await client.hear(FRAME))[4] < 1:
                pass
            held = client.tick
        assert first.stop() == 0
    with serve(tmp_path, "--store", redis.url) as second:
        async with connected(second) as client:
            again = await client.resume(seat, held, 2)
            assert (again.room, again.player) == (seat.room, seat.player)
            assert again.epoch > seat.epoch
            assert client.tick >= held


def test_a_redis_that_will_not_do_is_one_clear_line_without_the_password(tmp_path: Path) -> None:
    with running(tmp_path / "valkey", password="hunter2") as redis:
        wrong = redis.url.replace("//", "//:hunter3@")
        evicting = redis.url.replace("//", "//:hunter2@")
        redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        nobody = f"redis://:hunter2@127.0.0.1:{free_port()}"
        for url, said in (
            (wrong, "refuses this user or password"),
            (evicting, "set maxmemory-policy to noeviction there"),
            (nobody, "no Redis is to be reached at redis://127.0.0.1:"),
            (f"{evicting}?prefix=a:b", "use 1 to 64 characters"),
        ):
            status, lines = refused(tmp_path, "--store", url)
            assert status == 2
            [line] = lines
            assert line.startswith("holdfast: ")
            assert said in line
            assert "hunter" not in line


def test_a_redis_without_a_secret_is_for_development_only(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "server", "--port", "0", "--store", "redis://127.0.0.1:1"],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 2
    assert "holdfast: --secret: a store in Redis needs one" in ended.stderr
