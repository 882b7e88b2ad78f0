"""Entities: rows a game holds, whose declared fields are properties that note what was written.

```
class Tank(Entity):                 Tank._fields    ("x", Field), ... as declared, bases first
    x: float = fixed(1 / 64)        bit 0 is the owner, bit i + 1 is field i
```

A write stores the value, sets the field's bit in the entity's mask and, once a tick, puts the
entity on its table's dirty list. Writing what is already there is no write. Between ticks no mask
has a bit and the table takes nothing onto its list, so that a write raises and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, dataclass_transform, overload

from .errors import ConfigError
from .fields import OWNER, SERVER, Audience, Field, bounded, flag, text, u8, u32
from .limits import FIELDS_MAX, IDENTITY_CHARS_MAX, INTEGER_MAX, NAME_CHARS_MAX, TEXT_CHARS_MAX

OWNER_BIT = 1

_RESERVED = {"id", "owner", "self"}


def declared_fields(
    name: str, bases: tuple[type, ...], namespace: dict[str, Any]
) -> dict[str, Field]:
    """The fields of a class being made, bases first; takes the new ones out of `namespace`.

    ConfigError where an annotated attribute has no field kind, or a name is taken.
    """
    fields: dict[str, Field] = {}
    for base in reversed(bases):
        fields.update(getattr(base, "_fields", {}))
    annotations = namespace.get("__annotations__", {})
    if "__annotate_func__" in namespace or "__annotate__" in namespace:
        annotations = _deferred_annotations(namespace)
    for key, annotation in annotations.items():
        value = namespace.get(key)
        if isinstance(value, Field):
            continue
        shown = annotation if isinstance(annotation, str) else repr(annotation)
        if "ClassVar" not in shown and "Final" not in shown:
            raise ConfigError(
                f"{name}.{key} has no field kind: state lives in fields, as in "
                f"`{key}: float = fixed(1 / 1024)`; for a constant leave the annotation out"
            )
    for key, value in list(namespace.items()):
        if isinstance(value, Field):
            inherited = any(hasattr(base, key) for base in bases)
            if key.startswith("_") or key in _RESERVED or inherited:
                raise ConfigError(f"{name}.{key}: this name is taken; choose another")
            fields[key] = namespace.pop(key)
    return fields


def _deferred_annotations(namespace: dict[str, Any]) -> dict[str, Any]:
    """Python 3.14 computes annotations on demand (PEP 649)."""
    annotationlib: Any = import_module("annotationlib")
    annotate = annotationlib.get_annotate_from_class_namespace(namespace)
    form = annotationlib.Format.FORWARDREF
    found: dict[str, Any] = annotationlib.call_annotate_function(annotate, form)
    return found


@dataclass_transform(kw_only_default=True)
class EntityMeta(type):
    """Turns annotated fields into tracked properties over slots."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> EntityMeta:
        if not bases:
            return super().__new__(mcs, name, bases, namespace)
        inherited = {key for base in bases for key in getattr(base, "_fields", {})}
        fields = declared_fields(name, bases, namespace)
        if len(fields) > FIELDS_MAX:
            raise ConfigError(
                f"{name} declares {len(fields)} fields; at most {FIELDS_MAX} fit a mask. "
                "Split it into two entities, one referring to the other"
            )
        namespace["__slots__"] = tuple("_" + key for key in fields if key not in inherited)
        namespace["_fields"] = fields
        namespace["_full"] = (1 << (len(fields) + 1)) - 1
        masks = {Audience.ALL: OWNER_BIT, Audience.OWNER: 0, Audience.SERVER: 0}
        for index, (key, field) in enumerate(fields.items()):
            masks[field.to] |= 1 << (index + 1)
            if key not in inherited:
                namespace[key] = property(attrgetter("_" + key), _setter(key, index + 1, field))
        namespace["_masks"] = (masks[Audience.ALL], masks[Audience.OWNER], masks[Audience.SERVER])
        namespace["__init__"] = _initialiser(fields)
        return super().__new__(mcs, name, bases, namespace)


def _setter(key: str, bit: int, field: Field) -> Callable[[Any, Any], None]:
    compare = "==" if field.skips_equal else "is"
    source = (
        f"def set_{key}(self, value):\n"
        f" if value {compare} self._{key}: return\n"
        " mask = self._mask\n"
        " if not mask and self._dirty is not None: self._dirty.append(self)\n"
        f" self._{key} = value\n"
        f" self._mask = mask | {1 << bit}\n"
    )
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    setter: Callable[[Any, Any], None] = namespace[f"set_{key}"]
    return setter


