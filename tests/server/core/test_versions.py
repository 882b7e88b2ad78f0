"""Rooms of other rules: which are taken up, how they are read, and what is left alone."""

from __future__ import annotations

import zlib
from copy import deepcopy
from random import Random
from typing import Any

import pytest

from holdfast import SERVER, Entity, Game, Input, Inputs, Match, Options, Player, u8, u16
from server.core.fanout import Fanout
from server.core.hooks import HookFailed
from server.core.journal import (
    JournalDamaged,
    encode_checkpoint,
    encode_record,
    follow_record,
    restore,
)
from server.core.room import Room, SeatRequest
from server.core.versions import LeftAlone, check_rules, may_take_up
from shared.chunks import pack, pack_chunk, unpack_stored
from shared.entities import EntityMeta
from shared.errors import ConfigError
from shared.match import Chunks
from shared.messages import Frame, decode_from_server
from shared.schema import describe, parse
from shared.server_session import ServerSession
from shared.view import View
from tests.shared.ends import opened
from tests.shared.later import LaterZoo
from tests.shared.play import Play
from tests.shared.reference import exactly, held, seen, whole
from tests.vectors.zoo import Zoo


class Journal:
    """A random play of the zoo with its records."""

    def __init__(self, seed: int, ticks: int) -> None:
        self.play = Play(Zoo(), Random(seed), rows_max=40)
        self.records: list[bytes] = []
        self.checkpoints: list[bytes] = []
        for _ in range(ticks):
            self.tick()

    @property
    def match(self) -> Match:
        return self.play.match

    def tick(self) -> bytes:
        self.records.append(encode_record(self.play.tick()))
        return self.records[-1]


def read(game: Game, records: list[bytes], checkpoints: list[bytes] | None = None) -> Match:
    return restore(game, Options(), 7, checkpoints or [], records)


def named(match: Match) -> dict[str, dict[int, dict[str, Any]]]:
    """Rows by table's sort and id, by field's name: numbers compare by value."""
    tables: dict[str, dict[int, dict[str, Any]]] = {}
    for table in match.tables:
        name = {0: "room", 1: "player"}.get(table.index, table.kind.__name__)
        tables[name] = {
            number: {"owner": row.owner, **{key: getattr(row, key) for key in row._fields}}
            for number, row in table.rows.items()
        }
    return tables


def agree(old: Match, new: Match) -> int:
    """New rows are the old ones by name, with defaults for the rest; how many values agreed."""
    before, compared = named(old), 0
    for table, rows in named(new).items():
        assert rows.keys() == before.get(table, {}).keys(), table
        for number, row in rows.items():
            kind = type(next(t.rows[number] for t in new.tables if number in t.rows))
            for key, value in row.items():
                was = before[table][number].get(
                    key, kind._fields[key].default if key != "owner" else 0
                )
                assert value == was, (table, number, key)
                compared += key in before[table][number]
    return compared


class Edge:
    """A client of a follower: what a session is sent, as a view."""

    def __init__(self, match: Match, player: int) -> None:
        self.view = View(parse(describe(match.game)), player)
        self.session = ServerSession(player, 0, 0, 1, match.tick)

    def show(self, match: Match, commit: Any) -> None:
        frame = decode_from_server(Fanout(match, commit).frame(self.session))
        assert isinstance(frame, Frame)
        self.view.apply(frame.tick, frame.base, frame.dropped, frame.chunks)
        assert exactly(held(self.view)) == exactly(seen(match, self.view.player))


@pytest.mark.parametrize("seed", range(6))
def test_a_follower_of_later_rules_has_the_same_rows_by_name(seed: int) -> None:
    journal = Journal(seed, 1)
    follower = read(LaterZoo(), journal.records)
    edges = [Edge(follower, player.id) for player in (*follower.players,)] + [Edge(follower, 0)]
    compared = 0
    for _ in range(80):
        commit, _ = follow_record(follower, journal.tick())
        compared += agree(journal.match, follower)
        for edge in edges:
            edge.show(follower, commit)
        assert not follower.history.reaches(follower.tick), "others hold it with other fields"
    assert compared > 5000
    again = read(LaterZoo(), journal.records)
    assert whole(again) == whole(follower)


def test_the_first_tick_of_later_rules_is_whole_and_read_without_what_was_before() -> None:
    journal = Journal(3, 150)
    journal.checkpoints.append(encode_checkpoint(journal.match))
    old = [*journal.records, *(journal.tick() for _ in range(20))]
    heir = Play(LaterZoo(), Random(4), rows_max=60)
    heir.match = read(LaterZoo(), old)
    assert (heir.match.origin.older, heir.match.origin.stale) == ("1", True)
    follower = read(LaterZoo(), old)
    edge = Edge(follower, follower.players[0].id)
    records = list(old)
    sizes: list[int] = []
    for _ in range(40):
        records.append(encode_record(heir.tick()))
        sizes.append(len(records[-1]))
        commit, _ = follow_record(follower, records[-1])
        edge.show(follower, commit)
        assert whole(follower) == whole(heir.match)
    assert sizes[0] > 2 * sum(sizes[1:]) / len(sizes[1:]), "only the first says how it is written"
    assert heir.match.origin.older is None
    assert heir.match.history.reaches(171)
    assert not heir.match.history.reaches(170), "what was held then had other fields"
    whole_now = whole(heir.match)
    assert whole(read(LaterZoo(), records)) == whole_now
    assert whole(read(LaterZoo(), records[150:], journal.checkpoints)) == whole_now
    newer = encode_checkpoint(heir.match)
    assert whole(read(LaterZoo(), [], [newer])) == whole_now
    assert whole(read(LaterZoo(), records[-5:], [newer, *journal.checkpoints])) == whole_now


