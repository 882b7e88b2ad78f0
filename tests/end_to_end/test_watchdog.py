"""A game that does not return from one of its hooks: its room is put aside, the others go on."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from server.watch_page import GAME_HANGS_MAX
from shared.errors import CloseCode
from tests.end_to_end.client import CLOSE, FRAME, INPUT, JOIN, Ending, Seat, connected
from tests.end_to_end.server import GAMES, PATIENCE_S, Server, serve, until
from tests.server.store.valkey import running

WATCHDOG_S = 1.0
WORKERS = 2
# The option, and the hook that the log blames.
KINDS = {
    "start": "start",
    "join": "join",
    "act": "act",
    "step": "step",
    "sleep": "step",
    "regex": "step",
    "visible": "visible",
    "brain": "think",
}
STUCK = (GAMES / "stuck.py").read_text()


def flags(folder: Path) -> tuple[str, ...]:
    """A server of coins and of one game for each kind: one that hangs too often is refused."""
    files = [folder / f"{where}.py" for where in KINDS]
    for file in files:
        file.write_text(STUCK)
    games = ",".join(["coins", *map(str, files)])
    return ("--games", games, "--watchdog-s", f"{WATCHDOG_S:g}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """Two workers on a Valkey; every test of this file makes one of them hang."""
    folder = tmp_path_factory.mktemp("watchdog")
    with (
        running(folder / "valkey") as store,
        serve(folder, *flags(folder), "--store", store.url, "--workers", str(WORKERS)) as server,
    ):
        until(lambda: server.log().count(" serves: worker ") == WORKERS)
        yield server


@pytest.mark.parametrize("where", KINDS)
def test_a_room_that_hangs_is_put_aside_and_nobody_else_hangs_in_it(
    server: Server, where: str
) -> None:
    ended, serving = server.log().count("is silent for"), server.log().count(" serves: worker ")
    asyncio.run(hang_beside_a_neighbour(server, where))
    log = server.log()
    assert log.count("is silent for") == ended + 1
    assert log.count(" serves: worker ") == serving + 1, "one worker was replaced, and no other"
    told = re.findall(r"room (\S+) is quarantined: (\w+: \w+) did not return .* \((\S+)\)", log)[-1]
    assert told[1] == f"{where}: {KINDS[where]}"
    assert re.fullmatch(rf"{where}\.py:\d+", told[2])
    assert told[0] not in {room["room"] for room in server.rooms()}
    assert log.count(" is quarantined: ") == ended + 1, "no other room counts it"


async def hang_beside_a_neighbour(server: Server, where: str) -> None:
    """Returns when the worker that hung is replaced, and the neighbour has played on."""
    ended, serving = server.log().count("is silent for"), server.log().count(" serves: worker ")
    seat = None
    async with connected(server) as client:
        seat = await client.join("coins", private=True)
        villain = asyncio.ensure_future(open_stuck(server, where))
        await asyncio.to_thread(until, lambda: server.log().count("is silent for") > ended)
        await asyncio.to_thread(until, lambda: server.log().count(" serves: worker ") > serving)
        villain.cancel()
        await asyncio.wait([villain])
        held = client.tick
    # By the other worker, or by the one that took the dead one's place.
    async with connected(server) as client:
        await client.resume(seat)
        while client.tick < held + 20:
            await client.hear(FRAME)


async def open_stuck(server: Server, where: str) -> None:
    """One player in a room that will be stuck there; what becomes of its connection is all one."""
    async with connected(server) as client:
        await client.join(where, private=True, where=where, bots=int(where == "brain"))
        if where == "act":
            await client.send(INPUT, 1, [1, None, [0]])
        await client.ended()


def test_two_servers_share_no_page_and_the_other_does_not_hang_either(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    # Slow ticks, of which three are waited for: even a busy machine tells of a hang by then.
    (tmp_path / "act.py").write_text(STUCK.replace("seats = 4", "seats = 4\n    tick_rate = 2"))
    usual = ("--games", f"{tmp_path}/act.py", "--watchdog-s", "4")
    with (
        running(tmp_path / "valkey") as store,
        serve(tmp_path / "one", *usual, "--store", store.url) as one,
        serve(tmp_path / "two", *usual, "--store", store.url) as two,
    ):
        ending, seat = asyncio.run(hang_followed_from(one, two))
        assert ending.close is not None
        assert ending.close[1] == CloseCode.GAME_FAILED
        assert one.log().count("is silent for") == 1
        assert "is silent for" not in two.log()
        assert f"room {seat.room}: taken over" not in two.log()
        assert f"room {seat.room} is quarantined: act: act did not" in one.log()


async def hang_followed_from(one: Server, two: Server) -> tuple[Ending, Seat]:
    """Ada's action hangs her server; how that ends for Bob in her room, at another one."""
    async with connected(one) as ada, connected(two) as bob:
        seat = await ada.join("act", private=True, where="act")
        await bob.join("act", room=seat.room)
        await ada.send(INPUT, 1, [1, None, [0]])
        return await bob.ended(3 * PATIENCE_S), seat


