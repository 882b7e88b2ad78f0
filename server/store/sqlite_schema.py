"""The format of a SQLite store's file, now and before, and the way from the one to the other.

A file of an older format is brought up when it is opened, in one transaction, by what was added
since; a step adds to what is there and takes nothing away that is not copied first.
"""

from __future__ import annotations

APPLICATION_ID = 0x484F4C44
"""`PRAGMA application_id` of every file of ours: HOLD."""

FORMAT = 3
"""`PRAGMA user_version`: raised whenever an older Holdfast could not read the file."""

_FIRST = """
CREATE TABLE room (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK (name NOT GLOB '*[^a-z0-9]*'),
    meta BLOB NOT NULL, epoch INTEGER NOT NULL, owner TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('live', 'asleep', 'quarantined', 'closed'))
);
CREATE TABLE journal (
    n INTEGER PRIMARY KEY, room INTEGER NOT NULL, tick INTEGER NOT NULL,
    epoch INTEGER NOT NULL, record BLOB NOT NULL
);
CREATE UNIQUE INDEX journal_room_tick ON journal (room, tick);
CREATE TABLE checkpoint (
    n INTEGER PRIMARY KEY, room INTEGER NOT NULL, tick INTEGER NOT NULL,
    epoch INTEGER NOT NULL, blob BLOB NOT NULL
);
CREATE UNIQUE INDEX checkpoint_room_tick ON checkpoint (room, tick);
CREATE TABLE result (
    n INTEGER PRIMARY KEY, room INTEGER NOT NULL UNIQUE, bytes BLOB NOT NULL
);
"""

_SECOND = """
CREATE TABLE recovery (
    room INTEGER PRIMARY KEY, count INTEGER NOT NULL, counted_at INTEGER NOT NULL
);
"""

_THIRD = """
ALTER TABLE room ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE room ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;
UPDATE room SET since_ms = 1000 * CAST(strftime('%s', 'now') AS INTEGER);
CREATE INDEX room_resting ON room (status, since_ms) WHERE status <> 'live';
CREATE INDEX room_owner ON room (owner, name) WHERE status = 'live';
CREATE TABLE match_result (
    n INTEGER PRIMARY KEY, room TEXT NOT NULL, match INTEGER NOT NULL, tick INTEGER NOT NULL,
    kept_ms INTEGER NOT NULL, bytes BLOB NOT NULL
);
CREATE UNIQUE INDEX match_result_room ON match_result (room, match);
CREATE INDEX match_result_kept ON match_result (kept_ms);
INSERT INTO match_result (n, room, match, tick, kept_ms, bytes)
SELECT result.n, room.name, 1, 0, room.since_ms, result.bytes
  FROM result JOIN room ON room.id = result.room;
DROP TABLE result;
"""

_STEPS = (_FIRST, _SECOND, _THIRD)


def schema(version: int = FORMAT) -> str:
    """What makes an empty file of a format; one whose end can be cut off as rooms end."""
    return (
        f"PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = {APPLICATION_ID};"
        f"{_after(0, version)}"
    )


def migration(version: int) -> str:
    """What makes a file of this format one of the newest, in one transaction."""
    return f"BEGIN IMMEDIATE;{_after(version, FORMAT)}COMMIT;"


def _after(version: int, until: int) -> str:
    return "".join(_STEPS[version:until]) + f"PRAGMA user_version = {until};"
