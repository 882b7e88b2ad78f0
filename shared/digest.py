"""The canonical bytes of a view, and their CRC-32: whether two ends hold the same rows.

docs/PROTOCOL.md gives the layout. The public part comes first, so that a server computes it once
for a room and goes on from it for each owner.
"""

from __future__ import annotations

import array
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .columns import Kind, little_endian
from .fields import ALL, OWNER, Field
from .match import Match
from .schema import Schema


class Layout:
    """Which fields of each table go into the public part and which into an owner's."""

    __slots__ = ("owned", "public")

    def __init__(self, tables: Iterable[Iterable[tuple[str, Field]]]) -> None:
        self.public: list[list[tuple[str, Field]]] = []
        self.owned: list[list[tuple[str, Field]]] = []
        for fields in tables:
            listed = list(fields)
            self.public.append([entry for entry in listed if entry[1].to is ALL])
            self.owned.append([entry for entry in listed if entry[1].to is OWNER])

    @staticmethod
    def of_match(match: Match) -> Layout:
        """The layout of a match's tables."""
        return Layout(table.kind._fields.items() for table in match.tables)

    @staticmethod
    def of_schema(schema: Schema) -> Layout:
        """The layout of a client's tables."""
        return Layout(table.fields.values() for table in schema.tables)


def public_digest(layout: Layout, tables: Sequence[Mapping[int, Any]]) -> int:
    """CRC-32 of the public part; `tables` are rows by id, in table order."""
    crc = 0
    for index, rows in enumerate(tables):
        if rows:
            ordered = [rows[number] for number in sorted(rows)]
            crc = zlib.crc32(_head(index, ordered), crc)
            crc = zlib.crc32(_words([row.owner for row in ordered]), crc)
            crc = _columns(layout.public[index], ordered, crc)
    return crc


def owned_digest(layout: Layout, tables: Sequence[Mapping[int, Any]], player: int, crc: int) -> int:
    """The CRC-32 going on from the public part's over what only `player` may see."""
    if not player:
        return crc
    for index, rows in enumerate(tables):
        if layout.owned[index]:
            mine = [row for number in sorted(rows) if (row := rows[number]).owner == player]
            if mine:
                crc = _columns(layout.owned[index], mine, zlib.crc32(_head(index, mine), crc))
    return crc


def _head(index: int, rows: list[Any]) -> bytes:
    return _words([index, len(rows), *(row.id for row in rows)])


def _words(numbers: list[int]) -> bytes:
    return little_endian(array.array("I", numbers)).tobytes()


def _columns(fields: list[tuple[str, Field]], rows: list[Any], crc: int) -> int:
    for name, field in fields:
        values = [getattr(row, name) for row in rows]
        if field.kind is Kind.TEXT:
            for value in values:
                encoded = value.encode()
                crc = zlib.crc32(_words([len(encoded)]) + encoded, crc)
            continue
        crc = zlib.crc32(little_endian(array.array("d", values)), crc)
    return crc
