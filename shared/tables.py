"""A table: the rows of one entity class in id order, and what changed since the last commit.

A row is on exactly one of three lists of a tick: `fresh` (spawned), `dirty` (written) or `gone`
(despawned); one spawned and despawned in the same tick is on none. While a table is closed, its
rows are only read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from .chunks import Codec, Rows, by_mask, pack_chunk
from .entities import OWNER_BIT, Entity
from .errors import GameError

PUBLIC, OWNED, HIDDEN = range(3)


@dataclass(slots=True)
class Change:
    """What one tick did to one table: raw masks and ids for the history, chunks by audience."""

    table: int
    masks: list[tuple[int, list[int]]]
    gone: list[int]
    public: bytes | None = None
    owners: dict[int, bytes] = field(default_factory=dict[int, bytes])
    server: bytes | None = None

    def shown(self, kind: type[Entity]) -> bool:
        """Whether any client may see some of it; `kind` is the class of the table's rows."""
        seen = kind._masks[PUBLIC] | kind._masks[OWNED]
        return bool(self.gone) or any(mask & seen for mask, _ in self.masks)


ONLY_IN_HOOKS = (
    "rows are written in start, migrate, join, leave, act and step; `visible`, brains and what "
    "runs beside the ticks only read them"
)


def refuse(row: Entity) -> None:
    """What a closed table's `writes` do."""
    raise GameError(f"{type(row).__name__} {row.id}: {ONLY_IN_HOOKS}")


class Writes:
    """How rows reach their table's dirty list: `append` is the list's own, or `refuse`."""

    __slots__ = ("append", "opened")

    def __init__(self, dirty: Rows) -> None:
        self.opened: Callable[[Entity], None] = dirty.append
        self.append = self.opened


class Table:
    """Rows of one class; ids come from the match."""

    __slots__ = ("codec", "dirty", "fresh", "gone", "index", "kind", "rows", "writes")

    def __init__(self, index: int, kind: type[Entity]) -> None:
        self.index = index
        self.kind = kind
        self.codec = Codec(kind)
        self.rows: dict[int, Entity] = {}
        self.dirty: Rows = []
        self.writes = Writes(self.dirty)
        self.fresh: dict[int, Entity] = {}
        self.gone: list[int] = []

    def add(self, row: Any, number: int) -> None:
        """Take in a new row under an id higher than all before."""
        row.id = number
        row._mask = self.kind._full
        row._dirty = self.writes
        self.rows[number] = row
        self.fresh[number] = row

    def remove(self, row: Any) -> bool:
        """Let go of a row; False if it was gone already."""
        if self.rows.pop(row.id, None) is None:
            return False
        row._dirty = None
        if self.fresh.pop(row.id, None) is None:
            self.gone.append(row.id)
        return True

    def rewrite(self) -> None:
        """Count every row as written in this tick, whole."""
        for row in cast("dict[int, Any]", self.rows).values():
            if not row._mask:
                self.dirty.append(row)
            row._mask = self.kind._full

    def commit(self) -> Change | None:
        """Round, encode and forget what changed; None if nothing did."""
        if not (self.dirty or self.fresh or self.gone):
            return None
        groups = self._written()
        gone, self.gone = self.gone, []
        change = Change(
            self.index, [(mask, [row.id for row in rows]) for mask, rows in groups.items()], gone
        )
        change.public = self.encode(PUBLIC, groups, gone)
        change.owners = self.encode_owned(groups)
        change.server = self.encode(HIDDEN, groups, [])
        for written in (self.dirty, self.fresh.values()):
            for row in written:
                cast(Any, row)._mask = 0
        self.dirty.clear()
        self.fresh.clear()
        return change

    def _written(self) -> dict[int, Rows]:
        """Rows written or spawned this tick, by mask; a new owner gets all an owner may see."""
        owned = self.kind._masks[OWNED]
        # Only what was despawned this tick can be on the dirty list without being a row still.
        rows = [row for row in self.dirty if row._dirty is not None] if self.gone else self.dirty
        masks = [row._mask for row in rows]
        if owned:
            masks = [mask | owned if mask & OWNER_BIT else mask for mask in masks]
        if not self.fresh and masks and masks.count(masks[0]) == len(masks):
            return {masks[0]: list(rows)}
        full = self.kind._full
        return by_mask([*zip(masks, rows, strict=True), *((full, r) for r in self.fresh.values())])

    def encode(self, audience: int, groups: dict[int, Rows], gone: list[int]) -> bytes | None:
        """The chunk of one audience, or None where it has nothing to say."""
        allowed = self.kind._masks[audience]
        merged: dict[int, Rows] = {}
        for mask, rows in groups.items():
            part = mask & allowed
            if part:
                merged[part] = merged[part] + rows if part in merged else rows
        if not merged and not gone:
            return None
        encoded = [self.codec.group(mask, rows) for mask, rows in merged.items()]
        return pack_chunk(self.index, gone, encoded)

    def encode_owned(self, groups: dict[int, Rows]) -> dict[int, bytes]:
        """For each owner (0 for nobody), the chunk of columns only that player may see."""
        allowed = self.kind._masks[OWNED]
        if not allowed:
            return {}
        owners: dict[int, dict[int, Rows]] = {}
        for mask, rows in groups.items():
            part = mask & allowed
            if part:
                for row in rows:
                    owners.setdefault(row.owner, {}).setdefault(part, []).append(row)
        return {
            owner: pack_chunk(
                self.index, [], [self.codec.group(mask, rows) for mask, rows in parts.items()]
            )
            for owner, parts in owners.items()
        }

    def apply(self, gone: Iterable[int], groups: Iterable[list[Any]]) -> Change:
        """Store a decoded chunk; unknown ids make rows. Returns its masks for the history."""
        gone = list(gone)
        for number in gone:
            self.rows.pop(number, None)
        change = Change(self.index, [], gone)
        for mask, numbers, *columns in groups:
            ids = list(numbers)
            rows: Rows = []
            for number in ids:
                row = self.rows.get(number)
                if row is None:
                    row = self.kind()
                    cast(Any, row).id = number
                    cast(Any, row)._dirty = self.writes
                    self.rows[number] = row
                rows.append(row)
            self.codec.store(mask, rows, columns)
            change.masks.append((mask, ids))
        return change
