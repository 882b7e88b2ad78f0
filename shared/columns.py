"""How one column of a field's values becomes wire values and back, for each kind of field.

Rounding happens here, once, at commit: `floor(value * scale + 0.5)`, in Python and in JavaScript.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from math import floor, isfinite
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import msgpack

from .limits import ENTITY_ID_MAX, FIXED_WIRE_MAX, TYPED_COLUMN_ROWS_MIN

if TYPE_CHECKING:
    from .fields import Field

Column = Any  # A sequence of wire values, or a msgpack.ExtType holding a typed array.
Encoded = tuple[Column, list[Any] | None]


class Kind(IntEnum):
    """Kinds of field, numbered as the schema on the wire numbers them."""

    FIXED = 1
    ANGLE = 2
    INTEGER = 3
    F32 = 4
    F64 = 5
    TEXT = 6
    FLAG = 7
    REF = 8


EXT_CODES = {"B": 1, "b": 2, "h": 3, "H": 4, "i": 5, "I": 6, "f": 7, "d": 8}
TYPECODES = {number: code for code, number in EXT_CODES.items()}
_RANGES = (
    ("B", 0, 255),
    ("b", -128, 127),
    ("h", -32768, 32767),
    ("H", 0, 65535),
    ("i", -(2**31), 2**31 - 1),
    ("I", 0, 2**32 - 1),
)
_WIRE_TYPES: dict[Kind, type] = {
    Kind.FIXED: int,
    Kind.ANGLE: int,
    Kind.INTEGER: int,
    Kind.F32: float,
    Kind.F64: float,
    Kind.TEXT: str,
    Kind.FLAG: int,
    Kind.REF: int,
}
_INT = {int}
_MISFITS = (ValueError, TypeError, OverflowError)

assert array.array("i").itemsize == 4, "the ext types name the sizes of C's types here"
assert array.array("I").itemsize == 4, "the ext types name the sizes of C's types here"


def encode_column(field: Field, values: list[Any], *, typed: bool = True) -> Encoded:
    """One column in wire form, and the values to write back where rounding may have changed them.

    ValueError names the first value that does not fit and says what would.
    """
    try:
        return _ENCODERS[field.kind](field, values, typed)
    except _MISFITS:
        misfit = next(value for value in values if not fits(field, value))
        raise ValueError(f"{short(misfit)} is not {field.describe()}") from None


def fits(field: Field, value: Any) -> bool:
    """Whether a value is one of the field's, rounding aside."""
    try:
        _ENCODERS[field.kind](field, [value], False)
    except _MISFITS:
        return False
    return True


def decode_column(field: Field, column: Sequence[Any]) -> list[Any]:
    """The values of a column that `encode_column` made and `unpack_ext` may have opened."""
    match field.kind:
        case Kind.FIXED | Kind.ANGLE:
            scale = field.scale
            return [wire / scale for wire in column]
        case Kind.FLAG:
            return [wire == 1 for wire in column]
        case _:
            return list(column)


def read_column(field: Field, column: object, length: int) -> list[Any]:
    """A column from outside, its length and types checked, decoded; ValueError if it is none.

    Whether numbers lie between the field's bounds is the sender's word; ids must be ids, since
    owners are put into the canonical bytes as such.
    """
    if not _is_column(column):
        raise ValueError(f"a column is an array, not {short(column)}")
    if len(column) != length:
        raise ValueError(f"a column holds {len(column)} values for {length} rows")
    if not set(map(type, column)) <= {_WIRE_TYPES[field.kind]}:
        raise ValueError(f"a value is not {field.describe()} in wire form")
    if field.kind is Kind.REF and column and not 0 <= min(column) <= max(column) <= ENTITY_ID_MAX:
        raise ValueError(f"a value is not {field.describe()}")
    return decode_column(field, column)


def read_ids(column: object) -> list[int]:
    """A column of ids from outside; ValueError if it holds anything else."""
    if not _is_column(column):
        raise ValueError(f"ids are an array, not {short(column)}")
    ids = list(column)
    if not set(map(type, ids)) <= {int} or (ids and not 0 < min(ids) <= max(ids) <= ENTITY_ID_MAX):
        raise ValueError(f"ids are whole numbers from 1 to {ENTITY_ID_MAX}")
    return ids