def test_with_one_worker_and_a_file_the_rooms_beside_it_go_on(tmp_path: Path) -> None:
    with serve(tmp_path, *flags(tmp_path)) as server:
        asyncio.run(hang_beside_a_neighbour(server, "step"))
        until(lambda: " is quarantined: step: step did not return" in server.log())
        assert [room["game"] for room in server.rooms()] == []
        assert server.log().count("is silent for") == 1


def test_a_worker_that_is_stopped_is_replaced_and_no_room_is_put_aside(tmp_path: Path) -> None:
    with serve(tmp_path, *flags(tmp_path)) as server:
        pid = server.worker()
        os.kill(pid, signal.SIGSTOP)
        until(lambda: "and does not run at all: killed" in server.log())
        assert until(server.worker) != pid
        assert "quarantined" not in server.log()


def test_a_game_that_hangs_in_every_room_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "walk.py").write_text(WALK)
    usual = ("--games", "coins,./walk.py", "--open", "walk", "--watchdog-s", "0.5")
    with serve(tmp_path, *usual) as server:
        until(lambda: server.log().count(" serves: worker ") == 1 + GAME_HANGS_MAX)
        assert server.log().count("is silent for") == GAME_HANGS_MAX
        told, seat = asyncio.run(join_both(server))
        assert told[1] == CloseCode.UNAVAILABLE
        assert "this game hangs" in told[2]
        assert seat.player
        assert server.log().count("is silent for") == GAME_HANGS_MAX


async def join_both(server: Server) -> tuple[list[Any], Seat]:
    """What a player of the game that hangs is told, and the seat of one of coins."""
    async with connected(server) as client:
        await client.send(JOIN, os.urandom(16), "walk", {}, "raw", 0, None, "test")
        told = await client.hear(CLOSE)
    async with connected(server) as client:
        return told, await client.join("coins", private=True)


WALK = """
from holdfast import Game, Input, Inputs, Match

class Walk(Game):
    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        while match.tick > 20:
            pass
"""
REPAIRED = WALK.replace("while match.tick > 20", "if match.tick > 20")


def test_with_dev_the_page_has_the_line_and_the_room_goes_on_when_the_file_is_saved(
    tmp_path: Path,
) -> None:
    file = tmp_path / "walk.py"
    file.write_text(WALK)
    usual = ("--games", "./walk.py", "--open", "walk", "--watchdog-s", "1", "--dev")
    with serve(tmp_path, *usual) as server:
        [room] = until(server.rooms)
        until(lambda: "is silent for" in server.log())
        told = until(lambda: server.ask("/api/mistakes")["rooms"])
        assert list(told) == [room["room"]]
        assert re.fullmatch(
            r"walk: step did not return for .* s \(walk\.py:[67]\)", told[room["room"]]
        )
        worker = server.worker()
        file.write_text(REPAIRED)
        until(lambda: server.worker() != worker)
        until(lambda: server.ask("/api/mistakes")["rooms"] == {})
        until(lambda: [one for one in server.rooms() if one["tick"] > 21])
        assert [one["room"] for one in server.rooms()] == [room["room"]]
        assert server.log().count("is silent for") == 1
        assert "quarantined" not in server.log()


def test_with_dev_a_file_that_was_saved_while_the_game_hung_is_tried_at_once(
    tmp_path: Path,
) -> None:
    file = tmp_path / "walk.py"
    file.write_text(WALK)
    usual = ("--games", "./walk.py", "--open", "walk", "--watchdog-s", "2", "--dev")
    with serve(tmp_path, *usual) as server:
        until(lambda: [one for one in server.rooms() if one["tick"] > 1])
        # Its room hangs a second after it began, and nobody reads the file that is saved now.
        time.sleep(1.0)
        file.write_text(REPAIRED)
        until(lambda: "is silent for" in server.log())
        until(lambda: [one for one in server.rooms() if one["tick"] > 21])
        assert server.ask("/api/mistakes")["rooms"] == {}
        assert server.log().count("is silent for") == 1
