"""Which room a player joins, what a room is kept with, and which names are shown."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import Options, angle, bounded, f32, f64, fixed, flag, text, u8
from server.core.lobby import (
    BOTS_MAX,
    ROOM_ID_CHARS,
    ROOM_ID_LENGTH,
    RoomMeta,
    clean_name,
    is_room_id,
    read_wish,
    room_id,
    written_options,
)
from server.core.versions import LeftAlone
from server.store.base import ROOM_ID
from shared.chunks import pack
from shared.errors import CloseCode, RemoteError
from shared.inputs import InputMeta
from shared.limits import NAME_CHARS_MAX
from shared.schema import describe
from tests.server.core.yard import Rules, Yard

GAME = Yard()
META = RoomMeta("yard", tuple(Rules().to_wire()), 2**127 + 5, 2, False, 1_700_000_000_123, "1.2")

OPEN = replace(META, bots=0)


def refused(options: dict[str, Any]) -> tuple[CloseCode, str]:
    with pytest.raises(RemoteError) as raised:
        read_wish("yard", GAME, options)
    return raised.value.code, raised.value.reason


def test_a_wish_without_options_has_the_defaults() -> None:
    wish = read_wish("yard", GAME, {})
    assert (wish.game, wish.options, wish.bots) == ("yard", Rules(), 0)
    assert (wish.private, wish.room) == (False, None)


def test_a_wish_is_read_in_values() -> None:
    asked = {"start": "raise", "size": 3.25, "bots": 4, "private": True, "room": "abcdefgh"}
    wish = read_wish("yard", GAME, asked)
    assert wish.options == Rules(start="raise", size=3.25)
    assert (wish.bots, wish.private, wish.room) == (4, True, "abcdefgh")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colour": 1}, "yard has no option 'colour'; it has bots, private, room, size, start"),
        ({"start": 3}, "option start: 3 is not text of at most 12 characters"),
        ({"size": "3"}, "option size: '3' is not a finite number"),
        ({"bots": 5}, "option bots: 5 is not a whole number from 0 to 4"),
        ({"bots": -1}, "option bots: -1 is not"),
        ({"bots": True}, "option bots: True is not"),
        ({"bots": "2"}, "option bots: '2' is not"),
        ({"private": 1}, "option private: expected true or false"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], said: str) -> None:
    code, reason = refused(options)
    assert code is CloseCode.BAD_OPTION
    assert reason.startswith(said)
    assert len(reason) <= 120


class Every(Options):
    half: float = fixed(1 / 64, 2.0, lo=0, hi=10)
    tenth: float = fixed(0.1)
    wind: float = angle(0.5)
    count: int = bounded(-(2**53), 2**53, 3)
    byte: int = u8()
    calm: bool = flag(True)
    motto: str = text(8)
    near: float = f32()
    far: float = f64(-0.0)


class Tuned(Yard):
    options: Any = Every
    seats = 100


@pytest.mark.parametrize(
    ("key", "asked", "got"),
    [
        ("half", 2, 2.0),
        ("half", 2.5, 2.5),
        ("half", 0.25, 0.25),
        ("half", 10, 10.0),
        ("tenth", 0.26, 0.3),
        ("wind", 0.5, Every().wind),
        ("wind", -4, Every(wind=-4).wind),
        ("count", 7.0, 7),
        ("count", 2**53, 2**53),
        ("calm", False, False),
        ("calm", 0, False),
        ("motto", "7", "7"),
        ("near", 16_777_217, 16_777_216.0),
        ("far", 3, 3.0),
    ],
)
def test_an_option_of_any_kind_is_its_value(key: str, asked: Any, got: Any) -> None:
    found = getattr(read_wish("tuned", Tuned(), {key: asked}).options, key)
    assert (found, type(found)) == (got, type(got))
    # A room keeps it, and finds it again.
    options = read_wish("tuned", Tuned(), {key: found}).options
    meta = RoomMeta("tuned", tuple(options.to_wire()), 1, 0, False, 1, "1")
    assert getattr(RoomMeta.decode(meta.encode()).options_of(Tuned()), key) == got


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        *(("half", wrong) for wrong in (10.1, -0.1, "2", True, None, nan, inf, [2])),
        *(("wind", wrong) for wrong in (inf, nan, "0.5")),
        *(("count", wrong) for wrong in (0.5, 2**53 + 1, 1e300, True, "3", inf)),
        *(("byte", wrong) for wrong in (256, -1, 1.5)),
        *(("calm", wrong) for wrong in (2, "true", 1.0, None)),
        *(("motto", wrong) for wrong in (7, "too long a motto", b"calm", None)),
        *(("near", wrong) for wrong in (3.5e38, nan, "1", True)),
    ],
)
def test_an_option_that_is_no_value_of_its_kind_is_refused(key: str, asked: Any) -> None:
    with pytest.raises(RemoteError, match=f"option {key}: ") as raised:
        read_wish("tuned", Tuned(), {key: asked})
    assert raised.value.code is CloseCode.BAD_OPTION


def test_options_a_person_wrote_are_read_by_kind() -> None:
    written = {"half": "2", "wind": "-0.5", "calm": "false", "motto": "7", "bots": "3", "byte": "x"}
    read = written_options(Tuned(), written)
    assert [*read.items()] == [
        *(("half", 2), ("wind", -0.5), ("calm", False)),
        *(("motto", "7"), ("bots", 3), ("byte", "x")),
    ]
    with pytest.raises(RemoteError, match="option byte: 'x' is not a whole number"):
        read_wish("tuned", Tuned(), read)
    assert read_wish("tuned", Tuned(), read | {"byte": 1}).options == Every(
        half=2.0, wind=-0.5, calm=False, motto="7", byte=1
    )


@given(st.data())
def test_what_a_page_shows_of_a_default_is_the_default(data: st.DataObject) -> None:
    default = data.draw(st.floats(0, 10))
    wind = data.draw(st.floats(-3, 3))
    made: Any = InputMeta("Form", (Options,), {"a": fixed(0.01, default), "b": angle(wind)})
    form: Any = type("Form", (Yard,), {"options": made})()
    wires = zip("ab", made().to_wire(), strict=True)
    shown = {key: made._fields[key].value(wire) for key, wire in wires}
    assert read_wish("form", form, shown).options == made()


@pytest.mark.parametrize("room", ["short", "UPPERCASE", "a" * 33, "abcdefgé", 7, "../abcdef"])
def test_what_is_no_rooms_id_is_no_room(room: object) -> None:
    assert refused({"room": room}) == (CloseCode.NOT_FOUND, "there is no such room")


def test_ids_are_made_of_letters_that_are_not_mistaken_for_others() -> None:
    made = room_id(bytes(range(ROOM_ID_LENGTH)))
    assert (len(made), set(made) <= set(ROOM_ID_CHARS)) == (ROOM_ID_LENGTH, True)
    assert room_id(bytes([255] * ROOM_ID_LENGTH)) != made
    assert not set("01lio") & set(ROOM_ID_CHARS)


@given(st.text(max_size=40) | st.from_regex(r"[a-z0-9]{7,33}", fullmatch=True))
def test_an_id_is_one_here_where_it_is_one_in_the_store(text: str) -> None:
    assert is_room_id(text) == (ROOM_ID.fullmatch(text) is not None)


@given(
    st.text(max_size=20),
    st.lists(st.integers(-(2**53), 2**53), max_size=4),
    st.integers(0, 2**128 - 1),
    st.integers(0, BOTS_MAX),
    st.booleans(),
)
def test_what_a_room_is_kept_with_is_read_back(
    game: str, options: list[int], seed: int, bots: int, private: bool
) -> None:
    meta = RoomMeta(game, tuple(options), seed, bots, private, 1_700_000_000_123, "2", b"\x90")
    assert RoomMeta.decode(meta.encode()) == meta


def test_what_later_releases_append_is_ignored() -> None:
    fields: list[object] = [1, "yard", [], bytes(16), 0, False, 5, "1", b"\x90"]
    assert RoomMeta.decode(pack([*fields, "more"])) == RoomMeta.decode(pack(fields))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        pack([]),
        pack("yard"),
        pack([0, "yard", [], bytes(16), 0, False, 5, "1"]),
        pack([1, "yard", [], bytes(16), 0, False, 5]),
        pack([1, "yard", {}, bytes(16), 0, False, 5, "1"]),
        pack([1, "yard", [], "seed", 0, False, 5, "1"]),
    ],
)
def test_what_is_no_rooms_description_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a room's description of this release"):
        RoomMeta.decode(data)


def test_a_newer_releases_room_is_left_alone() -> None:
    with pytest.raises(LeftAlone, match="created by a newer Holdfast"):
        RoomMeta.decode(pack([2, {"game": "yard"}]))


def test_options_are_read_by_name_when_the_game_declares_others() -> None:
    class Now(Options):
        fog: bool = flag(True)
        size: float = fixed(1 / 8, 1.0)

    class Changed(Options):
        start: int = u8(9)
        size: float = fixed(1 / 4, 2.0)

    declared = pack(describe(GAME)[3])
    values = tuple(Rules(start="calm", size=3.25).to_wire())
    meta = RoomMeta("yard", values, 1, 0, False, 5, "1", declared)
    assert meta.options_of(GAME) == Rules(start="calm", size=3.25)
    now = type("Other", (Yard,), {"options": Now})()
    assert meta.options_of(now) == Now(fog=True, size=3.25)
    changed = type("Other", (Yard,), {"options": Changed})()
    assert meta.options_of(changed) == Changed(start=9, size=3.25)
    with pytest.raises(ValueError, match="expected a list of 2 values"):
        RoomMeta("yard", (), 1, 0, False, 5, "1").options_of(GAME)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada \t\n Lovelace ", "Ada Lovelace"),
        ("A\u202eda\u200b\x00", "Ada"),
        ("e\u0301", "é"),
        ("", "player"),
        ("\x07\u200d", "player"),
        ("x" * 30, "x" * 24),
        ("x" * 23 + " y", "x" * 23),
        ("名前", "名前"),
        ("e\u200d\u0301", "é"),
        ("\u1100\u200c\u1161", "\uac00"),
        ("\u3164", "player"),
        ("\u2800\u2800", "player"),
        ("\u115f \u1160\uffa0", "player"),
        ("\u0301\ufe0f\u034f", "player"),
        ("\U0001d159", "player"),
        ("A\u3164\u2800B", "A B"),
        ("\u2764\ufe0f", "\u2764\ufe0f"),
        ("\ud83d", "player"),
        ("\u0958" * 24, "\u0915\u093c" * 12),
    ],
)
def test_names_are_cleaned(name: str, shown: str) -> None:
    assert clean_name(name) == shown


MARKS = "\u0301\u0323\u0327\u034f\ufe0f"
UNSEEN = "\u200b\u200c\u200d\u202e\u3164\u2800\u115f\u1160"
ODD = "aeoZ 1-\u1100\u1161\u11a8\u0958" + MARKS + UNSEEN


@given(st.text(max_size=80) | st.text(ODD, max_size=60))
def test_any_name_becomes_one_that_can_be_shown(name: str) -> None:
    shown = clean_name(name)
    assert 1 <= len(shown) <= NAME_CHARS_MAX
    assert shown == " ".join(shown.split())
    assert not any(unicodedata.category(character)[0] == "C" for character in shown)
    assert unicodedata.is_normalized("NFC", shown)
    assert clean_name(shown) == shown
    assert not set(shown) & set("\u3164\u2800\u115f\u1160\uffa0")
    assert any(unicodedata.category(character)[0] in "LNPS" for character in shown)