def test_what_lies_between_two_releases_leaves_nothing_behind() -> None:
    """Cards were gone in the release between; that they are back brings no old card back."""

    class Third(Zoo):
        version = "3"
        compatible = ("2",)

    journal = Journal(5, 60)
    assert named(journal.match)["Card"]
    heir = Play(LaterZoo(), Random(4), rows_max=60)
    heir.match = read(LaterZoo(), journal.records)
    records = [*journal.records, *(encode_record(heir.tick()) for _ in range(3))]
    third = read(Third(), records)
    assert named(third)["Card"] == {}
    assert third.origin.older == "2"
    follower = read(Third(), journal.records)
    for record in records[60:]:
        follow_record(follower, record)
    assert whole(follower) == whole(third)


class Tank(Entity):
    fuel: int = u16(9)
    plan: int = u8(to=SERVER)


class Tanks(Game):
    entities: tuple[type[Entity], ...] = (Tank,)

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        """Nothing happens."""


def changed(migrate: Any = None, **fields: Any) -> Any:
    """The tanks with these fields, of this version, and maybe with a `migrate`."""
    named = [key for key in ("version", "compatible") if key in fields]
    parts: dict[str, Any] = {key: fields.pop(key) for key in named}
    kind = EntityMeta("Tank", (Entity,), fields)
    hook: dict[str, Any] = {"migrate": migrate} if migrate else {}
    attributes: dict[str, Any] = {"entities": (kind,), **parts, **hook}
    return type("Tanks", (Tanks,), attributes)()


def keep(self: Game, match: Match, version: str) -> None:
    """A `migrate` that has nothing to do."""


@pytest.mark.parametrize(
    ("game", "development", "reason"),
    [
        (Tanks(), False, ""),
        (changed(fuel=u16(9), plan=u8(to=SERVER), more=u8()), False, ""),
        (changed(fuel=u16(9)), True, ""),
        (
            changed(fuel=u16(9)),
            False,
            "version '1' of its rules has Tank.plan, and here it has not",
        ),
        (changed(fuel=u8(9), plan=u8()), False, "takes another Tanks.version and Tanks.migrate"),
        (changed(fuel=u8(9), plan=u8()), True, "Tank.fuel had another kind"),
        (changed(keep, fuel=u8(9), plan=u8()), False, "takes another Tanks.version"),
        (changed(version="2", fuel=u16()), False, "Tanks.compatible does not name '1'"),
        (changed(version="0", fuel=u16()), True, "Tanks.version here is '0', and"),
        (changed(version="2", compatible=("1",), fuel=u16()), False, ""),
        (changed(version="2", compatible=("1",), fuel=u8()), False, "that takes Tanks.migrate"),
        (changed(keep, version="2", compatible=("1",), fuel=u8()), False, ""),
        (changed(keep, version="2", compatible=("0",), fuel=u16()), False, "does not name '1'"),
    ],
)
def test_which_rooms_may_be_taken_up(game: Any, development: bool, reason: str) -> None:
    schema = describe(Tanks(), hidden=True)
    verdict = may_take_up(game, "1", schema, development=development)
    assert verdict.may == (not reason)
    assert reason in verdict.reason
    match = Match(game, Options(), 1)
    match.origin.read(["1", schema])
    if reason:
        with pytest.raises(LeftAlone):
            check_rules(match, "", development=development)
    else:
        check_rules(match, "", development=development)


def test_a_room_without_rows_is_judged_by_the_rules_that_made_it() -> None:
    check_rules(Match(Tanks(), Options(), 1), "1")
    with pytest.raises(LeftAlone, match="version '9' of its rules"):
        check_rules(Match(Tanks(), Options(), 1), "9")


def test_many_fields_are_counted_rather_than_named() -> None:
    old = changed(**{f"f{n}": u8() for n in range(9)})
    verdict = may_take_up(changed(), "1", describe(old, hidden=True))
    assert "Tank.f0, Tank.f1, Tank.f2, Tank.f3, Tank.f4 and 4 more" in verdict.reason


