"""Columns: every kind of value to the wire and back, and nothing else."""

from __future__ import annotations

import array
import struct
from math import inf, nan, pi
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.columns import (
    EXT_CODES,
    TYPECODES,
    Kind,
    decode_column,
    encode_column,
    integers,
    is_list,
    little_endian,
    read_column,
    read_ids,
    short,
    unpack_ext,
)
from shared.fields import ANGLE_SCALE, Field
from shared.limits import ENTITY_ID_MAX
from tests.shared.reference import bits

FIXED = Field(Kind.FIXED, 0.0, scale=64)
LIMITED = Field(Kind.FIXED, 0.0, scale=64, lo=-1, hi=2)
ANGLE = Field(Kind.ANGLE, 0.0, scale=ANGLE_SCALE)
INTEGER = Field(Kind.INTEGER, 0, lo=-5, hi=300)
F32 = Field(Kind.F32, 0.0)
F64 = Field(Kind.F64, 0.0)
TEXT = Field(Kind.TEXT, "", hi=3)
FLAG = Field(Kind.FLAG, False)
REF = Field(Kind.REF, 0, lo=0, hi=ENTITY_ID_MAX)


def opened(column: Any) -> Any:
    """A column as a receiver has it."""
    return msgpack.unpackb(msgpack.packb(column), ext_hook=unpack_ext)


@pytest.mark.parametrize(
    ("field", "value", "wire", "back"),
    [
        (FIXED, 0.5 / 64, 1, 1 / 64),
        (FIXED, -0.5 / 64, 0, 0.0),
        (FIXED, -0.0, 0, 0.0),
        (FIXED, 3, 192, 3.0),
        (FIXED, True, 64, 1.0),
        (ANGLE, pi, -32768, -pi),
        (ANGLE, 3 * pi, -32768, -pi),
        (ANGLE, -pi, -32768, -pi),
        (INTEGER, 300, 300, 300),
        (INTEGER, True, 1, 1),
        (F32, 0.1, 0.10000000149011612, 0.10000000149011612),
        (F32, -0.0, -0.0, -0.0),
        (F64, 5, 5.0, 5.0),
        (F64, 0.1, 0.1, 0.1),
        (TEXT, "é😀a", "é😀a", "é😀a"),
        (FLAG, 1, 1, True),
        (FLAG, False, 0, False),
        (REF, 2**32 - 1, 2**32 - 1, 2**32 - 1),
    ],
)
@pytest.mark.parametrize("rows", [1, 7, 8, 20])
def test_a_column_comes_back_as_it_was_written_back(
    field: Field, value: Any, wire: Any, back: Any, rows: int
) -> None:
    column, written = encode_column(field, [value] * rows)
    if written is None:
        written = [value] * rows
    received = opened(column)
    assert list(received) == [received[0]] * rows
    assert bits(received[0]) == bits(wire)
    assert [bits(number) for number in written] == [bits(back)] * rows
    decoded = decode_column(field, received)
    assert [bits(number) for number in decoded] == [bits(number) for number in written]
    assert decoded == read_column(field, received, rows)
    untyped, _ = encode_column(field, [value] * rows, typed=False)
    assert untyped == list(received)


@pytest.mark.parametrize(
    ("field", "value", "right"),
    [
        (FIXED, nan, "a finite number"),
        (FIXED, -inf, "a finite number"),
        (FIXED, 1e300, "a finite number"),
        (FIXED, 2.0**50, "a finite number"),
        (FIXED, -(2.0**50), "a finite number"),
        (FIXED, "1", "a finite number"),
        (LIMITED, 2.1, "a finite number from -1 to 2"),
        (LIMITED, -1.1, "a finite number from -1 to 2"),
        (ANGLE, inf, "a finite number"),
        (ANGLE, None, "a finite number"),
        (INTEGER, 301, "a whole number from -5 to 300"),
        (INTEGER, -6, "a whole number from -5 to 300"),
        (INTEGER, 1.0, "a whole number from -5 to 300"),
        (F32, 3.5e38, "a finite number"),
        (F32, nan, "a finite number"),
        (F32, "a", "a finite number"),
        (F64, inf, "a finite number"),
        (F64, 10**400, "a finite number"),
        (TEXT, "four", "text of at most 3 characters"),
        (TEXT, b"a", "text of at most 3 characters"),
        (TEXT, "\ud800", "text of at most 3 characters"),
        (FLAG, 2, "True or False"),
        (FLAG, "yes", "True or False"),
        (REF, -1, "a row's id, or 0"),
        (REF, 2**32, "a row's id, or 0"),
    ],
)
@pytest.mark.parametrize("before", [0, 9])
def test_the_first_value_that_does_not_fit_is_named(
    field: Field, value: Any, right: str, before: int
) -> None:
    values = [field.default] * before + [value, value]
    with pytest.raises(ValueError, match="is not") as caught:
        encode_column(field, values)
    assert str(caught.value) == f"{short(value)} is not {right}"


