"""The canonical bytes of a view, and their CRC-32."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from shared.digest import Layout, owned_digest, public_digest
from shared.entities import Entity
from shared.fields import OWNER, SERVER, f64, flag, text, u8
from shared.game import Game
from shared.match import Match
from shared.schema import describe, parse


class Card(Entity):
    x: float = f64()
    up: bool = flag()
    name: str = text(9)
    face: int = u8(to=OWNER)
    note: str = text(9, to=OWNER)
    trick: int = u8(to=SERVER)


class Cards(Game):
    entities = (Card,)


def rows(*made: Any) -> list[dict[int, Any]]:
    """Tables of a game of cards, these being the third's rows in any order."""
    for number, row in made:
        row.id = number
    return [{}, {}, dict(made)]


MATCH = Match(Cards(), Cards().options(), seed=1)
LAYOUT = Layout.of_match(MATCH)
TABLES = rows(
    (9, Card(owner=2, x=-0.0, up=True, name="é", face=5, note="n", trick=1)),
    (3, Card(owner=0, x=1.5, up=False, name="", face=6, note="", trick=2)),
    (4, Card(owner=2, x=2.5, name="ab", face=7, note="longer", trick=3)),
)
PUBLIC = b"".join(
    [
        struct.pack("<8I", 2, 3, 3, 4, 9, 0, 2, 2),
        struct.pack("<3d", 1.5, 2.5, -0.0),
        struct.pack("<3d", 0.0, 0.0, 1.0),
        struct.pack("<I", 0) + struct.pack("<I", 2) + b"ab" + struct.pack("<I", 2) + "é".encode(),
    ]
)
OWNED = b"".join(
    [
        struct.pack("<4I", 2, 2, 4, 9),
        struct.pack("<2d", 7.0, 5.0),
        struct.pack("<I", 6) + b"longer" + struct.pack("<I", 1) + b"n",
    ]
)


def test_a_layout_is_the_same_from_a_match_and_from_a_schema() -> None:
    schema = Layout.of_schema(parse(describe(Cards())))
    for one, other in ((LAYOUT.public, schema.public), (LAYOUT.owned, schema.owned)):
        assert [[name for name, _ in fields] for fields in one] == [
            [name for name, _ in fields] for fields in other
        ]
    assert [name for name, _ in LAYOUT.public[2]] == ["x", "up", "name"]
    assert [name for name, _ in LAYOUT.owned[2]] == ["face", "note"]


def test_nothing_is_nothing() -> None:
    assert public_digest(LAYOUT, [{}, {}, {}]) == 0
    assert owned_digest(LAYOUT, [{}, {}, {}], 2, 0) == 0


def test_the_public_part_to_the_byte() -> None:
    assert public_digest(LAYOUT, TABLES) == zlib.crc32(PUBLIC)


def test_an_owners_part_goes_on_from_it() -> None:
    public = zlib.crc32(PUBLIC)
    assert owned_digest(LAYOUT, TABLES, 2, public) == zlib.crc32(PUBLIC + OWNED)


def test_who_owns_nothing_has_the_public_part() -> None:
    assert owned_digest(LAYOUT, TABLES, 7, 123) == 123


def test_a_spectator_does_not_own_what_is_nobodys() -> None:
    assert owned_digest(LAYOUT, TABLES, 0, 123) == 123


def test_what_the_server_keeps_to_itself_is_no_part_of_it() -> None:
    before = public_digest(LAYOUT, TABLES)
    TABLES[2][9].trick = 200
    assert public_digest(LAYOUT, TABLES) == before
    TABLES[2][9].trick = 1


def test_each_table_is_told_by_its_index() -> None:
    player: Any = Cards().player(name="a")
    player.id = 1
    one = public_digest(LAYOUT, [{}, {1: player}, TABLES[2]])
    assert one != public_digest(LAYOUT, TABLES)
    head = struct.pack("<4I", 1, 1, 1, 0) + struct.pack("<I", 1) + b"a"
    flags = struct.pack("<3d", 1.0, 0.0, 0.0)
    assert one == zlib.crc32(head + flags + PUBLIC)
