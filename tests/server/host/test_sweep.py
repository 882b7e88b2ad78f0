"""What no follower notices is found by looking: dead owners, forgotten sleepers, stale lines."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from server.host.directory import ASLEEP, read_listing
from server.host.host import UNUSED_KEEP_S
from server.host.room_handle import RoomHandle
from server.host.sweep import ASLEEP_KEEP_S, LIST_SWEEPS, SWEEP_S
from server.store.base import Status, StoreUnavailable
from server.store.exchange import PROCESS_TTL_S, Listing
from shared.errors import CloseCode, RemoteError
from tests.server.core.yard import Cave, Yard
from tests.server.host.rig import MoodyStore, Rig, join
from tests.simulation.loop import virtually


async def asleep(rig: Rig) -> RoomHandle:
    """A room that nobody is in and that sleeps."""
    room, _ = await rig.room("Ada")
    rig.present(room, set())
    await rig.seconds(4)
    assert await status(rig.store) is Status.ASLEEP
    return room


async def status(store: MoodyStore) -> Status:
    [entry] = await store.rooms()
    return entry.status


def test_a_room_whose_owner_died_unheard_goes_on_within_seconds() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        await one.seconds(1)
        assert two.host.rooms() == [], "nobody follows it"
        await one.kill()
        last = one.store.committed(room.id)
        await one.seconds(PROCESS_TTL_S - 1)
        assert two.owned() == [], "its owner is not known to be dead"
        await one.seconds(1 + 2 * SWEEP_S)
        [again] = two.owned()
        assert (again.id, again.epoch > room.epoch) == (room.id, True)
        assert again.match.tick > last
        await two.stop()

    virtually(scenario())


def test_a_room_taken_by_a_call_whose_answer_was_lost_goes_on() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        await one.seconds(1)
        await one.kill()
        # As the store does it for a call that is never answered.
        await two.store.acquire(room.id, two.host.name)
        await two.seconds(PROCESS_TTL_S + 3 * SWEEP_S)
        [again] = two.owned()
        assert again.id == room.id
        epoch = again.epoch
        two.present(again, {player.id for player in again.match.players})
        await two.seconds(LIST_SWEEPS * SWEEP_S * 2)
        assert [(one.id, one.epoch) for one in two.owned()] == [(room.id, epoch)], "and once"
        await two.stop()

    virtually(scenario())


def test_a_room_of_a_living_process_is_let_alone() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        one.present(room, {player.id for player in room.match.players})
        await one.seconds(2 * LIST_SWEEPS * SWEEP_S)
        assert ([room], []) == (one.owned(), two.owned())
        assert room.epoch == 1_000_000, "nobody else has ever had it"
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_room_that_no_directory_knows_is_found_by_reading_the_whole_list_now_and_then() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        await one.kill()
        await one.exchange.delist(room.id)
        await one.seconds(10)
        assert two.owned() == []
        async with asyncio.timeout(LIST_SWEEPS * SWEEP_S * 1.2):
            while not two.owned():
                await one.seconds(0.1)
        assert [again.id for again in two.owned()] == [room.id]
        await two.stop()

    virtually(scenario())


@pytest.mark.parametrize("end", [Status.CLOSED, Status.QUARANTINED])
def test_a_room_whose_owner_died_after_ending_it_leaves_the_directory(end: Status) -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        await one.seconds(1)
        await one.kill()
        await one.store.set_status(room.id, room.epoch, end)
        [listing] = await one.exchange.listings()
        assert listing.room == room.id
        await one.seconds(PROCESS_TTL_S + 2 * SWEEP_S)
        assert await one.exchange.listings() == []
        assert two.host.rooms() == []
        await two.stop()

    virtually(scenario())


def test_players_are_not_sent_to_a_room_that_was_put_aside() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        await one.seconds(1)
        await one.kill()
        await one.store.set_status(room.id, room.epoch, Status.QUARANTINED)
        other = await two.host.place(join("Bob"))
        assert other.id != room.id
        assert [listing.room for listing in await one.exchange.listings()] == [other.id]
        with pytest.raises(RemoteError) as raised:
            await two.host.place(join("Cid", room=room.id))
        assert raised.value.code is CloseCode.GAME_FAILED, "who asks for it is told why"
        await two.stop()

    virtually(scenario())


def test_a_sleeper_is_kept_for_whoever_has_its_link_and_closed_in_the_end() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room = await asleep(rig)
        await rig.seconds(ASLEEP_KEEP_S - 60)
        assert await status(rig.store) is Status.ASLEEP
        await rig.seconds(60 + 2 * SWEEP_S)
        assert await rig.store.rooms() == []
        assert await rig.exchange.listings() == []
        assert await rig.host.reach(room.id) is None
        await rig.stop()

    virtually(scenario())


def test_a_sleeper_that_was_woken_is_not_closed_by_who_read_an_old_line() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room = await asleep(rig)
        [line] = await rig.exchange.listings()
        await rig.seconds(ASLEEP_KEEP_S - 60)
        woken = await rig.host.place(join("Bob", room=room.id))
        assert woken.owned is not None
        rig.present(woken.owned, set(), 1)
        await rig.seconds(70)
        epoch = woken.epoch
        await rig.exchange.announce([line])
        await rig.host.sweep.once(whole=False)
        await rig.seconds(1)
        assert (woken.life.owned, woken.epoch, woken.over) == (True, epoch, None)
        assert await status(rig.store) is Status.LIVE
        await rig.stop()

    virtually(scenario())


def test_a_sleeper_that_the_directory_forgot_is_listed_anew_and_closed_in_its_time() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room = await asleep(rig)
        await rig.stop()
        # As after a restart over a file: the directory was in the memory of the process.
        heir = await Rig(store=rig.store, seed=2).start()
        [listing] = await heir.exchange.listings()
        about = read_listing(listing)
        assert about is not None
        assert (listing.room, listing.key, listing.owner) == (room.id, "", "")
        assert (about.status, about.meta, about.census.tick) == (ASLEEP, room.meta, room.match.tick)
        assert heir.host.rooms() == []
        await heir.seconds(ASLEEP_KEEP_S - 60)
        assert await status(rig.store) is Status.ASLEEP
        await heir.seconds(60 + 2 * SWEEP_S)
        assert await rig.store.rooms() == []
        await heir.stop()

    virtually(scenario())


def test_a_sleeper_that_cannot_be_closed_now_is_closed_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        await asleep(rig)
        await rig.seconds(ASLEEP_KEEP_S - 60)
        rig.store.away = True
        with caplog.at_level(logging.WARNING):
            await rig.seconds(70)
        assert "gone fishing" in caplog.text
        assert len(await rig.exchange.listings()) == 1, "or it would never be closed"
        rig.store.away = False
        await rig.seconds(2 * SWEEP_S)
        assert await rig.store.rooms() == []
        assert await rig.exchange.listings() == []
        await rig.stop()

    virtually(scenario())


def test_lines_that_no_holdfast_wrote_are_passed_over() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        await asleep(rig)
        odd = [Listing(f"odd{n:08}", "", 0, "", about) for n, about in enumerate((b"", b"\x90"))]
        await rig.exchange.announce(odd)
        await rig.seconds(ASLEEP_KEEP_S + 2 * SWEEP_S)
        assert await rig.exchange.listings() == odd
        assert await rig.store.rooms() == [], "and keep nobody from the others"
        await rig.stop()

    virtually(scenario())


def test_a_sweep_that_is_broken_off_is_followed_by_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        await one.seconds(1)
        await one.kill()
        one.store.broken = StoreUnavailable("away for a while")
        with caplog.at_level(logging.WARNING):
            await one.seconds(PROCESS_TTL_S + 2 * SWEEP_S)
        assert "the sweep was broken off: away for a while" in caplog.text
        assert two.owned() == []
        one.store.broken = None
        await one.seconds(2 * SWEEP_S)
        assert [again.id for again in two.owned()] == [room.id]
        await two.stop()

    virtually(scenario())


def test_a_room_that_is_closed_while_it_is_taken_up_spoils_no_sweep() -> None:
    async def scenario() -> None:
        one = await Rig({"yard": Yard(), "cave": Cave()}).start()
        gone, _ = await one.room("Ada", game="cave")
        room, _ = await one.room("Bob")
        entries = {entry.room: entry for entry in await one.store.rooms()}
        await one.kill()
        await one.store.set_status(gone.id, gone.epoch, Status.CLOSED)
        two = Rig(dict(one.host.games), store=one.store, exchange=one.exchange, seed=2)
        for name in (gone.id, room.id):
            await two.host.recovery.take(replace(entries[name], owner=""))
        assert [again.id for again in two.owned()] == [room.id]
        await two.stop()

    virtually(scenario())


def test_a_copy_that_nobody_looks_at_is_dropped_after_a_while() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        one.present(room, {player.id for player in room.match.players})
        followed = await two.host.reach(room.id)
        assert followed is not None
        mirror = followed.follower
        assert mirror is not None
        await one.seconds(UNUSED_KEEP_S - 1)
        assert two.host.rooms() == [followed]
        await one.seconds(1 + 2 * SWEEP_S)
        assert two.host.rooms() == []
        tick = mirror.match.tick
        await one.seconds(1)
        assert (mirror.match.tick, mirror._watching) == (tick, None), "it hears and does nothing"
        again = await two.host.reach(room.id)
        assert again is not None
        assert again is not followed
        await asyncio.sleep(0.1)
        assert again.match.tick > tick
        await two.stop()
        await one.stop()

    virtually(scenario())
