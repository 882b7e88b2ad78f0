"""Entities: declared fields become tracked properties, and nothing else may be set."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import pytest

from shared.entities import OWNER_BIT, Entity, EntityMeta, Event, Player, Room, declared_fields
from shared.errors import ConfigError
from shared.fields import ALL, OWNER, SERVER, Field, f64, fixed, flag, text, u8

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Tank(Entity):
    WHEELS = 4
    TRACKS: ClassVar[int] = 2
    GUNS: Final = 1

    x: float = fixed(1 / 64)
    heat: float = f64(0.1, to=SERVER)
    note: str = text(20, "hi", to=OWNER)

    def far(self) -> bool:
        return self.x > 9


class HeavyTank(Tank):
    type: int = u8(3)
    int: bool = flag()


def tracked(row: Any) -> list[Any]:
    """The list a row puts itself on when it is written, as in a table."""
    dirty: list[Any] = []
    row._mask, row._dirty = 0, dirty
    return dirty


def make(namespace: Mapping[str, object], base: type = Entity) -> Any:
    """A class made of what would stand in its body."""
    return EntityMeta("Made", (base,), dict(namespace))


def test_fields_are_listed_in_order_bases_first() -> None:
    assert list(Tank._fields) == ["x", "heat", "note"]
    assert list(HeavyTank._fields) == ["x", "heat", "note", "type", "int"]
    assert HeavyTank._fields["x"] is Tank._fields["x"]
    assert (Tank._full, HeavyTank._full) == (0b1111, 0b111111)
    assert Tank._masks == (0b0011, 0b1000, 0b0100)
    assert Entity._masks == (OWNER_BIT, 0, 0)


def test_a_row_begins_with_defaults_and_what_it_is_given() -> None:
    tank = HeavyTank(x=3, owner=7, int=True)
    assert (tank.id, tank.owner, tank.x, tank.heat, tank.note) == (0, 7, 3, 0.1, "hi")
    assert (tank.type, tank.int, tank.WHEELS, tank.TRACKS, tank.GUNS) == (3, True, 4, 2, 1)
    assert not tank.far()


def test_an_owner_is_a_player_or_an_id() -> None:
    ada = Player(name="Ada")
    cast("Any", ada).id = 5
    tank = Tank(owner=ada)
    assert tank.owner == 5
    tank.owner = 0
    assert tank.owner == 0
    tank.owner = ada
    assert tank.owner == 5


def test_a_write_sets_a_bit_and_lists_the_row_once() -> None:
    tank: Any = Tank()
    dirty = tracked(tank)
    tank.x = 1.5
    tank.note = "ho"
    assert (tank._mask, dirty) == (0b1010, [tank])
    tank.owner = 3
    assert (tank._mask, dirty) == (0b1011, [tank])


def test_a_new_owner_is_a_write_of_its_own() -> None:
    tank: Any = Tank(owner=2)
    dirty = tracked(tank)
    tank.owner = 2
    assert dirty == []
    tank.owner = 3
    assert (tank._mask, dirty) == (OWNER_BIT, [tank])


def test_writing_what_is_there_is_no_write() -> None:
    tank: Any = Tank(x=1.0)
    dirty = tracked(tank)
    tank.x = 1
    tank.note = "".join(["h", "i"])
    heat = tank.heat
    tank.heat = heat
    assert (tank._mask, dirty) == (0, [])


def test_negative_zero_is_news_where_the_bits_are_kept() -> None:
    tank: Any = Tank(heat=0.0)
    dirty = tracked(tank)
    tank.heat = -0.0
    assert dirty == [tank]


def test_a_row_on_no_table_is_on_no_list() -> None:
    tank: Any = Tank()
    tank.x = 5.0
    tank.owner = 1
    assert tank._dirty is None
    assert tank._mask == 0b11


def test_undeclared_attributes_and_arguments_are_refused() -> None:
    tank: Any = Tank()
    with pytest.raises(AttributeError, match="speed"):
        tank.speed = 3
    for arguments in ({"speed": 3}, {"id": 3}):
        with pytest.raises(TypeError, match="unexpected keyword"):
            cast("Callable[..., object]", Tank)(**arguments)
    with pytest.raises(TypeError, match="positional"):
        cast("Callable[..., object]", Tank)(3)


def test_a_row_shows_its_values() -> None:
    assert repr(Tank(owner=2)) == "<Tank 0 owner=2 x=0.0 heat=0.1 note='hi'>"


def test_a_plain_mixin_may_stand_beside_an_entity() -> None:
    class Loud:
        __slots__ = ()

        def shout(self) -> str:
            return "!"

    class Horn(Loud, Tank):
        pitch: int = u8()

    horn: Any = Horn(x=2.0, pitch=3)
    assert (horn.shout(), horn.x, horn.pitch) == ("!", 2.0, 3)
    with pytest.raises(AttributeError):
        horn.other = 1


@pytest.mark.parametrize("annotation", ["float", float])
@pytest.mark.parametrize("given", [{}, {"speed": 3.0}])
def test_an_annotation_needs_a_field_kind(annotation: object, given: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"Made.speed has no field kind: .*fixed\(1 / 1024\)"):
        make({"__annotations__": {"speed": annotation}, **given})


@pytest.mark.parametrize("annotation", [ClassVar[float], "ClassVar[float]", "Final", Final])
def test_constants_may_be_annotated_as_such(annotation: object) -> None:
    made = make({"__annotations__": {"speed": annotation}, "speed": 3.0})
    assert (made.speed, made._fields) == (3.0, {})


@pytest.mark.parametrize("name", ["id", "owner", "self", "_x", "__x", "far", "x"])
def test_a_taken_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"Made.{name}: this name is taken; choose another"):
        make({name: u8()}, base=Tank)


def test_more_fields_than_a_mask_has_bits_are_refused() -> None:
    assert make({f"f{n}": u8() for n in range(30)})._full == 2**31 - 1
    with pytest.raises(ConfigError, match="Made declares 31 fields; at most 30 fit a mask"):
        make({f"f{n}": u8() for n in range(31)})


@pytest.mark.parametrize("key", ["__annotate_func__", "__annotate__"])
def test_annotations_computed_on_demand_are_asked_for(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Python 3.14 has, in small.
    def annotate(form: int) -> dict[str, object]:
        assert form == 3
        return {"speed": float}

    def found(namespace: dict[str, Any]) -> object:
        return namespace[key]

    def call(asked: Callable[[int], object], form: int) -> object:
        return asked(form)

    deferred: Any = SimpleNamespace(
        Format=SimpleNamespace(FORWARDREF=3),
        get_annotate_from_class_namespace=found,
        call_annotate_function=call,
    )
    monkeypatch.setitem(sys.modules, "annotationlib", deferred)
    with pytest.raises(ConfigError, match="speed has no field kind"):
        declared_fields("Made", (Entity,), {key: annotate})
    right: dict[str, Any] = {key: annotate, "speed": u8()}
    assert list(declared_fields("Made", (Entity,), right)) == ["speed"]


def test_of_what_every_match_has_players_see_this_and_no_more() -> None:
    public: dict[type[Entity], set[str]] = {
        Room: {"finished", "match_number", "open"},
        Player: {"name", "connected", "bot", "team"},
        Event: set(),
    }
    for kind, names in public.items():
        assert {name for name, field in kind._fields.items() if field.to is ALL} == names
        assert all(field.to in (ALL, SERVER) for field in kind._fields.values())
    assert all(isinstance(field, Field) for field in Player._fields.values())
