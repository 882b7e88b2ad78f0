"""Rooms through a change of their rules: taken up, followed, handed over, or left alone."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from holdfast import Entity, Game, Input, Inputs, Match, Player, bounded, u8, u16
from server.host.room_handle import RoomHandle
from server.store.base import Loaded, Status
from server.store.memory_exchange import MemoryExchange
from shared.chunks import pack
from shared.entities import EntityMeta
from shared.errors import CloseCode, RemoteError
from shared.schema import describe
from tests.server.host.rig import MoodyStore, Rig, Watcher, join, player
from tests.simulation.loop import virtually


class Push(Input):
    by: int = bounded(-1, 1)


class Tanks(Game):
    """Every tick each tank has a little more fuel."""

    entities: tuple[type[Entity], ...] = ()
    input = Push

    def join(self, match: Match, player: Player) -> None:
        match.spawn(self.entities[0](owner=player))

    def step(self, match: Match, inputs: Inputs[Any]) -> None:
        for tank in match.all(self.entities[0]):
            row: Any = tank
            row.fuel = min(255, row.fuel + 1)


def tanks(version: str = "1", *compatible: str, asks: Any = Push, **fields: Any) -> Game:
    """Rules of a version, with a Tank of these fields."""
    kind = EntityMeta("Tank", (Entity,), {"fuel": u8(), **fields})
    parts = {"version": version, "compatible": compatible, "entities": (kind,), "input": asks}
    return type("Tanks", (Tanks,), parts)()  # type: ignore[no-any-return]


async def running(
    game: Game, store: MoodyStore, seed: int, exchange: MemoryExchange | None = None, **more: Any
) -> Rig:
    return await Rig({"tanks": game}, store=store, seed=seed, exchange=exchange, **more).start()


async def left_by(game: Game, store: MoodyStore) -> Any:
    """The tank's row that these rules left behind, after ten ticks."""
    rig = await running(game, store, 1)
    room, _ = await rig.room("Ada", game="tanks")
    await rig.ticks(room, 10)
    row = room.match.one(game.entities[0])
    await rig.stop()
    return row


async def loaded(store: MoodyStore) -> Loaded:
    """The store's only room."""
    [entry] = await store.rooms()
    return await store.load(entry.room)


