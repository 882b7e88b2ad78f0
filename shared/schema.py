"""The schema: what `WELCOME` tells a client of a game's rows, inputs, actions and options.

docs/PROTOCOL.md specifies it to the byte; a client in any language needs no generated code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .columns import Kind, short
from .entities import Event, Player, Room
from .fields import SERVER, Audience, Field, Overflow
from .game import Game
from .limits import ENTITY_ID_MAX, FIELDS_MAX, FIXED_WIRE_MAX, TABLES_MAX

ENTITY_TABLE, ROOM_TABLE_KIND, PLAYER_TABLE_KIND, EVENT_TABLE = range(4)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table as a client sees it: `fields` by bit, in rising order."""

    name: str
    kind: int
    fields: dict[int, tuple[str, Field]]


@dataclass(frozen=True, slots=True)
class Schema:
    """All that a client knows of a game. Input, action and option fields are in wire order."""

    tables: tuple[TableSchema, ...]
    input: dict[str, Field]
    actions: tuple[tuple[str, dict[str, Field]], ...]
    options: dict[str, Field]


def describe(game: Game, *, hidden: bool = False) -> list[Any]:
    """The schema of a game in wire form; `hidden` adds the fields for the server alone.

    Clients get it without them; the journal keeps it with them, to be read by later rules.
    """
    # A ref to the plain Room or Player means the game's own.
    indices: dict[type[Any], int] = {Room: 0, Player: 1}
    indices |= {kind: index for index, kind in enumerate(game.kinds)}

    def fields(declared: Mapping[str, Field], first: int) -> list[Any]:
        return [
            [bit, name, int(field.kind), int(field.to), *_parameters(field, indices)]
            for bit, (name, field) in enumerate(declared.items(), first)
            if hidden or field.to is not SERVER
        ]

    return [
        [[kind.__name__, table_kind(kind), fields(kind._fields, 1)] for kind in game.kinds],
        fields(game.input._fields, 0),
        [[action.__name__, fields(action._fields, 0)] for action in game.actions],
        fields(game.options._fields, 0),
    ]


def table_kind(kind: type[Any]) -> int:
    """What a class's table holds: the room's row, players, events or other rows."""
    if issubclass(kind, Room):
        return ROOM_TABLE_KIND
    if issubclass(kind, Player):
        return PLAYER_TABLE_KIND
    return EVENT_TABLE if issubclass(kind, Event) else ENTITY_TABLE


def _parameters(field: Field, indices: dict[type[Any], int]) -> list[Any]:
    default = field.wire(field.default)
    match field.kind:
        case Kind.FIXED:
            bounds = [field.lo, field.hi, field.snap]
            return [default, int(field.scale), *bounds, *_policy(field)]
        case Kind.ANGLE:
            return [default, field.scale]
        case Kind.INTEGER:
            return [default, field.lo, field.hi, *_policy(field)]
        case Kind.TEXT:
            return [default, field.hi]
        case Kind.REF:
            return [default, indices[field.table or Room]]
        case _:
            return [default]


def _policy(field: Field) -> list[str]:
    """What becomes of a number beyond the bounds, said where it is not clamped."""
    clamps = field.overflow is None or field.overflow is Overflow.CLAMP
    return [] if clamps else [str(field.overflow)]


def parse(schema: Any, *, hidden: bool = False) -> Schema:
    """A schema from the wire, or with `hidden` from the journal; ValueError if it is none."""
    try:
        tables, inputs, actions, options, *_ = schema
        if not 2 <= len(tables) <= TABLES_MAX:
            raise ValueError(f"it has {len(tables)} tables; 2 to {TABLES_MAX}")
        parsed = Schema(
            tuple(_table(*table[:3], hidden=hidden) for table in tables),
            _named(inputs, hidden=hidden),
            tuple((_name(name), _named(fields, hidden=hidden)) for name, fields, *_ in actions),
            _named(options, hidden=hidden),
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"not a schema: {error}") from None
    if len({table.name for table in parsed.tables}) != len(parsed.tables):
        raise ValueError("not a schema: two tables have one name")
    if [table.kind for table in parsed.tables[:2]] != [ROOM_TABLE_KIND, PLAYER_TABLE_KIND]:
        raise ValueError("not a schema: the first tables are the room's and the players'")
    return parsed


def parse_fields(entries: Any) -> dict[str, Field]:
    """Fields in wire order, as the journal keeps a room's options; ValueError if they are none."""
    try:
        return _named(entries, hidden=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"not a list of fields: {error}") from None


def _table(name: object, kind: object, entries: list[Any], *, hidden: bool) -> TableSchema:
    if type(kind) is not int:
        raise ValueError(f"table kind {short(kind)}")
    fields = _fields(entries, 1, hidden=hidden)
    return TableSchema(_name(name), kind, fields)


def _named(entries: list[Any], *, hidden: bool) -> dict[str, Field]:
    return dict(_fields(entries, 0, hidden=hidden).values())


def _fields(entries: list[Any], first: int, *, hidden: bool) -> dict[int, tuple[str, Field]]:
    """Fields by bit, in rising order; bits from `first` up."""
    found: dict[int, tuple[str, Field]] = {}
    for bit, name, *rest in entries:
        if type(bit) is not int or not first <= bit <= FIELDS_MAX or bit in found:
            raise ValueError(f"field bit {short(bit)}")
        found[bit] = (_name(name), _field(*rest, hidden=hidden))
    names = {name for name, _ in found.values()}
    if len(names) != len(found) or names & {"id", "owner"}:
        raise ValueError("a field's name is taken")
    return dict(sorted(found.items()))


def _field(number: Any, audience: Any, default: Any, *rest: Any, hidden: bool) -> Field:
    kind, to = Kind(number), Audience(audience)
    if to is SERVER and not hidden:
        raise ValueError("a field for the server alone")
    known = {
        Kind.FIXED: ("scale", "lo", "hi", "snap"),
        Kind.ANGLE: ("scale",),
        Kind.INTEGER: ("lo", "hi"),
        Kind.TEXT: ("hi",),
    }.get(kind, ())
    given: dict[str, Any] = dict(zip(known, rest, strict=False))
    for name in known:
        wanted = given.get(name)
        may_be_none = kind is Kind.FIXED and name != "scale"
        if not (type(wanted) in (int, float) or (wanted is None and may_be_none)):
            raise ValueError(f"a field's {name} is {short(wanted)}")
    if kind in (Kind.FIXED, Kind.INTEGER) and len(rest) > len(known):
        # A policy of a later version, which a reader need not know, counts as the default.
        policy = rest[len(known)]
        given["overflow"] = Overflow(policy) if policy in tuple(Overflow) else None
    if not 0 < given.get("scale", 1) <= FIXED_WIRE_MAX:
        raise ValueError(f"a field's scale is {given['scale']}")
    if kind is Kind.REF:
        given = {"lo": 0, "hi": ENTITY_ID_MAX}
    field = Field(kind, default, to, **given)
    return replace(field, default=field.value(default))


def _name(name: object) -> str:
    """A name that a class or an attribute may have."""
    if type(name) is not str or not name.isidentifier() or name.startswith("_"):
        raise ValueError(f"name {short(name)}")
    return name