def unpack_ext(code: int, data: bytes) -> array.array[Any]:
    """A msgpack ext 1..8 as the typed array it holds; ValueError for any other or a ragged one."""
    typecode = TYPECODES.get(code)
    if typecode is None:
        raise ValueError(f"ext type {code} is not a typed array (1 to 8)")
    values: array.array[Any] = array.array(typecode)
    values.frombytes(data)
    return little_endian(values)


def integers(values: list[int]) -> Column:
    """A column of whole numbers: the smallest typed array from 8 rows up, else a plain array."""
    return _narrow(values, min(values, default=0), max(values, default=0))


def _narrow(values: list[int], least: int, most: int) -> Column:
    """The same, of values whose least and greatest are known."""
    if len(values) < TYPED_COLUMN_ROWS_MIN:
        return values
    for code, lo, hi in _RANGES:
        if lo <= least and most <= hi:
            return _typed(code, values)
    return values


def little_endian(values: array.array[Any], byteorder: str = sys.byteorder) -> array.array[Any]:
    """These values, their bytes swapped in place where the machine is big-endian."""
    if byteorder == "big":
        values.byteswap()
    return values


def short(value: object) -> str:
    """A value as an error shows it."""
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a value from outside is an array, for type checkers too."""
    return type(value) is list


def _is_column(value: object) -> TypeGuard[Sequence[Any]]:
    return type(value) is list or type(value) is array.array


def _typed(code: str, values: Sequence[Any]) -> msgpack.ExtType:
    return msgpack.ExtType(EXT_CODES[code], little_endian(array.array(code, values)).tobytes())


def _encode_fixed(field: Field, values: list[Any], typed: bool) -> Encoded:
    scale = field.scale
    wire = [floor(value * scale + 0.5) for value in values]
    back = [number / scale for number in wire]
    if field.lo is not None and min(back) < field.lo:
        raise ValueError
    if field.hi is not None and max(back) > field.hi:
        raise ValueError
    least, most = min(wire), max(wire)
    if most > FIXED_WIRE_MAX or least < -FIXED_WIRE_MAX:
        raise ValueError
    return (_narrow(wire, least, most) if typed else wire), back


def _encode_angle(field: Field, values: list[Any], typed: bool) -> Encoded:
    scale = field.scale
    wire = [((floor(value * scale + 0.5) + 32768) & 65535) - 32768 for value in values]
    back = [number / scale for number in wire]
    return (integers(wire) if typed else wire), back


def _encode_integer(field: Field, values: list[Any], typed: bool) -> Encoded:
    back = None
    if set(map(type, values)) != _INT:
        if not all(isinstance(value, int) for value in values):
            raise TypeError
        values = back = [int(value) for value in values]
    least, most = min(values), max(values)
    if least < cast("int", field.lo) or most > cast("int", field.hi):
        raise ValueError
    return (_narrow(values, least, most) if typed else values), back


def _encode_f32(_field: Field, values: list[Any], typed: bool) -> Encoded:
    return _encode_floats("f", values, typed)


def _encode_f64(_field: Field, values: list[Any], typed: bool) -> Encoded:
    return _encode_floats("d", values, typed)


def _encode_floats(code: str, values: list[Any], typed: bool) -> Encoded:
    back = array.array(code, values).tolist()
    if not all(map(isfinite, back)):
        raise ValueError
    return (_typed(code, back) if typed else back), back


def _encode_text(field: Field, values: list[Any], _typed: bool) -> Encoded:
    chars_max = cast("int", field.hi)
    for value in values:
        if type(value) is not str or len(value) > chars_max:
            raise ValueError
        # Half of a surrogate pair is no character; UTF-8 refuses it, here with a field's name.
        value.encode()
    return values, None


def _encode_flag(_field: Field, values: list[Any], typed: bool) -> Encoded:
    if any(value not in (True, False) for value in values):
        raise ValueError
    wire = [1 if value else 0 for value in values]
    return (integers(wire) if typed else wire), [value == 1 for value in wire]


_ENCODERS: dict[Kind, Callable[[Field, list[Any], bool], Encoded]] = {
    Kind.FIXED: _encode_fixed,
    Kind.ANGLE: _encode_angle,
    Kind.INTEGER: _encode_integer,
    Kind.F32: _encode_f32,
    Kind.F64: _encode_f64,
    Kind.TEXT: _encode_text,
    Kind.FLAG: _encode_flag,
    Kind.REF: _encode_integer,
}
