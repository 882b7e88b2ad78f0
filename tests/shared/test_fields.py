"""Fields: what may be declared, what a declaration means, and what it takes from outside."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan, pi
from typing import Any, cast

import pytest

from shared.columns import Kind
from shared.entities import Entity
from shared.errors import ConfigError
from shared.fields import (
    ALL,
    ANGLE_SCALE,
    OWNER,
    SERVER,
    Field,
    angle,
    bounded,
    f32,
    f64,
    fixed,
    flag,
    i8,
    i16,
    i32,
    ref,
    text,
    u8,
    u16,
    u32,
)
from tests.shared.reference import bits


def declared(value: object) -> Field:
    """The field behind what type checkers take for a number or text."""
    assert isinstance(value, Field)
    return value


@pytest.mark.parametrize(
    ("made", "kind", "default", "lo", "hi"),
    [
        (fixed(1 / 64), Kind.FIXED, 0.0, None, None),
        (fixed(0.01, 0.999), Kind.FIXED, 1.0, None, None),
        (fixed(1, -0.0), Kind.FIXED, 0.0, None, None),
        (angle(), Kind.ANGLE, 0.0, None, None),
        (angle(pi), Kind.ANGLE, -pi, None, None),
        (bounded(-3, 3), Kind.INTEGER, 0, -3, 3),
        (bounded(2, 3), Kind.INTEGER, 2, 2, 3),
        (bounded(-3, -2), Kind.INTEGER, -3, -3, -2),
        (bounded(2, 9, 5), Kind.INTEGER, 5, 2, 9),
        (bounded(0, 1, True), Kind.INTEGER, 1, 0, 1),
        (u8(), Kind.INTEGER, 0, 0, 255),
        (i8(-1), Kind.INTEGER, -1, -128, 127),
        (u16(), Kind.INTEGER, 0, 0, 65_535),
        (i16(), Kind.INTEGER, 0, -32_768, 32_767),
        (u32(), Kind.INTEGER, 0, 0, 4_294_967_295),
        (i32(), Kind.INTEGER, 0, -2_147_483_648, 2_147_483_647),
        (f32(0.1), Kind.F32, 0.10000000149011612, None, None),
        (f64(0.1), Kind.F64, 0.1, None, None),
        (text(3, "abc"), Kind.TEXT, "abc", None, 3),
        (flag(), Kind.FLAG, False, None, None),
        (flag(cast("bool", 1)), Kind.FLAG, True, None, None),
        (ref(Entity), Kind.REF, 0, 0, 2**32 - 1),
    ],
)
def test_a_declaration_says_kind_default_and_bounds(
    made: object, kind: Kind, default: Any, lo: float | None, hi: float | None
) -> None:
    field = declared(made)
    assert (field.kind, bits(field.default), field.to) == (kind, bits(default), ALL)
    assert (field.lo, field.hi) == (lo, hi)
    assert field.value(field.wire(field.default)) == field.default
    assert field.skips_equal == (kind not in (Kind.F32, Kind.F64))


@pytest.mark.parametrize("declare", [u8, i8, u16, i16, u32, i32, f32, f64, flag, angle])
def test_a_declaration_says_its_audience(declare: Callable[..., Any]) -> None:
    assert declare(to=OWNER).to is OWNER
    assert declare(to=SERVER).to is SERVER
    assert declared(fixed(1, to=OWNER)).to is OWNER
    assert declared(bounded(0, 1, to=OWNER)).to is OWNER
    assert declared(text(1, to=OWNER)).to is OWNER
    assert declared(ref(Entity, to=OWNER)).to is OWNER


def test_a_fixed_field_has_a_scale_and_may_snap() -> None:
    assert declared(fixed(1 / 1024)).scale == 1024
    assert declared(fixed(0.1)).scale == 10
    assert declared(fixed(1 / 3)).scale == 3
    assert type(declared(fixed(1 / 3)).scale) is int
    assert declared(fixed(0.1, snap=5.0)).snap == 5.0
    assert declared(angle()).scale == ANGLE_SCALE
    assert declared(ref(Entity)).table is Entity


def test_a_value_clamped_to_a_bound_fits_however_it_rounds() -> None:
    field = declared(fixed(1 / 1024, lo=-9.9, hi=9.9))
    for bound in (-9.9, 9.9):
        assert field.value(field.wire(bound)) == pytest.approx(bound, abs=1 / 1024)
    assert (field.lo, field.hi) == (-10138 / 1024, 10138 / 1024)
    with pytest.raises(ValueError, match="is not a finite number from -9"):
        field.wire(9.902)


@pytest.mark.parametrize(
    ("declare", "wrong"),
    [
        (lambda: fixed(0), "unit fraction"),
        (lambda: fixed(-1), "unit fraction"),
        (lambda: fixed(2), "unit fraction"),
        (lambda: fixed(nan), "unit fraction"),
        (lambda: fixed(5e-324), "unit fraction"),
        (lambda: fixed(0.3), "1/step must be a whole number"),
        (lambda: fixed(1, nan), "fixed field: the default nan is not a finite number"),
        (lambda: fixed(1, lo=inf), "fixed field: the bound inf is not a finite number"),
        (lambda: fixed(1, 5, lo=0, hi=3), "the default 5 is not a finite number from 0.0 to 3.0"),
        (lambda: angle(inf), "angle field: the default inf is not a finite number"),
        (lambda: bounded(3, 2), "the smaller first"),
        (lambda: bounded(0, 2**53 + 1), "the smaller first"),
        (lambda: bounded(-(2**53) - 1, 0), "the smaller first"),
        (lambda: bounded(cast("int", 0.0), 1), "two whole numbers"),
        (lambda: bounded(0, cast("int", "1")), "two whole numbers"),
        (lambda: bounded(0, 3, 4), "integer field: the default 4 is not a whole number from 0 to"),
        (lambda: u8(-1), "integer field: the default -1 is not a whole number from 0 to 255"),
        (lambda: f32(1e39), r"f32 field: the default 1e.39 is not a finite number"),
        (lambda: f64(cast("float", "x")), "f64 field: the default 'x' is not a finite number"),
        (lambda: text(0), "give the most characters, 1 to 16384"),
        (lambda: text(16_385), "give the most characters"),
        (lambda: text(cast("int", 1.0)), "give the most characters"),
        (lambda: text(1, "ab"), "text field: the default 'ab' is not text of at most 1 characters"),
        (lambda: flag(cast("bool", "x")), "flag field: the default 'x' is not True or False"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_the_remedy(
    declare: Callable[[], object], wrong: str
) -> None:
    with pytest.raises(ConfigError, match=wrong):
        declare()


@pytest.mark.parametrize(
    ("made", "wire", "value"),
    [
        (fixed(0.5), 3, 1.5),
        (fixed(0.5), 2**50, 2.0**49),
        (fixed(0.5, lo=-1, hi=1), 2, 1.0),
        (angle(), -32768, -pi),
        (angle(), 32767, 32767 / ANGLE_SCALE),
        (u8(), 255, 255),
        (bounded(-(2**53), 2**53), 2**53, 2**53),
        (f32(), 0.1, 0.10000000149011612),
        (f32(), 5, 5.0),
        (f64(), 0.1, 0.1),
        (f64(), -5, -5.0),
        (text(2), "é😀", "é😀"),
        (flag(), True, True),
        (flag(), 0, False),
        (flag(), 1, True),
        (ref(Entity), 7, 7),
    ],
)
def test_a_wire_value_from_outside_is_decoded(made: object, wire: Any, value: Any) -> None:
    assert bits(declared(made).value(wire)) == bits(value)


@pytest.mark.parametrize(
    ("made", "wire", "wrong"),
    [
        (fixed(0.5), 3.0, "3.0 is not a finite number"),
        (fixed(0.5), True, "True is not a finite number"),
        (fixed(0.5), 2**50 + 1, "is not a finite number"),
        (fixed(0.5), -(2**50) - 1, "is not a finite number"),
        (fixed(0.5, lo=-1, hi=1), 3, "1.5 is not a finite number from -1.0 to 1.0"),
        (fixed(0.5, lo=-1), -3, "-1.5 is not a finite number of at least -1.0"),
        (fixed(0.5, hi=1), 3, "1.5 is not a finite number of at most 1.0"),
        (angle(), 32768, "is not a finite number"),
        (angle(), -32769, "is not a finite number"),
        (angle(), "1", "is not a finite number"),
        (u8(), 256, "256 is not a whole number from 0 to 255"),
        (u8(), -1, "-1 is not a whole number"),
        (u8(), 1.0, "1.0 is not a whole number"),
        (u8(), False, "False is not a whole number"),
        (u8(), None, "None is not a whole number"),
        (u8(), 2**64 - 1, "is not a whole number"),
        (f32(), nan, "nan is not a finite number"),
        (f32(), 1e39, r"1e\+39 is not a finite number"),
        (f32(), "1", "'1' is not a finite number"),
        (f64(), inf, "inf is not a finite number"),
        (f64(), True, "True is not a finite number"),
        (f64(), [], "is not a finite number"),
        (text(2), "abc", "'abc' is not text of at most 2 characters"),
        (text(2), b"a", "b'a' is not text"),
        (flag(), 2, "2 is not True or False"),
        (flag(), -1, "-1 is not True or False"),
        (flag(), 1.0, "is not True or False"),
        (ref(Entity), -1, "-1 is not a row's id, or 0"),
        (ref(Entity), 2**32, "is not a row's id, or 0"),
    ],
)
def test_a_wire_value_that_does_not_fit_is_refused(made: object, wire: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        declared(made).value(wire)
