"""A view: the rows one player may see, assembled from frames, as a client and a brain hold them."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeVar, overload

from .chunks import OWNER_FIELD, bits
from .columns import read_column, read_ids, short
from .digest import Layout, owned_digest, public_digest
from .entities import OWNER_BIT, Entity
from .fields import OWNER
from .limits import MASK_BITS_MAX
from .schema import EVENT_TABLE, PLAYER_TABLE_KIND, ROOM_TABLE_KIND, Schema, TableSchema

E = TypeVar("E", bound=Entity)


class Row:
    """A row of a view; its class has a slot for each field the schema names."""

    __slots__ = ("id", "owner")
    id: int
    owner: int

    def __repr__(self) -> str:
        kinds = reversed(type(self).__mro__)
        names: list[str] = [name for kind in kinds for name in getattr(kind, "__slots__", ())]
        values = " ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"<{type(self).__name__} {values}>"


@dataclass(slots=True)
class Changes:
    """What one frame did, by table name; events that are new to this view among `added`."""

    added: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    changed: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    removed: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    hidden: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])


_Group = tuple[int, list[int], list[tuple[str, list[Any]]]]


class _ViewTable:
    __slots__ = ("columns", "defaults", "kind", "make", "name", "owned", "rows", "sorted")

    def __init__(self, schema: TableSchema) -> None:
        self.name = schema.name
        self.kind = schema.kind
        self.columns = {0: ("owner", OWNER_FIELD), **schema.fields}
        self.make: type[Row] = type(
            schema.name, (Row,), {"__slots__": tuple(name for name, _ in schema.fields.values())}
        )
        self.defaults = [(name, spec.default) for name, spec in schema.fields.values()]
        self.owned = [(n, spec.default) for n, spec in schema.fields.values() if spec.to is OWNER]
        self.rows: dict[int, Row] = {}

    def still(self, before: _ViewTable | None) -> _ViewTable:
        """A table of copies; a row that is as in `before` is taken from there."""
        made = copy(self)
        known = before.rows if before is not None else {}
        read = attrgetter("id", *(name for name, _ in self.columns.values()))
        made.rows = {}
        for number in sorted(self.rows):
            row, was = self.rows[number], known.get(number)
            made.rows[number] = was if was is not None and read(was) == read(row) else copy(row)
        return made

    def decode(self, group: list[Any]) -> _Group:
        """A group checked and decoded before anything is stored; ValueError if it is malformed."""
        mask, numbers, *columns = group
        if type(mask) is not int or not 0 < mask < 1 << MASK_BITS_MAX:
            raise ValueError(f"mask {short(mask)}")
        ids = read_ids(numbers)
        named: list[tuple[str, list[Any]]] = []
        for bit, column in zip(bits(mask), columns, strict=True):
            if bit not in self.columns:
                raise ValueError(f"{self.name} has no field with bit {bit}")
            name, spec = self.columns[bit]
            named.append((name, read_column(spec, column, len(ids))))
        return mask, ids, named


_Leaving = tuple[_ViewTable, list[int]]
_Decoded = tuple[_ViewTable, list[int], list[_Group]]


class View:
    """Rows by table; `me` is this player's row. Kinds are given by class or by name.

    `player` is 0 for a spectator. Law: after any frame, `digest()` equals the server's.
    """

    def __init__(self, schema: Schema, player: int) -> None:
        self.schema = schema
        self.player = player
        self.tick = 0
        self._tables = [_ViewTable(table) for table in schema.tables]
        self._by_name = {table.name: table for table in self._tables}
        self._layout = Layout.of_schema(schema)
        self._heard: int | None = None

    @property
    def me(self) -> Any:
        """This player's row, or None for a spectator."""
        return self._tables[PLAYER_TABLE_KIND - 1].rows.get(self.player)

    @property
    def room(self) -> Any:
        """The room's row."""
        return next(iter(self._tables[ROOM_TABLE_KIND - 1].rows.values()), None)

    @property
    def players(self) -> list[Any]:
        """The players' rows in id order."""
        return self._ordered(self._tables[PLAYER_TABLE_KIND - 1])

    @property
    def names(self) -> list[str]:
        """The names of the tables, in table order."""
        return [table.name for table in self._tables]

    @overload
    def all(self, kind: type[E], *, owner: int | None = None) -> list[E]: ...
    @overload
    def all(self, kind: str, *, owner: int | None = None) -> list[Any]: ...
    def all(self, kind: type[Any] | str, *, owner: int | None = None) -> list[Any]:
        """Rows of a kind in id order; `owner` narrows to one player's."""
        rows = self._ordered(self._table(kind))
        return rows if owner is None else [row for row in rows if row.owner == owner]

    @overload
    def one(self, kind: type[E], *, owner: int | None = None) -> E | None: ...
    @overload
    def one(self, kind: str, *, owner: int | None = None) -> Any: ...
    def one(self, kind: type[Any] | str, *, owner: int | None = None) -> Any:
        """The first row of a kind (of one owner), or None."""
        return next(iter(self.all(kind, owner=owner)), None)

    @overload
    def get(self, kind: type[E], number: int) -> E | None: ...
    @overload
    def get(self, kind: str, number: int) -> Any: ...
    def get(self, kind: type[Any] | str, number: int) -> Any:
        """The row with this id, or None when it is gone or unseen."""
        return self._table(kind).rows.get(number)

    def count(self, kind: type[Entity] | str) -> int:
        """How many rows of a kind are seen."""
        return len(self._table(kind).rows)

    def digest(self) -> int:
        """CRC-32 of the view's canonical bytes (docs/PROTOCOL.md)."""
        tables = [table.rows for table in self._tables]
        return owned_digest(self._layout, tables, self.player, public_digest(self._layout, tables))

    def still(self, before: View | None = None) -> View:
        """A copy that stays as this view is now; it shares the rows that are as in `before`.

        `before` is an older copy of the same view.
        """
        made = copy(self)
        olds = before._tables if before is not None else [None] * len(self._tables)
        tables = zip(self._tables, olds, strict=True)
        made._tables = [table.still(old) for table, old in tables]
        made._by_name = {table.name: table for table in made._tables}
        return made

    def apply(
        self, tick: int, base: int, dropped: Iterable[Any] | None, chunks: list[Any]
    ) -> Changes:
        """Take in a frame whose base is 0 or at most the tick held.

        ValueError if it is malformed; then nothing of it was applied.
        """
        assert base == 0 or base <= self.tick < tick, (base, self.tick, tick)
        leaving, decoded = self._decode(dropped, chunks)
        changes = Changes()
        first = self._heard is None
        held: set[int] = set()
        if base == 0:
            held = {number for table in self._tables for number in table.rows}
            self._forget(decoded, changes)
        for table, ids in leaving:
            self._let_go(table, ids, changes.hidden)
        for table, gone, groups in decoded:
            self._let_go(table, gone, changes.removed)
            for mask, ids, columns in groups:
                self._store(table, mask, ids, columns, changes)
        self.tick = tick
        if held:
            changes.changed += [entry for entry in changes.added if entry[1].id in held]
            changes.added = [entry for entry in changes.added if entry[1].id not in held]
        self._hear(changes, first)
        return changes

    def _decode(
        self, dropped: Iterable[Any] | None, chunks: Iterable[Any]
    ) -> tuple[list[_Leaving], list[_Decoded]]:
        """The frame's content, checked to its end before any of it is applied."""
        try:
            leaving = [(self._at(index), read_ids(ids)) for index, ids, *_ in dropped or ()]
            decoded: list[_Decoded] = []
            for index, gone, *groups in chunks:
                table = self._at(index)
                decoded.append((table, read_ids(gone), [table.decode(group) for group in groups]))
        except (TypeError, ValueError) as error:
            raise ValueError(f"malformed frame: {error}") from None
        return leaving, decoded

    def _at(self, index: object) -> _ViewTable:
        if type(index) is not int or not 0 <= index < len(self._tables):
            raise ValueError(f"no table {short(index)}")
        return self._tables[index]

    def _forget(self, decoded: list[_Decoded], changes: Changes) -> None:
        """Forget all rows, telling as removed those the frame from nothing does not hold."""
        kept = {number for _, _, groups in decoded for _, ids, _ in groups for number in ids}
        for table in self._tables:
            changes.removed += [(table.name, r) for r in table.rows.values() if r.id not in kept]
            table.rows = {}

    def _let_go(self, table: _ViewTable, ids: list[int], told: list[tuple[str, Any]]) -> None:
        for number in ids:
            row = table.rows.pop(number, None)
            if row is not None:
                told.append((table.name, row))

    def _store(
        self,
        table: _ViewTable,
        mask: int,
        ids: list[int],
        columns: list[tuple[str, list[Any]]],
        changes: Changes,
    ) -> None:
        rows: list[Any] = []
        for number in ids:
            row: Any = table.rows.get(number)
            if row is None:
                row = table.make()
                row.id = number
                row.owner = 0
                for name, default in table.defaults:
                    setattr(row, name, default)
                table.rows[number] = row
                changes.added.append((table.name, row))
            else:
                changes.changed.append((table.name, row))
            rows.append(row)
        for name, values in columns:
            for row, value in zip(rows, values, strict=True):
                setattr(row, name, value)
        if mask & OWNER_BIT and table.owned:
            for row in rows:
                if row.owner != self.player or not self.player:
                    for name, default in table.owned:
                        setattr(row, name, default)

    def _hear(self, changes: Changes, first: bool) -> None:
        """Keep of the events only those not announced before; on joining all are old."""
        events = {table.name for table in self._tables if table.kind == EVENT_TABLE}
        if not events:
            self._heard = self._heard or 0
            return
        heard = self._heard or 0
        fresh = [e for e in changes.added if e[0] not in events or (not first and e[1].id > heard)]
        newest = max((row.id for name, row in changes.added if name in events), default=heard)
        changes.added = fresh
        self._heard = max(heard, newest)

    def _ordered(self, table: _ViewTable) -> list[Any]:
        rows = table.rows
        return [rows[number] for number in sorted(rows)]

    def _table(self, kind: type[Entity] | str) -> _ViewTable:
        name = kind if isinstance(kind, str) else kind.__name__
        table = self._by_name.get(name)
        if table is None:
            raise KeyError(f"this game has no table {name}; it has {', '.join(self._by_name)}")
        return table
