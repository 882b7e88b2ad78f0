"""How much a match may hold, so that whatever holds all of it (a checkpoint, a first frame) fits.

What is stored of a row is bounded by its fields, so small matches are judged by counting rows. The
rows of a larger one are encoded to know their size, and again once the ticks since may have made
up the difference.
"""

from __future__ import annotations

from functools import lru_cache

from shared.columns import Kind
from shared.entities import Entity
from shared.errors import GameError
from shared.fields import Field
from shared.limits import MATCH_BYTES_MAX, MATCH_ROWS_MAX
from shared.match import Commit, Match

# An id for each of three audiences, and the owner.
_ROW_BYTES = 4 * 5
_BYTES = {Kind.ANGLE: 3, Kind.F32: 5, Kind.F64: 9, Kind.FLAG: 1, Kind.REF: 5}
# A msgpack integer of 64 bits; a text's head and its longest characters.
_NUMBER_BYTES, _TEXT_HEAD_BYTES, _CHARACTER_BYTES = 9, 5, 4


class Capacity:
    """Judges the ticks of one room, in order."""

    def __init__(self) -> None:
        # Bytes that the match may grow by before it is measured again.
        self._spare = 0

    def check(self, match: Match, commit: Commit) -> None:
        """GameError, with the numbers, where the match has come to hold more than it may."""
        if commit.empty:
            return
        tables = match.tables
        rows = sum(len(table.rows) for table in tables)
        if rows > MATCH_ROWS_MAX:
            raise GameError(f"the match holds {rows} rows; at most {MATCH_ROWS_MAX}: despawn some")
        if sum(len(table.rows) * row_bytes_max(table.kind) for table in tables) <= MATCH_BYTES_MAX:
            return
        self._spare -= size_of(commit)
        if self._spare > 0:
            return
        size = size_of(match.snapshot())
        if size > MATCH_BYTES_MAX:
            raise GameError(
                f"the match holds {size} bytes; at most {MATCH_BYTES_MAX}: despawn some"
            )
        self._spare = MATCH_BYTES_MAX - size


def size_of(commit: Commit) -> int:
    """The bytes of a tick's chunks, or of a snapshot's."""
    owned = sum(len(chunks.data) for chunks in commit.owners.values())
    return len(commit.public.data) + owned + len(commit.server.data)


@lru_cache
def row_bytes_max(kind: type[Entity]) -> int:
    """What a row of a class takes at most in a checkpoint."""
    fields = kind._fields.values()  # pyright: ignore[reportPrivateUsage]
    return _ROW_BYTES + sum(_field_bytes_max(field) for field in fields)


def _field_bytes_max(field: Field) -> int:
    if field.kind is Kind.TEXT:
        return _TEXT_HEAD_BYTES + _CHARACTER_BYTES * int(field.hi or 0)
    return _BYTES.get(field.kind, _NUMBER_BYTES)
