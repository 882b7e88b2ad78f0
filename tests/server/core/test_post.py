"""Letters say the same to whoever reads them, and what is no letter harms nobody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.hooks import EXPLANATION_CHARS_MAX
from server.core.post import (
    Adopt,
    Asked,
    Failed,
    Leaving,
    Move,
    Present,
    Request,
    Resumed,
    decode_letter,
    encode_letter,
    encode_move,
)
from server.core.room import SeatRequest
from shared.chunks import pack
from shared.limits import (
    ACTIONS_PER_ITEM_MAX,
    ENTITY_ID_MAX,
    IDENTITY_CHARS_MAX,
    INTEGER_MAX,
    NAME_CHARS_MAX,
    REASON_CHARS_MAX,
)
from tests.server.core.yard import Ground, Yard, item, nonce

GAME = Yard()
SAYS = [0, "hi"]

numbers = st.integers(0, ENTITY_ID_MAX)
requests: st.SearchStrategy[Request] = st.one_of(
    st.builds(
        SeatRequest,
        st.binary(min_size=16, max_size=16),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=NAME_CHARS_MAX),
        st.text("ab", max_size=IDENTITY_CHARS_MAX),
    ),
    st.builds(Leaving, numbers),
    st.builds(Resumed, numbers, st.integers(0, INTEGER_MAX), numbers),
    st.builds(Present, st.frozensets(numbers, max_size=5), numbers),
    st.builds(Failed, st.text("ab", max_size=REASON_CHARS_MAX)),
    st.builds(Move, st.text("ab-1", max_size=9)),
    st.builds(Adopt, st.text("ab12", min_size=8, max_size=32)),
)


@given(st.text("ab-1"), st.lists(requests, max_size=6))
def test_a_letter_is_read_as_it_was_written(sender: str, asked: list[Request]) -> None:
    assert decode_letter(encode_letter(sender, asked)) == (sender, asked)


def test_inputs_are_read_by_the_rooms_game() -> None:
    items = (
        item(GAME, 7, 2, "hi", "you", trap=3)._replace(seen=5),
        item(GAME, 8),
        item(GAME, 9, None, "hi")._replace(seen=INTEGER_MAX),
    )
    asked: list[Request] = [Asked(3, items), Leaving(3)]
    assert decode_letter(encode_letter("edge", asked, GAME), GAME) == ("edge", asked)
    with pytest.raises(ValueError, match="not a request"):
        decode_letter(encode_letter("edge", asked, GAME))


def test_an_operators_letter_asks_to_move() -> None:
    assert decode_letter(encode_move("there")) == ("operator", [Move("there")])
    assert decode_letter(encode_move(None)) == ("operator", [Move("")])


def test_what_a_later_release_adds_is_passed_over() -> None:
    letter = pack(["edge", [2, 7, "more"], [4, 3, [1, None, [], 0, "more"]]])
    assert decode_letter(letter, GAME) == ("edge", [Leaving(7), Asked(3, (item(GAME, 1),))])


def test_a_reason_and_its_place_are_bounded_and_the_place_may_be_missing() -> None:
    letter = pack(["edge", [6, "x" * 5000, "y" * 5000], [6, "over"], [6, "over", 7]])
    long = Failed("x" * EXPLANATION_CHARS_MAX, "y" * REASON_CHARS_MAX)
    assert decode_letter(letter) == ("edge", [long, Failed("over"), Failed("over")])


@pytest.mark.parametrize("body", [None, 7, "edge", [], [7], [b"edge", [2, 1]], {"edge": 1}])
def test_what_has_no_sender_is_no_letter(body: object) -> None:
    with pytest.raises(ValueError, match="not a letter"):
        decode_letter(pack(body))


BEYOND = ENTITY_ID_MAX + 1
WRONG: list[Any] = [
    None,
    2,
    [],
    [0],
    [9, 1],
    ["2", 1],
    [1, nonce("Ada"), "Ada"],
    [1, nonce("Ada")[:-1], "Ada", ""],
    [1, nonce("Ada") + b"1", "Ada", ""],
    [1, "Ada", "Ada", ""],
    [1, nonce("Ada"), "a" * (NAME_CHARS_MAX + 1), ""],
    [1, nonce("Ada"), "Ada", "i" * (IDENTITY_CHARS_MAX + 1)],
    [2],
    [2, "7"],
    [2, True],
    [2, -1],
    [3, 7, 1],
    [3, 7, INTEGER_MAX + 1, 1],
    [3, 7, 1, INTEGER_MAX + 1],
    [3, 7, 1, -1],
    [3, 7, 1.0, 1],
    [4],
    [4, -1],
    [4, 7, 1],
    [4, 7, [0]],
    [4, 7, [1, None, []]],
    [4, 7, [1, 0, [], 0]],
    [4, 7, [1, None, "say", 0]],
    [4, 7, [1, None, [0], 0]],
    [4, 7, [1, None, [[]], 0]],
    [4, 7, [1, None, [SAYS] * (ACTIONS_PER_ITEM_MAX + 1), 0]],
    [4, 7, [1, None, [[9, "hi"]], 0]],
    [4, 7, [1, None, [[0, 5]], 0]],
    [4, 7, [1, None, [[0, "w" * 31]], 0]],
    [4, 7, [1, [99, 0], [], 0]],
    [4, 7, [1, [1], [], 0]],
    [4, 7, [INTEGER_MAX + 1, None, [], 0]],
    [4, 7, [-1, None, [], 0]],
    [4, 7, [1, None, [], -1]],
    [5, [1]],
    [5, 1, 0],
    [5, [1, "2"], 0],
    [5, [1], -1],
    [5, [BEYOND], 0],
    [6, 7],
    [7, None],
    [8, "short"],
    [8, "not/a/room"],
]


@pytest.mark.parametrize("wire", WRONG, ids=repr)
def test_what_is_no_request_is_told_and_nothing_of_its_letter_counts(wire: object) -> None:
    with pytest.raises(ValueError, match=r"not a request|not an input|input 1:") as raised:
        decode_letter(pack(["edge", [2, 7], wire]), GAME)
    assert len(str(raised.value)) < 130


wires = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**40)
    | st.text(max_size=4)
    | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=12,
)


@given(st.lists(st.tuples(st.integers(0, 9), wires, wires, wires), max_size=3))
def test_no_letter_fails_the_room_that_obeys_it(letter: list[Any]) -> None:
    ground = Ground(GAME)
    [ada] = ground.seat("Ada")
    try:
        _, asked = decode_letter(pack(["edge", *map(list, letter)]), GAME)
    except ValueError:
        return
    obey(ground, asked)
    ground.tick()
    assert (ground.match.tick, ada) == (2, 3)


@given(
    st.lists(requests | st.builds(Resumed, st.just(3), numbers, numbers), min_size=1, max_size=4)
)
def test_whatever_can_be_read_can_be_written_into_the_rows(asked: list[Request]) -> None:
    ground = Ground(GAME)
    ground.seat("Ada")
    _, asked = decode_letter(encode_letter("edge", asked), GAME)
    obey(ground, asked)
    ground.tick()
    ground.tick()


def obey(ground: Ground, asked: list[Request]) -> None:
    """Ask a room for what a letter asks."""
    for request in asked:
        match request:
            case SeatRequest():
                ground.room.join(request)
            case Leaving(player):
                ground.room.leave(player)
            case Resumed(player, connection, first_seq):
                ground.room.resume(player, connection, first_seq)
            case Asked(player, items):
                ground.room.submit(player, items)
            case Present(players, spectators):
                ground.room.present, ground.room.spectators = set(players), spectators
            case _:
                pass


@given(st.binary(max_size=60))
def test_any_bytes_are_a_letter_or_a_value_error(data: bytes) -> None:
    try:
        sender, asked = decode_letter(data, GAME)
    except ValueError:
        return
    assert type(sender) is str
    assert isinstance(asked, list)
