"""Rows written with other fields, read with those of the game: table by table, by name.

What was added begins at its default and what was removed is passed over. A field of another kind
is read where no value of the old one could be lost; else it begins at its default, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .chunks import OWNER_FIELD, bits
from .columns import Kind, decode_column, encode_column
from .entities import OWNER_BIT
from .fields import Field
from .game import Game
from .limits import FIXED_WIRE_MAX
from .schema import Schema, TableSchema, table_kind

Column = Callable[[Any], Any]

F32_INTEGER_MAX = 2**24
"""Whole numbers up to here are exact in 32 bits of floating point."""


class Former:
    """Values of fields that the game has no more, or cannot read: by table, row and name."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[int, dict[str, Any]]] = {}

    def of(self, row: Any) -> Mapping[str, Any]:
        """What a row held in such fields; empty for one that held nothing in them."""
        return self._tables.get(type(row).__name__, {}).get(row.id, {})

    def rows(self, table: str) -> Mapping[int, Mapping[str, Any]]:
        """The same of a whole table by row's id; of one that is gone, its `owner` as well."""
        return self._tables.get(table, {})

    def clear(self) -> None:
        """Forget all of it."""
        self._tables.clear()

    def note(self, table: str, name: str, ids: Iterable[int], values: Iterable[Any]) -> None:
        """Keep a column."""
        rows = self._tables.setdefault(table, {})
        for number, value in zip(ids, values, strict=True):
            rows.setdefault(number, {})[name] = value

    def drop(self, table: str, gone: Iterable[int]) -> None:
        """Let go of rows that were despawned."""
        rows = self._tables.get(table, {})
        for number in gone:
            rows.pop(number, None)


class _Reading:
    """How one table of the old schema is read: where its bits go, and what has no place."""

    def __init__(self, name: str, index: int | None) -> None:
        # The game's name of it, by which its rows ask for what they held.
        self.name = name
        self.index = index
        self.columns: dict[int, tuple[int, Column | None]] = {}
        self.lost: dict[int, tuple[str, Field]] = {}

    def group(self, mask: int, ids: Any, columns: list[Any], former: Former) -> list[Any] | None:
        """A group in the game's bits; None if nothing of it has a place."""
        told: dict[int, Any] = {}
        for bit, column in zip(bits(mask), columns, strict=True):
            if bit in self.lost:
                name, field = self.lost[bit]
                former.note(self.name, name, ids, decode_column(field, column))
            if bit in self.columns:
                new, convert = self.columns[bit]
                told[new] = column if convert is None else convert(column)
        if not told:
            return None
        ordered = sorted(told)
        return [sum(1 << bit for bit in ordered), ids, *(told[bit] for bit in ordered)]


class Translation:
    """From a schema of the journal, hidden fields included, to the tables of a game.

    `removed` and `lossy` name what is passed over and what may not be read, as `Tank.fuel`.
    """

    def __init__(self, old: Schema, game: Game) -> None:
        self.removed: list[str] = []
        self.lossy: list[str] = []
        self._readings: list[_Reading] = [
            self._reading(index, table, game) for index, table in enumerate(old.tables)
        ]

    def chunks(self, chunks: Iterable[list[Any]], former: Former) -> list[list[Any]]:
        """Decoded chunks of the old schema as chunks of the game; what is lost goes to `former`.

        ValueError where a value that should fit does not.
        """
        told: list[list[Any]] = []
        for chunk in chunks:
            index: int = chunk[0]
            gone, groups = chunk[1], chunk[2:]
            reading = self._readings[index]
            former.drop(reading.name, gone)
            read = [reading.group(group[0], group[1], group[2:], former) for group in groups]
            if reading.index is not None:
                told.append([reading.index, gone, *(group for group in read if group is not None)])
        return told

    def _reading(self, index: int, table: TableSchema, game: Game) -> _Reading:
        # A room and a player are that by any name.
        place = index if index < 2 else _place(table, game)
        if place is None:
            self.removed.append(table.name)
            reading = _Reading(table.name, None)
            reading.lost = {0: ("owner", OWNER_FIELD), **table.fields}
            return reading
        kind = game.kinds[place]
        declared = kind._fields  # pyright: ignore[reportPrivateUsage]
        places = {name: bit for bit, name in enumerate(declared, 1)}
        reading = _Reading(kind.__name__, place)
        reading.columns[OWNER_BIT - 1] = (OWNER_BIT - 1, None)
        for bit, (name, field) in table.fields.items():
            if name in places and keeps(field, declared[name]):
                reading.columns[bit] = (places[name], converter(field, declared[name]))
                continue
            (self.lossy if name in places else self.removed).append(f"{kind.__name__}.{name}")
            reading.lost[bit] = (name, field)
        return reading


def translate_values(
    old: Mapping[str, Field], new: Mapping[str, Field], values: Sequence[Any]
) -> list[Any]:
    """Wire values of fields, in the order of the old ones, as those of the new, in theirs.

    A field that is new, or of a kind that may not hold the value, has its default.
    """
    given = dict(zip(old, values, strict=False))
    told: list[Any] = []
    for name, field in new.items():
        if name in given and keeps(old[name], field):
            convert = converter(old[name], field)
            told.append(given[name] if convert is None else convert([given[name]])[0])
        else:
            told.append(field.wire(field.default))
    return told


def _place(table: TableSchema, game: Game) -> int | None:
    """The index of the game's table of this name, if it is one of the same sort."""
    for index, kind in enumerate(game.kinds):
        if index > 1 and kind.__name__ == table.name and table_kind(kind) == table.kind:
            return index
    return None


def keeps(old: Field, new: Field) -> bool:
    """Whether every value of the old field is one of the new, to the last bit."""
    match old.kind, new.kind:
        case Kind.FIXED, Kind.FIXED:
            return new.scale % old.scale == 0 and _within(old, new)
        case Kind.INTEGER, Kind.FIXED:
            return _most(old) * new.scale <= FIXED_WIRE_MAX and _within(old, new)
        case (Kind.INTEGER, Kind.INTEGER) | (Kind.TEXT, Kind.TEXT):
            return _within(old, new)
        case Kind.INTEGER, Kind.F32:
            return _most(old) <= F32_INTEGER_MAX
        case Kind.FLAG, Kind.INTEGER:
            return _within(Field(Kind.INTEGER, 0, lo=0, hi=1), new)
        case (Kind.FIXED | Kind.ANGLE | Kind.INTEGER | Kind.F32, Kind.F64):
            return True
        case one, other:
            return one is other


def converter(old: Field, new: Field) -> Column | None:
    """Turns a column of wire values of the old field into one of the new; None if it is the same.

    ValueError names a value that does not fit.
    """
    if old.kind is new.kind and old.scale == new.scale:
        return None

    def convert(column: Any) -> Any:
        return encode_column(new, decode_column(old, column), typed=False)[0]

    return convert


def _within(old: Field, new: Field) -> bool:
    lower = new.lo is None or (old.lo is not None and new.lo <= old.lo)
    return lower and (new.hi is None or (old.hi is not None and old.hi <= new.hi))


def _most(field: Field) -> float:
    assert field.lo is not None
    assert field.hi is not None
    return max(abs(field.lo), abs(field.hi))
