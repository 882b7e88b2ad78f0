"""What a field may hold: its kind, bounds and audience, declared where it is used.

In `x: float = fixed(1 / 1024)` type checkers see `float`; the class it stands in sees a `Field`.
"""

from __future__ import annotations

import array
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from math import isfinite, pi
from typing import TYPE_CHECKING, Any, Literal, cast

from .columns import Kind, encode_column, short
from .errors import ConfigError
from .limits import ENTITY_ID_MAX, FIXED_WIRE_MAX, INTEGER_MAX, TEXT_CHARS_MAX

if TYPE_CHECKING:
    from .entities import Entity


class Audience(IntEnum):
    """Who is sent a field: every player, the row's owner, or nobody (it is journaled only)."""

    ALL = 0
    OWNER = 1
    SERVER = 2


class Overflow(StrEnum):
    """What a commit makes of a number that is beyond its field's bounds.

    `CLAMP`: the nearest bound. `WRAP`: on from the other bound, as a counter or a world without an
    edge. `FAIL`: an error, which undoes the tick.
    """

    CLAMP = "clamp"
    WRAP = "wrap"
    FAIL = "fail"


OverflowName = Overflow | Literal["clamp", "wrap", "fail"]

ALL = Audience.ALL
OWNER = Audience.OWNER
SERVER = Audience.SERVER

ANGLE_SCALE = 32768 / pi


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field: its kind, default, audience and bounds (in value units).

    `overflow` is None where the declaration does not say it, which clamps.
    """

    kind: Kind
    default: Any
    to: Audience = ALL
    scale: float = 0
    lo: float | None = None
    hi: float | None = None
    snap: float | None = None
    table: type[Entity] | None = None
    overflow: Overflow | None = None

    def describe(self) -> str:
        """What would be right, for an error's last words."""
        match self.kind:
            case Kind.INTEGER:
                return f"a whole number from {self.lo} to {self.hi}"
            case Kind.TEXT:
                return f"text of at most {self.hi} characters"
            case Kind.FLAG:
                return "True or False"
            case Kind.REF:
                return "a row's id, or 0"
            case Kind.FIXED if self.lo is not None or self.hi is not None:
                if self.lo is None:
                    return f"a finite number of at most {self.hi}"
                if self.hi is None:
                    return f"a finite number of at least {self.lo}"
                return f"a finite number from {self.lo} to {self.hi}"
            case _:
                return "a finite number"

    def wire(self, value: Any) -> Any:
        """One value's wire form; ValueError says what would be right."""
        column, _ = encode_column(self, [value], typed=False)
        return column[0]

    def from_value(self, value: Any) -> Any:
        """A value from outside in the units of the declaration, checked and rounded as in a commit.

        ValueError says what would be right. A whole number may come as a float, as 2.0 does from
        where numbers are of one kind; beyond the bounds nothing is clamped.
        """
        match self.kind:
            case Kind.TEXT:
                fits = type(value) is str
            case Kind.FLAG:
                fits = type(value) is bool or (type(value) is int and 0 <= value <= 1)
            case _:
                fits = type(value) is int or type(value) is float
        if not fits:
            raise ValueError(f"{short(value)} is not {self.describe()}")
        if self.kind in (Kind.INTEGER, Kind.REF) and type(value) is float and value.is_integer():
            value = int(value)
        _, back = encode_column(self, [value], typed=False)
        return value if back is None else back[0]

    def value(self, wire: Any) -> Any:
        """A wire value from outside, checked and decoded; ValueError says what would be right."""
        match self.kind:
            case Kind.TEXT:
                fits = type(wire) is str and len(wire) <= cast("int", self.hi)
                value = wire
            case Kind.F32 | Kind.F64:
                fits = type(wire) is float or type(wire) is int
                value = _rounded(self.kind, wire) if fits else wire
                fits = fits and isfinite(value)
            case Kind.FLAG:
                fits = type(wire) is bool or (type(wire) is int and 0 <= wire <= 1)
                value = wire == 1
            case _:
                fits = type(wire) is int and self._takes(wire)
                value = wire / self.scale if fits and self.scale else wire
        if not fits or not self._contains(value):
            raise ValueError(f"{short(value if fits else wire)} is not {self.describe()}")
        return value

    def _takes(self, wire: int) -> bool:
        """Whether a whole number can be this field's wire form, bounds aside."""
        if self.kind is Kind.ANGLE:
            return -32768 <= wire <= 32767
        most = FIXED_WIRE_MAX if self.kind is Kind.FIXED else INTEGER_MAX
        return -most <= wire <= most

    def _contains(self, value: Any) -> bool:
        if self.kind is Kind.TEXT:
            return True
        return (self.lo is None or self.lo <= value) and (self.hi is None or value <= self.hi)

    @property
    def skips_equal(self) -> bool:
        """Whether writing an equal value may be skipped.

        Floats kept whole must not: `0.0 == -0.0` have different bits. Rounded ones have one
        form for each value, so an equal value is the same value.
        """
        return self.kind is not Kind.F32 and self.kind is not Kind.F64