@pytest.mark.parametrize(
    "later",
    [
        tanks(armour=u8(7)),
        tanks("2", "1", armour=u8(7)),
        tanks("2", "1", fuel=u16(), armour=u8(7)),
    ],
)
def test_a_room_goes_on_under_later_rules(later: Game) -> None:
    async def scenario() -> None:
        store = MoodyStore()
        left = await left_by(tanks(), store)
        heir = await running(later, store, 2)
        [local] = heir.host.rooms()
        room = local.owned
        assert room is not None
        await heir.ticks(room, 5)
        tank: Any = room.match.one(later.entities[0])
        assert (tank.id, tank.owner, tank.armour) == (left.id, player(room, "Ada").id, 7)
        assert tank.fuel == left.fuel + 5
        assert room.match.origin.written == [later.version, describe(later, hidden=True)]
        await heir.stop()
        # The store knows by which rules it is played: the older ones do not get it back.
        again = await running(tanks(), store, 3)
        assert again.host.rooms() == []
        await again.stop()

    virtually(scenario())


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (tanks("2"), "Tanks.compatible does not name '1'"),
        (tanks("0"), "Tanks.version here is '0'"),
        (tanks("2", "1", fuel=bounded(0, 9)), "Tank.fuel had another kind"),
    ],
)
def test_what_is_not_for_these_rules_is_left_alone(
    later: Game, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        store = MoodyStore()
        await left_by(tanks(), store)
        before = await loaded(store)
        with caplog.at_level(logging.WARNING):
            heir = await running(later, store, 2)
            assert heir.host.rooms() == []
            with pytest.raises(RemoteError) as refused:
                await heir.host.reach(before.room)
        assert (refused.value.code, refused.value.retry_after_ms) == (CloseCode.UNAVAILABLE, 1000)
        assert f"room {before.room} is left alone" in caplog.text
        assert reason in caplog.text
        await heir.stop()
        assert await loaded(store) == before, "neither taken nor touched"
        assert before.status is Status.LIVE
        again = await running(tanks(), store, 3)
        assert [room.id for room in again.host.rooms()] == [before.room]
        await again.stop()

    virtually(scenario())


class Tampered(MoodyStore):
    """A store whose rooms end in another record than was written, once `spoil` says which."""

    spoil: Callable[[bytes], bytes] | None = None

    async def load(self, room: str) -> Loaded:
        found = await super().load(room)
        if self.spoil is None:
            return found
        [*rest, last] = found.records
        spoilt = replace(last, record=self.spoil(last.record))
        return replace(found, records=(*rest, spoilt))


def newer(_: bytes) -> bytes:
    """A record of a format that is not known here."""
    packed = pack([2, "of a later release"])
    return zlib.crc32(packed).to_bytes(4, "little") + packed


def torn(record: bytes) -> bytes:
    """A record that is not what was written."""
    return bytes((record[0] ^ 1,)) + record[1:]


def test_a_room_of_a_newer_release_is_left_alone_and_a_damaged_one_put_aside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        store = Tampered()
        await left_by(tanks(), store)
        before = await loaded(store)
        store.spoil = newer
        heir = await running(tanks(), store, 2)
        assert heir.host.rooms() == []
        assert "written by a newer Holdfast (format 2, this one reads 1)" in caplog.text
        await heir.stop()
        store.spoil = None
        assert await loaded(store) == before
        store.spoil = torn
        heir = await running(tanks(), store, 3)
        assert heir.host.rooms() == []
        await heir.stop()
        store.spoil = None
        after = await loaded(store)
        assert after.status is Status.QUARANTINED
        assert (after.checkpoints, after.records) == (before.checkpoints, before.records)

    virtually(scenario())


def test_in_development_fields_may_go_too() -> None:
    async def scenario() -> None:
        for development in (False, True):
            store = MoodyStore()
            await left_by(tanks(armour=u8()), store)
            heir = await running(tanks(), store, 2, development=development)
            assert bool(heir.host.rooms()) == development
            await heir.stop()

    virtually(scenario())


async def two(older: Game, later: Game) -> tuple[Rig, Rig, RoomHandle, Watcher]:
    """A room that older rules run, and later rules follow, with a watcher at the follower."""
    store = MoodyStore()
    old = await running(older, store, 1)
    room, _ = await old.room("Ada", game="tanks")
    new = await running(later, store, 2, old.exchange)
    followed = await new.host._reach(room.id)
    assert followed is not None
    assert followed.follower is not None
    watcher = Watcher(followed, store)
    return old, new, followed, watcher


def test_later_rules_follow_older_ones_and_take_the_room_when_it_is_handed_over() -> None:
    async def scenario() -> None:
        later = tanks("2", "1", armour=u8(7))
        old, new, room, watcher = await two(tanks(), later)
        await new.seconds(0.5)
        tank: Any = room.match.one(later.entities[0])
        assert (tank.armour, tank.fuel > 5, room.owned) == (7, True, None)
        assert room.understood
        first = await old.host.reach(room.id)
        assert first is not None
        end = Watcher(first, old.store)
        await old.host.drain()
        await new.seconds(1)
        assert room.owned is not None
        assert watcher.ticks == list(range(watcher.ticks[0], watcher.ticks[-1] + 1)), "none missed"
        assert tank.fuel > 20
        # The one before cannot read what the room has become, and sends its players elsewhere.
        assert end.end is not None
        assert end.end[0] is CloseCode.UNAVAILABLE
        await old.host.stop()
        await new.stop()

    virtually(scenario())


def test_older_rules_never_take_a_room_back() -> None:
    async def scenario() -> None:
        old, new, room, _ = await two(tanks(), tanks("2", "1"))
        await old.host.drain()
        await new.seconds(1)
        assert room.owned is not None
        await old.host.stop()
        third = await running(tanks(), new.store, 3, new.exchange)
        with pytest.raises(RemoteError, match="the room cannot be read now"):
            await third.host.reach(room.id)
        await new.host.stop()
        await third.seconds(60)
        assert third.host.rooms() == []
        entry = await loaded(new.store)
        assert (entry.status, entry.epoch) == (Status.LIVE, room.epoch)
        await third.stop()

    virtually(scenario())


def test_where_inputs_are_others_players_are_served_only_after_the_takeover() -> None:
    class Turn(Input):
        way: int = bounded(0, 7)

    async def scenario() -> None:
        old, new, room, _ = await two(tanks(), tanks("2", "1", asks=Turn))
        assert not room.understood
        wish = join("Bob", "tanks", room=room.id)
        for placing in (new.host.reach(room.id), new.host.place(wish)):
            with pytest.raises(RemoteError, match="the room is run by other rules; try again"):
                await placing
        other = await new.host.place(join("Bob", "tanks"))
        assert other.id != room.id, "somebody who does not mind gets a room of these rules"
        await old.host.drain()
        await new.seconds(1)
        assert room.understood
        assert await new.host.reach(room.id) is room
        await old.host.stop()
        await new.stop()

    virtually(scenario())
