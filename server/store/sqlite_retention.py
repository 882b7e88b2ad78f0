"""What a SQLite store lets go of: rooms that rest, rooms that ended, and results, each in its time.

Each function works inside the transaction of its caller. What is due is found by an index in order
of time, and `limit` bounds what one call deletes, since the ticks' commits wait for it.
"""

from __future__ import annotations

import sqlite3

from server.store.base import RESULTS_MAX, Append, Retention, Status, next_match

VACUUM_PAGES = 256
"""Free pages of 4 KiB given back to the disk at once: some milliseconds, a megabyte."""

# The index of rooms that rest is used only where its own condition is in the query, word for word.
_RESTING = "SELECT id, name FROM room WHERE status <> 'live' AND status = ?"
_DUE = f"{_RESTING} AND since_ms <= ? ORDER BY since_ms LIMIT ?"
_LONGEST = f"{_RESTING} ORDER BY since_ms LIMIT ?"
_LAST = "SELECT coalesce(max(match), 0) FROM match_result WHERE room = ?"
_RESULT = """
INSERT INTO match_result (room, match, tick, kept_ms, bytes) VALUES (?, ?, ?, ?, ?)
"""


def rest(db: sqlite3.Connection, room: int, tick: int) -> None:
    """Keep a sleeping room's newest checkpoint alone, where it is of its last tick."""
    (newest,) = db.execute("SELECT max(tick) FROM checkpoint WHERE room = ?", (room,)).fetchone()
    if newest == tick:
        db.execute("DELETE FROM checkpoint WHERE room = ? AND tick < ?", (room, tick))
        db.execute("DELETE FROM journal WHERE room = ?", (room,))


def empty(db: sqlite3.Connection, room: int) -> None:
    """Delete all that a closed room does not need: its id and its results stay."""
    for table in ("journal", "checkpoint", "recovery"):
        db.execute(f"DELETE FROM {table} WHERE room = ?", (room,))
    db.execute("UPDATE room SET meta = x'', owner = '' WHERE id = ?", (room,))


def keep_result(db: sqlite3.Connection, entry: Append, wall_ms: int) -> None:
    """Keep an entry's result, unless its match has one; the room's others stay as long as it."""
    (last,) = db.execute(_LAST, (entry.room,)).fetchone()
    number = next_match(entry, last)
    if number is None:
        return
    db.execute(_RESULT, (entry.room, number, entry.tick, wall_ms, entry.result))
    db.execute("UPDATE match_result SET kept_ms = ? WHERE room = ?", (wall_ms, entry.room))
    db.execute(
        "DELETE FROM match_result WHERE room = ? AND n <= (SELECT n FROM match_result "
        "WHERE room = ? ORDER BY match DESC LIMIT 1 OFFSET ?)",
        (entry.room, entry.room, RESULTS_MAX),
    )


def tidy(
    db: sqlite3.Connection, retention: Retention, wall_ms: int, limit: int, asleep: int
) -> list[str]:
    """Do what `Store.tidy` says, where so many rooms are `asleep`; return the sleepers closed."""
    spare = min(limit, max(0, asleep - retention.sleeping_max))
    longest = db.execute(_LONGEST, (Status.ASLEEP, spare)).fetchall()
    closing = dict([*longest, *_due(db, Status.ASLEEP, retention.asleep_s, wall_ms, limit)][:limit])
    quarantined = dict(_due(db, Status.QUARANTINED, retention.quarantined_s, wall_ms, limit))
    for room in [*closing, *quarantined]:
        empty(db, room)
        db.execute(
            "UPDATE room SET status = 'closed', reason = '', since_ms = ? WHERE id = ?",
            (wall_ms, room),
        )
    closed = _due(db, Status.CLOSED, retention.closed_s, wall_ms, limit)
    db.executemany("DELETE FROM room WHERE id = ?", [(room,) for room, _ in closed])
    db.execute(
        "DELETE FROM match_result WHERE n IN "
        "(SELECT n FROM match_result WHERE kept_ms <= ? ORDER BY kept_ms LIMIT ?)",
        (wall_ms - int(retention.results_s * 1000), limit),
    )
    return list(closing.values())


def give_back(db: sqlite3.Connection) -> None:
    """Cut free pages off the file's end, some of them; a file of an older format reuses them."""
    db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()


def _due(
    db: sqlite3.Connection, status: Status, keep_s: float, wall_ms: int, limit: int
) -> list[tuple[int, str]]:
    """Rooms that have had a status for so long, the longest first."""
    return db.execute(_DUE, (status.value, wall_ms - int(keep_s * 1000), limit)).fetchall()
