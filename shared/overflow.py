"""What a commit makes of numbers beyond their field's bounds: clamped, wrapped, or an error.

It is done once, on the server, and written back like rounding: live values are wire values. A
number that is none (NaN, infinity), and a value of another type, fit no field by any policy.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor, fmod, isfinite, pi
from typing import Any, cast

from .columns import Encoded, Kind, encode_column
from .fields import Field, Overflow
from .limits import FIXED_WIRE_MAX


def commit_column(field: Field, values: list[Any], *, typed: bool = True) -> Encoded:
    """As `encode_column`, of values that were brought within the field's bounds by its policy.

    ValueError names the first value that no policy makes fit.
    """
    try:
        return encode_column(field, values, typed=typed)
    except ValueError:
        within = brought_within(field, values)
        if within is None:
            raise
    column, back = encode_column(field, within, typed=typed)
    return column, within if back is None else back


def brought_within(field: Field, values: list[Any]) -> list[Any] | None:
    """The values with those beyond the field's bounds clamped or wrapped; None if it has no policy.

    Values that are no finite numbers stay as they are, and so misfits.
    """
    if field.overflow is Overflow.FAIL:
        return None
    bring: Callable[[Field, Any], Any]
    match field.kind:
        case Kind.INTEGER:
            bring = _wrapped_integer if field.overflow is Overflow.WRAP else _clamped_integer
        case Kind.FIXED:
            bring = _wrapped_fixed if field.overflow is Overflow.WRAP else _clamped_fixed
        case Kind.ANGLE:
            bring = _turned
        case _:
            return None
    return [bring(field, value) if _is_finite(value) else value for value in values]


def _is_finite(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and isfinite(value))


def _clamped_integer(field: Field, value: Any) -> Any:
    lo, hi = cast("int", field.lo), cast("int", field.hi)
    # A fraction is no whole number, however large: it is left to be refused.
    return value if not isinstance(value, int) else min(max(value, lo), hi)


def _wrapped_integer(field: Field, value: Any) -> Any:
    lo, hi = cast("int", field.lo), cast("int", field.hi)
    return value if not isinstance(value, int) else lo + (value - lo) % (hi - lo + 1)


def _clamped_fixed(field: Field, value: Any) -> Any:
    most = FIXED_WIRE_MAX / field.scale
    lo = -most if field.lo is None else field.lo
    hi = most if field.hi is None else field.hi
    return min(max(value, lo), hi)


def _wrapped_fixed(field: Field, value: Any) -> Any:
    assert field.lo is not None
    assert field.hi is not None
    # In steps, which both bounds are whole numbers of, it is exact where the values are not.
    scale = int(field.scale)
    first, last = round(field.lo * scale), round(field.hi * scale)
    product = 0.0 if isinstance(value, int) else value * scale
    whole = isinstance(value, int) or not isfinite(product)
    steps = int(value) * scale if whole else floor(product + 0.5)
    if first <= steps <= last:
        return value
    return (first + (steps - first) % (last - first)) / scale


def _turned(_field: Field, value: Any) -> Any:
    return fmod(value, 2 * pi) if isinstance(value, float) else value


__all__ = ["brought_within", "commit_column"]
