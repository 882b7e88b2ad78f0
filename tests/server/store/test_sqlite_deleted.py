"""A database file that is deleted, replaced or linked under a store that has it open."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.store.base import Status, StoreUnavailable
from server.store.sqlite import SqliteStore
from tests.server.store.backends import OTHER, ROOM, WallClock, committed, entry, owned, ticks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(path, WallClock(), fold_commits=3)
    await made.open()
    yield made
    await made.close()


def delete(path: Path) -> None:
    path.unlink()


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def content(path: Path) -> bytes:
    return path.read_bytes()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def there(path: Path) -> bool:
    return path.exists()


def move(path: Path, name: str) -> None:
    path.rename(path.with_name(name))


async def found(path: Path) -> list[int]:
    """The ticks that another process finds in the file."""
    other = SqliteStore(path, WallClock())
    await other.open()
    try:
        return await ticks(other)
    finally:
        await other.close()


@pytest.mark.parametrize("what", [("a.db",), ("a.db", "a.db-wal", "a.db-shm"), ("a.db-wal",)])
async def test_what_was_committed_before_and_after_the_file_was_deleted_is_there(
    store: SqliteStore, path: Path, what: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 21))
    await store.checkpoint(ROOM, epoch, 10, b"rows")
    for name in what:
        path.with_name(name).unlink()
    await committed(store, epoch, range(21, 41))
    assert ("was deleted while it was in use" in caplog.text) == ("a.db" in what)
    assert mode(path) == 0o600
    await owned(store, OTHER)
    await store.close()
    assert await found(path) == list(range(11, 41))
    assert not path.with_name("a.db.new").exists()


async def test_a_deleted_file_is_noticed_while_nobody_plays(store: SqliteStore, path: Path) -> None:
    epoch = await owned(store)
    await store.set_status(ROOM, epoch, Status.ASLEEP)
    delete(path)
    await store.tidy(1)
    assert there(path)
    assert (await store.entry(ROOM)).status is Status.ASLEEP


async def test_a_folder_that_is_gone_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "var" / "a.db"
    store = SqliteStore(path, WallClock())
    await store.open()
    epoch = await owned(store)
    await committed(store, epoch, range(1, 4))
    for each in path.parent.iterdir():
        each.unlink()
    path.parent.rmdir()
    await committed(store, epoch, range(4, 6))
    await store.close()
    assert await found(path) == [1, 2, 3, 4, 5]


async def test_a_file_put_in_its_place_stops_the_store_until_it_is_moved_away(
    store: SqliteStore, path: Path
) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 4))
    delete(path)
    put(path, b"somebody else's")
    for call in (store.append([entry(epoch, 4)]), store.load(ROOM), store.tidy(1)):
        with pytest.raises(StoreUnavailable, match=r"was replaced by another file.*move that"):
            await call
    assert content(path) == b"somebody else's"
    move(path, "theirs")
    await committed(store, epoch, range(4, 6))
    await store.close()
    assert await found(path) == [1, 2, 3, 4, 5]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the lock would meet SQLite's own")
async def test_no_second_store_gets_in_by_a_hard_link(store: SqliteStore, path: Path) -> None:
    epoch = await owned(store)
    link = path.with_name("link.db")
    os.link(path, link)
    second = SqliteStore(link, WallClock())
    with pytest.raises(StoreUnavailable, match="under another name"):
        await second.open()
    await committed(store, epoch, range(1, 4))
    await store.close()
    assert await found(link) == [1, 2, 3], "afterwards it may"
