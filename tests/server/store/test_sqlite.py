"""The sqlite store alone: merged commits, space, locks, and the death of its process."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from server.store.base import Append, NoSuchRoom, Status, Store, StoreUnavailable
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import SqliteFile
from shared.errors import LocalError, StoreError
from tests.server.store.backends import (
    OTHER,
    ROOM,
    WallClock,
    committed,
    entry,
    kinds,
    owned,
    ticks,
)

ROOT = Path(__file__).parents[3]


class GatedFile(SqliteFile):
    """A file that counts its commits and holds each until the gate is open."""

    gate = threading.Event()
    batches: ClassVar[list[int]] = []

    def append(self, batch: Sequence[Append], wall_ms: int) -> list[StoreError | None]:
        assert self.gate.wait(10)
        self.batches.append(len(batch))
        return super().append(batch, wall_ms)


class GatedStore(SqliteStore):
    """A store whose commits run only while its gate is open."""

    file_type = GatedFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
async def gated(path: Path) -> AsyncIterator[SqliteStore]:
    GatedFile.gate.clear()
    GatedFile.batches.clear()
    store = GatedStore(path, WallClock())
    await store.open()
    yield store
    GatedFile.gate.set()
    await store.close()


async def append_each(store: Store, entries: Sequence[Append]) -> None:
    for each in entries:
        assert await store.append([each]) == [None]


def log_bytes(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size


def copy_torn(path: Path, torn: Path, log_bytes_kept: int) -> None:
    """Copy the database, and of its write-ahead log only the beginning."""
    shutil.copy(path, torn)
    Path(f"{torn}-wal").write_bytes(Path(f"{path}-wal").read_bytes()[:log_bytes_kept])


def append_later(store: Store, *entries: Append) -> asyncio.Task[list[StoreError | None]]:
    return asyncio.ensure_future(store.append(entries))


async def pragma(store: SqliteStore, name: str) -> object:
    def ask() -> object:
        assert store._file is not None
        return store._file._db.execute(f"PRAGMA {name}").fetchone()[0]

    return await store._in_thread(ask)


async def test_appends_during_a_commit_are_merged_into_the_next(gated: SqliteStore) -> None:
    epoch = await owned(gated)
    other = await owned(gated, OTHER)
    first = append_later(gated, entry(epoch, 1))
    await asyncio.sleep(0)
    rest = [append_later(gated, entry(epoch, tick), entry(other, tick, OTHER)) for tick in (2, 3)]
    bad = append_later(gated, entry(epoch, 99), entry(epoch - 1, 4))
    await asyncio.sleep(0)
    GatedFile.gate.set()
    assert await first == [None]
    assert [await each for each in rest] == [[None, None]] * 2
    assert len([outcome for outcome in await bad if outcome]) == 2
    assert GatedFile.batches == [1, 6]


async def test_a_cancelled_append_leaves_the_others_their_outcomes(gated: SqliteStore) -> None:
    epoch = await owned(gated)
    blocked = append_later(gated, entry(epoch, 1))
    await asyncio.sleep(0)
    cancelled = append_later(gated, entry(epoch, 2), entry(epoch, 3))
    after = append_later(gated, entry(epoch, 4), entry(epoch, 9))
    await asyncio.sleep(0)
    cancelled.cancel()
    GatedFile.gate.set()
    assert await blocked == [None]
    outcomes = await after
    assert outcomes[0] is None
    assert "tick 9 does not follow 4" in str(outcomes[1])
    assert cancelled.cancelled()


async def test_closing_finishes_what_waits(gated: SqliteStore) -> None:
    epoch = await owned(gated)
    tasks = [append_later(gated, entry(epoch, tick)) for tick in (1, 2)]
    await asyncio.sleep(0)
    closing_store = asyncio.ensure_future(gated.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="not open"):
        await gated.append([entry(epoch, 3)])
    GatedFile.gate.set()
    assert [await each for each in tasks] == [[None], [None]]
    await closing_store
    await gated.open()
    assert await ticks(gated) == [1, 2]


async def test_a_full_disk_loses_nothing_and_heals_when_there_is_space(path: Path) -> None:
    store = SqliteStore(path, WallClock(), pages_max=60)
    await store.open()
    filler = await owned(store, OTHER)
    epoch = await owned(store)
    await committed(store, epoch, range(1, 3))
    big = [Append(OTHER, filler, tick, bytes(8_000)) for tick in range(1, 100)]
    with pytest.raises(StoreUnavailable, match="free some disk space"):
        await append_each(store, big)
    kept = (await ticks(store, OTHER))[-1]
    assert 10 < kept < 99
    both = [
        append_later(store, big[kept]),
        append_later(store, Append(ROOM, epoch, 3, bytes(9_000))),
    ]
    failed = await asyncio.gather(*both, return_exceptions=True)
    assert [type(each) for each in failed] == [StoreUnavailable] * 2
    assert (await ticks(store, OTHER))[-1] == kept
    assert await ticks(store) == [1, 2]
    await store.checkpoint(OTHER, filler, kept - 1, b"")
    await store.checkpoint(OTHER, filler, kept, b"")
    assert await store.append([big[kept], Append(ROOM, epoch, 3, bytes(9_000))]) == [None, None]
    assert await ticks(store) == [1, 2, 3]
    await store.close()


async def test_a_lock_of_another_program_is_said_and_gets_over(path: Path) -> None:
    store = SqliteStore(path, WallClock(), busy_s=0.01)
    await store.open()
    epoch = await owned(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="another program holds"):
            await store.append([entry(epoch, 1)])
        other.execute("ROLLBACK")
    await committed(store, epoch, range(1, 3))
    await store.close()


async def test_a_file_that_may_not_be_written_is_unavailable_until_it_may(path: Path) -> None:
    store = SqliteStore(path, WallClock())
    await store.open()
    epoch = await owned(store)
    await pragma_set(store, "query_only = 1")
    with pytest.raises(StoreUnavailable, match="permissions"):
        await store.append([entry(epoch, 1)])
    assert await ticks(store) == []
    await pragma_set(store, "query_only = 0")
    await committed(store, epoch, range(1, 2))
    await store.close()


async def pragma_set(store: SqliteStore, text: str) -> None:
    def tell() -> None:
        assert store._file is not None
        store._file._db.execute(f"PRAGMA {text}").fetchall()

    await store._in_thread(tell)


async def test_a_fault_of_our_own_is_not_called_the_stores(path: Path) -> None:
    store = SqliteStore(path, WallClock())
    await store.open()
    epoch = await owned(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DROP TABLE journal")
    with pytest.raises(LocalError, match="no such table"):
        await store.append([entry(epoch, 1)])
    await store.close()


@pytest.mark.parametrize(("synchronous", "number"), [("normal", 1), ("full", 2)])
async def test_commits_reach_the_disk_as_asked(path: Path, synchronous: str, number: int) -> None:
    assert synchronous in {"normal", "full"}
    store = SqliteStore(path, WallClock(), "full" if synchronous == "full" else "normal")
    await store.open()
    assert await pragma(store, "synchronous") == number
    assert await pragma(store, "journal_mode") == "wal"
    await store.close()


async def test_an_epoch_below_the_journals_is_not_handed_out(path: Path) -> None:
    store = SqliteStore(path, WallClock())
    await store.open()
    epoch = await owned(store)
    await committed(store, epoch, range(1, 3))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE room SET epoch = 3")
    store._wall_ms = lambda: 5
    assert (await store.acquire(ROOM, "b")).epoch == epoch + 1
    await store.close()


async def test_the_log_is_folded_beside_the_commits_and_starts_over(path: Path) -> None:
    sizes: dict[int, int] = {}
    for fold_commits in (4, 10_000):
        store = SqliteStore(
            path.with_name(f"{fold_commits}.db"), WallClock(), fold_commits=fold_commits
        )
        await store.open()
        epoch = await owned(store)
        for tick in range(1, 201):
            await store.append([Append(ROOM, epoch, tick, bytes(4_000))])
            if store._fold is not None:
                await asyncio.wait([store._fold])
        sizes[fold_commits] = log_bytes(store._path)
        assert len(await ticks(store)) == 200
        await store.close()
    assert sizes[4] * 4 < sizes[10_000]


async def test_a_fold_that_fails_leaves_the_commits_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise StoreUnavailable("no fold today")

    monkeypatch.setattr("server.store.sqlite.fold_log", failing)
    store = SqliteStore(path, WallClock(), fold_commits=1)
    await store.open()
    epoch = await owned(store)
    await committed(store, epoch, range(1, 2))
    assert store._fold is not None
    await asyncio.wait([store._fold])
    await committed(store, epoch, range(2, 3))
    await store.close()


async def test_a_refusal_undoes_its_whole_transaction(path: Path) -> None:
    store = SqliteStore(path, WallClock())
    await store.open()
    with pytest.raises(NoSuchRoom):
        await store.set_status(ROOM, 1, Status.CLOSED)
    epoch = await owned(store)
    assert kinds(await store.append([entry(epoch, 1)])) == [None]
    await store.close()


async def test_a_torn_log_loses_its_tail_and_nothing_before(path: Path, tmp_path: Path) -> None:
    store = SqliteStore(path, WallClock(), fold_commits=10_000)
    await store.open()
    epoch = await owned(store)
    ends: list[int] = []
    for tick in range(1, 31):
        await committed(store, epoch, range(tick, tick + 1))
        ends.append(log_bytes(path))
    for cut in range(ends[9] - 900, ends[-1], 7_001):
        torn = tmp_path / f"torn{cut}.db"
        copy_torn(path, torn, cut)
        copy = SqliteStore(torn, WallClock())
        await copy.open()
        whole = len([end for end in ends if end <= cut])
        assert await ticks(copy) == list(range(1, whole + 1))
        await copy.close()
    await store.close()


async def test_what_is_dropped_leaves_the_file(path: Path) -> None:
    def rows() -> list[int]:
        with closing(sqlite3.connect(path)) as other:
            return [
                other.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("journal", "checkpoint", "match_result", "room")
            ]

    store = SqliteStore(path, WallClock())
    await store.open()
    epoch = await owned(store)
    await committed(store, epoch, range(1, 31))
    for tick in (5, 10, 20):
        await store.checkpoint(ROOM, epoch, tick, b"")
    await store.append([entry(epoch, 31, result="won")])
    assert rows() == [21, 2, 1, 1]
    await store.set_status(ROOM, epoch, Status.CLOSED)
    assert rows() == [0, 0, 1, 1]
    await store.close()


@contextmanager
def appender(path: Path) -> Generator[subprocess.Popen[str], None, None]:
    """Run tests/server/store/appender.py on `path`; whatever happens, it ends by SIGKILL."""
    command = [sys.executable, "-m", "tests.server.store.appender", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_every_tick_answered_before_a_sigkill_is_there_after_it(path: Path) -> None:
    async def reopened() -> list[int]:
        store = SqliteStore(path, WallClock())
        await store.open()
        kept = await ticks(store)
        await store.close()
        return kept

    answered = 0
    for lines in (1, 40, 173):
        with appender(path) as process:
            assert process.stdout is not None
            answers = [int(process.stdout.readline()) for _ in range(lines)]
            process.send_signal(signal.SIGKILL)
            answers += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        assert process.returncode == -signal.SIGKILL
        assert answers[0] > answered
        answered = answers[-1]
        kept = asyncio.run(reopened())
        assert kept == list(range(1, kept[-1] + 1))
        # One append may have been committed and not yet answered.
        assert kept[-1] - answered in {0, 1}


def test_a_second_process_is_refused_by_pid_until_the_first_is_killed(path: Path) -> None:
    async def opened() -> None:
        store = SqliteStore(path, WallClock())
        await store.open()
        await store.close()

    with appender(path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StoreUnavailable, match=rf"in use .* \(pid {process.pid}\)"):
            asyncio.run(opened())
        process.kill()
        process.wait()
        asyncio.run(opened())
