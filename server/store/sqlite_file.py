"""One SQLite file as a store: its format, and each operation as one transaction.

Everything here is synchronous and belongs to the thread that opened the file. The journal is a
rowid table with an index on (room, tick): appends go to the table's end, which was measured 5 to 9
times cheaper than clustering on either column. The fence, an epoch compared with the room's, is
read inside the transaction that writes; appends remember it for as long as nobody else has written.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from server.store.base import (
    Append,
    Checkpoint,
    Fenced,
    Held,
    Loaded,
    MatchResult,
    NoSuchRoom,
    OutOfOrder,
    Record,
    Retention,
    RoomEntry,
    RoomExists,
    Status,
    StoreCorrupt,
    StoreUnavailable,
    Tail,
    Taken,
    Tidied,
    cannot_cut,
)
from server.store.sqlite_retention import empty, give_back, keep_result, rest, tidy
from server.store.succeeding import Crashes, next_epoch
from shared.errors import LocalError, StoreError

_ROOM = """
SELECT id, epoch, status,
       coalesce((SELECT max(tick) FROM journal WHERE journal.room = room.id),
                (SELECT max(tick) FROM checkpoint WHERE checkpoint.room = room.id), 0)
  FROM room WHERE name = ?
"""
_LINE = """
SELECT name, meta, epoch,
       coalesce((SELECT max(tick) FROM journal WHERE journal.room = room.id),
                (SELECT max(tick) FROM checkpoint WHERE checkpoint.room = room.id), 0),
       owner, status, reason, since_ms
  FROM room
"""
_ROOMS = f"{_LINE} WHERE status <> 'closed' ORDER BY name"
_ENTRY = f"{_LINE} WHERE status <> 'closed' AND name = ?"
_ORPHANS = f"{_LINE} WHERE status = 'live' AND owner = ? AND name > ? ORDER BY name LIMIT ?"
_OWNED = "SELECT name FROM room WHERE status = 'live' AND owner = ? ORDER BY name"
_NEXT_OWNER = "SELECT min(owner) FROM room WHERE status = 'live' AND owner > ?"
_FIRST_OWNER = "SELECT min(owner) FROM room WHERE status = 'live' AND owner >= ?"
_INSERT = "INSERT INTO journal (room, tick, epoch, record) VALUES (?, ?, ?, ?)"
_HOLDER = """
SELECT owner, coalesce(count, 0), coalesce(counted_at, 0)
  FROM room LEFT JOIN recovery ON recovery.room = room.id WHERE room.id = ?
"""
_COUNT = "INSERT OR REPLACE INTO recovery (room, count, counted_at) VALUES (?, ?, ?)"
_AT = "SELECT epoch, tick, record FROM journal WHERE room = ? AND tick = ?"
_AFTER = "SELECT epoch, tick, record FROM journal WHERE room = ? AND tick > ? ORDER BY tick"
_CHECKPOINTS = "SELECT epoch, tick, blob FROM checkpoint WHERE room = ? ORDER BY tick DESC LIMIT 2"
_KEEP = "INSERT OR REPLACE INTO checkpoint (room, tick, epoch, blob) VALUES (?, ?, ?, ?)"
_STATUS = "UPDATE room SET status = ?, reason = ?, since_ms = ? WHERE id = ?"
_CREATE = "INSERT INTO room (name, meta, epoch, owner, status) VALUES (?, ?, ?, ?, 'live')"
_RESULTS_OF = "SELECT match, tick, bytes FROM match_result WHERE room = ? ORDER BY match"
_RESULTS = """
SELECT room, bytes FROM match_result AS newest
 WHERE match = (SELECT max(match) FROM match_result AS other WHERE other.room = newest.room)
 ORDER BY n DESC LIMIT ?
