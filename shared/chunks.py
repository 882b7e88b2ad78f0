"""Rows to chunks and chunks to rows: the one encoding of everything that changed.

```
chunk  = [table, gone, group ...]
group  = [mask, ids, column ...]      one column per bit set in mask, lowest bit first
column = msgpack array | ext 1..8     a typed array, little endian, unaligned
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgpack

from .columns import Kind, decode_column, encode_column, fits, integers, short, unpack_ext
from .entities import Entity
from .errors import GameError
from .fields import Field
from .limits import ENTITY_ID_MAX
from .overflow import brought_within
from .rounding import RoundingWatch

pack: Callable[[Any], bytes] = msgpack.Packer(autoreset=True).pack

Rows = list[Entity]

# Compiled readers kept for one class: a game that writes its fields at random meets more masks.
READERS_MAX = 256

OWNER_FIELD = Field(Kind.REF, 0, lo=0, hi=ENTITY_ID_MAX)


@lru_cache(READERS_MAX)
def bits(mask: int) -> tuple[int, ...]:
    """The bits set in `mask`, lowest first."""
    return tuple(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def array_head(length: int) -> bytes:
    """The msgpack header of an array of `length` items."""
    if length < 16:
        return bytes((0x90 | length,))
    if length < 65536:
        return b"\xdc" + length.to_bytes(2)
    return b"\xdd" + length.to_bytes(4)


class Codec:
    """Encodes and stores columns of one entity class, with functions compiled per mask."""

    __slots__ = ("_names", "_readers", "_specs", "_writers", "kind", "watch")

    def __init__(self, kind: type[Entity]) -> None:
        self.kind = kind
        self._names = ("owner", *kind._fields)
        self._specs = (OWNER_FIELD, *kind._fields.values())
        self._readers: dict[int, Callable[[Rows], tuple[list[Any], ...]]] = {}
        self._writers = tuple(_writer(name) for name in self._names)
        self.watch: RoundingWatch | None = None

    def group(self, mask: int, rows: Rows) -> list[Any]:
        """`[mask, ids, column ...]` of these rows; rounding and clamping is written back into them.

        GameError names the row, the field and the value that does not fit.
        """
        reader = self._readers.get(mask)
        if reader is None:
            if len(self._readers) >= READERS_MAX:
                self._readers.clear()
            reader = self._readers[mask] = _reader(tuple(self._names[bit] for bit in bits(mask)))
        group: list[Any] = [mask, integers([row.id for row in rows])]
        for bit, values in zip(bits(mask), reader(rows), strict=True):
            try:
                column, back = encode_column(self._specs[bit], values)
            except ValueError:
                values = self._within(bit, rows, values)  # noqa: PLW2901
                column, back = encode_column(self._specs[bit], values)
                back = values if back is None else back
            if back is not None:
                if self.watch is not None and self._specs[bit].scale:
                    field = f"{self.kind.__name__}.{self._names[bit]}"
                    ids = [row.id for row in rows]
                    self.watch.see(field, ids, values, back, self._specs[bit].scale)
                self._writers[bit](rows, back)
            group.append(column)
        return group

    def _within(self, bit: int, rows: Rows, values: list[Any]) -> list[Any]:
        """A column's values brought within its field's bounds; GameError where they cannot be."""
        spec, field = self._specs[bit], f"{self.kind.__name__}.{self._names[bit]}"
        within = brought_within(spec, values)
        for row, value in zip(rows, values if within is None else within, strict=True):
            if not fits(spec, value):
                raise GameError(f"{field} of row {row.id}: {short(value)} is not {spec.describe()}")
        assert within is not None, "encode_column finds a misfit where there is one"
        if self.watch is not None and spec.overflow is None and spec.kind is not Kind.ANGLE:
            beyond = next(value for value in values if not fits(spec, value))
            self.watch.clamped(field, f"{short(beyond)} is not {spec.describe()}")
        return within

    def store(self, mask: int, rows: Rows, columns: Sequence[Sequence[Any]]) -> None:
        """Put decoded columns into rows, without marking them as written."""
        for bit, column in zip(bits(mask), columns, strict=True):
            self._writers[bit](rows, decode_column(self._specs[bit], column))


# Kept for all matches: each room makes the same, and compiling costs more than it is worth there.
@lru_cache(maxsize=4096)
def _reader(names: tuple[str, ...]) -> Callable[[Rows], tuple[list[Any], ...]]:
    parts = "".join(f"[r._{name} for r in rows], " for name in names)
    namespace: dict[str, Any] = {}
    exec(f"def read(rows): return ({parts})", namespace)
    read: Callable[[Rows], tuple[list[Any], ...]] = namespace["read"]
    return read


@lru_cache(maxsize=4096)
def _writer(name: str) -> Callable[[Rows, list[Any]], None]:
    source = f"def write(rows, values):\n for r, v in zip(rows, values): r._{name} = v\n"
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    write: Callable[[Rows, list[Any]], None] = namespace["write"]
    return write


def by_mask(pairs: Iterable[tuple[int, Entity]]) -> dict[int, Rows]:
    """Rows grouped by mask, in the order given."""
    groups: dict[int, Rows] = {}
    for mask, row in pairs:
        if mask in groups:
            groups[mask].append(row)
        else:
            groups[mask] = [row]
    return groups


def pack_chunk(table: int, gone: list[int], groups: list[list[Any]]) -> bytes:
    """One chunk's bytes."""
    return pack([table, integers(gone), *groups])


def unpack_stored(data: bytes) -> Any:
    """Open bytes of our own making (a record, a checkpoint, a frame); ValueError if damaged."""
    return msgpack.unpackb(data, ext_hook=unpack_ext)
