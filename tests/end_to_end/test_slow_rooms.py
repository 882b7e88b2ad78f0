"""A room that is too slow beside others goes to a process of its own, which serves no players."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

from tests.end_to_end.client import FRAME, Client, connected
from tests.end_to_end.server import GAMES, Server, serve, until
from tests.server.store.valkey import running

WORKERS = 2
# Both workers have some of them, whoever accepts whom.
NEIGHBOURS = 6
# A worker starts, and the room is asked to go there every five seconds.
PATIENCE_S = 40.0


def owner(server: Server, game: str) -> str:
    """The process of a game's first room."""
    return next((str(room["owner"]) for room in server.rooms(game)), "")


async def play(client: Client) -> None:
    """Hear whatever comes, until cancelled."""
    while True:
        await client.hear(FRAME)


def test_a_slow_room_moves_to_the_worker_kept_for_such_and_its_player_plays_on(
    tmp_path: Path,
) -> None:
    async def scenario(server: Server) -> None:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(connected(server)) for _ in range(NEIGHBOURS + 1)
            ]
            playing: list[asyncio.Task[None]] = []
            for client in clients[1:]:
                await client.join("coins", private=client is not clients[1])
                playing.append(asyncio.ensure_future(play(client)))
            await clients[0].join("hog")
            await asyncio.to_thread(
                until, lambda: owner(server, "hog").startswith("local-3-"), PATIENCE_S
            )
            tick = clients[0].tick
            while clients[0].tick < tick + 10:
                await clients[0].hear(FRAME)
            assert not any(task.done() for task in playing), "nobody was thrown out"
            assert owner(server, "coins")[:8] in {"local-1-", "local-2-"}, "the others stayed"
            for task in playing:
                task.cancel()

    games = f"coins,{GAMES}/hog.py"
    with (
        running(tmp_path / "valkey") as valkey,
        serve(tmp_path, "--store", valkey.url, "--workers", str(WORKERS), "--games", games) as one,
    ):
        until(lambda: one.log().count(" serves: worker ") == WORKERS)
        asyncio.run(scenario(one))
        assert re.search(r"process local-3-\w+ serves: worker 3", one.log())
        assert one.log().count(f"worker {WORKERS + 1}") == 2, "started once, and serves"


def test_without_the_setting_it_stays_and_is_slowed_down_alone(tmp_path: Path) -> None:
    """The control: nothing else moves it."""
    games = f"coins,{GAMES}/hog.py"
    with (
        running(tmp_path / "valkey") as valkey,
        serve(
            tmp_path,
            *("--store", valkey.url, "--workers", str(WORKERS), "--games", games),
            "--slow-worker=no",
        ) as one,
    ):
        until(lambda: one.log().count(" serves: worker ") == WORKERS)
        asyncio.run(slowed(one))
        assert one.log().count("worker started") == WORKERS


async def slowed(server: Server) -> None:
    """Play in a slow room beside others until it is slowed down."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connected(server)) for _ in range(NEIGHBOURS + 1)
        ]
        for client in clients[1:]:
            await client.join("coins", private=True)
        await clients[0].join("hog", private=True)
        await asyncio.to_thread(until, lambda: "is over its budget" in server.log(), PATIENCE_S)
