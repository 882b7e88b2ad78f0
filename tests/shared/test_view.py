"""A view: assembled from frames, whole or not at all, and told what changed."""

from __future__ import annotations

from typing import Any

import pytest

from shared.game import Game
from shared.schema import describe, parse
from shared.view import Changes, View
from tests.vectors.zoo import Beast, Card, Howl, Keeper, Nest, Zone, Zoo

ZONE, KEEPER, NEST, CARD, HOWL = 0, 1, 2, 4, 6
EGGS, FACE, LINE = 0b0010, 0b0010, 0b0100


def empty(player: int = 2) -> View:
    """A view that has heard nothing."""
    return View(parse(describe(Zoo())), player)


def begun(player: int = 2) -> View:
    """A view of tick 5: the room, two players, two nests of nobody's."""
    view = empty(player)
    view.apply(
        5,
        0,
        None,
        [
            [ZONE, [], [1, [1], [0]]],
            [KEEPER, [], [0b11, [3, 2], [3, 2], ["bob", "ada"]]],
            [NEST, [], [0b11, [20, 10], [0, 3], [2, 1]]],
        ],
    )
    return view


def told(changes: Changes) -> dict[str, list[tuple[str, int]]]:
    """Changes as names and ids, where there are any."""
    parts = {key: getattr(changes, key) for key in ("added", "changed", "removed", "hidden")}
    return {key: [(name, row.id) for name, row in part] for key, part in parts.items() if part}


def test_an_empty_view() -> None:
    view = empty()
    assert (view.tick, view.me, view.room, view.players) == (0, None, None, [])
    assert view.names == ["Zone", "Keeper", "Nest", "Beast", "Card", "Stone", "Howl"]
    assert (view.count(Nest), view.one(Nest), view.get(Nest, 1), view.digest()) == (
        0,
        None,
        None,
        0,
    )


def test_rows_are_found_by_class_or_by_name() -> None:
    view = begun()
    assert view.tick == 5
    assert view.me.name == "ada"
    assert view.room.id == 1
    assert [player.id for player in view.players] == [2, 3]
    assert [nest.id for nest in view.all(Nest)] == [10, 20]
    named: list[Nest] = view.all("Nest", owner=3)
    assert [nest.id for nest in named] == [10]
    assert [keeper.name for keeper in view.all(Keeper)] == ["ada", "bob"]
    one = view.one(Nest)
    assert one is not None
    assert (one.id, one.eggs) == (10, 1)
    assert view.one("Nest", owner=9) is None
    assert view.get(Nest, 20) is view.one(Nest, owner=0)
    assert view.count("Nest") == 2
    assert view.one(Zone) is view.room
    assert begun(0).me is None


def test_a_table_that_is_none_is_named_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="this game has no table Tank; it has Zone, Keeper, Nest"):
        empty().all("Tank")


def test_an_unknown_id_makes_a_row_of_defaults() -> None:
    view = begun()
    changes = view.apply(6, 5, None, [[3, [], [0b10, [30], [2048]]], [NEST, [], [EGGS, [40], [9]]]])
    beast: Any = view.get(Beast, 30)
    assert (beast.x, beast.y, beast.level, beast.name, beast.owner) == (2.0, 1.0, 3, "é", 0)
    assert not hasattr(beast, "plan")
    assert told(changes) == {"added": [("Beast", 30), ("Nest", 40)]}
    assert "id=30" in repr(beast)
    assert repr(beast).startswith("<Beast id=30 owner=0 x=2.0 y=1.0 ")


def test_a_row_has_the_fields_of_the_schema_and_no_others() -> None:
    row: Any = begun().one(Nest)
    with pytest.raises(AttributeError):
        row.other = 1


def test_values_are_absolute() -> None:
    view = begun()
    row = view.get(Nest, 10)
    changes = view.apply(6, 5, None, [[NEST, [], [EGGS, [10], [7]]]])
    assert row is view.get(Nest, 10)
    assert row is not None
    assert row.eggs == 7
    assert told(changes) == {"changed": [("Nest", 10)]}


def test_gone_rows_go_and_unknown_ones_do_not_matter() -> None:
    view = begun()
    changes = view.apply(6, 5, None, [[NEST, [10, 999]]])
    assert [nest.id for nest in view.all(Nest)] == [20]
    assert told(changes) == {"removed": [("Nest", 10)]}


def test_dropped_rows_are_hidden_not_gone_and_go_first() -> None:
    view = begun()
    changes = view.apply(6, 5, [[NEST, [10, 999]]], [[NEST, [], [EGGS, [10], [7]]]])
    assert told(changes) == {"hidden": [("Nest", 10)], "added": [("Nest", 10)]}
    assert view.all(Nest)[0].owner == 0


def test_an_owner_of_before_forgets_what_only_it_could_see() -> None:
    view = begun()
    view.apply(6, 5, None, [[CARD, [], [1, [50, 51], [2, 3]]], [CARD, [], [FACE, [50], [7]]]])
    card = view.get(Card, 50)
    assert card is not None
    assert card.face == 7
    view.apply(7, 6, None, [[CARD, [], [1, [50], [2]]]])
    assert card.face == 7
    view.apply(8, 7, None, [[CARD, [], [1, [50], [3]]]])
    assert (card.face, card.owner) == (52, 3)


def test_a_spectator_is_not_nobody() -> None:
    view = begun(0)
    view.apply(6, 5, None, [[CARD, [], [0b11, [50], [0], [7]]]])
    card = view.get(Card, 50)
    assert card is not None
    assert card.face == 52


