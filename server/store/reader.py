"""What looks at a store without writing to it, beside whoever does."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final, Protocol

from server.store.base import Loaded, RoomEntry, StoreUnavailable
from server.store.sqlite_file import SqliteFile
from server.store.sqlite_open import open_to_read

BUSY_S: Final = 2.0


class Reader(Protocol):
    """The part of a `Store` that only reads; every `Store` is one."""

    async def open(self) -> None:
        """Make it ready, as `Store.open`."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...

    async def rooms(self) -> list[RoomEntry]:
        """Every room that is not closed, in the order of their ids."""
        ...

    async def entry(self, room: str) -> RoomEntry:
        """One line of that list; raise `NoSuchRoom`."""
        ...

    async def load(self, room: str) -> Loaded:
        """Read a room; raise `NoSuchRoom`."""
        ...


class SqliteReader:
    """A SQLite store, read also while a server has it; for commands, so it reads in the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: SqliteFile | None = None

    async def open(self) -> None:
        connection: sqlite3.Connection = open_to_read(self._path, BUSY_S)
        self._file = SqliteFile(self._path, connection)

    async def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    async def rooms(self) -> list[RoomEntry]:
        return self._opened().rooms()

    async def entry(self, room: str) -> RoomEntry:
        return self._opened().entry(room)

    async def load(self, room: str) -> Loaded:
        return self._opened().load(room)

    def _opened(self) -> SqliteFile:
        if self._file is None:
            raise StoreUnavailable(f"{self._path} is not open: open it before use")
        return self._file