@pytest.mark.parametrize(
    ("least", "most", "code"),
    [
        (0, 255, 1),
        (-128, 127, 2),
        (-129, 0, 3),
        (0, 32767, 3),
        (0, 65535, 4),
        (-1, 65535, 5),
        (0, 2**31, 6),
        (0, 2**32, None),
        (-1, 2**31, None),
    ],
)
def test_whole_numbers_take_the_smallest_type_that_holds_them(
    least: int, most: int, code: int | None
) -> None:
    values = [least] * 4 + [most] * 4
    column = integers(values)
    if code is None:
        assert column == values
    else:
        assert column.code == code
        assert unpack_ext(*column).tolist() == values
    assert integers(values[1:]) == values[1:]


@pytest.mark.parametrize(("code", "form"), list(enumerate("BbhHiIfd", 1)))
def test_typed_arrays_are_little_endian_wherever_they_lie(code: int, form: str) -> None:
    packed = struct.pack(f"<3{form}", 1, 2, 3)
    values = unpack_ext(code, memoryview(b"x" + packed)[1:].tobytes())
    assert values.tolist() == [1, 2, 3]
    assert EXT_CODES[TYPECODES[code]] == code


def test_bytes_are_swapped_where_the_machine_is_big_endian() -> None:
    assert little_endian(array.array("H", [1]), "little").tolist() == [1]
    assert little_endian(array.array("H", [1]), "big").tolist() == [256]


@pytest.mark.parametrize(
    ("code", "data", "wrong"),
    [(0, b"", "ext type 0"), (9, b"", "ext type 9"), (3, b"abc", "multiple of item size")],
)
def test_other_exts_and_ragged_ones_are_refused(code: int, data: bytes, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        unpack_ext(code, data)


NO_COLUMNS: list[tuple[Field, object, str]] = [
    (TEXT, "ab", "a column is an array, not 'ab'"),
    (INTEGER, b"ab", "a column is an array"),
    (INTEGER, {0: 1, 1: 1}, "a column is an array"),
    (INTEGER, [1], "a column holds 1 values for 2 rows"),
    (INTEGER, [1, 2, 3], "a column holds 3 values for 2 rows"),
    (INTEGER, [1, 1.0], "a value is not a whole number from -5 to 300 in wire form"),
    (INTEGER, [1, True], "a value is not"),
    (FIXED, [1, None], "a value is not"),
    (ANGLE, array.array("f", [1, 2]), "a value is not"),
    (FLAG, ["", ""], "a value is not"),
    (F32, [1, 2], "a value is not"),
    (F64, array.array("B", [1, 2]), "a value is not"),
    (TEXT, [b"", ""], "a value is not"),
    (REF, [[], []], "a value is not"),
    (REF, [0, -1], "a value is not a row's id, or 0"),
    (REF, [2**32, 1], "a value is not a row's id, or 0"),
]


@pytest.mark.parametrize(("field", "column", "wrong"), NO_COLUMNS)
def test_a_column_from_outside_is_of_its_fields_type(
    field: Field, column: object, wrong: str
) -> None:
    with pytest.raises(ValueError, match=wrong):
        read_column(field, column, 2)


@pytest.mark.parametrize("ids", [[], [1], [7, 2**32 - 1], array.array("I", [9, 8])])
def test_ids_are_read_as_a_list(ids: Any) -> None:
    assert read_ids(ids) == list(ids)


@pytest.mark.parametrize("ids", [None, 5, b"ab", "ab", {1: 1}])
def test_what_is_no_array_holds_no_ids(ids: object) -> None:
    with pytest.raises(ValueError, match="ids are an array"):
        read_ids(ids)


@pytest.mark.parametrize("ids", [[0], [1, 2**32], [-1], [1.0], [True], ["1"], [[]]])
def test_ids_are_whole_numbers_in_range(ids: object) -> None:
    with pytest.raises(ValueError, match="whole numbers from 1 to 4294967295"):
        read_ids(ids)


def test_what_is_a_list() -> None:
    assert is_list([1])
    assert not is_list((1,))


def test_a_long_value_is_shown_short() -> None:
    assert short("a" * 38) == repr("a" * 38)
    assert short("a" * 39) == "'" + "a" * 36 + "..."


@given(st.lists(st.floats(-(2**30), 2**30), min_size=1, max_size=12), st.integers(1, 10**5))
def test_what_was_rounded_is_not_rounded_again(values: list[float], scale: int) -> None:
    field = Field(Kind.FIXED, 0.0, scale=scale)
    column, back = encode_column(field, values)
    assert back is not None
    again, same = encode_column(field, back)
    assert again == column
    assert same == back


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=12))
def test_angles_come_out_within_half_a_turn_and_are_not_rounded_again(values: list[float]) -> None:
    column, back = encode_column(ANGLE, values)
    assert back is not None
    assert all(-pi <= value < pi for value in back)
    assert encode_column(ANGLE, back) == (column, back)
