"""Players find a room wherever it is run, and processes agree on which rooms there are."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from server.core.lifecycle import State
from server.core.lobby import read_wish
from server.core.room import SeatRequest
from server.core.seating import ROOMS_TRIED_MAX, JoinRefusal, RefusalCode, SeatSearch
from server.host.directory import kind_key
from server.host.room_handle import RoomHandle
from server.store.exchange import NoSeat
from shared.errors import CloseCode, RemoteError
from shared.messages import Role
from tests.server.core.yard import Yard, nonce
from tests.server.host.rig import Rig, join, player, post
from tests.simulation.loop import virtually


class Small(Yard):
    seats = 1


class Pair(Yard):
    seats = 2


class Four(Yard):
    seats = 4
    # Nobody says that these players are connected.
    grace_s = 30


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
        gone = [replace(listing, room=f"gone{n:08}", free=1) for n in range(ROOMS_TRIED_MAX - 1)]
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
            [replace(listing, room=f"gone{n:08}", free=1) for n in range(2 * ROOMS_TRIED_MAX)]
        )
        room = await enter(rig, "Bob")
        assert room.id != listing.room
        assert room.owned is not None
        assert len(await rig.exchange.listings()) == 2 + ROOMS_TRIED_MAX, "so many were tried"
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


def test_a_standing_room_that_is_taken_up_at_the_start_is_the_only_one() -> None:
    async def scenario() -> None:
        first = Rig(standing=[("yard", {})])
        # Killed before its room had a tick; a directory in the process dies with it.
        await first.start()
        [room] = first.host.rooms()
        await first.kill()
        again = Rig(store=first.store, seed=2, standing=[("yard", {})])
        await again.start()
        assert [one.id for one in again.host.rooms()] == [room.id]
        await again.seconds(2)
        assert [one.id for one in again.host.rooms()] == [room.id]
        await again.stop()

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


@pytest.mark.parametrize("apart_s", [0.0, 0.02, 0.1])
@pytest.mark.parametrize(("game", "players"), [(Pair(), 2), (Four(), 4), (Four(), 8)])
@pytest.mark.parametrize("processes", [1, 3])
def test_players_who_press_play_together_land_together(
    game: Yard, players: int, apart_s: float, processes: int
) -> None:
    """Rooms stand open and are empty; each process is asked in turn."""

    async def scenario() -> None:
        one = await Rig({"yard": game}, standing=[("yard", {})]).start()
        rigs = [one, *[await one.beside(seed) for seed in range(2, processes + 1)]]
        await one.enter("before")
        await one.seconds(0.5)
        [room] = one.owned()
        room.leave(room.match.players[0].id)
        await one.seconds(0.5)

        async def come(n: int) -> str:
            await one.seconds(apart_s * n)
            return (await enter(rigs[n % processes], f"player {n}")).id

        rooms = await asyncio.gather(*(come(n) for n in range(players)))
        shape = sorted(Counter(rooms).values())
        assert shape == [game.seats] * (players // game.seats)
        for rig in reversed(rigs):
            await rig.stop()

    virtually(scenario())


def test_joins_wait_for_their_own_room_only() -> None:
    async def scenario() -> None:
        games = {"slow": Yard(), "yard": Four()}
        one = await Rig(games).start()
        # Another process was told to make a room of the slow game, and has died of it.
        wish = read_wish("slow", games["slow"], {})
        assert await one.exchange.find_seat(kind_key(wish), b"x" * 16, "dead") is NoSeat.MAKE
        began = one.clock.now()
        at: dict[str, float] = {}

        async def come(name: str, game: str) -> None:
            await one.host.place(join(name, game))
            at[name] = one.clock.now() - began

        await asyncio.gather(come("Ada", "slow"), come("Bob", "yard"), come("Cid", "yard"))
        assert at["Ada"] >= 2.5, "the control: somebody does wait"
        assert at["Bob"] < 0.1
        assert at["Cid"] < 0.1
        await one.stop()

    virtually(scenario())


@pytest.mark.parametrize("options", [{}, {"private": True}])
def test_one_nonce_has_one_seat_through_any_process(options: dict[str, Any]) -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two, three = await one.beside(2), await one.beside(3)
        rigs = (one, two, one, three)
        rooms = await asyncio.gather(*(rig.host.place(join("Ada", **options)) for rig in rigs))
        assert len({room.id for room in rooms}) == 1, "at once, one still making it"
        for room in rooms:
            room.join(SeatRequest(nonce("Ada"), "Ada"))
        await one.seconds(0.5)
        again = [await rig.host.place(join("Ada", **options)) for rig in rigs]
        assert {room.id for room in again} == {rooms[0].id}
        assert [player.name for player in rooms[0].match.players] == ["Ada"]
        assert len(await one.store.rooms()) == 1
        for rig in (three, two, one):
            await rig.stop()

    virtually(scenario())


def test_a_join_repeated_after_a_restart_finds_its_seat_without_a_directory() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        room, _ = await one.room("Ada", private=True)
        await one.kill()
        # The directory was in the memory of the process that died.
        two = await Rig(store=one.store, seed=2).start()
        assert (await two.host.place(join("Ada", private=True))).id == room.id
        assert (await two.host.place(join("Bob", private=True))).id != room.id
        await two.stop()

    virtually(scenario())


def test_a_repeated_join_costs_no_look_at_every_room_and_player(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[str] = []

    class Watched(Yard):
        seats = 50

    async def scenario() -> None:
        rig = await Rig({"yard": Watched()}, rooms_max=100).start()
        for n in range(20):
            await rig.enter(f"host {n}", private=True)
        await rig.seconds(0.2)
        kept = RoomHandle.holds

        def holds(room: RoomHandle, wanted: bytes) -> bool:
            looked.append(room.id)
            return kept(room, wanted)

        monkeypatch.setattr(RoomHandle, "holds", holds)
        await rig.host.place(join("host 7", private=True))
        assert len(looked) == 1
        looked.clear()
        await rig.host.place(join("new", private=True))
        assert not looked
        await rig.stop()

    virtually(scenario())


def test_a_locked_room_is_not_offered_and_says_so_to_who_asks_for_it() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        follows = await two.host.reach(room.id)
        post(room, "Ada", 1, None, "lock")
        await one.seconds(0.5)
        [listing] = await one.exchange.listings()
        assert listing.free == 0
        for rig in (one, two):
            with pytest.raises(RemoteError) as raised:
                await rig.host.place(join("Bob", room=room.id))
            assert raised.value.code is CloseCode.REFUSED
            assert raised.value.reason == "the room takes no new players"
            assert (await rig.host.place(join("Ada", room=room.id))).id == room.id, "has a seat"
        assert (await two.host.place(join("Bob"))).id != room.id
        assert follows is not None
        post(room, "Ada", 2, None, "unlock")
        await one.seconds(0.5)
        assert (await two.host.place(join("Cid", room=room.id))).id == room.id
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_rooms_that_refused_are_left_out_and_then_one_is_made() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Small()}).start()
        first = await rig.host.place(join("Ada"))
        search = SeatSearch(join("Bob"))
        no = JoinRefusal(RefusalCode.GAME, "not now")
        assert search.goes_on(first.id, no)
        made = await rig.host.place(search.join, search)
        assert (made.id != first.id, search.made) == (True, made.id)
        assert not search.goes_on(made.id, no), "a room made for it refuses too"
        await rig.stop()

    virtually(scenario())


async def asleep(rig: Rig, name: str) -> RoomHandle:
    """A private room that fell asleep."""
    room, _ = await rig.room(name, private=True)
    room.leave(player(room, name).id)
    await rig.seconds(3)
    assert room.life.state is State.ASLEEP
    return room


def test_waking_counts_against_the_most_rooms_of_a_process() -> None:
    async def scenario() -> None:
        rig = await Rig(rooms_max=3).start()
        sleepers = [await asleep(rig, f"sleeper {n}") for n in range(5)]
        woken = await asyncio.gather(
            *(rig.host.place(join("Ada", room=room.id)) for room in sleepers),
            return_exceptions=True,
        )
        refused = [one for one in woken if isinstance(one, RemoteError)]
        assert (len(rig.owned()), len(refused)) == (3, 2)
        for error in refused:
            assert error.code is CloseCode.UNAVAILABLE
            assert error.retry_after_ms == 5000
            assert "as many rooms as it may" in error.reason
        with pytest.raises(RemoteError, match="no room for another room"):
            await rig.host.place(join("Bob", private=True))
        await rig.stop()

    virtually(scenario())


def test_spectators_keep_no_seat_from_the_players_who_come() -> None:
    async def scenario() -> None:
        rig = await Rig({"yard": Pair()}, standing=[("yard", {})]).start()
        [room] = rig.owned()
        await rig.seconds(0.3)
        watching = [join(f"watcher {n}", role=Role.SPECTATOR) for n in range(3)]
        assert {(await rig.host.place(one)).id for one in watching} == {room.id}
        assert (await rig.enter("Ada")).id == (await rig.enter("Bob")).id == room.id
        await rig.stop()

    virtually(scenario())
