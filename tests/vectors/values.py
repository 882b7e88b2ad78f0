"""Vectors of values: how each kind of field rounds a value to the wire and reads it back."""

from __future__ import annotations

from math import pi
from typing import Any

from holdfast import Entity, angle, bounded, f32, f64, fixed, flag, i8, text
from shared.columns import Kind
from shared.fields import Field
from shared.game import Game
from shared.inputs import Input
from shared.overflow import commit_column
from shared.schema import describe

HALVES = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999999999999994, -0.49999999999999994]


class Binary(Input):
    value: float = fixed(1 / 64)


class Decimal(Input):
    value: float = fixed(0.01, snap=2)


class Third(Input):
    value: float = fixed(1 / 3, 1.0)


class Limited(Input):
    value: float = fixed(0.1, lo=-1, hi=1.5)


class Unit(Input):
    value: float = fixed(1)


class Turn(Input):
    value: float = angle()


class Count(Input):
    value: int = bounded(-(2**53), 2**53)


class Single(Input):
    value: float = f32(0.1)


class Double(Input):
    value: float = f64(0.1)


class Line(Input):
    value: str = text(8)


class Switch(Input):
    value: bool = flag()


class Clipped(Entity):
    byte: int = i8()
    narrow: float = fixed(0.01, lo=-1, hi=1.5)
    open: float = fixed(1 / 64)


class Wrapped(Entity):
    byte: int = i8(overflow="wrap")
    narrow: float = fixed(0.01, lo=-1, hi=1.5, overflow="wrap")
    few: int = bounded(3, 5, overflow="wrap")


class Bounds(Game):
    entities: tuple[type[Entity], ...] = (Clipped, Wrapped)


def make_bounds() -> dict[str, Any]:
    """`bounds`: `[schema entry, value as rules wrote it, value once committed]` for each."""
    rows: list[Any] = []
    for kind, (_, _, entries) in zip(Bounds.entities, describe(Bounds())[0][2:], strict=True):
        for entry in entries:
            spec = kind._fields[entry[1]]
            values: list[Any] = [-1000, -129, -128, -4, 0, 2, 3, 5, 6, 127, 128, 385, 2**40]
            if spec.kind is Kind.FIXED:
                values += [
                    -1.005,
                    -1.0051,
                    1.5049,
                    1.505,
                    1.51,
                    -3.5,
                    9.249,
                    1e300,
                    -1e300,
                    2.0**44,
                ]
            for value in values:
                _, back = commit_column(spec, [value], typed=False)
                rows.append([entry, value, value if back is None else back[0]])
    return {"bounds": rows}


def make_values() -> dict[str, Any]:
    """`values`: `[schema entry, value, wire, decoded]` for each."""
    rows: list[Any] = []
    for kind in (Binary, Decimal, Third, Limited, Unit, Turn, Count, Single, Double, Line, Switch):
        field = kind._fields["value"]
        entry = _entry(kind)
        for value in _values(field):
            wire = field.wire(value)
            rows.append([entry, value, wire, field.value(wire)])
    return {"values": rows}


def _entry(kind: type[Input]) -> Any:
    class One(Game):
        input = kind

    return describe(One())[1][0]


def _values(field: Field) -> list[Any]:
    match field.kind:
        case Kind.FIXED if field.hi is not None:
            return [0.0, -0.0, 1.5, 1.45, -1.0, -0.95, 0.05, 0.15, 0.25]
        case Kind.FIXED:
            halves = [half / field.scale for half in HALVES]
            exact = [0.0, -0.0, 1.0, -1.0, 0.1, 0.07, -0.07, 1e-9, -1e-9, 12345.678, -12345.678]
            return [*halves, *exact, 2**50 / field.scale, -(2**50) / field.scale]
        case Kind.ANGLE:
            halves = [half / field.scale for half in HALVES]
            turns = [turn * pi for turn in (1, -1, 2, -2, 3, -3, 0.5, -0.5, 100, -100)]
            edges = [edge / field.scale for edge in (32767.4, 32767.5, 32768.5, -32768.5, -32769)]
            return [0.0, -0.0, 1.0, 4.0, -4.0, 1e6, -1e6, *turns, *halves, *edges]
        case Kind.INTEGER:
            return [0, 1, -1, 127, 128, 65536, 2**31, -(2**31) - 1, 2**53, -(2**53)]
        case Kind.F32:
            return [0.0, -0.0, 0.1, -0.1, 16777217.0, 1e-42, 3.4028234e38, 1e-60, 5]
        case Kind.F64:
            return [0.0, -0.0, 0.1, -0.1, 5e-324, 1.7976931348623157e308, 5]
        case Kind.TEXT:
            return ["", "a", "é中😀", "\x00", "😀" * 8]
        case _:
            return [False, True]
