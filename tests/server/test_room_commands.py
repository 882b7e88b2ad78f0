"""What an operator may ask of a store's rooms, beside a running server and while none runs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from server.command_error import CommandError
from server.core.journal import encode_checkpoint
from server.core.lobby import RoomMeta
from server.room_commands import (
    DOES,
    export,
    list_rooms,
    make_parser,
    release,
    run_room_command,
    show,
)
from server.store.base import Append, NoSuchRoom, Status
from server.store.memory import MemoryStore
from server.store.room_file import NotARoomFile
from shared.errors import ConfigError
from tests.end_to_end.client import connected
from tests.end_to_end.server import GAMES, ROOT, Server, environment, serve, until
from tests.server.core.yard import Ground, Rules, Yard

ROOM, NOW_MS = "coins123", 1_700_000_100_000
META = RoomMeta("yard", (3.25,), 7, 2, True, NOW_MS - 90_000, "1")

# (command line, a part of what would be right)
WRONG = [
    (["rooms", "all"], "rooms: unrecognized arguments: all"),
    (["rooms", "--quarantine"], "unrecognized arguments: --quarantine"),
    (["release"], "release: the following arguments are required: ROOM"),
    (["release", "Coins"], "8 to 32 characters of a-z and 0-9"),
    (["export", ROOM], "required: FILE"),
    (["show"], "required: FILE"),
    (["show", "x", "--tick", "soon"], "invalid int value"),
    (["rooms", "--store", "memory:"], "a memory: store lives in its server"),
    (["rooms", "--store", "nowhere"], "give memory:, sqlite:PATH or redis://"),
]


@pytest.fixture
async def store() -> MemoryStore:
    """A store with a quarantined room of 40 ticks, checkpoints of 16 and 32, and a live one."""
    made = MemoryStore(lambda: NOW_MS)
    await made.open()
    ground = Ground(Yard(), options=Rules(size=3.25))
    ground.seat("Ada", "Bob\x1b")
    await made.create(ROOM, META.encode())
    epoch = (await made.acquire(ROOM, "a")).epoch
    written = 0
    for last in (16, 32, 40):
        while ground.match.tick < last:
            ground.tick()
        for tick, record in enumerate(ground.records[written:], written + 1):
            assert await made.append([Append(ROOM, epoch, tick, record)]) == [None]
        written = last
        if last < 40:
            await made.checkpoint(ROOM, epoch, last, encode_checkpoint(ground.match))
    await made.set_status(ROOM, epoch, Status.QUARANTINED, "yard: step did not return\n(a.py:7)")
    await made.create("pond4567", b"")
    await made.acquire("pond4567", "b")
    return made


@pytest.mark.parametrize(("argv", "remedy"), WRONG)
def test_a_command_line_that_cannot_be_meant_is_refused(argv: list[str], remedy: str) -> None:
    with pytest.raises(ConfigError) as error:
        run_room_command(argv, {})
    assert remedy in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", DOES)
def test_help_has_an_example(name: str) -> None:
    assert f"Example: python -m server {name} " in make_parser(name).format_help()


async def test_rooms_are_listed_with_why_they_are_as_they_are(store: MemoryStore) -> None:
    why = r"yard: step did not return\n(a.py:7)"
    both = (await list_rooms(store, set(), NOW_MS)).splitlines()
    assert both == [
        f"{ROOM}  quarantined  game: yard  tick: 40  age: 1 min  owner: a  since 0 s: {why}",
        "pond4567  live         game: of another release  tick: 0  owner: b",
    ]
    assert (await list_rooms(store, {Status.QUARANTINED}, NOW_MS)).splitlines() == both[:1]
    assert await list_rooms(store, {Status.ASLEEP}, NOW_MS) == "there is no such room\n"
    [told] = json.loads(await list_rooms(store, {Status.QUARANTINED}, NOW_MS, as_json=True))
    assert (told["room"], told["status"], told["tick"]) == (ROOM, "quarantined", 40)
    assert told["reason"].startswith("yard: step did not return")


@pytest.mark.parametrize(("since", "tick"), [(None, 40), ("checkpoint", 32), ("20", 20)])
async def test_a_quarantined_room_lives_again_from_a_tick(
    store: MemoryStore, since: str | None, tick: int
) -> None:
    said = await release(ROOM, since, store)
    assert said == f"room {ROOM} lives again, from tick {tick} of 40\n"
    entry = await store.entry(ROOM)
    assert (entry.status, entry.owner, entry.tick) == (Status.LIVE, "", tick)
    taken = await store.acquire(ROOM, "next")
    assert (taken.records[-1].tick, taken.recoveries) == (tick, 0)


async def test_what_cannot_be_released_is_left_as_it_is(store: MemoryStore) -> None:
    before = await store.load(ROOM)
    with pytest.raises(CommandError, match="is live; only a quarantined one is released"):
        await release("pond4567", None, store)
    with pytest.raises(NoSuchRoom):
        await release("nosuch00", None, store)
    with pytest.raises(CommandError, match="nothing is kept of it before tick 16"):
        await release(ROOM, "3", store)
    with pytest.raises(CommandError, match="what is kept ends at tick 40"):
        await release(ROOM, "41", store)
    with pytest.raises(ConfigError, match="give checkpoint, or the number of a tick"):
        await release(ROOM, "yesterday", store)
    assert await store.load(ROOM) == before


async def test_a_copy_shows_what_the_store_has(store: MemoryStore, tmp_path: Path) -> None:
    path = tmp_path / "room.holdfast"
    said = await export(ROOM, path, store, NOW_MS)
    assert said == f"room {ROOM} until tick 40: {path.stat().st_size} bytes in {path}\n"
    assert path.stat().st_mode & 0o077 == 0, "rows may hold what is nobody else's business"
    with pytest.raises(FileExistsError):
        await export(ROOM, path, store, NOW_MS)
    text = show(path)
    assert text.startswith(f"{ROOM}  quarantined  game: yard  tick: 40")
    assert "by rules '1', private, 2 bots" in text
    assert "seed 7, options (3.25,)" in text
    assert "checkpoint of tick 32: " in text
    assert "records of ticks 17 to 40: " in text
    assert "rows after" not in text
    rows = show(path, rows=True)
    assert "rows after tick 40:" in rows
    assert "name='Ada'" in rows
    assert "\x1b" not in rows
    assert "rows after tick 20:" in show(path, rows=True, tick=20)
    with pytest.raises(CommandError, match="nothing is kept of it before tick 16"):
        show(path, rows=True, tick=3)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NotARoomFile, match="it was damaged"):
        show(path)


async def join(server: Server) -> None:
    """One player in a room that will hang, who leaves without a word."""
    async with connected(server) as client:
        await client.join("stuck", where="step")


def command(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", *argv],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_room_that_hung_is_listed_copied_and_released_on_a_sqlite_file(tmp_path: Path) -> None:
    """The whole way of an operator, with the game repaired in between."""
    file, store = tmp_path / "stuck.py", f"sqlite:{tmp_path}/holdfast.db"
    text = (GAMES / "stuck.py").read_text()
    file.write_text(text)
    with serve(tmp_path, "--games", "./stuck.py", "--watchdog-s", "0.5") as server:
        asyncio.run(join(server))
        until(lambda: " is quarantined: stuck: step did not return" in server.log())
        beside = command(tmp_path, "rooms", "--quarantined", "--store", store)
        room = beside.stdout.split()[0]
        assert "stuck: step did not return for" in beside.stdout
        assert "(stuck.py:" in beside.stdout
        copied = command(tmp_path, "export", room, "copy", "--store", store)
        assert copied.returncode == 0, copied.stderr
        assert "rows after tick" in command(tmp_path, "show", "copy", "--rows").stdout
        locked = command(tmp_path, "release", room, "--store", store)
        assert locked.returncode == 1
        assert "is in use by another process" in locked.stderr
        assert server.stop() == 0
    released = command(tmp_path, "release", room, "--store", store)
    assert released.stdout.startswith(f"room {room} lives again, from tick ")
    file.write_text(text.replace('== "step"', '== "never"'))
    with serve(tmp_path, "--games", "./stuck.py") as server:
        tick = int(released.stdout.split()[-3])
        until(lambda: [one for one in server.rooms() if one["tick"] > tick + 20])
        assert room in {one["room"] for one in server.rooms()}


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    ended = command(tmp_path, "rooms", "--store", f"sqlite:{tmp_path}/none.db")
    assert ended.returncode == 1
    assert "there is no database at" in ended.stderr
    assert list(tmp_path.iterdir()) == []
