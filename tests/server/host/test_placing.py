"""Players find a room wherever it is run, and processes agree on which rooms there are."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from server.core.room import SeatRequest
from server.host.placing import PLACES_MAX
from server.host.room_handle import RoomHandle
from shared.errors import CloseCode, RemoteError
from tests.server.core.yard import Yard, nonce
from tests.server.host.rig import Rig, join
from tests.simulation.loop import virtually


class Small(Yard):
    seats = 1


class Pair(Yard):
    seats = 2


async def enter(rig: Rig, name: str) -> RoomHandle:
    room = await rig.host.place(join(name))
    room.join(SeatRequest(nonce(name), name))
    return room


def test_players_of_two_processes_meet_in_one_room_and_the_owner_is_one_of_them() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, again = await enter(one, "Ada"), await enter(two, "Bob")
        assert (room.id, room.meta) == (again.id, again.meta)
        assert room.owned is not None
        assert (again.owned, again.follower is None) == (None, False)
        await one.seconds(0.3)
        for seen in (room, again):
            assert [player.name for player in seen.match.players] == ["Ada", "Bob"]
        assert (await enter(two, "Bob")) is again, "the same JOIN leads to the same seat"
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_many_who_come_at_once_to_two_processes_fill_rooms_and_leave_no_seat_empty() -> None:
    async def scenario() -> None:
        one = await Rig({"yard": Pair()}).start()
        two = await one.beside(2)
        rooms = await asyncio.gather(
            *(enter((one, two)[n % 2], f"player {n}") for n in range(8)),
        )
        await one.seconds(0.5)
        counted = Counter(room.id for room in rooms)
        assert sorted(counted.values()) == [2, 2, 2, 2]
        assert all(len(room.match.players) == 2 for room in rooms)
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_room_that_filled_up_before_the_directory_was_told_is_left_for_another() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Small()}).start()
        full = await enter(rig, "Ada")
        await rig.seconds(0.3)
        [listing] = await rig.exchange.listings()
        assert listing.free == 0
        await rig.exchange.announce([replace(listing, free=1)])
        other = await enter(rig, "Bob")
        assert other.id != full.id
        await rig.stop()

    virtually(scenario())


def test_a_room_that_is_gone_is_taken_out_of_the_directory_by_who_finds_it_gone() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        await enter(rig, "Ada")
        [listing] = await rig.exchange.listings()
        gone = [replace(listing, room=f"gone{n:08}", free=1) for n in range(PLACES_MAX - 1)]
        await rig.exchange.announce(gone)
        # The fullest is tried first: the rooms that are gone, before the one that is there.
        room = await rig.host.place(join("Bob"))
        assert room.id == listing.room
        assert [one.room for one in await rig.exchange.listings()] == [room.id]
        await rig.stop()

    virtually(scenario())


def test_who_finds_only_rooms_that_are_gone_gets_a_new_one() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Small()}).start()
        await enter(rig, "Ada")
        await rig.seconds(0.3)
        [listing] = await rig.exchange.listings()
        await rig.exchange.announce(
            [replace(listing, room=f"gone{n:08}", free=1) for n in range(2 * PLACES_MAX)]
        )
        room = await enter(rig, "Bob")
        assert room.id != listing.room
        assert room.owned is not None
        assert len(await rig.exchange.listings()) == 2 + PLACES_MAX, "so many were tried"
        await rig.stop()

    virtually(scenario())


def test_a_room_that_ends_with_its_next_tick_seats_nobody_already() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        owned, _ = await rig.room("Ada")
        owned.fail("over")
        with pytest.raises(RemoteError) as raised:
            await rig.host.place(join("Bob", room=owned.id))
        assert raised.value.code is CloseCode.NOT_FOUND
        assert (await rig.host.place(join("Ada"))).id != owned.id
        await rig.stop()

    virtually(scenario())


def test_of_a_standing_room_there_is_one_however_many_processes_want_it() -> None:
    async def scenario() -> None:
        standing = [("yard", {"bots": 1})]
        one = Rig(standing=standing)
        others = [
            Rig(store=one.store, exchange=one.exchange, seed=seed, standing=standing)
            for seed in (2, 3)
        ]
        rigs = [one, *others]
        await one.store.open()
        await asyncio.gather(*(rig.host.start() for rig in rigs))
        await one.seconds(5)
        [entry] = await one.store.rooms()
        [owner] = [rig for rig in rigs if rig.owned()]
        [room] = owner.owned()
        assert (room.id, room.pinned) == (entry.room, True)
        await owner.kill()
        rigs.remove(owner)
        await one.seconds(8)
        [heir] = [rig for rig in rigs if rig.owned()]
        [again] = heir.owned()
        assert (again.id, again.pinned) == (room.id, True), "it is the same room, and stays open"
        for rig in rigs:
            await rig.stop()

    virtually(scenario())


def test_of_two_rooms_of_a_standing_kind_the_first_in_the_directory_is_kept_open() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Small()}, standing=[("yard", {})]).start()
        [room] = rig.owned()
        await rig.enter("Ada")
        await rig.seconds(0.3)
        other = await rig.enter("Bob")
        assert other is not room
        await rig.seconds(6)
        [kept] = rig.owned()
        assert kept.id == min(room.id, other.id)
        assert kept.pinned
        await rig.stop()

    virtually(scenario())
