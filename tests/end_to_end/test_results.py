"""Each match of a room has a result of its own, and a client is told each once."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from bots.client import join
from tests.end_to_end.server import Server, serve, until

ROUNDS = """
from holdfast import Action, Game, Input, Inputs, Match, Player, u16


class End(Action):
    round: int = u16()


class Again(Action):
    pass


class Rounds(Game):
    actions = End, Again
    finished_s = 30.0

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        pass

    def act(self, match: Match, player: Player, action: Action) -> None:
        if isinstance(action, End):
            match.finish({"round": action.round})
        else:
            match.restart()
"""


async def played(server: Server, told: list[Any]) -> str:
    """Three matches in one room, the worker killed between the second and the third; the room."""
    room = await join(f"ws://127.0.0.1:{server.port}", "rounds", options={"private": True})
    news = asyncio.Queue[Any]()
    room.on("result", news.put_nowait)
    for number in (1, 2, 3):
        assert (await room.act("End", {"round": number})).applied
        told.append(await news.get())
        if number == 2:
            os.kill(server.worker(), signal.SIGKILL)
        if number < 3:
            assert (await room.act("Again")).applied
    room.leave()
    assert news.empty(), "once each"
    return room.id


def test_each_matchs_result_is_told_once_and_kept(tmp_path: Path) -> None:
    (tmp_path / "rounds.py").write_text(ROUNDS)
    with serve(tmp_path, "--games", "./rounds.py") as server:
        told: list[Any] = []
        room = asyncio.run(asyncio.wait_for(played(server, told), 50))
        assert told == [{"round": 1}, {"round": 2}, {"round": 3}]
        until(lambda: len(server.ask(f"/api/rooms/{room}/results")["results"]) == 3)
        kept = server.ask(f"/api/rooms/{room}/results")["results"]
        assert [(one["match"], one["result"]["round"]) for one in kept] == [(1, 1), (2, 2), (3, 3)]
        assert server.ask(f"/api/rooms/{room}/result") == {"round": 3}
