"""What a SQLite file lets go of: rows of rooms that ended, and the pages they lay on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from server.store.base import Append, Retention, Status
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import SqliteFile
from server.store.sqlite_schema import schema
from tests.server.store.backends import META, WallClock

ROOMS = 45
KEPT = Retention(asleep_s=10.0, closed_s=10.0, results_s=20.0, quarantined_s=30.0)
TABLES = ("room", "journal", "checkpoint", "recovery", "match_result")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def rows(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as other:
        return {
            table: other.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES
        }


def size(path: Path) -> int:
    return path.stat().st_size


async def lived(store: SqliteStore, room: str, end: Status) -> None:
    """A room from its creation to its end, with a journal, two checkpoints and a result."""
    await store.create(room, META)
    epoch = (await store.acquire(room, "a")).epoch
    await store.append([Append(room, epoch, tick, bytes(400)) for tick in range(1, 40)])
    for tick in (10, 39):
        await store.checkpoint(room, epoch, tick, bytes(20_000))
    await store.append([Append(room, epoch, 40, b"", b"{}")])
    await store.set_status(room, epoch, end)
    await store.release(room, epoch) if end is not Status.CLOSED else None


async def tidied(store: SqliteStore) -> int:
    """Tidy until nothing changes; the rounds it took."""
    rounds = 0
    while True:
        rounds += 1
        before = rows(store._path), size(store._path)
        await store.tidy(4)
        store._fold_log()
        if (rows(store._path), size(store._path)) == before:
            return rounds


async def test_a_file_whose_rooms_are_all_over_is_as_small_as_a_new_one(path: Path) -> None:
    clock = WallClock()
    store = SqliteStore(path, clock, retention=KEPT)
    await store.open()
    new = size(path)
    for number in range(ROOMS):
        ends = (Status.CLOSED, Status.ASLEEP, Status.QUARANTINED)
        await lived(store, f"room{number:08d}", ends[number % 3])
    store._fold_log()
    full = size(path)
    assert full > 20 * new
    assert rows(path)["room"] == rows(path)["match_result"] == ROOMS
    clock.now_ms += 60_000
    rounds = await tidied(store)
    assert rounds > ROOMS / 3 / 4, "a few in a round"
    # Those that were closed just now are remembered for a while.
    clock.now_ms += 60_000
    await tidied(store)
    assert set(rows(path).values()) == {0}
    assert size(path) < 2 * new
    await store.close()


async def test_a_file_of_an_older_format_reuses_what_ended(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(schema(2).replace("PRAGMA auto_vacuum = INCREMENTAL;", ""))
    clock = WallClock()
    store = SqliteStore(path, clock, retention=KEPT)
    await store.open()
    sizes: list[int] = []
    for generation in range(4):
        for number in range(12):
            await lived(store, f"gen{generation}room{number:06d}", Status.CLOSED)
        clock.now_ms += 60_000
        await tidied(store)
        sizes.append(size(path))
    assert sizes[-1] <= 1.1 * sizes[0], sizes
    await store.close()


def test_a_round_of_the_reaper_reads_no_table_from_end_to_end(path: Path) -> None:
    said: list[str] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(schema())
        connection.set_trace_callback(said.append)
        file = SqliteFile(path, connection)
        file.tidy(Retention(sleeping_max=0), 1_000_000, 64)
        file.owned("a")
        file.orphans(frozenset({"a"}), 64, None)
        connection.set_trace_callback(None)
        asked = [each for each in said if each.lstrip().startswith(("SELECT", "DELETE"))]
        plans = {
            each: [line[3] for line in connection.execute(f"EXPLAIN QUERY PLAN {each}")]
            for each in asked
        }
    assert len(plans) >= 6
    scans = {each: plan for each, plan in plans.items() if any("SCAN" in line for line in plan)}
    assert scans == {}