def _initialiser(fields: dict[str, Field]) -> Callable[..., None]:
    parameters = "".join(f", {key}=D{index}" for index, key in enumerate(fields))
    stores = "".join(f" self._{key} = {key}\n" for key in fields)
    source = (
        f"def __init__(self, *, owner=0{parameters}):\n"
        " self.id = 0\n self._mask = 0\n self._dirty = None\n"
        f" self._owner = owner if _type(owner) is _int else owner.id\n{stores}"
    )
    # A field may be called `type`, and is then a parameter of that name; none begins with "_".
    namespace: dict[str, Any] = {"_type": type, "_int": int}
    namespace |= {f"D{index}": field.default for index, field in enumerate(fields.values())}
    exec(source, namespace)
    initialiser: Callable[..., None] = namespace["__init__"]
    return initialiser


def _set_owner(entity: Any, owner: int | Player) -> None:
    number = owner if type(owner) is int else owner.id  # type: ignore[union-attr]
    if number == entity._owner:
        return
    if not entity._mask and entity._dirty is not None:
        entity._dirty.append(entity)
    entity._owner = number
    entity._mask |= OWNER_BIT


class OwnerField:
    """How type checkers see `owner`: read as a player's id, written as a player or an id."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, row: None, kind: type[Any]) -> OwnerField: ...
        @overload
        def __get__(self, row: object, kind: type[Any]) -> int: ...
        def __get__(self, row: object, kind: type[Any]) -> OwnerField | int: ...
        def __set__(self, row: object, owner: int | Player) -> None: ...


class Written(Protocol):
    """Where a row says, once a tick, that it was written; it raises between ticks."""

    @property
    def append(self) -> Callable[[Entity], None]:
        """Take in a row."""
        ...


class _Base(metaclass=EntityMeta):
    __slots__ = ("_dirty", "_mask", "_owner", "id")

    if TYPE_CHECKING:
        _fields: ClassVar[dict[str, Field]]
        _full: ClassVar[int]
        _masks: ClassVar[tuple[int, int, int]]


class Entity(_Base):
    """A row of a match. Declare its fields; spawn it with `match.spawn(Tank(owner=player))`."""

    if TYPE_CHECKING:

        @property
        def id(self) -> int:
            """Unique in its room, rising, never reused; 0 before it is spawned."""
            ...

        owner: OwnerField = OwnerField()
        _mask: ClassVar[int]
        _dirty: ClassVar[Written | None]
        _owner: ClassVar[int]
    else:
        owner = property(attrgetter("_owner"), _set_owner)

    def __repr__(self) -> str:
        values = "".join(f" {key}={getattr(self, key)!r}" for key in self._fields)
        return f"<{type(self).__name__} {self.id} owner={self.owner}{values}>"


class Room(Entity):
    """The match's own row; extend it for what belongs to nobody: a clock, a phase, a score.

    `finished` is the tick of `match.finish`, 0 before. `match_number` counts the matches of the
    room from 1. While `open` is false, newcomers are sent to another room.
    """

    finished: int = bounded(0, INTEGER_MAX)
    next_id: int = u32(1, to=SERVER)
    result: str = text(TEXT_CHARS_MAX, to=SERVER)
    match_number: int = bounded(1, INTEGER_MAX)
    open: bool = flag(True)


class Player(Entity):
    """A seat; extend it for what belongs to a player: a score, a team. Its owner is itself.

    `connected` is false while the player's connection is away, `bot` true for a brain's seat.
    """

    name: str = text(NAME_CHARS_MAX)
    connected: bool = flag(True)
    bot: bool = flag()
    team: int = u8()
    nonce: str = text(32, to=SERVER)
    identity: str = text(IDENTITY_CHARS_MAX, to=SERVER)
    input_seq: int = bounded(0, INTEGER_MAX, to=SERVER)
    inputs_applied: int = bounded(0, INTEGER_MAX, to=SERVER)
    inputs_skipped: int = bounded(0, INTEGER_MAX, to=SERVER)
    absent_since: int = bounded(0, INTEGER_MAX, to=SERVER)
    # The number of the session's newest connection (server/core/generation.py).
    connection: int = bounded(0, INTEGER_MAX, to=SERVER)


class Event(Entity):
    """A row the room despawns after the game's `event_ticks`: a blast, a goal, a line of chat."""

    born: int = bounded(0, INTEGER_MAX, to=SERVER)


__all__ = ["OWNER", "OWNER_BIT", "SERVER", "Entity", "EntityMeta", "Event", "Player", "Room"]
