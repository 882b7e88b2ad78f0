"""The sqlite store: the embedded default, one file, one process, every room that runs in it.

One thread owns the connection that writes. Appends that arrive while a commit is running are merged
into the next one, so a slow disk makes commits larger, not more numerous. The write-ahead log is
folded into the database on another thread and connection, beside the commits: measured with 100
rooms, the p90 of a commit is a third of what it is when the writer folds, two thirds with "full".

A file that is deleted under the store is written anew from what the process still holds open; one
that is put in its place stops the store until it is moved away.

What was answered as committed survives the death of the process at any moment; with
`synchronous="full"` it survives the loss of power too, for one fsync a commit.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from server.store.base import (
    REASON_CHARS_MAX,
    RETENTION,
    Append,
    Checkpoint,
    Held,
    Loaded,
    MatchResult,
    Retention,
    RoomEntry,
    Status,
    StoreUnavailable,
    Tail,
    Taken,
    Tidied,
    check_batch,
    check_held,
    check_limit,
    check_owner,
    check_room,
)
from server.store.filelock import FileLock
from server.store.sqlite_file import SqliteFile
from server.store.sqlite_open import Synchronous, fold_log, make_file, open_connection
from shared.errors import StoreError

FOLD_COMMITS = 32
"""Commits between two folds of the log: some 20 MB with 100 rooms, a second at 30 a second."""

_T = TypeVar("_T")
_Arguments = TypeVarTuple("_Arguments")
_Outcomes = list[StoreError | None]
_Waiting = list[tuple[Sequence[Append], "asyncio.Future[_Outcomes]"]]


class SqliteStore:
    """A `Store` in the file `path`, whose folder is created; `wall_ms` is the clock of its epochs.

    `pages_max` bounds the file in pages of 4 KiB (None: the disk does), `busy_s` is how long a lock
    of another program is waited for, `fold_commits` how many commits share one fold of the log.
    `file_type` is a seam: the tests put a file without its fence there, and see the harm.
    """

    file_type: type[SqliteFile] = SqliteFile

    def __init__(
        self,
        path: Path,
        wall_ms: Callable[[], int],
        synchronous: Synchronous = "normal",
        *,
        retention: Retention = RETENTION,
        pages_max: int | None = None,
        busy_s: float = 1.0,
        fold_commits: int = FOLD_COMMITS,
        log: logging.Logger | None = None,
    ) -> None:
        # A symbolic link and its target must meet at the same lock file.
        self._path = path.resolve()
        self._wall_ms = wall_ms
        self._retention = retention
        self._log = log or logging.getLogger(__name__)
        self._connect = partial(open_connection, synchronous=synchronous, busy_s=busy_s)
        self._pages_max = pages_max
        self._synchronous: Synchronous = synchronous
        # Held while another connection than the writer's has the file open.
        self._folding = threading.Lock()
        self._fold_commits = fold_commits
        self._lock = FileLock(self._path)
        self._is_open = False
        self._writer: ThreadPoolExecutor
        self._file: SqliteFile | None = None
        self._waiting: _Waiting = []
        self._commit: asyncio.Future[_Outcomes] | None = None
        self._commits = 0
        self._fold: asyncio.Future[None] | None = None

    async def open(self) -> None:
        if self._is_open:
            return
        self._writer = ThreadPoolExecutor(1, "store-writer")
        try:
            await self._in_thread(self._take)
        except BaseException:
            # A cancelled open goes on in its thread; what it took is let go right behind it.
            self._writer.submit(self._let_go)
            self._writer.shutdown(wait=False)
            raise
        self._is_open = True

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        while running := [each for each in (self._commit, self._fold) if each is not None]:
            await asyncio.wait(running)
        await self._in_thread(self._let_go)
        self._writer.shutdown()

    @property
    def path(self) -> Path:
        """The database file."""
        return self._path

    def shard(self, room: str) -> str:
        check_room(room)
        return ""

    async def create(self, room: str, meta: bytes, owner: str = "") -> None:
        check_room(room)
        await self._call(self._opened().create, room, meta, owner)

    async def recreate(self, room: str, meta: bytes, owner: str, checkpoint: Checkpoint) -> int:
        check_room(room)
        check_owner(owner)
        wall_ms = self._wall_ms()
        return await self._call(self._opened().recreate, room, meta, owner, checkpoint, wall_ms)

    async def rooms(self) -> list[RoomEntry]:
        return await self._call(self._opened().rooms)

    async def entry(self, room: str) -> RoomEntry:
        check_room(room)
        return await self._call(self._opened().entry, room)

    async def orphans(
        self, living: Collection[str], limit: int, after: RoomEntry | None = None
    ) -> list[RoomEntry]:
        check_limit(limit)
        return await self._call(self._opened().orphans, frozenset(living), limit, after)

    async def owned(self, owner: str) -> list[str]:
        return await self._call(self._opened().owned, owner)

    async def tidy(self, limit: int) -> Tidied:
        check_limit(limit)
        wall_ms = self._wall_ms()
        return await self._call(self._opened().tidy, self._retention, wall_ms, limit)

    async def acquire(self, room: str, owner: str, *, blameless: bool = False) -> Loaded:
        check_room(room)
        check_owner(owner)
        wall_ms = self._wall_ms()
        return await self._call(self._opened().acquire, room, owner, wall_ms, blameless)

    async def take_over(
        self, room: str, owner: str, held: Held, *, blameless: bool = False
    ) -> Taken | Tail:
        check_room(room)
        check_owner(owner)
        check_held(held)
        wall_ms = self._wall_ms()
        return await self._call(self._opened().take_over, room, owner, held, wall_ms, blameless)

    async def tail(self, room: str, tick: int) -> Tail:
        check_room(room)
        return await self._call(self._opened().tail, room, tick)

    async def load(self, room: str) -> Loaded:
        check_room(room)
        return await self._call(self._opened().load, room)

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        check_batch(batch)
        file = self._opened()
        if not batch:
            return []
        answer: asyncio.Future[_Outcomes] = asyncio.get_running_loop().create_future()
        self._waiting.append((tuple(batch), answer))
        if self._commit is None:
            self._commit_waiting(file)
        return await answer

    async def checkpoint(self, room: str, epoch: int, tick: int, blob: bytes) -> None:
        check_room(room)
        await self._call(self._opened().checkpoint, room, epoch, tick, blob)

    async def set_status(self, room: str, epoch: int, status: Status, reason: str = "") -> None:
        check_room(room)
        wall_ms = self._wall_ms()
        await self._call(
            self._opened().set_status, room, epoch, status, reason[:REASON_CHARS_MAX], wall_ms
        )

    async def release(self, room: str, epoch: int) -> None:
        check_room(room)
        await self._call(self._opened().release, room, epoch)

    async def cut(self, room: str, epoch: int, tick: int) -> int:
        check_room(room)
        return await self._call(self._opened().cut, room, epoch, tick, self._wall_ms())

    async def results_of(self, room: str) -> list[MatchResult]:
        check_room(room)
        return await self._call(self._opened().results_of, room)

    async def result(self, room: str) -> bytes | None:
        results = await self.results_of(room)
        return results[-1].result if results else None

    async def results(self, limit: int) -> list[tuple[str, bytes]]:
        check_limit(limit)
        return await self._call(self._opened().results, limit)

    def _opened(self) -> SqliteFile:
        if not self._is_open or self._file is None:
            raise StoreUnavailable(f"the store {self._path} is not open: open it before use")
        return self._file

    async def _call(self, operation: Callable[[*_Arguments], _T], *arguments: *_Arguments) -> _T:
        """Run an operation on the file in the writer's thread."""
        return await self._in_thread(self._checked, operation, *arguments)

    async def _in_thread(
        self, operation: Callable[[*_Arguments], _T], *arguments: *_Arguments
    ) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, operation, *arguments)

    def _fold_log(self) -> None:
        """Fold the log; runs in a thread of the loop's pool."""
        with self._folding:
            fold_log(self._path, self._synchronous)

    def _checked(self, operation: Callable[[*_Arguments], _T], *arguments: *_Arguments) -> _T:
        """Run an operation on the file, if it is where it was; runs in the writer's thread."""
        try:
            if not self._lock.in_place():
                raise StoreUnavailable(
                    f"{self._path} was replaced by another file while it was in use: move that "
                    "one away, and what this process holds is written anew"
                )
        except FileNotFoundError:
            self._write_anew()
        return operation(*arguments)

    def _write_anew(self) -> None:
        """Put a copy of what is held open in the place of the file that was deleted."""
        assert self._file is not None, "the store is open"
        self._log.error("%s was deleted while it was in use: it is written anew", self._path)
        aside = self._path.with_name(self._path.name + ".new")
        with self._folding:
            try:
                aside.parent.mkdir(parents=True, exist_ok=True)
                aside.unlink(missing_ok=True)
                os.close(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
                self._file.copy_to(aside)
                # The last connection takes its log with it, which belongs to the file deleted.
                self._file.close()
                for left in ("-wal", "-shm"):
                    self._path.with_name(self._path.name + left).unlink(missing_ok=True)
                aside.replace(self._path)
                self._lock.hold()
            except OSError as error:
                raise StoreUnavailable(
                    f"{self._path} was deleted and cannot be written anew ({error}): make room for "
                    "it in its folder"
                ) from error
            self._file.use(self._connect(self._path, pages_max=self._pages_max))

    def _take(self) -> None:
        """Lock, make and open the file, or leave nothing held; runs in the writer's thread."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            make_file(self._path)
            self._lock.hold()
            self._file = self.file_type(
                self._path, self._connect(self._path, pages_max=self._pages_max)
            )
        except OSError as error:
            self._let_go()
            raise StoreUnavailable(
                f"{self._path} cannot be opened ({error}): name a file in a folder that this "
                "user may write to"
            ) from error
        except StoreError:
            self._let_go()
            raise

    def _let_go(self) -> None:
        """Close the file and unlock it, where held; runs in the writer's thread."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lock.release()

    def _commit_waiting(self, file: SqliteFile) -> None:
        """Commit every batch that waits, as one transaction."""
        waiting, self._waiting = self._waiting, []
        merged = [entry for batch, _ in waiting for entry in batch]
        loop = asyncio.get_running_loop()
        self._commit = loop.run_in_executor(
            self._writer, self._checked, file.append, merged, self._wall_ms()
        )
        self._commit.add_done_callback(partial(self._answer, file, waiting))

    def _answer(
        self, file: SqliteFile, waiting: _Waiting, commit: asyncio.Future[_Outcomes]
    ) -> None:
        """Hand each batch its own outcomes, and commit what came in the meantime."""
        self._commit = None
        error = commit.exception()
        outcomes = iter(commit.result() if error is None else ())
        for batch, answer in waiting:
            own = list(islice(outcomes, len(batch)))
            if answer.cancelled():
                continue
            if error is None:
                answer.set_result(own)
            else:
                answer.set_exception(error)
        if self._waiting:
            self._commit_waiting(file)
        self._commits += 1
        if self._commits % self._fold_commits == 0 and self._fold is None:
            self._fold = asyncio.get_running_loop().run_in_executor(None, self._fold_log)
            self._fold.add_done_callback(self._folded)

    def _folded(self, fold: asyncio.Future[None]) -> None:
        # What stops a fold soon stops the commits too, and they say so to someone who can act.
        self._fold = None
        fold.exception()
