"""Which room a player joins: options checked, rooms matched by game and options, names cleaned."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.chunks import pack, unpack_stored
from shared.columns import Kind
from shared.errors import CloseCode, RemoteError
from shared.game import Game
from shared.game_check import RESERVED_OPTIONS
from shared.inputs import Options
from shared.limits import NAME_CHARS_MAX
from shared.schema import parse_fields
from shared.translation import translate_values

from .versions import LeftAlone

ROOM_ID_CHARS = "23456789abcdefghjkmnpqrstuvwxyz"
ROOM_ID_LENGTH = 20
BOTS_MAX = 64
META_FORMAT = 1
# Letters and symbols without ink: Hangul fillers, the empty Braille cell, the null notehead.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a JOIN asks for, checked: a certain room, or any with these options."""

    game: str
    options: Options
    bots: int = 0
    private: bool = False
    room: str | None = None


@dataclass(frozen=True, slots=True)
class RoomMeta:
    """What a room was created with, kept beside its journal.

    `declared` are the fields of its options as the schema of that day had them: by them they are
    read when the game declares others.
    """

    game: str
    options: tuple[Any, ...]
    seed: int
    bots: int
    private: bool
    created_ms: int
    rules: str
    declared: bytes = b""

    def encode(self) -> bytes:
        """As the store keeps it."""
        about = [self.game, list(self.options), self.seed.to_bytes(16, "little"), self.bots]
        about += [self.private, self.created_ms, self.rules, self.declared]
        return pack([META_FORMAT, *about])

    def options_of(self, game: Game) -> Options:
        """The options the room was created with, as the game declares options now.

        ValueError where they cannot be read.
        """
        values = list(self.options)
        if self.declared:
            old = parse_fields(unpack_stored(self.declared))
            values = translate_values(old, game.options._fields, values)  # pyright: ignore[reportPrivateUsage]
        return game.options.from_wire(values)

    @staticmethod
    def decode(data: bytes) -> RoomMeta:
        """What `encode` made; ValueError if it is something else, LeftAlone if it is newer."""
        try:
            fields = unpack_stored(data)
        except ValueError:
            fields = None
        match fields:
            case [
                1,
                str(game),
                list(),
                bytes(seed),
                int(bots),
                bool(hidden),
                int(ms),
                str(rules),
                *rest,
            ]:
                number = int.from_bytes(seed, "little")
                options = tuple(fields[2])
                declared = rest[0] if rest and type(rest[0]) is bytes else b""
                return RoomMeta(game, options, number, bots, hidden, ms, rules, declared)
            case [int(newer), *_] if newer > META_FORMAT:
                raise LeftAlone("the room was created by a newer Holdfast: update this process")
            case _:
                raise ValueError("not a room's description of this release")


def read_wish(name: str, game: Game, options: Mapping[str, Any]) -> Wish:
    """A JOIN's options against what the game declares; RemoteError names the wrong one.

    They are values as rules see them (2.5 for a fixed option, not its wire number).
    """
    declared = game.options._fields  # pyright: ignore[reportPrivateUsage]
    values: dict[str, Any] = {}
    known = {*RESERVED_OPTIONS, *declared}
    for key in options:
        if key not in known:
            raise _bad_option(f"{name} has no option {key!r}; it has {', '.join(sorted(known))}")
    for key, field in declared.items():
        if key not in options:
            continue
        try:
            values[key] = field.from_value(options[key])
        except ValueError as error:
            raise _bad_option(f"option {key}: {error}") from None
    bots = options.get("bots", 0)
    most = min(BOTS_MAX, game.seats)
    if type(bots) is not int or not 0 <= bots <= most:
        raise _bad_option(f"option bots: {bots!r} is not a whole number from 0 to {most}")
    private = options.get("private", False)
    if type(private) is not bool:
        raise _bad_option("option private: expected true or false")
    room = options.get("room")
    if room is not None and not (type(room) is str and is_room_id(room)):
        raise RemoteError(CloseCode.NOT_FOUND, "there is no such room")
    return Wish(name, game.options(**values), bots, private, room)


def written_options(game: Game, options: Mapping[str, str]) -> dict[str, Any]:
    """Options as a person wrote them, read by what the game declares; `read_wish` judges them."""
    declared = game.options._fields  # pyright: ignore[reportPrivateUsage]
    return {
        key: text if key in declared and declared[key].kind is Kind.TEXT else _written(text)
        for key, text in options.items()
    }


def _written(text: str) -> int | float | bool | str:
    """A number, true or false; text where it is neither."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)


def is_room_id(text: str) -> bool:
    """Whether text could be a room's id, as the store takes it."""
    return 8 <= len(text) <= 32 and all("a" <= c <= "z" or "0" <= c <= "9" for c in text)


def room_id(random: bytes) -> str:
    """A room's id from `ROOM_ID_LENGTH` random bytes; letters that are not mistaken for others."""
    assert len(random) == ROOM_ID_LENGTH
    return "".join(ROOM_ID_CHARS[byte % len(ROOM_ID_CHARS)] for byte in random)


def clean_name(name: str) -> str:
    """A name fit to show: NFC, no control or formatting characters, single spaces, not empty."""
    before = ""
    # What is taken out may let its neighbours compose; each further pass makes the name shorter.
    while name != before:
        before, name = name, _cleaned(name)
    return name if any(map(_is_visible, name)) else "player"


def _cleaned(name: str) -> str:
    kept = "".join(
        " " if character.isspace() or character in _BLANKS else character
        for character in name
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    return " ".join(unicodedata.normalize("NFC", kept).split())[:NAME_CHARS_MAX].strip()


def _is_visible(character: str) -> bool:
    """Whether a character shows by itself: a letter, number, punctuation or symbol that has ink."""
    return unicodedata.category(character)[0] in "LNPS"


def _bad_option(reason: str) -> RemoteError:
    return RemoteError(CloseCode.BAD_OPTION, reason[:120])
