"""Bringing a SQLite file into use: what is made, what is refused, and that it is left as it was."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from server.store import sqlite_open
from server.store.base import Loaded, Status, StoreCorrupt, StoreTooNew, StoreUnavailable
from server.store.sqlite import SqliteStore
from server.store.sqlite_schema import FORMAT, schema
from tests.server.store.backends import META, ROOM, WallClock, committed, owned

Spoil = Callable[[Path], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


async def filled(path: Path) -> Loaded:
    store = SqliteStore(path, WallClock())
    await store.open()
    epoch = await owned(store)
    await committed(store, epoch, range(1, 301))
    loaded = await store.load(ROOM)
    await store.close()
    return loaded


async def opened(path: Path) -> Loaded:
    store = SqliteStore(path, WallClock())
    await store.open()
    try:
        return await store.load(ROOM)
    finally:
        await store.close()


def sql(text: str) -> Spoil:
    def spoil(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(text)

    return spoil


def overwrite(at: int, with_bytes: bytes) -> Spoil:
    def spoil(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(with_bytes)

    return spoil


def in_place(old: bytes, new: bytes) -> Spoil:
    def spoil(path: Path) -> None:
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))

    return spoil


def replaced(content: bytes) -> Spoil:
    def spoil(path: Path) -> None:
        path.write_bytes(content)

    return spoil


def foreign(path: Path) -> None:
    path.unlink()
    sql("CREATE TABLE songs (title TEXT)")(path)


async def test_a_new_file_is_for_its_owner_alone_in_a_folder_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "not" / "yet" / "a.db"
    store = SqliteStore(path, WallClock())
    await store.open()
    await store.create(ROOM, b"")
    names = {each.name for each in path.parent.iterdir()}
    assert names == {"a.db", "a.db-wal", "a.db-shm", "a.db.lock"}
    modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {0o600}
    await store.close()


async def test_what_a_crash_left_aside_is_made_anew(path: Path) -> None:
    path.with_name("a.db.new").write_bytes(b"half a file")
    await filled(path)
    assert len((await opened(path)).records) == 300


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (
            sql("PRAGMA user_version = 9"),
            StoreTooNew,
            rf"format 9, this one knows {FORMAT}\): update",
        ),
        (sql("PRAGMA user_version = 0"), StoreCorrupt, "format 0 was never used"),
        (sql("DROP TABLE match_result"), StoreCorrupt, "tables are not those"),
        (sql("PRAGMA user_version = 1"), StoreCorrupt, "tables are not those"),
        (sql("PRAGMA application_id = 7"), StoreCorrupt, "not one of Holdfast's"),
        (foreign, StoreCorrupt, "not one of Holdfast's"),
        (replaced(b"once upon a time\n" * 999), StoreCorrupt, "not a database"),
        (replaced(b"S" * 511), StoreCorrupt, "511 bytes long, too short"),
        (replaced(b""), StoreCorrupt, "0 bytes long.*delete it"),
        (overwrite(44, bytes([0, 0, 0, 9])), StoreCorrupt, "damaged.*unsupported file format"),
        (in_place(b"TABLE journal", b"TABL\xff\xffjournal"), StoreCorrupt, "damaged.*move it away"),
        (overwrite(4096, bytes(4096)), StoreCorrupt, "damaged.*restore it from a backup"),
        (
            sql("PRAGMA ignore_check_constraints = 1; UPDATE room SET status = 'lost'"),
            StoreCorrupt,
            "CHECK constraint failed in room",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_left_as_it_was(
    path: Path, spoil: Spoil, error: type[Exception], says: str
) -> None:
    asyncio.run(filled(path))
    spoil(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(error, match=says) as caught:
            asyncio.run(opened(path))
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", range(1, FORMAT))
def test_a_file_of_an_older_format_is_brought_up_with_all_that_is_in_it(
    path: Path, version: int
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema(version))
        connection.execute(
            "INSERT INTO room (name, meta, epoch, owner, status) VALUES (?, ?, 7, 'a', 'asleep')",
            (ROOM, META),
        )
        connection.execute("INSERT INTO checkpoint (room, tick, epoch, blob) VALUES (1, 1, 7, 'c')")
        connection.execute("INSERT INTO journal (room, tick, epoch, record) VALUES (1, 2, 7, 'r')")
        connection.commit()
    for _ in range(2):
        loaded = asyncio.run(opened(path))
        assert (loaded.meta, loaded.epoch, loaded.status) == (META, 7, Status.ASLEEP)
        assert [each.tick for each in loaded.checkpoints] == [1]
        assert [each.tick for each in loaded.records] == [2]
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)


def test_a_truncated_file_is_refused_and_not_shortened_further(path: Path) -> None:
    asyncio.run(filled(path))
    content = path.read_bytes()
    for size in [1, 99, 512, *range(4096, len(content), 4096), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(StoreCorrupt, match=r"cut off|too short"):
            asyncio.run(opened(path))
        assert path.read_bytes() == content[:size]


def test_a_fold_cut_off_by_a_crash_is_made_good_from_the_log(path: Path) -> None:
    log = path.with_name("a.db-wal")

    async def filled_with_a_copy_of_the_log() -> bytes:
        store = SqliteStore(path, WallClock(), fold_commits=10_000)
        await store.open()
        epoch = await owned(store)
        await committed(store, epoch, range(1, 301))
        try:
            return log.read_bytes()
        finally:
            await store.close()

    whole_log = asyncio.run(filled_with_a_copy_of_the_log())
    half_folded = path.read_bytes()[:-9000]
    path.write_bytes(half_folded)
    with pytest.raises(StoreCorrupt, match="cut off"):
        asyncio.run(opened(path))
    log.write_bytes(whole_log)
    assert len(asyncio.run(opened(path)).records) == 300


def test_random_damage_is_a_store_error_or_harmless_to_the_tables(path: Path) -> None:
    asyncio.run(filled(path))
    content = path.read_bytes()
    rng = random.Random(11)
    refused = 0
    for _ in range(150):
        at = rng.randrange(len(content))
        damage = rng.randbytes(rng.choice([1, 16, 512]))
        path.write_bytes(content[:at] + damage + content[at + len(damage) :])
        try:
            asyncio.run(opened(path))
        except (StoreCorrupt, StoreTooNew, StoreUnavailable):
            refused += 1
    assert refused > 0


def test_a_log_without_its_database_is_not_played_into_a_new_one(path: Path) -> None:
    Path(f"{path}-wal").write_bytes(b"log")
    with pytest.raises(StoreCorrupt, match="put the database back"):
        asyncio.run(opened(path))
    assert not path.exists()
    Path(f"{path}-wal").write_bytes(b"")
    asyncio.run(filled(path))


async def test_a_place_that_cannot_hold_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreUnavailable, match="name a file in a folder"):
        await opened(tmp_path / "file" / "a.db")
    with pytest.raises(StoreUnavailable, match="permissions"):
        await opened(tmp_path / "folder")


async def test_two_stores_on_one_file_are_kept_apart_through_a_link_too(path: Path) -> None:
    first = SqliteStore(path, WallClock())
    await first.open()
    link = path.with_name("link.db")
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(StoreUnavailable, match="in use by another process"):
            await SqliteStore(name, WallClock()).open()
    await first.close()
    second = SqliteStore(link, WallClock())
    await second.open()
    await second.close()


async def test_an_open_that_is_cancelled_holds_nothing(path: Path) -> None:
    cancelled = SqliteStore(path, WallClock())
    task = asyncio.ensure_future(cancelled.open())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    cancelled._writer.shutdown()
    await filled(path)


def test_a_place_without_a_write_ahead_log_is_refused(path: Path) -> None:
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(StoreUnavailable, match="local disk"),
    ):
        sqlite_open._configure(path, connection, "normal", None)
