"""Rows of other fields are read by name, and nothing that has a place is lost."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from holdfast import Entity, Game, Input, Inputs, Match, f32, f64, fixed, ref, text, u8, u16
from shared.entities import Player, Room
from shared.fields import Field, angle, bounded, flag, i8, i32
from shared.schema import describe, parse
from shared.translation import Former, Translation, converter, keeps, translate_values
from tests.shared.ends import opened
from tests.shared.later import Beast, Keeper, LaterZoo
from tests.shared.play import Play
from tests.vectors.zoo import Beast as OldBeast
from tests.vectors.zoo import Zoo


def field(declared: Any) -> Field:
    """What a field kind declares."""
    assert isinstance(declared, Field)
    return declared


KEPT = [
    (fixed(1 / 4), fixed(1 / 8)),
    (fixed(0.01), fixed(0.01, lo=None)),
    (fixed(0.01, lo=-1, hi=1), fixed(0.005, lo=-2, hi=1)),
    (fixed(1 / 3), f64()),
    (angle(), f64()),
    (angle(), angle(1.0)),
    (u8(), u16()),
    (u8(), bounded(-5, 255)),
    (u8(), fixed(1 / 64, lo=0, hi=255)),
    (i8(), f32()),
    (i32(), f64()),
    (f32(), f64()),
    (flag(), u8()),
    (text(3), text(4)),
    (ref(Player), ref(Room)),
]
LOST = [
    (fixed(1 / 8), fixed(1 / 4)),
    (fixed(1 / 4), fixed(1 / 6)),
    (fixed(1 / 4), fixed(1 / 4, lo=0)),
    (fixed(1 / 4, hi=9), fixed(1 / 4, hi=8)),
    (fixed(1 / 4), f32()),
    (f64(), f32()),
    (f64(), fixed(1 / 4)),
    (u16(), u8()),
    (i8(), u8()),
    (bounded(0, 2**53), fixed(1 / 64)),
    (i32(), f32()),
    (u8(), flag()),
    (u8(), ref(Player)),
    (text(4), text(3)),
    (text(4), u8()),
    (u8(), text(4)),
    (angle(), fixed(1 / 1024)),
]


@pytest.mark.parametrize(("old", "new"), KEPT)
def test_a_kind_that_holds_every_value_keeps_each(old: Any, new: Any) -> None:
    before, after = field(old), field(new)
    assert keeps(before, after)
    play, convert = Play(Zoo(), Random(1)), converter(before, after)
    for _ in range(200):
        wire = before.wire(play.value(before))
        told = wire if convert is None else convert([wire])[0]
        if before.kind.name != "REF" and before.kind.name not in ("F32", "F64"):
            assert after.value(told) == before.value(wire)
        else:
            assert told == wire


@pytest.mark.parametrize(("old", "new"), LOST)
def test_a_kind_that_may_lose_a_value_does_not_keep_it(old: Any, new: Any) -> None:
    assert not keeps(field(old), field(new))


def test_what_is_removed_and_what_may_be_lost_is_named() -> None:
    translation = Translation(parse(describe(Zoo(), hidden=True), hidden=True), LaterZoo())
    assert translation.removed == ["Enclosure.riddle", "Beast.plan", "Card", "Howl.whisper"]
    assert translation.lossy == []
    back = Translation(parse(describe(LaterZoo(), hidden=True), hidden=True), Zoo())
    assert set(back.removed) == {
        *("Zone.sign", "Keeper.badge", "Pond", "Beast.stripes"),
        *("Stone.moss", "Stone.wet", "Howl.loud"),
    }
    assert {"Zone.phase", "Beast.x", "Beast.heading", "Nest.eggs"} < set(back.lossy)


def test_a_table_of_another_sort_is_another_table() -> None:
    class Old(Game):
        class Howl(Entity):
            pitch: int = u8()

        entities = (Howl,)

    translation = Translation(parse(describe(Old(), hidden=True), hidden=True), LaterZoo())
    assert translation.removed == ["Howl"]


def test_former_holds_what_has_no_place_until_its_row_goes() -> None:
    play = Play(Zoo(), Random(3), rows_max=30)
    translation = Translation(parse(describe(Zoo(), hidden=True), hidden=True), LaterZoo())
    former = Former()
    beast = play.match.spawn(OldBeast(plan="hide", owner=2))
    play.match.room.riddle = "who?"
    commit = play.tick(0)
    chunks = all_of(commit)
    translation.chunks(chunks, former)
    now = Beast()
    now.id = beast.id  # type: ignore[misc]
    assert former.of(now) == {"plan": "hide"}
    assert former.of(Keeper()) == {}
    assert former.rows("Enclosure") == {play.match.room.id: {"riddle": "who?"}}
    assert former.rows("Card") == {}
    play.match.open_rows()
    play.match.despawn(beast)
    translation.chunks(all_of(play.tick(0)), former)
    assert former.of(now) == {}


def all_of(commit: Any) -> list[Any]:
    """All chunks of a commit, decoded."""
    found: list[Any] = []
    for part in (commit.public, *commit.owners.values(), commit.server):
        found += opened(part)
    return found


def test_values_are_read_by_name() -> None:
    old = {"a": field(u8()), "b": field(text(4)), "c": field(u16())}
    new = {"c": field(u8(7)), "d": field(flag(True)), "a": field(fixed(1 / 4, lo=0, hi=255))}
    assert translate_values(old, new, [3, "hey", 9]) == [7, 1, 12]
    assert translate_values(old, new, []) == [7, 1, 0]


class Tank(Entity):
    fuel: int = u8(9)


class Tanks(Game):
    entities = (Tank,)

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        """Nothing happens."""


def test_a_value_that_should_fit_and_does_not_is_told() -> None:
    class Narrow(Entity):
        fuel: float = fixed(1 / 2**40)

    old = parse(describe(Tanks(), hidden=True), hidden=True)
    Narrow.__name__ = "Tank"
    game: Any = type("Narrowed", (Tanks,), {"entities": (Narrow,)})()
    translation = Translation(old, game)
    assert translation.lossy == []
    with pytest.raises(ValueError, match="not a finite number"):
        translation.chunks([[2, [], [3, [5], [0], [2**60]]]], Former())
