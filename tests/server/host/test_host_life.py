"""Rooms outlive their process: taken up where the journals end, and let go when told to."""

from __future__ import annotations

import asyncio
import logging

import pytest

from server.core.presence import PRESENCE_S
from server.store.base import Status as StoredStatus
from server.store.base import StoreCorrupt, StoreUnavailable
from shared.errors import CloseCode, RemoteError
from tests.server.core.yard import Cave, Yard
from tests.server.host.rig import MoodyStore, Rig, Watcher, join, owned, player, post
from tests.shared.reference import whole
from tests.simulation.loop import virtually


def test_a_new_process_goes_on_where_the_journals_end() -> None:
    async def scenario() -> None:
        store = MoodyStore()
        rig = await Rig(store=store).start()
        room, _ = await rig.room("Ada", bots=2, size=1.25)
        for seq in range(1, 30):
            post(room, "Ada", seq, 1, "hi")
            await rig.ticks(room, 1)
        await rig.stop()
        last, before = room.match.tick, whole(room.match)
        heir = await Rig(store=store, exchange=rig.exchange, seed=2).start()
        [again] = map(owned, heir.host.rooms())
        assert (again.id, again.meta, again.match.tick) == (room.id, room.meta, last)
        assert whole(again.match) == before
        assert again.epoch > room.epoch
        assert (again.free_seats, again.settled, again.match.options.size) == (3, True, 1.25)
        watcher = Watcher(again, store)
        await heir.ticks(again, 3)
        assert watcher.ticks[:3] == [last + 1, last + 2, last + 3]
        assert (player(again, "Ada").connected, again.census.bots) == (True, 2)
        # Whoever was here before is given three seconds to be heard of.
        await heir.seconds(PRESENCE_S - 0.3)
        assert player(again, "Ada").connected
        await heir.seconds(0.4)
        assert player(again, "Ada").connected is False
        await heir.seconds(Yard.grace_s)
        assert [row.name for row in again.match.players if not row.bot] == []
        await heir.stop()

    virtually(scenario())


def test_only_live_rooms_of_games_served_here_are_taken_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        store = MoodyStore()
        rig = await Rig({"yard": Yard(), "cave": Cave()}, store=store).start()
        live, _ = await rig.room("Ada")
        foreign, _ = await rig.room("Bob", game="cave")
        asleep, _ = await rig.room("Cid", private=True)
        damaged, _ = await rig.room("Dan", private=True)
        strange, _ = await rig.room("Eve", private=True)
        await rig.stop()
        await store.set_status(asleep.id, asleep.epoch, StoredStatus.ASLEEP)
        kept = store._rooms[damaged.id]
        kept.records[1] = type(kept.records[1])(1, 1, b"spoiled")
        kept.checkpoints.clear()
        store._rooms[strange.id].meta = b"\xc1"
        with caplog.at_level(logging.WARNING):
            heir = await Rig(store=store, seed=2).start()
        assert [room.id for room in heir.host.rooms()] == [live.id]
        assert f"room {foreign.id} is left alone: its game cave is not served" in caplog.text
        statuses = {entry.room: entry.status for entry in await store.rooms()}
        assert statuses == {
            live.id: StoredStatus.LIVE,
            foreign.id: StoredStatus.LIVE,
            asleep.id: StoredStatus.ASLEEP,
            damaged.id: StoredStatus.QUARANTINED,
            strange.id: StoredStatus.QUARANTINED,
        }
        assert kept.records, "the journal is kept"
        await heir.stop()

    virtually(scenario())


@pytest.mark.parametrize("meta", [b"", b"\xc1", b"\x91\x01"])
def test_whoever_comes_back_to_a_room_that_cannot_be_read_is_told_so(
    meta: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        other = await rig.beside(2)
        rig.store._rooms[room.id].meta = meta
        with caplog.at_level(logging.WARNING), pytest.raises(RemoteError) as raised:
            await other.host.reach(room.id)
        assert (raised.value.code, raised.value.retry_after_ms) == (CloseCode.UNAVAILABLE, 1000)
        assert f"room {room.id} cannot be followed: not a room's description" in caplog.text
        assert other.host.rooms() == []
        await rig.seconds(0.5)
        assert (watcher.end, watcher.ticks[-1]) == (None, room.match.tick), "its owner has it"
        await other.stop()
        await rig.stop()

    virtually(scenario())


def test_a_store_that_is_away_at_the_start_quarantines_nothing() -> None:
    async def scenario() -> None:
        store = MoodyStore()
        rig = await Rig(store=store).start()
        await rig.room("Ada")
        await rig.stop()
        store.away = True
        heir = Rig(store=store, seed=2)
        with pytest.raises(StoreUnavailable):
            await heir.start()
        store.away = False
        [entry] = await store.rooms()
        assert entry.status is StoredStatus.LIVE
        await heir.start()
        assert len(heir.host.rooms()) == 1
        await heir.stop()

    virtually(scenario())


def test_a_quarantine_the_store_cannot_note_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        store = MoodyStore()
        await store.open()
        await store.create("abcdefgh", b"\xc1")
        store.broken = StoreCorrupt("torn for good")
        with caplog.at_level(logging.ERROR):
            rig = await Rig(store=store).start()
        assert "abcdefgh: torn for good" in caplog.text
        assert rig.host.rooms() == []

    virtually(scenario())


def test_to_drain_is_to_finish_the_tick_and_let_the_rooms_go() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, watcher = await rig.room("Ada")
        await rig.seconds(8)
        rig.store.answering.clear()
        await rig.seconds(0.2)
        draining = asyncio.get_running_loop().create_task(rig.host.drain())
        await rig.seconds(0.5)
        assert not draining.done(), "a tick waits for its answer"
        with pytest.raises(RemoteError) as raised:
            await rig.host.place(join("Bob", bots=1))
        assert raised.value.code is CloseCode.UNAVAILABLE
        rig.store.answering.set()
        await draining
        assert watcher.ticks[-1] == room.match.tick == rig.store.committed(room.id)
        kept = rig.store._rooms[room.id]
        assert (kept.owner, kept.status) == ("", StoredStatus.LIVE)
        assert kept.checkpoints[0].tick == room.match.tick
        assert watcher.end is None, "the match is not over"
        last = room.match.tick
        await rig.seconds(1)
        assert room.match.tick == last

    virtually(scenario())


def test_to_drain_without_a_store_waits_for_nothing() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        rig.store.away = True
        await rig.seconds(1)
        await rig.store.acquire_for_somebody_else(room.id)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await rig.host.drain()
        assert loop.time() - began == 0, "and it does not wait"
        await rig.host.stop()
        assert len(asyncio.all_tasks()) == 1, "nothing of the host runs on"

    virtually(scenario())


def test_a_drain_that_is_given_up_leaves_nothing_running() -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        await rig.room("Ada")
        rig.store.answering.clear()
        await rig.seconds(0.2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await rig.host.drain()
        await rig.host.stop()
        assert len(asyncio.all_tasks()) == 1

    virtually(scenario())
