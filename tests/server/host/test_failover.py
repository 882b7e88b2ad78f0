"""Rooms change hands: taken up, woken, followed when lost, and put aside when they kill owners."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from server.core.room import SeatRequest
from server.host.follower import RECOVERIES_MAX
from server.host.room_handle import RoomHandle
from server.host.room_work import FAILED_AGAIN
from server.store.base import RECOVERY_TICKS, Held, Loaded, Record, Status, Taken
from server.store.exchange import PROCESS_TTL_S, Ended, Gap, NewEpoch, News
from server.store.succeeding import Crashes
from shared.errors import CloseCode, RemoteError
from tests.server.core.yard import Yard, nonce
from tests.server.host.rig import MoodyStore, Rig, join, player
from tests.simulation.loop import virtually


async def overheard(rig: Rig, room: str) -> list[News | Gap]:
    """What is told of a room, kept."""
    heard: list[News | Gap] = []
    await rig.exchange.follow(room, heard.append)
    return heard


async def asleep(rig: Rig, **options: Any) -> tuple[RoomHandle, int]:
    """A room that nobody is in and that sleeps, and its last tick."""
    room, _ = await rig.room("Ada", **options)
    rig.present(room, set())
    await rig.seconds(4)
    [entry] = await rig.store.rooms()
    assert (entry.status, entry.owner, rig.host.rooms()) == (Status.ASLEEP, "", [])
    return room, entry.tick


async def status(store: MoodyStore) -> Status:
    [entry] = await store.rooms()
    return entry.status


def test_a_follower_that_hears_nothing_goes_on_with_the_next_tick() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        followed = await two.host.reach(room.id)
        assert followed is not None
        heard = await overheard(one, room.id)
        await one.seconds(1)
        await one.kill()
        last = one.store.committed(room.id)
        await one.seconds(0.3)
        assert followed.owned is not None
        assert followed.epoch > room.epoch
        [began] = [news for news in heard if isinstance(news, NewEpoch)]
        assert began == NewEpoch(followed.epoch, last, "host-2"), "told to whoever follows"
        ticks = [news.tick for news in heard if isinstance(news, Record)]
        assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
        assert ticks[-1] > last
        assert two.metrics.counters["takeovers_total"] == 1
        await two.stop()

    virtually(scenario())


def test_an_owner_that_was_taken_for_dead_follows_who_took_the_room() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, watcher = await one.room("Ada")
        [local] = one.host.rooms()
        followed = await two.host.reach(room.id)
        assert followed is not None
        one.store.answering.clear()
        await one.seconds(0.5)
        assert followed.owned is not None, "nothing was heard of the owner"
        one.store.answering.set()
        await one.seconds(1)
        assert (local.owned, local.over, watcher.end) == (None, None, None)
        assert local.epoch == followed.epoch
        assert local.match.tick == followed.owned.census.tick
        # A letter goes to the new owner, and to it alone.
        local.join(SeatRequest(nonce("Bob"), "Bob"))
        await one.seconds(0.3)
        assert player(followed.owned, "Bob").name == "Bob"
        assert [one.name for one in local.match.players] == ["Ada", "Bob"]
        await two.stop()
        await one.stop()

    virtually(scenario())


@pytest.mark.parametrize("crashes", [RECOVERIES_MAX - 1, RECOVERIES_MAX])
def test_a_room_that_kills_its_owners_is_put_aside_with_its_journal(crashes: int) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        heard = await overheard(rig, room.id)
        await rig.ticks(room, 10)
        tick = 0
        for number in range(crashes):
            await rig.kill()
            tick = rig.store.committed(room.id)
            # Each of them dies before it has committed a tick.
            await rig.seconds(4)
            rig = await rig.beside(2 + number)
        await rig.seconds(0.01)
        kept = await rig.store.load(room.id)
        if crashes < RECOVERIES_MAX:
            assert await status(rig.store) is Status.LIVE
            assert [one.id for one in rig.owned()] == [room.id]
        else:
            assert await status(rig.store) is Status.QUARANTINED
            assert rig.owned() == []
            assert kept.records[-1].tick == tick, "everything that was played is there"
            assert heard[-1] == Ended(kept.epoch, CloseCode.GAME_FAILED, FAILED_AGAIN)
            assert rig.metrics.counters["rooms_quarantined_total"] == 1
            with pytest.raises(RemoteError) as raised:
                await rig.host.reach(room.id)
            assert raised.value.code is CloseCode.GAME_FAILED
        await rig.stop()

    virtually(scenario())


def test_owners_that_get_somewhere_before_they_die_cost_a_room_nothing() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        for number in range(2 * RECOVERIES_MAX):
            await rig.ticks(rig.owned()[0], RECOVERY_TICKS + 1)
            await rig.kill()
            await rig.seconds(4)
            rig = await rig.beside(2 + number)
        assert [one.id for one in rig.owned()] == [room.id]
        assert await status(rig.store) is Status.LIVE
        await rig.stop()

    virtually(scenario())


def test_followers_of_a_room_that_kills_its_owners_close_it_to_their_players() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        followed = await two.host.reach(room.id)
        assert followed is not None
        await one.ticks(room, 3)
        crashes = Crashes(RECOVERIES_MAX - 1, one.store.committed(room.id))
        one.store._rooms[room.id].crashes = crashes
        await one.kill()
        await one.seconds(PROCESS_TTL_S + 1)
        assert followed.over == (CloseCode.GAME_FAILED, FAILED_AGAIN)
        assert await status(one.store) is Status.QUARANTINED
        assert two.host.rooms() == []
        await two.stop()

    virtually(scenario())


def test_a_room_whose_owner_was_only_silent_is_not_put_aside_for_it() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        followed = await two.host.reach(room.id)
        assert followed is not None
        followed.present(set(), 1)
        await one.ticks(room, 3)
        crashes = Crashes(RECOVERIES_MAX - 1, one.store.committed(room.id))
        one.store._rooms[room.id].crashes = crashes
        # Its ticks are not answered for a while; its process beats on.
        one.store.answering.clear()
        await one.seconds(1)
        assert one.store._rooms[room.id].owner == "host-2"
        one.store.answering.set()
        await one.seconds(PROCESS_TTL_S + 1)
        assert await status(one.store) is Status.LIVE
        [owner] = [one for one in (room, followed) if one.life.owned]
        assert owner.match.tick > 3
        assert (room.over, followed.over) == (None, None)
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_room_that_sleeps_is_woken_by_who_comes_back_and_goes_on() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, last = await asleep(rig, size=1.25)
        other = await rig.beside(2)
        assert other.host.rooms() == [], "nobody wakes it without a reason"
        woken = await other.host.place(join("Bob", room=room.id))
        assert woken.owned is not None
        assert (woken.match.tick, woken.meta, woken.match.options.size) == (last, room.meta, 1.25)
        assert woken.epoch > room.epoch
        woken.join(SeatRequest(nonce("Bob"), "Bob"))
        await rig.seconds(0.3)
        assert await status(rig.store) is Status.LIVE
        assert [player.name for player in woken.match.players] == ["Bob"]
        assert woken.match.tick > last
        assert other.store.committed(room.id) == woken.owned.census.tick
        await other.stop()
        await rig.stop()

    virtually(scenario())


class LateStore(MoodyStore):
    """Its answers are a little old when they arrive."""

    async def load(self, room: str) -> Loaded:
        loaded = await super().load(room)
        await asyncio.sleep(0.01)
        return loaded


def test_a_sleeping_room_is_woken_once_however_many_come_back_to_it() -> None:
    async def scenario() -> None:
        rig = await Rig(store=LateStore()).start()
        room, _ = await asleep(rig)
        rigs = [rig, await rig.beside(2), await rig.beside(3)]
        told: list[tuple[CloseCode, int | None]] = []

        async def back(rig: Rig) -> RoomHandle | None:
            # Who is told that it wakes elsewhere asks again after a moment, as clients do.
            for _ in range(3):
                try:
                    return await rig.host.reach(room.id)
                except RemoteError as error:
                    told.append((error.code, error.retry_after_ms))
                    await rig.seconds(0.5)
            return None

        rooms = await asyncio.gather(*(back(rig) for rig in rigs for _ in range(3)))
        assert len({one for one in rooms if one is not None}) == 3, "one of each process"
        assert sum(len(rig.owned()) for rig in rigs) == 1
        assert told == [(CloseCode.UNAVAILABLE, 500)] * 6, "all of those who were not first"
        await rig.seconds(0.51)
        assert len({one.census.tick for one in rooms if one is not None}) == 1
        for rig in rigs:
            await rig.stop()

    virtually(scenario())


def test_a_sleeping_room_that_has_killed_too_many_is_put_aside_instead_of_woken() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, last = await asleep(rig)
        kept = rig.store._rooms[room.id]
        # It slept, but its last owner died before it could say that it has none.
        kept.owner, kept.crashes = "host-9", Crashes(RECOVERIES_MAX - 1, last)
        with pytest.raises(RemoteError) as raised:
            await rig.host.reach(room.id)
        assert raised.value.code is CloseCode.GAME_FAILED
        await rig.seconds(0.1)
        assert await status(rig.store) is Status.QUARANTINED
        assert rig.host.rooms() == []
        await rig.stop()

    virtually(scenario())


def test_a_process_that_drains_wakes_nothing() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await asleep(rig)
        await rig.host.drain()
        with pytest.raises(RemoteError) as raised:
            await rig.host.reach(room.id)
        assert raised.value.code is CloseCode.UNAVAILABLE
        assert await status(rig.store) is Status.ASLEEP
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize(
    ("trouble", "code"),
    [("closed", CloseCode.ROOM_CLOSED), ("torn", CloseCode.UNAVAILABLE)],
)
def test_a_lost_room_that_cannot_be_followed_is_over_here(trouble: str, code: CloseCode) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        [local] = rig.host.rooms()
        rig.store.answering.clear()
        await rig.seconds(0.1)
        taken = await rig.store.take_over(
            room.id, "somebody else", Held(room.epoch, rig.store.committed(room.id))
        )
        assert isinstance(taken, Taken)
        kept = rig.store._rooms[room.id]
        if trouble == "torn":
            kept.checkpoints.clear()
            kept.records[1] = Record(kept.epoch, 1, b"spoiled")
        rig.store.answering.set()
        if trouble == "closed":
            # Between being fenced and asking what has become of the room.
            while room.life.owned:  # noqa: ASYNC110 - nothing announces it.
                await asyncio.sleep(0)
            await rig.store.set_status(room.id, taken.epoch, Status.CLOSED)
        await rig.seconds(0.1)
        assert local.over is not None
        assert local.over[0] is code
        assert rig.host.rooms() == []
        await rig.stop()

    virtually(scenario())


def test_a_lost_room_is_followed_once_the_store_is_back(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        [local] = rig.host.rooms()
        rig.store.answering.clear()
        await rig.seconds(0.1)
        await rig.store.acquire_for_somebody_else(room.id)
        rig.store.answering.set()
        while room.life.owned:  # noqa: ASYNC110 - nothing announces it.
            await asyncio.sleep(0)
        rig.store.away = True
        with caplog.at_level(logging.WARNING):
            await rig.seconds(1)
        assert f"room {room.id} waits for the store" in caplog.text
        assert (local.over, local.follower) == (None, None)
        last = local.match.tick
        rig.store.away = False
        await rig.seconds(1)
        assert local.over is None
        assert local.match.tick > last, "nobody else had it, so it goes on here"
        await rig.stop()

    virtually(scenario())


def test_a_room_that_somebody_else_took_first_is_let_alone() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        await rig.stop()
        heir = Rig(store=rig.store, seed=2)
        local = heir.host._handle(room.id, room.meta, Yard())
        loaded = await rig.store.load(room.id)
        await rig.store.acquire_for_somebody_else(room.id)
        assert not await heir.host.failover.take_up(local, loaded), "somebody was faster"
        assert room.id not in heir.exchange._listeners, "its letters are heard no more"
        [entry] = await rig.store.rooms()
        assert (entry.owner, local.owned, heir.host.rooms()) == ("somebody else", None, [])

    virtually(scenario())
