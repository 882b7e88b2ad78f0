"""Rules that change while matches run: on save, and from one release of a game to the next."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest

from bots.client import Room, join
from tests.end_to_end.client import connected
from tests.end_to_end.server import Server, serve, until

MINE = '''
"""Mine: a game whose author cannot stop changing it."""
from holdfast import SERVER, Entity, Game, Input, Inputs, Match, Player, bounded, i16, text, u8

class Dot(Entity):
    x: int = i16()  # FIELD
    spare: int = u8(3)
    plan: int = u8(4, to=SERVER)

class Push(Input):
    x: int = bounded(-1, 1)  # INPUT

class Mine(Game):
    entities = Dot,
    input = Push

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Dot(owner=player))

    def step(self, match: Match, inputs: Inputs[Push]) -> None:
        for dot in match.all(Dot):
            dot.x += inputs[dot.owner].x
'''
FIELDS = MINE.replace("# FIELD", "\n    armour: int = u8(7)\n    note: str = text(9, 'new')")
INPUTS = FIELDS.replace("# INPUT", "\n    jump: int = bounded(0, 1)").replace(
    "    spare: int = u8(3)\n", ""
)
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


def dot(room: Room) -> Any:
    """The player's own dot, as the client's view has it."""
    return next(row for row in room.latest.all("Dot") if row.owner == room.player)


async def comes(found: Any) -> None:
    """Wait until this is so."""
    await asyncio.to_thread(until, found)


async def saved(server: Server, file: Path, rules: str) -> None:
    """Save the rules, and wait until a worker serves them."""
    worker = await asyncio.to_thread(server.worker)
    await asyncio.to_thread(file.write_text, rules)
    await comes(lambda: server.worker() != worker)


@pytest.mark.parametrize(("transport", "state"), [("websocket", "live"), ("polling", "polling")])
async def test_saving_other_fields_and_inputs_keeps_the_match_and_its_players(
    tmp_path: Path, transport: Literal["websocket", "polling"], state: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    flags = ("--games", "./mine.py", "--dev", "--digest-ticks", "2")
    with serve(tmp_path, *flags) as server:
        room = await join(server.url, "mine", name="Ada", transport=transport)
        room.sample(lambda: {"x": 1})
        await comes(lambda: dot(room).x >= 5)
        number, player, before = dot(room).id, room.player, dot(room).x
        assert not hasattr(dot(room), "armour")

        await saved(server, file, FIELDS)
        await comes(lambda: getattr(dot(room), "armour", 0) == 7)
        assert (dot(room).id, dot(room).note, dot(room).spare) == (number, "new", 3)
        assert dot(room).x >= before
        x = dot(room).x
        await comes(lambda: dot(room).x >= x + 5)

        await saved(server, file, INPUTS)
        await comes(lambda: not hasattr(dot(room), "spare"))
        room.sample(lambda: {"x": -1, "jump": 1})
        x = dot(room).x
        await comes(lambda: dot(room).x <= x - 5)
        assert (dot(room).id, dot(room).armour, room.player) == (number, 7, player)
        assert room.state == state
        assert (room.stats.divergence, room.stats.digests > 10) == (0, True)
        assert "quarantined" not in server.log()
        room.leave()


async def test_the_next_release_takes_up_what_it_declares_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    with serve(tmp_path, "--games", "./mine.py") as server:
        async with connected(server) as client:
            seat = await client.join("mine")
            tick = client.tick
        assert server.stop() == 0

    second = FIELDS.replace("    input = Push\n", "    input = Push\n    version = '2'\n")
    file.write_text(second)
    with serve(tmp_path, "--games", "./mine.py") as server:
        assert server.rooms() == []
        assert f"room {seat.room} is left alone: it is played by version '1'" in server.log()
        async with connected(server) as client:
            await client.send(2, seat.token, seat.epoch, tick, 1)
            ending = await client.ended()
            assert (ending.code, ending.reason) == (4503, "the room cannot be read now")
        assert server.stop() == 0

    migrating = second.replace(
        "    def join",
        """    compatible = '1',

    def migrate(self, match: Match, version: str) -> None:
        for dot in match.all(Dot):
            dot.armour = dot.plan * 10 + int(version)

    def join""",
    )
    file.write_text(migrating)
    with serve(tmp_path, "--games", "./mine.py", "--digest-ticks", "1") as server:
        async with connected(server) as client:
            await client.send(2, seat.token, seat.epoch, tick, 1)
            welcome = await client.hear(16)
            assert (welcome[2], welcome[4]) == (seat.room, seat.player)
            [table] = [fields for name, _, fields in welcome[7][0] if name == "Dot"]
            assert [name for _, name, *_ in table] == ["x", "armour", "note", "spare"]
            frame = await client.hear(17)
            assert (frame[1] > tick, frame[2]) == (True, 0), "a frame from nothing"
            [row] = [group for table, _, group in frame[7] if table == 2]
            assert row[4] == [41], "migrate saw what no client sees"
        assert server.stop() == 0

    file.write_text(MINE)
    with serve(tmp_path, "--games", "./mine.py") as server:
        assert server.rooms() == []
        assert "it is played by version '2' of its rules; Mine.version here is '1'" in server.log()
        assert server.stop() == 0