"""


class _Row(NamedTuple):
    """A room as the database holds it; `tick` is the last committed, 0 for none."""

    id: int
    epoch: int
    status: str
    tick: int


class SqliteFile:
    """The operations of a `Store` on an open connection in autocommit mode."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._db = connection
        # Rooms as the last append left them, by name: what `_room` would find. Forgotten by
        # whatever else may write to them, and when another connection has (`_version`).
        self._heads: dict[str, _Row] = {}
        self._version = 0
        with translated(path):
            count = "SELECT count(*) FROM room WHERE status <> 'live' AND status = 'asleep'"
            (self._asleep,) = connection.execute(count).fetchone()

    def copy_to(self, path: Path) -> None:
        """Write all that is committed into an empty file, and see it to the disk."""
        with translated(path):
            self._db.execute("VACUUM INTO ?", (str(path),))
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def use(self, connection: sqlite3.Connection) -> None:
        """Go on with another connection, to a file that holds the same."""
        self._db = connection
        self._heads.clear()

    def close(self) -> None:
        """Close the connection; the last one to close folds the write-ahead log into the file."""
        self._db.close()

    def create(self, room: str, meta: bytes, owner: str) -> None:
        with self._transaction():
            self._add(room, meta, 0, owner)

    def recreate(
        self, room: str, meta: bytes, owner: str, checkpoint: Checkpoint, wall_ms: int
    ) -> int:
        epoch = next_epoch(checkpoint.epoch, 0, wall_ms)
        with self._transaction():
            added = self._add(room, meta, epoch, owner)
            self._db.execute(_KEEP, (added, checkpoint.tick, checkpoint.epoch, checkpoint.blob))
        return epoch

    def rooms(self) -> list[RoomEntry]:
        with self._transaction("DEFERRED"):
            return [_entry(line) for line in self._db.execute(_ROOMS)]

    def entry(self, room: str) -> RoomEntry:
        with self._transaction("DEFERRED"):
            line = self._db.execute(_ENTRY, (room,)).fetchone()
            if line is None:
                raise NoSuchRoom(room)
            return _entry(line)

    def orphans(self, living: Set[str], limit: int, after: RoomEntry | None) -> list[RoomEntry]:
        found: list[RoomEntry] = []
        first, name = (after.owner, after.room) if after is not None else ("", "")
        with self._transaction("DEFERRED"):
            # From owner to owner by the index: the rooms of the living are not looked at.
            (owner,) = self._db.execute(_FIRST_OWNER, (first,)).fetchone()
            while owner is not None and len(found) < limit:
                if owner not in living:
                    where = (owner, name if owner == first else "", limit - len(found))
                    found += [_entry(line) for line in self._db.execute(_ORPHANS, where)]
                (owner,) = self._db.execute(_NEXT_OWNER, (owner,)).fetchone()
        return found

    def owned(self, owner: str) -> list[str]:
        with self._transaction("DEFERRED"):
            return [room for (room,) in self._db.execute(_OWNED, (owner,))]

    def tidy(self, retention: Retention, wall_ms: int, limit: int) -> Tidied:
        with self._transaction():
            closed = tidy(self._db, retention, wall_ms, limit, self._asleep)
        self._asleep -= len(closed)
        with translated(self._path):
            give_back(self._db)
        return Tidied(tuple(closed), self._asleep)

    def acquire(self, room: str, owner: str, wall_ms: int, blameless: bool) -> Loaded:
        with self._transaction():
            row = self._room(room)
            taken = self._change_hands(row, owner, wall_ms, blameless)
            return self._loaded(room, row._replace(epoch=taken.epoch))

    def take_over(
        self, room: str, owner: str, held: Held, wall_ms: int, blameless: bool
    ) -> Taken | Tail:
        with self._transaction():
            row = self._room(room)
            lost = [record for record in held.recent if record.tick > row.tick]
            behind = row.epoch > held.epoch or row.tick > held.tick
            if behind or len(lost) != held.tick - row.tick:
                return self._tail(row, held.tick)
            self._db.executemany(
                _INSERT, [(row.id, each.tick, each.epoch, each.record) for each in lost]
            )
            row = row._replace(epoch=max(row.epoch, held.epoch), tick=held.tick)
            return self._change_hands(row, owner, wall_ms, blameless)

    def tail(self, room: str, tick: int) -> Tail:
        with self._transaction("DEFERRED"):
            return self._tail(self._room(room), tick)

    def load(self, room: str) -> Loaded:
        with self._transaction("DEFERRED"):
            return self._loaded(room, self._room(room))

    def append(self, batch: Sequence[Append], wall_ms: int) -> list[StoreError | None]:
        with self._transaction(moves=False):
            (version,) = self._db.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                self._version = version
                self._heads.clear()
            fresh: list[tuple[int, int, int, bytes]] = []
            outcomes = [self._append(entry, wall_ms, fresh) for entry in batch]
            self._db.executemany(_INSERT, fresh)
        return outcomes

    def checkpoint(self, room: str, epoch: int, tick: int, blob: bytes) -> None:
        with self._transaction(moves=False):
            row = self._owned(room, epoch)
            kept = [
                each
                for (each,) in self._db.execute(
                    "SELECT tick FROM checkpoint WHERE room = ? ORDER BY tick DESC", (row.id,)
                )
            ]
            newest = kept[0] if kept else 0
            if not newest <= tick <= row.tick:
                raise OutOfOrder(
                    f"room {room}: a checkpoint of tick {tick}, expected {newest} to {row.tick}"
                )
            self._db.execute(_KEEP, (row.id, tick, epoch, blob))
            older = max((each for each in kept if each < tick), default=None)
            if older is not None:
                where = (row.id, older)
                self._db.execute("DELETE FROM checkpoint WHERE room = ? AND tick < ?", where)
                self._db.execute("DELETE FROM journal WHERE room = ? AND tick <= ?", where)

    def set_status(self, room: str, epoch: int, status: Status, reason: str, wall_ms: int) -> None:
        with self._transaction():
            closed = self._db.execute(_ROOM, (room,)).fetchone()
            if closed and status is Status.CLOSED:
                row = _Row(*closed)
                if row.status == status and row.epoch == epoch:
                    return
            row = self._owned(room, epoch)
            self._db.execute(_STATUS, (status.value, reason, wall_ms, row.id))
            if status is Status.CLOSED:
                empty(self._db, row.id)
            elif status is Status.ASLEEP:
                rest(self._db, row.id, row.tick)
        self._asleep += (status is Status.ASLEEP) - (row.status == Status.ASLEEP)

    def release(self, room: str, epoch: int) -> None:
        with self._transaction():
            row = self._owned(room, epoch)
            self._db.execute("UPDATE room SET owner = '' WHERE id = ?", (row.id,))
            self._db.execute("DELETE FROM recovery WHERE room = ?", (row.id,))

    def cut(self, room: str, epoch: int, tick: int, wall_ms: int) -> int:
        with self._transaction():
            row = self._owned(room, epoch)
            kept = [each[1] for each in self._db.execute(_CHECKPOINTS, (row.id,))]
            there = self._db.execute(_AT, (row.id, tick)).fetchone()
            if there is None or (kept and tick < min(kept)):
                raise cannot_cut(room, tick)
            self._db.execute("DELETE FROM checkpoint WHERE room = ? AND tick > ?", (row.id, tick))
            self._db.execute("DELETE FROM journal WHERE room = ? AND tick > ?", (row.id, tick))
            now = next_epoch(epoch, 0, wall_ms)
            self._db.execute("UPDATE room SET epoch = ? WHERE id = ?", (now, row.id))
            return now

    def results_of(self, room: str) -> list[MatchResult]:
        with self._transaction("DEFERRED"):
            return [MatchResult(*each) for each in self._db.execute(_RESULTS_OF, (room,))]

    def results(self, limit: int) -> list[tuple[str, bytes]]:
        with self._transaction("DEFERRED"):
            return self._db.execute(_RESULTS, (limit,)).fetchall()

    @contextmanager
    def _transaction(
        self, kind: str = "IMMEDIATE", *, moves: bool = True
    ) -> Generator[None, None, None]:
        """Commit what the body did, or undo all of it and raise what went wrong.

        `moves` says that it may write to a room's line, or to its journal's end.
        """
        with translated(self._path):
            try:
                if moves and kind == "IMMEDIATE":
                    self._heads.clear()
                self._db.execute(f"BEGIN {kind}")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._heads.clear()
                # SQLite has rolled back by itself after some errors, a full disk among them.
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    def _add(self, room: str, meta: bytes, epoch: int, owner: str) -> int:
        if self._db.execute(_ROOM, (room,)).fetchone():
            raise RoomExists(room)
        added = self._db.execute(_CREATE, (room, meta, epoch, owner)).lastrowid
        assert added is not None, "the insert made a row"
        return added

    def _room(self, room: str) -> _Row:
        found = self._db.execute(_ROOM, (room,)).fetchone()
        if found is None or found[2] == Status.CLOSED:
            raise NoSuchRoom(room)
        return _Row(*found)

    def _owned(self, room: str, epoch: int) -> _Row:
        row = self._room(room)
        self._fence(room, epoch, row.epoch)
        return row

    def _fence(self, room: str, epoch: int, epoch_now: int) -> None:
        if epoch != epoch_now:
            raise Fenced(room, epoch, epoch_now)

    def _change_hands(self, row: _Row, owner: str, wall_ms: int, blameless: bool) -> Taken:
        """Give the room a new epoch and this owner; count it if the one before crashed."""
        before, *crashed = self._db.execute(_HOLDER, (row.id,)).fetchone()
        crashes = Crashes(*crashed).after(before, owner, row.tick, blameless=blameless)
        last = self._db.execute(_AT, (row.id, row.tick)).fetchone()
        epoch = next_epoch(row.epoch, last[0] if last else 0, wall_ms)
        self._db.execute(
            "UPDATE room SET epoch = ?, owner = ? WHERE id = ?", (epoch, owner, row.id)
        )
        self._db.execute(_COUNT, (row.id, crashes.count, crashes.first_at))
        return Taken(epoch, crashes.count)

    def _tail(self, row: _Row, tick: int) -> Tail:
        records = tuple(Record(*each) for each in self._db.execute(_AFTER, (row.id, tick)))
        owner, _, _ = self._db.execute(_HOLDER, (row.id,)).fetchone()
        missed = records if len(records) == row.tick - tick else ()
        return Tail(row.epoch, row.tick, owner, Status(row.status), missed)

    def _loaded(self, room: str, row: _Row) -> Loaded:
        (meta,) = self._db.execute("SELECT meta FROM room WHERE id = ?", (row.id,)).fetchone()
        checkpoints = tuple(Checkpoint(*each) for each in self._db.execute(_CHECKPOINTS, (row.id,)))
        after = checkpoints[-1].tick if checkpoints else 0
        records = tuple(Record(*each) for each in self._db.execute(_AFTER, (row.id, after)))
        _, count, _ = self._db.execute(_HOLDER, (row.id,)).fetchone()
        return Loaded(room, meta, row.epoch, Status(row.status), checkpoints, records, count)

    def _append(
        self, entry: Append, wall_ms: int, fresh: list[tuple[int, int, int, bytes]]
    ) -> StoreError | None:
        """Put a tick on the list of those to insert; why not, if it is not to be."""
        try:
            row = self._heads.get(entry.room) or self._room(entry.room)
            self._fence(entry.room, entry.epoch, row.epoch)
        except StoreError as refusal:
            return refusal
        if row.tick and entry.tick != row.tick + 1:
            self._db.executemany(_INSERT, fresh)
            fresh.clear()
            there = self._db.execute(_AT, (row.id, entry.tick)).fetchone()
            if there == (entry.epoch, entry.tick, entry.record):
                return None
            return OutOfOrder(f"room {entry.room}: tick {entry.tick} does not follow {row.tick}")
        fresh.append((row.id, entry.tick, entry.epoch, entry.record))
        self._heads[entry.room] = _Row(row.id, row.epoch, row.status, entry.tick)
        if entry.result is not None:
            keep_result(self._db, entry, wall_ms)
        return None