def fixed(
    step: float,
    default: float = 0.0,
    *,
    lo: float | None = None,
    hi: float | None = None,
    snap: float | None = None,
    overflow: OverflowName | None = None,
    to: Audience = ALL,
) -> float:
    """A number kept to multiples of `step` (a unit fraction such as 1/1024 or 0.01).

    `lo` and `hi` bound it; beyond them it is clamped, or as `overflow` says: wrapped (what lies by
    d beyond `hi` lies by d above `lo`) or an error. A change larger than `snap` is drawn as a jump.
    """
    if not 1 / FIXED_WIRE_MAX <= step <= 1:
        raise ConfigError(f"fixed({step!r}): step must be a unit fraction, as 1/64 or 0.01")
    scale = round(1 / step)
    if abs(1 / step - scale) > 1e-6 * scale:
        raise ConfigError(f"fixed({step!r}): 1/step must be a whole number, as for 1/64 or 0.01")
    # A value clamped to a bound is rounded like any other, so the bounds are rounded too.
    unbound = Field(Kind.FIXED, 0.0, to, scale=scale, snap=snap)
    bounds = [None if bound is None else _round(unbound, bound, "bound") for bound in (lo, hi)]
    policy = _policy("fixed", overflow)
    lowest, highest = bounds
    if policy is Overflow.WRAP and (lowest is None or highest is None or lowest >= highest):
        raise ConfigError("fixed: overflow='wrap' needs both bounds, as in lo=0, hi=100")
    made = replace(unbound, default=default, lo=lowest, hi=highest, overflow=policy)
    return cast("float", _checked(made))


def angle(default: float = 0.0, *, to: Audience = ALL) -> float:
    """A direction in radians, kept to 1/65536 of a turn; it wraps into [-pi, pi)."""
    return cast("float", _checked(Field(Kind.ANGLE, default, to, scale=ANGLE_SCALE)))


def bounded(
    lo: int,
    hi: int,
    default: int | None = None,
    *,
    overflow: OverflowName | None = None,
    to: Audience = ALL,
) -> int:
    """A whole number from `lo` to `hi`; the default is 0 where that fits, else `lo`.

    Beyond them it is clamped, or as `overflow` says: wrapped (one above `hi` is `lo`) or an error.
    """
    if not (type(lo) is int and type(hi) is int and -INTEGER_MAX <= lo <= hi <= INTEGER_MAX):
        raise ConfigError(f"bounded({lo!r}, {hi!r}): give two whole numbers, the smaller first")
    if default is None:
        default = 0 if lo <= 0 <= hi else lo
    policy = _policy("bounded", overflow)
    return cast("int", _checked(Field(Kind.INTEGER, default, to, lo=lo, hi=hi, overflow=policy)))


def u8(default: int = 0, *, overflow: OverflowName | None = None, to: Audience = ALL) -> int:
    """A whole number from 0 to 255."""
    return bounded(0, 255, default, overflow=overflow, to=to)


def i8(default: int = 0, *, overflow: OverflowName | None = None, to: Audience = ALL) -> int:
    """A whole number from -128 to 127."""
    return bounded(-128, 127, default, overflow=overflow, to=to)


def u16(default: int = 0, *, overflow: OverflowName | None = None, to: Audience = ALL) -> int:
    """A whole number from 0 to 65,535."""
    return bounded(0, 2**16 - 1, default, overflow=overflow, to=to)


def i16(default: int = 0, *, overflow: OverflowName | None = None, to: Audience = ALL) -> int:
    """A whole number from -32,768 to 32,767."""
    return bounded(-(2**15), 2**15 - 1, default, overflow=overflow, to=to)


def u32(default: int = 0, *, overflow: OverflowName | None = None, to: Audience = ALL) -> int:
    """A whole number from 0 to 4,294,967,295."""
    return bounded(0, 2**32 - 1, default, overflow=overflow, to=to)


def i32(default: int = 0, *, overflow: OverflowName | None = None, to: Audience = ALL) -> int:
    """A whole number from -2,147,483,648 to 2,147,483,647."""
    return bounded(-(2**31), 2**31 - 1, default, overflow=overflow, to=to)


def f32(default: float = 0.0, *, to: Audience = ALL) -> float:
    """A finite number of 32 bits; what is kept is what was rounded to them. Beyond is an error."""
    return cast("float", _checked(Field(Kind.F32, default, to)))


def f64(default: float = 0.0, *, to: Audience = ALL) -> float:
    """A finite number of 64 bits, kept as it is."""
    return cast("float", _checked(Field(Kind.F64, default, to)))


def text(chars_max: int, default: str = "", *, to: Audience = ALL) -> str:
    """Text of at most `chars_max` characters."""
    if not (type(chars_max) is int and 0 < chars_max <= TEXT_CHARS_MAX):
        raise ConfigError(f"text({chars_max!r}): give the most characters, 1 to {TEXT_CHARS_MAX}")
    return cast("str", _checked(Field(Kind.TEXT, default, to, hi=chars_max)))


def flag(default: bool = False, *, to: Audience = ALL) -> bool:
    """True or False."""
    return cast("bool", _checked(Field(Kind.FLAG, default, to)))


def ref(table: type[Entity], *, to: Audience = ALL) -> int:
    """The id of a row of `table`, 0 for none; `match.get(table, id)` finds the row."""
    return cast(int, Field(Kind.REF, 0, to, lo=0, hi=ENTITY_ID_MAX, table=table))


def _policy(kind: str, overflow: object) -> Overflow | None:
    if overflow is None:
        return None
    try:
        return Overflow(cast("str", overflow))
    except ValueError:
        raise ConfigError(
            f"{kind}: overflow is {short(overflow)}; expected 'clamp', 'wrap' or 'fail'"
        ) from None


def _checked(field: Field) -> Field:
    """The field with its default rounded as a commit would round it."""
    return replace(field, default=_round(field, field.default, "default"))


def _round(field: Field, value: Any, what: str) -> Any:
    try:
        _, back = encode_column(field, [value], typed=False)
    except ValueError as error:
        raise ConfigError(f"{field.kind.name.lower()} field: the {what} {error}") from None
    return value if back is None else back[0]


def _rounded(kind: Kind, number: float) -> float:
    return float(number) if kind is Kind.F64 else array.array("f", [number])[0]
