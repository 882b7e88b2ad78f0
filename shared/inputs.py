"""What players ask for: inputs, actions and room options, declared with field kinds.

Instances are immutable. What comes from outside is checked where it is decoded, so rules never
meet a value out of range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

from .columns import Kind
from .entities import declared_fields
from .errors import ConfigError
from .fields import ALL, Field


@dataclass_transform(kw_only_default=True, frozen_default=True)
class InputMeta(type):
    """Turns annotated fields into slots with a checked constructor and decoder."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> InputMeta:
        if not bases:
            return super().__new__(mcs, name, bases, namespace)
        inherited = {key for base in bases for key in getattr(base, "_fields", {})}
        fields = declared_fields(name, bases, namespace)
        for key, field in fields.items():
            if field.to is not ALL:
                raise ConfigError(f"{name}.{key}: what a player sends has no audience")
            if field.overflow is not None:
                raise ConfigError(
                    f"{name}.{key}: what a player sends is refused where it does not fit; "
                    "leave `overflow` out"
                )
        namespace["__slots__"] = tuple(key for key in fields if key not in inherited)
        namespace["_fields"] = fields
        made = super().__new__(mcs, name, bases, namespace)
        made._decode = _decoder(made, fields)  # type: ignore[attr-defined]
        return made


def _decoder(made: type, fields: dict[str, Field]) -> Callable[[Any], Any]:
    """A function from a list of wire values to an instance, with whole numbers checked inline."""
    names: dict[str, Any] = {"made": made, "new": object.__new__}
    lines = [
        "def decode(values):",
        f" if type(values) is not list or len(values) < {len(fields)}:",
        f"  raise ValueError('expected a list of {len(fields)} values')",
        " row = new(made)",
    ]
    for index, (key, field) in enumerate(fields.items()):
        names[f"f{index}"] = field
        names[f"s{index}"] = getattr(made, key).__set__
        lines.append(f" v = values[{index}]")
        if field.kind is Kind.INTEGER:
            lines.append(f" if type(v) is not int or not {field.lo} <= v <= {field.hi}:")
            lines.append(f"  v = f{index}.value(v)")
        else:
            lines.append(f" v = f{index}.value(v)")
        lines.append(f" s{index}(row, v)")
    lines.append(" return row")
    exec("\n".join(lines), names)
    decode: Callable[[Any], Any] = names["decode"]
    return decode


class _Declared(metaclass=InputMeta):
    __slots__ = ()

    if TYPE_CHECKING:
        _fields: ClassVar[dict[str, Field]]
        _decode: ClassVar[Callable[[Any], Any]]

    def __init__(self, **values: Any) -> None:
        fields = self._fields
        for key in values:
            if key not in fields:
                raise TypeError(f"{type(self).__name__} has no field {key!r}")
        for key, field in fields.items():
            value = values.get(key, field.default)
            try:
                value = field.value(field.wire(value))
            except ValueError as error:
                raise ValueError(f"{type(self).__name__}.{key}: {error}") from None
            object.__setattr__(self, key, value)

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is what a player sent; it does not change")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(
            getattr(self, key) == getattr(other, key) for key in self._fields
        )

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, key) for key in self._fields))

    def __repr__(self) -> str:
        values = ", ".join(f"{key}={getattr(self, key)!r}" for key in self._fields)
        return f"{type(self).__name__}({values})"

    def to_wire(self) -> list[Any]:
        """The field values in wire form, in declared order."""
        return [field.wire(getattr(self, key)) for key, field in self._fields.items()]

    @classmethod
    def from_wire(cls, values: object) -> Self:
        """An instance from wire values from outside; ValueError says what was wrong."""
        decoded: Self = cls._decode(values)
        return decoded


class Input(_Declared):
    """What a player may ask for in one tick; one is applied each tick, absent ones are neutral."""


class Action(_Declared):
    """What must happen once: a chat line, a card played. Applied in order or refused."""


class Options(_Declared):
    """What a room is created with; `match.options` in the game."""


__all__ = ["Action", "Input", "InputMeta", "Options"]
