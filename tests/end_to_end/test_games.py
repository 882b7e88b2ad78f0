"""Games of authors who err: in each hook, in a file of their own, and while they are at it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.client import (
    CLOSE,
    FRAME,
    INPUT,
    JOIN,
    LEAVE,
    Client,
    Seat,
    connected,
    ticks_told,
)
from tests.end_to_end.server import GAMES, ROOT, Server, environment, serve, until

PRESS, CRASH = [1, 0], [0, 1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A server of a game that fails on demand."""
    with serve(tmp_path_factory.mktemp("bomb"), "--games", f"{GAMES}/bomb.py") as server:
        yield server


@asynccontextmanager
async def goes_on(server: Server) -> AsyncGenerator[None, None]:
    """Another room of the same game goes on, tick by tick, in the same process."""
    worker = server.worker()
    async with connected(server) as client:
        await client.join("bomb", private=True)
        ticks = [client.tick]
        yield
        while len(ticks) < 10:
            ticks += ticks_told(ticks[-1], await client.hear(FRAME))
        assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    assert server.worker() == worker


@asynccontextmanager
async def playing(server: Server, **options: Any) -> AsyncGenerator[tuple[Client, Seat], None]:
    async with connected(server) as client:
        yield client, await client.join("bomb", private=True, **options)


async def refusals(client: Client) -> list[list[Any]]:
    """The refusals of the first frame that has some; the frames up to it are of every tick."""
    tick = client.tick
    while True:
        frame = await client.hear(FRAME)
        assert frame[1] == tick + 1
        tick += 1
        if frame[5]:
            return list(frame[5])


async def gone(client: Client, reason: str) -> None:
    """The room ended because its game failed, and says how."""
    ending = await client.ended()
    assert (ending.code, ending.reason) == (4500, reason)
    assert ending.close == [CLOSE, 4500, reason, None]


@pytest.mark.asyncio(loop_factories=["asyncio"])
class TestHooks:
    """A hook raises: the tick is undone and stepped without what it consumed; twice ends it."""

    async def test_an_input_that_makes_step_fail_is_refused(self, server: Server) -> None:
        async with goes_on(server), playing(server) as (client, seat):
            await client.send(INPUT, client.tick, [1, PRESS])
            await client.send(INPUT, client.tick, [2, CRASH])
            reason = "the game failed: Bomb.step raised ValueError: the wrong button"
            assert await refusals(client) == [[2, 0, reason]]
            # The room is as it was, and takes the next input.
            await client.send(INPUT, client.tick, [3, PRESS])
            while (await client.hear(FRAME))[4] < 3:
                pass
            counted = server.ask(f"/api/rooms/{seat.room}/inputs")["players"][str(seat.player)]
            assert (counted["seq"], counted["applied"]) == (3, 2)

    async def test_an_action_that_makes_act_fail_is_refused(self, server: Server) -> None:
        async with goes_on(server), playing(server) as (client, _):
            await client.send(INPUT, client.tick, [1, None, [0]])
            reason = "the game failed: Bomb.act raised ValueError: it was set off"
            assert await refusals(client) == [[1, 1, reason]]
            await client.hear(FRAME)

    async def test_a_join_that_fails_is_refused(self, server: Server) -> None:
        async with goes_on(server), playing(server) as (client, seat):
            async with connected(server) as bomb:
                options = {"room": seat.room}
                await bomb.send(JOIN, os.urandom(16), "bomb", options, "bomb", 0, None, "")
                ending = await bomb.ended()
                assert ending.code == 4403
                assert ending.reason == (
                    "the game failed: Bomb.join raised ValueError: a bomb came in"
                )
            await client.hear(FRAME)
            async with connected(server) as friend:
                assert (await friend.join("bomb", room=seat.room)).room == seat.room

    async def test_a_leave_that_fails_ends_its_room(self, server: Server) -> None:
        async with goes_on(server), playing(server) as (client, seat), connected(server) as sore:
            await sore.join("bomb", name="sore", room=seat.room)
            await sore.send(LEAVE)
            assert (await sore.ended()).code == 1000
            await gone(client, "Bomb.leave raised ValueError: a sore loser left")

    async def test_a_step_that_always_fails_ends_its_room(self, server: Server) -> None:
        async with goes_on(server), playing(server, where="step") as (client, seat):
            await gone(client, "Bomb.step raised ValueError: it went off in step")
            # A room is closed beside the ticks, so those who played hear of it first.
            await asyncio.to_thread(until, lambda: server.get(f"/api/rooms/{seat.room}")[0] == 404)

    async def test_a_start_that_fails_ends_its_room(self, server: Server) -> None:
        async with goes_on(server), connected(server) as client:
            options = {"where": "start"}
            await client.send(JOIN, os.urandom(16), "bomb", options, "raw", 0, None, "")
            await gone(client, "Bomb.start raised ValueError: it went off in start")

    async def test_a_visible_that_always_fails_ends_its_room(self, server: Server) -> None:
        async with goes_on(server), playing(server, where="visible") as (client, _):
            await gone(client, "the game failed: ValueError: it went off in visible")

    async def test_state_in_the_game_object_is_explained(self, server: Server) -> None:
        async with goes_on(server), connected(server) as client:
            options = {"where": "state"}
            await client.send(JOIN, os.urandom(16), "bomb", options, "raw", 0, None, "")
            ending = await client.ended()
            assert ending.code == 4500
            assert "Bomb.pressed: a game holds no state" in ending.reason
        assert "put it in a field of an entity, of the Room or of the Player" in server.log()

    async def test_a_brain_that_fails_stands_still(self, server: Server) -> None:
        async with goes_on(server), playing(server, bots=2) as (client, seat):
            while client.tick < 40:
                await client.hear(FRAME)
            counted = server.ask(f"/api/rooms/{seat.room}/inputs")["players"]
            bots = [counted[number] for number in counted if int(number) != seat.player]
            assert [0 < bot["applied"] <= 20 for bot in bots] == [True, True]
        assert "the brain Nervous raised ValueError: too much" in server.log()