def test_migrate_is_called_once_and_what_it_does_is_journaled() -> None:
    calls: list[tuple[int, str]] = []

    def migrate(self: Game, match: Match, version: str) -> None:
        calls.append((match.tick, version))
        for tank in match.all(self.entities[0]):
            tank.fuel = min(255, match.former.of(tank)["fuel"])  # type: ignore[attr-defined]

    game = changed(migrate, version="2", compatible=("1",), fuel=u8(9), more=u8(4))
    old = Room("tankstanks", Match(Tanks(), Options(), 1), 1)
    records = [encode_record(old.step().commit)]
    for fuel in (7, 7000):
        old.match.open_rows()
        old.match.spawn(Tank(fuel=fuel, plan=3))
    records.append(encode_record(old.step().commit))
    room = Room("tankstanks", read(game, records), 2)
    assert [(t.fuel, t.more) for t in room.match.all(game.entities[0])] == [(9, 4), (9, 4)]
    records.append(encode_record(room.step().commit))
    records.append(encode_record(room.step().commit))
    assert calls == [(3, "1")]
    again = read(game, records)
    assert whole(again) == whole(room.match)
    assert [(t.fuel, t.more) for t in again.all(game.entities[0])] == [(7, 4), (255, 4)]
    assert again.former.of(again.all(game.entities[0])[0]) == {}, "nobody needs it any more"
    Room("tankstanks", again, 3).step()
    assert len(calls) == 1


def test_a_migrate_that_raises_is_called_again_from_the_rows_there_were() -> None:
    calls: list[str] = []

    def migrate(self: Game, match: Match, version: str) -> None:
        calls.append(version)
        match.one(self.entities[0]).fuel = 3  # type: ignore[union-attr]
        if len(calls) == 1:
            raise RuntimeError("not yet")

    game = changed(migrate, version="2", compatible=("1",), fuel=u8(9))
    old = Room("tankstanks", Match(Tanks(), Options(), 1), 1)
    records = [encode_record(old.step().commit)]
    old.match.open_rows()
    old.match.spawn(Tank())
    records.append(encode_record(old.step().commit))
    room = Room("tankstanks", read(game, records), 2)
    with pytest.raises(HookFailed, match=r"Tanks\.migrate raised RuntimeError: not yet"):
        room.step()
    room.recover(read(game, records))
    records.append(encode_record(room.step_without("it failed").commit))
    assert calls == ["1", "1"]
    assert whole(read(game, records)) == whole(room.match)


def test_rows_that_nobody_described_are_not_guessed_at() -> None:
    journal = Journal(1, 3)
    with pytest.raises(JournalDamaged, match="nothing says with which fields tick 1 was written"):
        follow_record(Match(Zoo(), Options(), 1), undescribed(journal.records[0]))


def test_players_of_before_a_column_of_ours_keep_what_else_they_had() -> None:
    """As when the last of them came: the other columns, hidden ones too, are all there."""
    old = Room("tankstanks", Match(Tanks(), Options(), 1), 1)
    old.join(SeatRequest(b"n" * 16, "Ada", "ada@example"))
    step = old.step()
    newest, bit = list(Player._fields)[-1], len(Player._fields)
    before: list[Any] = deepcopy(step.commit.written or [])
    before[1][0][1][2] = [entry for entry in before[1][0][1][2] if entry[1] != newest]
    hidden: list[bytes] = []
    for index, gone, *groups in opened(step.commit.server):
        without = [[g[0] & ~(1 << bit), *g[1:-1]] for g in groups]
        hidden.append(pack_chunk(index, list(gone), without if index == 1 else groups))
    commit = step.commit._replace(server=Chunks.of(hidden), written=before)
    match = read(Tanks(), [encode_record(commit)])
    assert match.origin.stale
    assert whole(match) == whole(old.match)
    [ada] = match.players
    assert (ada.name, ada.nonce, ada.identity) == ("Ada", (b"n" * 16).hex(), "ada@example")


def test_fields_of_a_kind_that_is_not_known_yet_are_left_alone() -> None:
    step = Room("tankstanks", Match(Tanks(), Options(), 1), 1).step()
    written: list[Any] = deepcopy(step.commit.written or [])
    written[1][0][2][2][0][2] = 99
    record = encode_record(step.commit._replace(written=written))
    with pytest.raises(LeftAlone, match="tick 1 was written with fields that have no place: not a"):
        read(Tanks(), [record])


def undescribed(record: bytes) -> bytes:
    """A record without its last item."""
    packed = pack(unpack_stored(record[4:])[:-1])
    return zlib.crc32(packed).to_bytes(4, "little") + packed


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"version": 2}, "version is 2; expected a text"),
        ({"version": ""}, "expected a text"),
        ({"version": "x" * 65}, "expected a text"),
        ({"compatible": "1"}, "name the older versions in a tuple"),
        ({"compatible": (1,)}, "name the older versions in a tuple"),
        ({"compatible": ("0", "1")}, "names '1', which is its own version"),
    ],
)
def test_versions_are_texts(attributes: dict[str, Any], said: str) -> None:
    game: Any = type("Tanks", (Tanks,), attributes)()
    with pytest.raises(ConfigError, match=said):
        game.check()
    Tanks().check()
