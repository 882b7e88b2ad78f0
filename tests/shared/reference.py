"""What a player should see and what its digest should be, worked out the plain way from the match.

Written from docs/PROTOCOL.md alone, with struct instead of the code under test.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection
from typing import Any

from shared.fields import ALL, OWNER
from shared.match import Match
from shared.view import View

Rows = dict[str, dict[int, dict[str, Any]]]


def seen(match: Match, player: int, known: Collection[int] | None = None) -> Rows:
    """The rows a player sees by table and id: columns not for its eyes are at their defaults."""
    found: Rows = {}
    for table in match.tables:
        rows = found.setdefault(table.kind.__name__, {})
        for number, row in table.rows.items():
            if known is not None and number not in known:
                continue
            rows[number] = {"owner": row.owner}
            for name, field in row._fields.items():
                if field.to is ALL or (field.to is OWNER and player and row.owner == player):
                    rows[number][name] = getattr(row, name)
                elif field.to is OWNER:
                    rows[number][name] = field.default
    return found


def held(view: View) -> Rows:
    """The rows of a view, in the form of `seen`."""
    return {
        table.name: {
            number: {name: getattr(row, name) for name, _ in table.columns.values()}
            for number, row in table.rows.items()
        }
        for table in view._tables
    }


def whole(match: Match) -> list[list[Any]]:
    """Everything in a match, hidden columns too, with the bits and types of each value."""
    return [
        [number, row.owner, *(bits(getattr(row, name)) for name in row._fields)]
        for table in match.tables
        for number, row in table.rows.items()
    ]


def bits(value: object) -> tuple[type[object], object]:
    """A value's type and bits, so that 0.0 and -0.0, 1 and True and 1.0 differ."""
    return type(value), struct.pack("<d", value) if type(value) is float else value


def exactly(rows: Rows) -> dict[str, dict[int, dict[str, Any]]]:
    """Rows with the bits and types of each value."""
    return {
        name: {
            number: {field: bits(value) for field, value in row.items()}
            for number, row in sorted(table.items())
        }
        for name, table in rows.items()
    }


def digest(match: Match, player: int, known: Collection[int] | None = None) -> int:
    """CRC-32 of the canonical bytes of what a player sees."""
    rows = seen(match, player, known)
    public, owned = b"", b""
    for index, table in enumerate(match.tables):
        mine = rows[table.kind.__name__]
        fields = table.kind._fields.items()
        if mine:
            ids = sorted(mine)
            public += _words(index, len(ids), *ids, *(mine[n]["owner"] for n in ids))
            names = [name for name, field in fields if field.to is ALL]
            public += b"".join(_one(mine[n][name]) for name in names for n in ids)
        ids = [n for n in sorted(mine) if player and mine[n]["owner"] == player]
        names = [name for name, field in fields if field.to is OWNER]
        if ids and names:
            owned += _words(index, len(ids), *ids)
            owned += b"".join(_one(mine[n][name]) for name in names for n in ids)
    return zlib.crc32(public + owned)


def _words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def _one(value: Any) -> bytes:
    if isinstance(value, str):
        encoded = value.encode()
        return _words(len(encoded)) + encoded
    return struct.pack("<d", value)
