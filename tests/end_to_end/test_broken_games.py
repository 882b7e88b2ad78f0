"""A game's file that is gone or broken when a worker restarts: the other games are served."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from shared.errors import CloseCode
from tests.end_to_end.client import CLOSE, JOIN, connected
from tests.end_to_end.server import Server, serve, until

WALK = """
from holdfast import Game, Input, Inputs, Match

class Walk(Game):
    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        pass
"""
BROKEN = {
    "gone": (None, "there is no such file"),
    "wrong": (WALK.replace(":", ""), "SyntaxError"),
    "exits": ("raise SystemExit(0)", "SystemExit"),
}
FLAGS = ("--games", "coins,./walk.py", "--open", "walk?bots=1,coins")


def restart(server: Server) -> None:
    """SIGKILL the worker, and wait for the next."""
    served = server.log().count(" serves: worker ")
    os.kill(server.worker(), signal.SIGKILL)
    until(lambda: server.log().count(" serves: worker ") > served)


async def join(server: Server, game: str) -> bool:
    async with connected(server) as client:
        return bool((await client.join(game)).player)


async def refused(server: Server, game: str) -> tuple[int, str]:
    """Why a JOIN is refused; one that may be tried again later."""
    async with connected(server) as client:
        await client.send(JOIN, os.urandom(16), game, {}, "raw", 0, None, "test")
        _, code, reason, *_ = await client.hear(CLOSE)
        return code, reason


@pytest.mark.parametrize("how", BROKEN)
def test_the_other_games_go_on_and_its_rooms_wait_for_it(tmp_path: Path, how: str) -> None:
    text, why = BROKEN[how]
    file = tmp_path / "walk.py"
    file.write_text(WALK)
    with serve(tmp_path, *FLAGS) as server:
        until(lambda: {room["game"] for room in server.rooms()} == {"walk", "coins"})
        [room] = [room["room"] for room in server.rooms("walk")]
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        restart(server)
        assert why in server.log()
        assert "walk is not served by this process, and its rooms are left alone" in server.log()
        assert f"room {room} is left alone: its game walk is not served" in server.log()
        assert asyncio.run(join(server, "coins"))
        code, reason = asyncio.run(refused(server, "walk"))
        assert (code, reason) == (
            CloseCode.UNAVAILABLE,
            "game walk does not load on this server now",
        )
        file.write_text(WALK)
        restart(server)
        until(lambda: [one["room"] for one in server.rooms("walk")] == [room])


def test_with_dev_a_game_that_came_back_is_loaded_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "walk.py"
    file.write_text(WALK)
    with serve(tmp_path, *FLAGS, "--dev") as server:
        until(lambda: {room["game"] for room in server.rooms()} == {"walk", "coins"})
        file.unlink()
        restart(server)
        assert "there is no such file" in server.ask("/api/mistakes")["file"]
        file.write_text(WALK)
        until(lambda: server.rooms("walk"))
        assert server.ask("/api/mistakes") == {"file": None, "rooms": {}}