def test_from_nothing_forgets_and_tells_what_is_news() -> None:
    view = begun()
    before = view.get(Nest, 10)
    changes = view.apply(
        9, 0, None, [[ZONE, [], [1, [1], [0]]], [NEST, [], [EGGS, [10, 60], [5, 6]]]]
    )
    assert view.get(Nest, 10) is not before
    assert [(nest.id, nest.eggs, nest.owner) for nest in view.all(Nest)] == [(10, 5, 0), (60, 6, 0)]
    assert told(changes) == {
        "removed": [("Keeper", 3), ("Keeper", 2), ("Nest", 20)],
        "changed": [("Zone", 1), ("Nest", 10)],
        "added": [("Nest", 60)],
    }


def howl(*ids: int) -> list[Any]:
    """A chunk of new events."""
    return [HOWL, [], [LINE, list(ids), ["hoo"] * len(ids)]]


def test_events_are_announced_once_and_old_ones_never() -> None:
    view = empty()
    assert told(view.apply(1, 0, None, [howl(10)])) == {}
    assert told(view.apply(2, 1, None, [howl(12, 11)])) == {"added": [("Howl", 12), ("Howl", 11)]}
    # Seen again after a gap, they are rows but no news.
    assert told(view.apply(3, 2, [[HOWL, [11]]], [])) == {"hidden": [("Howl", 11)]}
    assert told(view.apply(4, 3, None, [howl(11)])) == {}
    assert told(view.apply(5, 0, None, [howl(12, 13)])) == {
        "removed": [("Howl", 10), ("Howl", 11)],
        "changed": [("Howl", 12)],
        "added": [("Howl", 13)],
    }
    assert [event.id for event in view.all(Howl)] == [12, 13]


def test_a_game_without_events_announces_rows_alone() -> None:
    class Silent(Game):
        entities = (Nest,)

    view = View(parse(describe(Silent())), 2)
    assert told(view.apply(1, 0, None, [[2, [], [EGGS, [5], [1]]]])) == {"added": [("Nest", 5)]}
    assert told(view.apply(2, 1, None, [[2, [], [EGGS, [6], [1]]]])) == {"added": [("Nest", 6)]}


@pytest.mark.parametrize(("tick", "base"), [(5, 4), (6, 6), (4, 3), (5, 5)])
def test_a_frame_that_does_not_fit_is_the_callers_bug(tick: int, base: int) -> None:
    with pytest.raises(AssertionError):
        begun().apply(tick, base, None, [])


def test_a_frame_may_begin_before_the_tick_held() -> None:
    view = begun()
    view.apply(8, 5, None, [[NEST, [], [EGGS, [10], [1]]]])
    view.apply(9, 6, None, [[NEST, [], [EGGS, [10], [2]]]])
    assert view.tick == 9


GOOD = [NEST, [20], [EGGS, [10], [99]]]


MALFORMED: list[tuple[Any, Any, str]] = [
    (None, [7, []], "no table 7"),
    (None, [-1, []], "no table -1"),
    (None, [True, []], "no table True"),
    (None, ["2", []], "no table '2'"),
    (None, [2], "not enough values"),
    (None, [], "not enough values"),
    (None, 5, "cannot unpack"),
    (None, [2, None], "ids are an array"),
    (None, [2, [0]], "ids are whole numbers"),
    (None, [2, [], 5], "cannot unpack"),
    (None, [2, [], []], "not enough values"),
    (None, [2, [], [2]], "not enough values"),
    (None, [2, [], [0, [10]]], "mask 0"),
    (None, [2, [], [2.0, [10], [1]]], "mask 2.0"),
    (None, [2, [], [2**31, [10], [1]]], "mask 2147483648"),
    (None, [2, [], [16, [10], [1]]], "Nest has no field with bit 4"),
    (None, [2, [], [2, [10]]], "argument 2 is shorter"),
    (None, [2, [], [2, [10], [1], [2]]], "argument 2 is longer"),
    (None, [2, [], [2, [10], [1, 2]]], "a column holds 2 values for 1 rows"),
    (None, [2, [], [2, [10], "a"]], "a column is an array"),
    (None, [2, [], [2, [10], ["a"]]], "a value is not a whole number from 0 to 65535"),
    (None, [2, [], [1, [10], [-1]]], "a value is not a row's id, or 0"),
    (None, [2, [], [1, [10], [None]]], "a value is not a row's id, or 0"),
    (None, [2, [], [2, ["10"], [1]]], "ids are whole numbers"),
    ([5], GOOD, "cannot unpack"),
    ([[9, [1]]], GOOD, "no table 9"),
    ([[2, 5]], GOOD, "ids are an array"),
    ([[2]], GOOD, "not enough values"),
]


@pytest.mark.parametrize(("dropped", "chunk", "wrong"), MALFORMED)
def test_a_malformed_frame_changes_nothing(dropped: Any, chunk: Any, wrong: str) -> None:
    view = begun()
    before = view.digest()
    with pytest.raises(ValueError, match=f"malformed frame: .*{wrong}"):
        view.apply(6, 5, dropped, [GOOD, chunk])
    with pytest.raises(ValueError, match=f"malformed frame: .*{wrong}"):
        view.apply(6, 0, dropped, [GOOD, chunk])
    assert (view.tick, view.digest()) == (5, before)
    assert view.apply(6, 5, None, [GOOD]).removed
