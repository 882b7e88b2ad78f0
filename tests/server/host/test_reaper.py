"""What no follower notices is found by looking: dead owners, old sleepers, stale listings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import pytest

from server.host.host import UNUSED_KEEP_S
from server.host.reaper import REAP_S, TIDY_MAX, WHOLE_ROUNDS
from server.host.room_handle import RoomHandle
from server.store.base import RETENTION, Loaded, RoomEntry, Status, StoreUnavailable
from server.store.exchange import PROCESS_TTL_S
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


class Ageing(MoodyStore):
    """A store whose wall clock goes with the time of the test."""

    clock: Callable[[], float] = staticmethod(lambda: 1_000.0)

    def __init__(self) -> None:
        super().__init__()
        self._wall_ms = lambda: int(self.clock() * 1000)


async def made(store: MoodyStore, room: str) -> int:
    """A room of another process, as it was made and left."""
    await store.create(room, b"")
    epoch = (await store.acquire(room, "another")).epoch
    await store.release(room, epoch)
    return epoch


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
        await one.seconds(1 + 2 * REAP_S)
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
        await two.seconds(2 * REAP_S)
        [again] = two.owned()
        assert again.id == room.id
        epoch = again.epoch
        two.present(again, {player.id for player in again.match.players})
        await two.seconds(WHOLE_ROUNDS * REAP_S * 2)
        assert [(one.id, one.epoch) for one in two.owned()] == [(room.id, epoch)], "and once"
        await two.stop()

    virtually(scenario())


def test_a_room_of_a_living_process_is_let_alone() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        one.present(room, {player.id for player in room.match.players})
        await one.seconds(2 * WHOLE_ROUNDS * REAP_S)
        assert ([room], []) == (one.owned(), two.owned())
        assert room.epoch == 1_000_000, "nobody else has ever had it"
        await two.stop()
        await one.stop()

    virtually(scenario())


def test_a_room_that_no_directory_knows_is_found_by_its_owner() -> None:
    async def scenario() -> None:
        one = await Rig().start()
        two = await one.beside(2)
        room, _ = await one.room("Ada")
        await one.kill()
        await one.exchange.delist(room.id)
        await one.seconds(PROCESS_TTL_S + 2 * REAP_S)
        assert [again.id for again in two.owned()] == [room.id]
        await two.stop()

    virtually(scenario())


def test_rooms_that_rest_or_run_are_not_looked_at_however_many_there_are() -> None:
    class Counting(MoodyStore):
        """Counts what a round reads: the rooms it is told of, and the rooms it loads."""

        read = 0

        async def rooms(self) -> list[RoomEntry]:
            raise AssertionError("a round asks for all rooms")

        async def orphans(
            self, living: Collection[str], limit: int, after: RoomEntry | None = None
        ) -> list[RoomEntry]:
            found = await super().orphans(living, limit, after)
            self.read += len(found)
            return found

        async def load(self, room: str) -> Loaded:
            self.read += 1
            return await super().load(room)

    async def scenario() -> None:
        rig = await Rig(store=(store := Counting())).start()
        for n in range(200):
            epoch = await made(store, f"sleeper{n:08}")
            await store.set_status(f"sleeper{n:08}", epoch, Status.ASLEEP)
            epoch = await made(store, f"closed{n:08}")
            await store.set_status(f"closed{n:08}", epoch, Status.CLOSED)
        room, _ = await rig.room("Ada")
        rig.present(room, {player.id for player in room.match.players})
        store.read = 0
        await rig.seconds((WHOLE_ROUNDS - 2) * REAP_S)
        assert (store.read, rig.host.reaper.asleep) == (0, 200)
        assert list(await rig.host.listed()) == [room.id]
        await rig.stop()

    virtually(scenario())


def test_a_room_that_is_left_alone_is_offered_again_only_now_and_then() -> None:
    async def scenario() -> None:
        store = MoodyStore()
        rig = await Rig(store=store).start()
        await store.create("strangeroom", b"\x00")
        offered: list[str] = []
        take_up = rig.host.recovery.take_up

        async def noted(entries: Sequence[RoomEntry]) -> None:
            offered.extend(entry.room for entry in entries)

        assert take_up is not None
        rig.host.reaper._take_up = noted
        await rig.seconds((WHOLE_ROUNDS - 5) * REAP_S)
        assert offered == ["strangeroom"]
        await rig.seconds(2 * WHOLE_ROUNDS * REAP_S)
        assert 3 <= offered.count("strangeroom") <= 4
        await rig.stop()

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
        await one.seconds(PROCESS_TTL_S + 2 * REAP_S)
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


def test_a_sleeper_is_kept_for_whoever_has_its_link_and_closed_in_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        store = Ageing()
        rig = await Rig(store=store).start()
        store.clock = rig.clock.wall_s
        room = await asleep(rig)
        await rig.seconds(RETENTION.asleep_s - 60)
        assert await status(store) is Status.ASLEEP
        with caplog.at_level(logging.INFO):
            await rig.seconds(60 + 2 * REAP_S)
        assert f"room {room.id} slept for too long" in caplog.text
        assert await store.rooms() == []
        assert await rig.host.reach(room.id) is None
        await rig.stop()

    virtually(scenario())


@pytest.mark.parametrize("seconds", [0.5, 3, 8])
def test_a_room_sleeps_as_the_checkpoint_of_its_last_tick_alone(seconds: float) -> None:
    async def scenario() -> None:
        rig = await Rig().start()
        room, _ = await rig.room("Ada")
        rig.present(room, {player.id for player in room.match.players})
        await rig.seconds(seconds)
        rig.present(room, set())
        await rig.seconds(5)
        loaded = await rig.store.load(room.id)
        assert loaded.status is Status.ASLEEP
        assert [one.tick for one in loaded.checkpoints] == [room.match.tick]
        assert loaded.records == ()
        again = await rig.host.place(join("Bob", room=room.id))
        assert again.match.tick >= room.match.tick
        await rig.stop()

    virtually(scenario())


def test_a_sleeper_that_was_woken_is_not_closed() -> None:
    async def scenario() -> None:
        store = Ageing()
        rig = await Rig(store=store).start()
        store.clock = rig.clock.wall_s
        room = await asleep(rig)
        await rig.seconds(RETENTION.asleep_s - 60)
        woken = await rig.host.place(join("Bob", room=room.id))
        assert woken.owned is not None
        rig.present(woken.owned, set(), 1)
        await rig.seconds(70)
        assert (woken.life.owned, woken.over) == (True, None)
        assert await status(store) is Status.LIVE
        await rig.stop()

    virtually(scenario())


def test_a_sleeper_of_a_server_that_was_restarted_is_closed_in_its_time() -> None:
    async def scenario() -> None:
        store = Ageing()
        rig = await Rig(store=store).start()
        store.clock = rig.clock.wall_s
        await asleep(rig)
        await rig.seconds(RETENTION.asleep_s / 2)
        await rig.stop()
        heir = await Rig(store=store, seed=2).start()
        await heir.seconds(RETENTION.asleep_s / 2 - 60)
        assert await status(store) is Status.ASLEEP
        await heir.seconds(60 + 2 * REAP_S)
        assert await store.rooms() == []
        await heir.stop()

    virtually(scenario())


def test_many_sleepers_whose_time_is_over_are_closed_a_few_in_a_round() -> None:
    async def scenario() -> None:
        store = Ageing()
        rig = await Rig(store=store).start()
        store.clock = rig.clock.wall_s
        for n in range(3 * TIDY_MAX):
            epoch = await made(store, f"sleeper{n:08}")
            await store.set_status(f"sleeper{n:08}", epoch, Status.ASLEEP)
        await rig.seconds(RETENTION.asleep_s + 1)
        left = len(await store.rooms())
        assert left % TIDY_MAX == 0
        assert left >= TIDY_MAX
        await rig.seconds(4 * REAP_S)
        assert await store.rooms() == []
        await rig.stop()

    virtually(scenario())


def test_a_round_that_is_broken_off_is_followed_by_the_next(
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
            await one.seconds(PROCESS_TTL_S + 2 * REAP_S)
        assert "round was broken off: away for a while" in caplog.text
        assert two.owned() == []
        one.store.broken = None
        await one.seconds(2 * REAP_S)
        assert [again.id for again in two.owned()] == [room.id]
        await two.stop()

    virtually(scenario())


def test_a_room_that_is_closed_while_it_is_taken_up_spoils_no_round() -> None:
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
        await one.seconds(1 + 2 * REAP_S)
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
