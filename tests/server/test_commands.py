"""What an operator may ask of running processes, and what is said to anything else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from server.command_error import CommandError
from server.commands import Command, Moved, describe_processes, move, read_command
from server.core.lobby import RoomMeta
from server.core.post import encode_move
from server.host.clock import LoopClock
from server.store.base import Append, Status
from server.store.exchange import Listing, Process
from server.store.memory import MemoryStore
from server.store.memory_exchange import MemoryExchange
from shared.chunks import pack
from shared.errors import ConfigError
from tests.end_to_end.server import ROOT, environment

ROOM = "coins123"
# Long enough for what happens in a turn of the loop, short enough to wait for nothing.
WAIT_S = 0.3

# (command line, a part of what would be right)
WRONG = [
    (["move"], "which room?"),
    (["move", "--to", "a"], "which room?"),
    (["move", "Coins"], "8 to 32 characters of a-z and 0-9"),
    (["move", "../../etc"], "8 to 32 characters of a-z and 0-9"),
    (["move", "x" * 5000], "8 to 32 characters"),
    (["move", ROOM, "--to"], "'processes' lists them"),
    (["move", ROOM, "--to="], "'processes' lists them"),
    (["move", ROOM, "--to", "--store"], "'processes' lists them"),
    (["processes", "all"], "processes takes no 'all'"),
]


def about(*, private: bool) -> bytes:
    """What an owner tells the directory of a room with five players."""
    meta = RoomMeta("coins", (), 1, 0, private, 0, "")
    return pack([meta.encode(), "live", 1, 3, [7, 5, 0, 0], False, 0.0, 0.0])


class Servers:
    """Two processes in one store: `a` owns the room, and does with letters as a test says."""

    def __init__(self) -> None:
        self.store = MemoryStore(lambda: 1)
        self.exchange = MemoryExchange(asyncio.get_running_loop().time)
        self.heard: list[bytes] = []
        self._work: set[asyncio.Task[None]] = set()

    async def start(self, hear: Callable[[bytes], None] | None = None) -> None:
        await self.store.open()
        await self.store.create(ROOM, b"")
        loaded = await self.store.acquire(ROOM, "a")
        assert await self.store.append([Append(ROOM, loaded.epoch, 7, b"record")]) == [None]
        await self.exchange.beat(Process("a", 1, True, ("coins",)))
        await self.exchange.beat(Process("b", 0, True, ("coins",)))
        await self.exchange.announce([Listing(ROOM, "coins", 3, "a", b"")])
        await self.exchange.listen(ROOM, hear or self.heard.append)

    async def move(self, to: str | None = None, room: str = ROOM) -> Moved:
        return await move(room, to, self.store, self.exchange, LoopClock(), WAIT_S)

    def hand_over(self, target: str) -> Callable[[bytes], None]:
        def hear(letter: bytes) -> None:
            self.heard.append(letter)
            self._work.add(asyncio.get_running_loop().create_task(self._acquire(target)))

        return hear

    async def _acquire(self, target: str) -> None:
        await self.store.acquire(ROOM, target)


@pytest.mark.parametrize(("argv", "remedy"), WRONG)
def test_a_command_line_that_cannot_be_meant_is_refused(argv: list[str], remedy: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_command(argv)
    assert remedy in str(error.value)
    assert len(str(error.value)) < 300


def test_a_command_line_is_read_in_any_order() -> None:
    store = "--store=redis://localhost"
    assert read_command(["move", ROOM]) == Command(ROOM, None, ())
    assert read_command(["move", ROOM, "--to", "b", store]) == Command(ROOM, "b", (store,))
    assert read_command(["move", ROOM, store, "--to=b"]) == Command(ROOM, "b", (store,))
    assert read_command(["processes", store]) == Command(None, None, (store,))


@pytest.mark.parametrize("to", [None, "b"])
async def test_a_room_is_asked_for_and_its_new_owner_told(to: str | None) -> None:
    servers = Servers()
    await servers.start(servers.hand_over("b"))
    moved = await servers.move(to)
    assert (moved.source, moved.target, moved.tick) == ("a", "b", 7)
    assert 0 < moved.took_s < WAIT_S
    assert str(moved).startswith(f"room {ROOM}: a -> b in 0.")
    assert servers.heard == [encode_move(to)]


async def test_a_room_that_went_elsewhere_was_not_moved_as_asked() -> None:
    servers = Servers()
    await servers.start(servers.hand_over("c"))
    with pytest.raises(CommandError, match=r"a -> c .*not to 'b', as asked"):
        await servers.move("b")


async def test_an_owner_that_does_nothing_is_named() -> None:
    servers = Servers()
    await servers.start()
    with pytest.raises(CommandError, match=r"nothing happened within 0\.3 s: .* is still with a"):
        await servers.move()
    assert servers.heard == [encode_move(None)]


async def test_an_owner_that_only_starts_again_has_not_moved_the_room() -> None:
    servers = Servers()
    await servers.start(servers.hand_over("a"))
    with pytest.raises(CommandError, match="nothing happened"):
        await servers.move()


async def test_a_move_that_cannot_come_about_is_not_asked_for() -> None:
    servers = Servers()
    await servers.start()
    with pytest.raises(CommandError, match=f"there is no room nosuch123; there are: {ROOM}"):
        await servers.move(room="nosuch123")
    with pytest.raises(CommandError, match=r"process 'z\\n' does not live; there are: b"):
        await servers.move("z\n")
    with pytest.raises(CommandError, match="is with a already"):
        await servers.move("a")
    await servers.exchange.beat(Process("c", 0, False, ()))
    with pytest.raises(CommandError, match="process 'c' takes no more rooms; there are: b"):
        await servers.move("c")
    await servers.exchange.depart("b")
    with pytest.raises(CommandError, match="no other process that could take"):
        await servers.move()
    [entry] = await servers.store.rooms()
    await servers.store.release(ROOM, entry.epoch)
    with pytest.raises(CommandError, match="has no owner now"):
        await servers.move()
    await servers.store.set_status(ROOM, entry.epoch, Status.ASLEEP)
    with pytest.raises(CommandError, match="is asleep"):
        await servers.move()
    assert servers.heard == []


async def test_processes_and_their_rooms_are_listed() -> None:
    servers = Servers()
    assert await describe_processes(servers.exchange) == "there is no process, and no room"
    await servers.start()
    await servers.exchange.announce([Listing("lost1234", "", 0, "gone", b"")])
    await servers.exchange.announce([Listing(ROOM, "a hash", 3, "a", about(private=False))])
    await servers.exchange.announce([Listing("secret12", "", 2, "b", about(private=True))])
    assert (await describe_processes(servers.exchange)).splitlines() == [
        "a  rooms: 1  open  games: coins",
        f"  {ROOM}  game: coins  players: 5  free seats: 3",
        "b  rooms: 0  open  games: coins",
        "  secret12  game: coins (private)  players: 5  free seats: 2",
        "with no living process:",
        "  lost1234  of another release  free seats: 0  last with gone",
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["move", ROOM], "move: a sqlite: store belongs to one process"),
        (["processes", "--store", "memory:"], "processes: a memory: store belongs to one process"),
        (["move", ROOM, "--stor", "x"], "did you mean --store?"),
        (["move"], "move: which room?"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_2(
    tmp_path: Path, argv: list[str], said: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "server", *argv],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    [line] = ended.stderr.splitlines()
    assert line.startswith("holdfast: ")
    assert said in line
