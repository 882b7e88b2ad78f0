"""Bringing a SQLite file into use, or saying why not and leaving it as it was.

A new file is made aside and renamed into place, so that a file of ours is never half made: one that
is empty, or has the wrong schema, was damaged by somebody else and is refused.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Literal

from server.store.base import StoreCorrupt, StoreTooNew, StoreUnavailable
from server.store.sqlite_file import translated
from server.store.sqlite_schema import APPLICATION_ID, FORMAT, migration, schema
from shared.errors import LocalError

Synchronous = Literal["normal", "full"]
"""When a commit reaches the disk: soon ("normal") or before it is answered ("full")."""

LOG_PAGES_MAX = 16_000
"""A write-ahead log longer than this (64 MB) is folded by the writer itself, at a commit's cost."""

FILE_BYTES_MIN = 512
"""SQLite's smallest page; it takes a shorter file for an empty database."""


def make_file(path: Path) -> None:
    """Create an empty store at `path`, mode 0600, if nothing is there; else look at its length.

    Raise `StoreCorrupt` for a file that was cut short, and for a write-ahead log without its
    database: SQLite would fill up the one with zeros and play the other into a new file.
    """
    log = path.with_name(path.name + "-wal")
    log_is_there = log.exists() and log.stat().st_size > 0
    if path.is_file():
        # Behind a log the database may rightly be short: the rest of it is in there.
        _check_length(path, may_be_short=log_is_there)
    elif log_is_there:
        raise StoreCorrupt(
            f"{path} is missing but {log.name} is there: put the database back beside it, or "
            "move the log away to start empty"
        )
    elif not path.exists():
        aside = path.with_name(path.name + ".new")
        aside.unlink(missing_ok=True)
        os.close(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with translated(path), closing(sqlite3.connect(aside, isolation_level=None)) as connection:
            connection.executescript(schema())
        aside.replace(path)


def open_connection(
    path: Path, synchronous: Synchronous, pages_max: int | None, busy_s: float
) -> sqlite3.Connection:
    """Open an existing store for writing; it belongs to the calling thread.

    `pages_max` bounds the file, in pages of 4 KiB; `busy_s` is how long another program's lock is
    waited for. Raise `StoreCorrupt`, `StoreTooNew` or `StoreUnavailable`.
    """
    try:
        with translated(path):
            connection = _connect(path, busy_s)
            try:
                _check(path, connection)
                _configure(path, connection, synchronous, pages_max)
            except BaseException:
                connection.close()
                raise
            return connection
    except LocalError as error:
        # These statements are right for every sound file, so it is the file that is wrong.
        raise _damaged(path, str(error)) from error


def open_to_read(path: Path, busy_s: float) -> sqlite3.Connection:
    """Open an existing store for reading only, also beside the process that writes it.

    Raise `StoreUnavailable` where there is none, `StoreCorrupt` or `StoreTooNew`.
    """
    if not path.is_file():
        raise StoreUnavailable(f"there is no database at {path}: name the one the server has")
    with translated(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=busy_s, isolation_level=None)
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if application != APPLICATION_ID:
                raise StoreCorrupt(f"{path} is a database, but not one of Holdfast's")
            if version != FORMAT:
                raise StoreTooNew(
                    f"{path} has format {version}, and this release reads {FORMAT}: use the "
                    "release that its server has"
                )
            connection.text_factory = _text
        except BaseException:
            connection.close()
            raise
        return connection


def fold_log(path: Path, synchronous: Synchronous) -> None:
    """Copy the write-ahead log into the database without making a writer wait.

    A writer starts the log over only if it finds it wholly copied. The first pass may take longer
    than the time to the next commit; the second has little left and ends in between.
    """
    with translated(path), closing(_connect(path, busy_s=0)) as connection:
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        for _ in range(2):
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _check_length(path: Path, *, may_be_short: bool) -> None:
    """Compare a file's length with what its header says (SQLite's file format, section 1.3)."""
    size = path.stat().st_size
    if size < FILE_BYTES_MIN:
        raise StoreCorrupt(
            f"{path} is {size} bytes long, too short for a store: restore it from a backup, "
            "or delete it to start empty"
        )
    with path.open("rb") as file:
        header = file.read(100)
    page_bytes, pages, application = struct.unpack_from(">16xH10xI36xI", header)
    if application == APPLICATION_ID and size < page_bytes * pages and not may_be_short:
        raise StoreCorrupt(
            f"{path} was cut off: it has {size} bytes of {page_bytes * pages}; it was left "
            "as it is: restore it from a backup, or move it away to start empty"
        )


def _connect(path: Path, busy_s: float) -> sqlite3.Connection:
    # Mode rw never creates a file: what vanished under us must not come back empty.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=busy_s, isolation_level=None)


def _check(path: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreCorrupt(
            f"{path} is a database, but not one of Holdfast's; it was left as it is: point --store "
            "elsewhere"
        )
    if version > FORMAT:
        raise StoreTooNew(
            f"{path} was written by a newer Holdfast (format {version}, this one knows {FORMAT}): "
            "update, or point --store elsewhere"
        )
    if version < 1:
        raise _damaged(path, f"format {version} was never used")
    if _schema(connection) != _expected_schema(version):
        raise _damaged(path, "its tables are not those of its format")
    found = [text for (text,) in connection.execute("PRAGMA quick_check(3)").fetchall()]
    if found != ["ok"]:
        # SQLite puts each fault on a line of its own; an error is one line.
        raise _damaged(path, " ".join("; ".join(found).split()))
    if version < FORMAT:
        connection.executescript(migration(version))


def _schema(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def _expected_schema(version: int) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(schema(version))
        return _schema(connection)


def _damaged(path: Path, faults: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"{path} is damaged ({faults[:300]}); it was left as it is: restore it from a backup, "
        "move it away to start empty, or point --store elsewhere"
    )


def _configure(
    path: Path, connection: sqlite3.Connection, synchronous: Synchronous, pages_max: int | None
) -> None:
    # An owner's name with a damaged byte must still be readable, in an error at least.
    connection.text_factory = _text
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreUnavailable(
            f"{path} lies where SQLite cannot keep a write-ahead log (journal mode {mode}): "
            "point --store at a local disk"
        )
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES_MAX}")
    if pages_max is not None:
        connection.execute(f"PRAGMA max_page_count = {pages_max}")


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")
