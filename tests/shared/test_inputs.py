"""Inputs, actions and options: checked where they are made and where they come in."""

from __future__ import annotations

from typing import Any, cast

import pytest

from shared.entities import Player
from shared.errors import ConfigError
from shared.fields import ALL, OWNER, angle, bounded, f32, f64, fixed, flag, ref, text, u8
from shared.inputs import Action, Input, InputMeta, Options


class Steer(Input):
    SPEED = 5
    x: int = bounded(-1, 1)
    y: float = fixed(0.1, lo=-1, hi=1)


class Aim(Steer):
    at: float = angle()
    near: float = f32()
    far: float = f64(0.1)
    word: str = text(4, "hi")
    fire: bool = flag()
    prey: int = ref(Player)


def test_an_input_has_its_defaults_or_what_it_is_given_rounded_as_the_wire_would() -> None:
    neutral = Aim()
    assert (neutral.x, neutral.y, neutral.word, neutral.fire) == (0, 0.0, "hi", False)
    aim = Aim(x=-1, y=0.26, near=0.1, fire=True, prey=7)
    assert (aim.x, aim.y, aim.near, aim.fire, aim.prey) == (-1, 0.3, 0.10000000149011612, True, 7)
    assert Aim.SPEED == 5


def test_an_input_does_not_change() -> None:
    aim: Any = Aim()
    for name in ("x", "other"):
        with pytest.raises(AttributeError, match="Aim is what a player sent; it does not change"):
            setattr(aim, name, 1)


def test_equal_inputs_are_equal() -> None:
    assert Steer(x=1) == Steer(x=1)
    assert hash(Steer(x=1)) == hash(Steer(x=1))
    assert Steer(x=1) != Steer(x=0)
    assert Input() != Action()
    assert Steer() != "Steer()"


def test_an_input_shows_its_values() -> None:
    assert repr(Steer(x=1)) == "Steer(x=1, y=0.0)"


@pytest.mark.parametrize("kind", [Input, Action, Options])
def test_nothing_needs_to_be_declared(kind: type[Any]) -> None:
    assert kind().to_wire() == []
    assert kind.from_wire([]) == kind()


def test_there_and_back() -> None:
    aim = Aim(x=1, y=-0.5, at=3, near=0.1, far=1e300, word="é😀", fire=True, prey=2**32 - 1)
    wire = aim.to_wire()
    assert wire[:3] == [1, -5, 31291]
    assert wire[4:] == [1e300, "é😀", 1, 2**32 - 1]
    assert Aim.from_wire(wire) == aim
    assert Aim.from_wire([*wire, "of a later version"]) == aim
    assert type(Aim.from_wire(wire)) is Aim


@pytest.mark.parametrize("wire", [None, {}, "ab", b"ab", (0, 0), 5, [], [0]])
def test_too_few_values_or_none_at_all_are_refused(wire: object) -> None:
    with pytest.raises(ValueError, match="expected a list of 2 values"):
        Steer.from_wire(wire)


@pytest.mark.parametrize(
    ("wire", "wrong"),
    [
        ([2, 0], "2 is not a whole number from -1 to 1"),
        ([True, 0], "True is not a whole number"),
        ([0.0, 0], "0.0 is not a whole number"),
        ([0, 11], "1.1 is not a finite number from -1.0 to 1.0"),
        ([0, 0.5], "0.5 is not a finite number"),
        ([0, None], "None is not a finite number"),
    ],
)
def test_a_value_from_outside_is_checked(wire: object, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Steer.from_wire(wire)


def test_a_value_given_is_checked_and_named() -> None:
    make = cast("Any", Steer)
    with pytest.raises(ValueError, match="x: 2 is not a whole number from -1 to 1"):
        make(x=2)
    with pytest.raises(TypeError, match="Steer has no field 'z'"):
        make(z=2)


def test_what_a_player_sends_has_no_audience() -> None:
    with pytest.raises(ConfigError, match="x: what a player sends has no audience"):
        InputMeta("Made", (Input,), {"x": u8(to=OWNER)})
    assert Steer._fields["x"].to is ALL


@pytest.mark.parametrize("name", ["to_wire", "from_wire", "x", "_y", "self"])
def test_a_taken_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"Made.{name}: this name is taken"):
        InputMeta("Made", (Steer,), {name: u8()})