def _entry(line: tuple[str, bytes, int, int, str, str, str, int]) -> RoomEntry:
    room, meta, epoch, tick, owner, status, reason, since_ms = line
    return RoomEntry(room, meta, epoch, tick, owner, Status(status), reason, since_ms)


@contextmanager
def translated(path: Path) -> Generator[None, None, None]:
    """Turn SQLite's errors into the store's, each with what to do about it."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(path, error) from error
    except UnicodeDecodeError as error:
        # SQLite's own sentence quotes what it found, which is no longer text.
        raise StoreCorrupt(
            f"{path} is damaged; it was left as it is: restore it from a backup, move it away to "
            "start empty, or point --store elsewhere"
        ) from error


def _translate(path: Path, error: sqlite3.Error) -> Exception:
    # Extended codes keep the primary one in their low byte.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
    match code:
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreCorrupt(
                f"{path} is damaged or not a database ({error}); it was left as it is: restore it "
                "from a backup, move it away to start empty, or point --store elsewhere"
            )
        case sqlite3.SQLITE_FULL:
            return StoreUnavailable(f"no space left for {path} ({error}): free some disk space")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreUnavailable(f"another program holds {path} ({error}): close it")
        case (
            sqlite3.SQLITE_IOERR
            | sqlite3.SQLITE_CANTOPEN
            | sqlite3.SQLITE_READONLY
            | sqlite3.SQLITE_PERM
            | sqlite3.SQLITE_NOMEM
            | sqlite3.SQLITE_PROTOCOL
        ):
            return StoreUnavailable(
                f"{path} cannot be read or written ({error}): check the disk and the permissions "
                "of the file and its folder"
            )
        case _:
            return LocalError(f"{path}: {type(error).__name__}: {error}")