MINE = '''
"""Mine: a game of one file."""
from holdfast import Entity, Game, Input, Inputs, Match, Player, bounded, i16

class Dot(Entity):
    x: int = i16()

class Push(Input):
    x: int = bounded(-1, 1)

class Mine(Game):
    entities = Dot,
    input = Push

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Dot(owner=player))

    def step(self, match: Match, inputs: Inputs[Push]) -> None:
        for dot in match.all(Dot):
            dot.x += inputs[dot.owner].x * 1  # SPEED
'''


def test_a_file_without_a_page_is_served_and_played(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    with serve(tmp_path, "--games", "./mine.py", "--digest-ticks", "10") as server:
        [game] = server.ask("/api/status")["games"]
        assert (game["name"], game["web"], game["page"]) == ("mine", False, None)
        assert game["description"] == "Mine: a game of one file."
        assert b"<canvas" in server.get("/")[1]
        assert server.get("/games/mine/web/index.html")[0] == 404
        flags = ["--game", "mine", "--brain", "./mine.py", "--count", "2", "--seconds", "3"]
        ended = subprocess.run(
            [sys.executable, "-m", "bots", "swarm", "--url", server.url, *flags],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (ended.returncode, "FAILED" in ended.stderr) == (0, False), ended.stderr


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_saving_the_game_reloads_it_and_keeps_the_match(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    with serve(tmp_path, "--games", "./mine.py", "--dev") as server:
        worker = server.worker()
        async with connected(server) as client:
            seat = await client.join("mine")
            before = await moved(client, 1)
            file.write_text(MINE.replace("* 1  # SPEED", "* 100"))
            ending = await client.ended()
            assert (ending.code, ending.reason) == (1001, "the process ends; resume")
            held = client.tick
        async with connected(server) as client:
            resumed = await client.resume(seat, held=0, first_seq=2)
            assert (resumed.room, resumed.player) == (seat.room, seat.player)
            assert client.tick > held
            assert await moved(client, 2) - before >= 100
        assert server.worker() != worker
        await asyncio.to_thread(until, lambda: "reloading the game" in server.log())


async def moved(client: Client, seq: int) -> int:
    """Push the dot once with this seq; where it is when that was acknowledged."""
    await client.send(INPUT, client.tick, [seq, [1]])
    x = 0
    while True:
        frame = await client.hear(FRAME)
        for table, _, *groups in frame[7]:
            for _, _, *columns in groups if table == 2 else ():
                [x] = columns[-1]
        if frame[4] >= seq:
            return x


def test_a_save_that_does_not_load_changes_nothing_until_it_does(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    flags = ("--games", "./mine.py", "--dev", "--open", "mine?bots=1")
    with serve(tmp_path, *flags) as server:
        until(lambda: server.rooms()[0]["tick"] > 20)
        worker, [room] = server.worker(), server.rooms()
        for broken, fault in {
            MINE + "\nthis is no Python": "does not load: SyntaxError",
            "": "one subclass of Game is expected, there is none",
            MINE.replace("Dot,", "Dat,"): "does not load: NameError: name 'Dat' is not defined",
        }.items():
            file.write_text(broken)
            until(partial(says, server, fault))
            assert server.worker() == worker
        file.write_text(MINE)
        until(lambda: server.worker() != worker)
        until(lambda: server.rooms()[0]["tick"] > room["tick"])
        assert server.rooms()[0]["room"] == room["room"]


def says(server: Server, words: str) -> bool:
    return words in server.log()


def test_a_kill_from_a_foreign_page_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    with serve(tmp_path, "--games", "./mine.py", "--dev") as server:
        worker = server.worker()
        for origin in ("http://evil.example", f"http://127.0.0.1:{server.port}.evil.example"):
            status, body = server.get("/api/kill", "POST", {"Origin": origin})
            assert (status, b"this page is not of this server" in body) == (403, True)
        assert server.get("/api/kill")[0] == 405
        assert server.worker() == worker
        assert (
            server.get("/api/kill", "POST", {"Origin": f"http://127.0.0.1:{server.port}"})[0] == 202
        )
        until(lambda: server.worker() != worker)
    with serve(tmp_path, "--games", f"{ROOT}/games/coins/game.py") as server:
        assert server.get("/api/kill", "POST")[0] == 403
