"""The schema: what a client is told of a game, and nothing hidden."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from shared.chunks import pack, unpack_stored
from shared.columns import Kind
from shared.entities import Entity, EntityMeta, Player
from shared.fields import ALL, ANGLE_SCALE, OWNER, SERVER, fixed, ref, u8
from shared.game import Game
from shared.schema import Schema, describe, parse
from tests.vectors.zoo import Beast, Keeper, Nest, Zoo


def sent(game: Game) -> Any:
    """A schema as a client receives it."""
    return unpack_stored(pack(describe(game)))


def test_a_schema_to_the_byte() -> None:
    class Tank(Entity):
        x: float = fixed(1 / 64, lo=-2, snap=0.5)
        plan: int = u8(to=SERVER)
        fuel: int = u8(9, to=OWNER)

    class Tanks(Game):
        entities = (Tank,)

    tables, inputs, actions, options = sent(Tanks())
    assert [table[:2] for table in tables] == [["Room", 1], ["Player", 2], ["Tank", 0]]
    assert tables[2][2] == [
        [1, "x", 1, 0, 0, 64, -2.0, None, 0.5],
        [3, "fuel", 3, 1, 9, 0, 255],
    ]
    assert (inputs, actions, options) == ([], [], [])


def test_every_kind_of_field_and_table_is_described() -> None:
    tables, inputs, actions, options = sent(Zoo())
    assert [(table[0], table[1]) for table in tables] == [
        *(("Zone", 1), ("Keeper", 2), ("Nest", 0)),
        *(("Beast", 0), ("Card", 0), ("Stone", 0), ("Howl", 3)),
    ]
    by_name = {field[1]: field for field in tables[3][2]}
    assert by_name["heading"] == [3, "heading", 2, 0, 31291, ANGLE_SCALE]
    assert by_name["name"] == [9, "name", 6, 0, "é", 12]
    assert by_name["awake"] == [10, "awake", 7, 0, 1]
    assert by_name["home"] == [11, "home", 8, 0, 0, 2]
    assert by_name["whole"][2:] == [5, 0, -0.0]
    assert {field[2] for field in tables[3][2]} == {int(kind) for kind in Kind}
    assert [field[:2] for field in inputs] == [[0, "x"], [1, "aim"], [2, "run"], [3, "prey"]]
    assert [(name, [field[0] for field in fields]) for name, fields in actions] == [("Say", [0, 1])]
    assert [field[1] for field in options] == ["beasts", "motto"]


def test_a_ref_to_the_plain_player_or_room_means_the_games_own() -> None:
    inputs = sent(Zoo())[1]
    assert inputs[3] == [3, "prey", 8, 0, 0, 1]

    class Mark(Entity):
        of: int = ref(Keeper)

    class Marks(Game):
        entities = (Mark,)
        player = Keeper

    assert sent(Marks())[0][2][2] == [[1, "of", 8, 0, 0, 1]]


def test_a_client_knows_what_it_was_told() -> None:
    schema = parse(sent(Zoo()))
    assert isinstance(schema, Schema)
    kinds = Zoo().kinds
    assert [table.name for table in schema.tables] == [kind.__name__ for kind in kinds]
    for table, kind in zip(schema.tables, kinds, strict=True):
        told = {name: field for name, field in kind._fields.items() if field.to is not SERVER}
        assert [name for name, _ in table.fields.values()] == list(told)
        for bit, (name, field) in table.fields.items():
            declared = told[name]
            assert list(kind._fields)[bit - 1] == name
            assert (field.kind, field.to) == (declared.kind, declared.to)
            assert (field.default, field.scale) == (declared.default, declared.scale)
            assert (field.lo, field.hi, field.snap) == (declared.lo, declared.hi, declared.snap)
    assert list(schema.input) == ["x", "aim", "run", "prey"]
    assert [(name, list(fields)) for name, fields in schema.actions] == [("Say", ["line", "loud"])]
    assert schema.options["beasts"].default == 10


def test_what_a_later_version_adds_is_ignored() -> None:
    schema = sent(Zoo())
    longer = deepcopy(schema)
    for table in longer[0]:
        table.append("more")
        for field in table[2]:
            field.extend([*[None] * (9 - len(field)), "more"])
    longer[2][0].append("more")
    longer.append("more")
    assert parse(longer) == parse(schema)


def test_with_hidden_fields_it_tells_any_two_layouts_apart() -> None:
    def made(**fields: Any) -> Game:
        kind = EntityMeta("Tank", (Entity,), fields)
        return type("Tanks", (Game,), {"entities": (kind,)})()  # type: ignore[no-any-return]

    games = [
        made(),
        made(x=u8()),
        made(y=u8()),
        made(x=u8(1)),
        made(x=u8(to=SERVER)),
        made(x=u8(), y=u8()),
        made(y=u8(), x=u8()),
    ]
    assert len({pack(describe(game, hidden=True)) for game in games}) == len(games)
    assert describe(made(x=u8()), hidden=True) == describe(made(x=u8()), hidden=True)
    hidden = describe(Zoo(), hidden=True)
    read = parse(unpack_stored(pack(hidden)), hidden=True)
    for table, kind in zip(read.tables, Zoo().kinds, strict=True):
        assert [name for name, _ in table.fields.values()] == list(kind._fields)
    with pytest.raises(ValueError, match="a field for the server alone"):
        parse(hidden)


def schema_with(**field: Any) -> Any:
    """A schema whose third table has one field, with these parts changed."""
    parts: dict[str, Any] = {"bit": 1, "name": "x", "kind": 3, "to": 0, "default": 0}
    parts = parts | {"rest": [0, 9]} | field
    entry = [*(parts[key] for key in ("bit", "name", "kind", "to", "default")), *parts["rest"]]
    return [[["Room", 1, []], ["Player", 2, []], ["Tank", 0, [entry]]], [], [], []]


def test_the_changed_schema_would_be_one() -> None:
    table = parse(schema_with()).tables[2]
    assert table.fields[1][1].hi == 9


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ({"bit": 0}, "field bit 0"),
        ({"bit": 31}, "field bit 31"),
        ({"bit": "1"}, "field bit '1'"),
        ({"name": ""}, "name ''"),
        ({"name": "a b"}, "name 'a b'"),
        ({"name": "_x"}, "name '_x'"),
        ({"name": 5}, "name 5"),
        ({"name": "id"}, "a field's name is taken"),
        ({"name": "owner"}, "a field's name is taken"),
        ({"kind": 9}, "9 is not a valid Kind"),
        ({"kind": []}, "not a valid Kind"),
        ({"to": 2}, "a field for the server alone"),
        ({"to": 3}, "3 is not a valid Audience"),
        ({"default": 10}, "10 is not a whole number from 0 to 9"),
        ({"default": None}, "None is not a whole number"),
        ({"rest": []}, "a field's lo is None"),
        ({"rest": [0, "9"]}, "a field's hi is '9'"),
        ({"kind": 1, "rest": [0, None, None, None]}, "a field's scale is 0"),
        ({"kind": 1, "rest": [None, None, None, None]}, "a field's scale is None"),
        ({"kind": 1, "rest": [1, "a", None, None]}, "a field's lo is 'a'"),
        ({"kind": 2, "rest": [float("nan")]}, "a field's scale is nan"),
        ({"kind": 2, "rest": [float("inf")]}, "a field's scale is inf"),
        ({"kind": 6, "rest": [None]}, "a field's hi is None"),
    ],
)
def test_a_field_that_is_none_is_refused(field: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=f"not a schema: .*{wrong}"):
        parse(schema_with(**field))


ROOM: list[Any] = ["Room", 1, []]
PLAYER: list[Any] = ["Player", 2, []]
X: list[Any] = [1, "x", 3, 0, 0, 0, 9]


NO_TABLES: list[tuple[Any, str]] = [
    ([], "it has 0 tables; 2 to 127"),
    ([ROOM, PLAYER] * 64, "it has 128 tables"),
    ([PLAYER, ROOM], "the first tables are the room's and the players'"),
    ([ROOM, PLAYER, ["Player", 0, []]], "two tables have one name"),
    ([ROOM, PLAYER, ["Tank", "0", []]], "table kind '0'"),
    ([ROOM, PLAYER, [5, 0, []]], "name 5"),
    ([ROOM, PLAYER, ["Tank", 0]], "missing 1 required"),
    ([ROOM, PLAYER, 5], "not subscriptable"),
    ([ROOM, PLAYER, ["Tank", 0, [X, X]]], "field bit 1"),
    ([ROOM, PLAYER, ["Tank", 0, [X, [2, *X[1:]]]]], "a field's name is taken"),
    ([ROOM, PLAYER, ["Tank", 0, [[1]]]], "not enough values"),
    ([ROOM, PLAYER, ["Tank", 0, [[1, "x"]]]], "missing 3 required"),
    ([ROOM, PLAYER, ["Tank", 0, 7]], "not iterable"),
    (7, "has no len"),
]


@pytest.mark.parametrize(("tables", "wrong"), NO_TABLES)
def test_tables_that_are_none_are_refused(tables: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"not a schema: .*{wrong}"):
        parse([tables, [], [], []])


NO_SCHEMAS: list[Any] = [None, 5, [], [[ROOM, PLAYER], [], []], "abcd", {}]


@pytest.mark.parametrize("schema", NO_SCHEMAS)
def test_what_is_no_array_of_four_is_refused(schema: Any) -> None:
    with pytest.raises(ValueError, match="not a schema"):
        parse(schema)


def test_names_of_inputs_actions_and_options_are_checked_too() -> None:
    tables = [ROOM, PLAYER]
    whole: list[Any] = [0, "x", 3, 0, 0, 0, 9]
    assert list(parse([tables, [whole], [["Go", [whole]]], [whole]]).input) == ["x"]
    wrongs: list[list[Any]] = [
        [[whole, whole], [], []],
        [[], [["", []]], []],
        [[], [], [[0, "", 7, 0, 0]]],
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="not a schema"):
            parse([tables, *wrong])


def test_the_zoo_has_what_the_tests_above_say() -> None:
    assert Beast._fields["home"].table is Nest
    assert Player._fields["name"].to is ALL
