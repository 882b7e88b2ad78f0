"""The contract on every backend: orphans, rooms that rest, what ends in time, what is rewritten."""

from __future__ import annotations

import pytest

from server.store.base import (
    Checkpoint,
    Held,
    NoSuchRoom,
    RoomEntry,
    RoomExists,
    Status,
    Store,
    Taken,
)
from tests.server.store.backends import (
    META,
    OTHER,
    RETENTION,
    ROOM,
    WallClock,
    committed,
    entry,
    owned,
    ticks,
)

REDIS_ENDS_BY_ITS_OWN_CLOCK = ("RedisStore",)


def names(count: int) -> list[str]:
    return [f"room{number:08d}" for number in range(count)]


async def asleep(store: Store, room: str) -> int:
    epoch = await owned(store, room)
    await store.set_status(room, epoch, Status.ASLEEP)
    await store.release(room, epoch)
    return epoch


async def test_one_line_of_the_list_is_read_by_itself(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 4))
    assert await store.entry(ROOM) == RoomEntry(ROOM, META, epoch, 3, "a", Status.LIVE)
    await store.set_status(ROOM, epoch, Status.CLOSED)
    with pytest.raises(NoSuchRoom):
        await store.entry(ROOM)


async def test_orphans_are_the_live_rooms_of_owners_that_do_not_live(store: Store) -> None:
    rooms = names(8)
    for room, owner in zip(rooms, "aabbccde", strict=True):
        await owned(store, room, owner)
    epoch = (await store.acquire(rooms[7], "e")).epoch
    await store.release(rooms[7], epoch)
    epoch = (await store.acquire(rooms[6], "d")).epoch
    await store.set_status(rooms[6], epoch, Status.ASLEEP)
    epoch = (await store.acquire(rooms[5], "c")).epoch
    await store.set_status(rooms[5], epoch, Status.QUARANTINED)
    epoch = (await store.acquire(rooms[1], "a")).epoch
    await store.set_status(rooms[1], epoch, Status.CLOSED)
    await store.create("roommaking", META, "b")
    found = await store.orphans({"b"}, 100)
    assert [(each.owner, each.room) for each in found] == [
        ("", rooms[7]),
        ("a", rooms[0]),
        ("c", rooms[4]),
    ]
    assert await store.orphans(["", "a", "b", "c"], 100) == []
    taken = await store.take_over(rooms[4], "b", Held(found[2].epoch, 0))
    assert isinstance(taken, Taken)
    assert [each.room for each in await store.orphans({"b"}, 100)] == [rooms[7], rooms[0]]
    # Who made a room and died before it acquired it leaves it to the others.
    assert "roommaking" in {each.room for each in await store.orphans({"a"}, 100)}


async def test_the_rooms_of_one_owner_are_named(store: Store) -> None:
    rooms = names(5)
    for room, owner in zip(rooms, ("a", "b", "a", "ab", "a"), strict=True):
        await owned(store, room, owner)
    epoch = (await store.acquire(rooms[0], "a")).epoch
    await store.set_status(rooms[0], epoch, Status.ASLEEP)
    await store.acquire(rooms[2], "c")
    assert await store.owned("a") == [rooms[4]]
    assert await store.owned("") == []


async def test_orphans_come_in_pages_that_hold_each_of_them_once(store: Store) -> None:
    rooms = names(12)
    for number, room in enumerate(rooms):
        await owned(store, room, f"owner{number % 5}")
    seen: list[str] = []
    last: RoomEntry | None = None
    while page := await store.orphans({"owner1", "owner4"}, 3, last):
        assert len(page) <= 3
        seen += [each.room for each in page]
        last = page[-1]
    assert sorted(seen) == [room for n, room in enumerate(rooms) if n % 5 not in (1, 4)]
    assert len(seen) == len(set(seen))
    assert await store.orphans((), 0) == []


async def test_a_room_that_is_woken_is_an_orphan_again_when_its_owner_dies(store: Store) -> None:
    await asleep(store, ROOM)
    assert await store.orphans((), 9) == []
    epoch = (await store.acquire(ROOM, "b")).epoch
    await store.set_status(ROOM, epoch, Status.LIVE)
    assert [each.owner for each in await store.orphans((), 9)] == ["b"]
    assert (await store.tidy(9)).asleep == 0


async def test_a_sleeping_room_with_a_checkpoint_of_its_last_tick_keeps_that_alone(
    store: Store,
) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 31))
    for tick in (10, 20, 30):
        await store.checkpoint(ROOM, epoch, tick, b"%d" % tick)
    await store.set_status(ROOM, epoch, Status.ASLEEP)
    loaded = await store.load(ROOM)
    assert loaded.checkpoints == (Checkpoint(epoch, 30, b"30"),)
    assert loaded.records == ()
    assert (await store.entry(ROOM)).tick == 30
    taken = await store.take_over(ROOM, "b", Held(epoch, 30))
    assert isinstance(taken, Taken)
    await committed(store, taken.epoch, range(31, 33))
    assert await ticks(store) == [31, 32]


async def test_a_sleeping_room_whose_checkpoint_is_older_keeps_its_journal(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 31))
    for tick in (10, 20):
        await store.checkpoint(ROOM, epoch, tick, b"%d" % tick)
    await store.set_status(ROOM, epoch, Status.ASLEEP)
    loaded = await store.load(ROOM)
    assert [each.tick for each in loaded.checkpoints] == [20, 10]
    assert [each.tick for each in loaded.records] == list(range(11, 31))


async def test_who_sleeps_too_long_is_closed_the_longest_asleep_first(
    store: Store, clock: WallClock
) -> None:
    rooms = names(4)
    for room in (rooms[2], rooms[0], rooms[3], rooms[1]):
        await asleep(store, room)
        clock.now_ms += 10_000
    clock.now_ms += int(RETENTION.asleep_s * 1000) - 20_001
    done = await store.tidy(1)
    assert (done.closed, done.asleep) == ((rooms[2],), 3)
    done = await store.tidy(9)
    assert (done.closed, done.asleep) == ((rooms[0],), 2)
    assert (await store.tidy(9)).closed == ()
    with pytest.raises(NoSuchRoom):
        await store.load(rooms[2])
    assert [each.room for each in await store.rooms()] == [rooms[1], rooms[3]]


async def test_more_sleepers_than_may_be_are_closed_at_once(store: Store, clock: WallClock) -> None:
    rooms = names(RETENTION.sleeping_max + 3)
    for room in rooms:
        await asleep(store, room)
        clock.now_ms += 1
    done = await store.tidy(2)
    assert (done.closed, done.asleep) == (tuple(rooms[:2]), RETENTION.sleeping_max + 1)
    done = await store.tidy(2)
    assert (done.closed, done.asleep) == ((rooms[2],), RETENTION.sleeping_max)


async def test_a_room_that_was_woken_is_not_closed_for_having_slept(
    store: Store, clock: WallClock
) -> None:
    await asleep(store, ROOM)
    clock.now_ms += int(RETENTION.asleep_s * 1000) + 1
    epoch = (await store.acquire(ROOM, "b")).epoch
    await store.set_status(ROOM, epoch, Status.LIVE)
    assert (await store.tidy(9)).closed == ()
    assert (await store.load(ROOM)).status is Status.LIVE
    await store.set_status(ROOM, epoch, Status.ASLEEP)
    assert (await store.tidy(9)).closed == ()


async def test_a_quarantined_room_ends_in_its_time_and_not_before(
    store: Store, clock: WallClock
) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 4))
    await store.set_status(ROOM, epoch, Status.QUARANTINED, "step raised")
    clock.now_ms += int(RETENTION.quarantined_s * 1000) - 1
    await store.tidy(9)
    assert await ticks(store) == [1, 2, 3]
    clock.now_ms += 1
    await store.tidy(9)
    assert await store.rooms() == []


async def test_a_closed_rooms_id_and_results_are_forgotten_in_their_time(
    store: Store, clock: WallClock
) -> None:
    if type(store).__name__ in REDIS_ENDS_BY_ITS_OWN_CLOCK:
        pytest.skip("a Redis ends keys by its own clock: test_redis_retention.py")
    epoch = await owned(store)
    await store.append([entry(epoch, 1, result="won")])
    await store.set_status(ROOM, epoch, Status.CLOSED)
    clock.now_ms += int(RETENTION.closed_s * 1000) - 1
    await store.tidy(9)
    with pytest.raises(RoomExists):
        await store.create(ROOM, META)
    clock.now_ms += 1
    await store.tidy(9)
    await store.create(ROOM, META)
    assert await store.result(ROOM) == b"won"
    clock.now_ms += int((RETENTION.results_s - RETENTION.closed_s) * 1000)
    await store.tidy(9)
    assert (await store.results_of(ROOM), await store.results(9)) == ([], [])


async def test_old_results_leave_the_list(store: Store, clock: WallClock) -> None:
    if type(store).__name__ in REDIS_ENDS_BY_ITS_OWN_CLOCK:
        pytest.skip("a Redis tells when a result was kept by its own clock")
    first, second = await owned(store, ROOM), await owned(store, OTHER)
    await store.append([entry(first, 1, result="old"), entry(second, 1, OTHER, result="older")])
    clock.now_ms += int(RETENTION.results_s * 500)
    # All results of a room stay as long as the last of them.
    await store.append([entry(first, 2, result="new")])
    clock.now_ms += int(RETENTION.results_s * 500)
    await store.tidy(9)
    assert await store.results(9) == [(ROOM, b"new")]
    assert [each.result for each in await store.results_of(ROOM)] == [b"old", b"new"]


async def test_an_owner_writes_a_room_again_that_the_store_has_lost(
    store: Store, clock: WallClock
) -> None:
    clock.now_ms = 5_000
    lost = Checkpoint(4_000, 41, b"rows")
    epoch = await store.recreate(ROOM, META, "a", lost)
    assert epoch >= clock.now_ms
    assert await store.entry(ROOM) == RoomEntry(ROOM, META, epoch, 41, "a", Status.LIVE)
    await committed(store, epoch, range(42, 45))
    loaded = await store.load(ROOM)
    assert (loaded.checkpoints, loaded.epoch) == ((lost,), epoch)
    assert [each.tick for each in loaded.records] == [42, 43, 44]
    assert [each.room for each in await store.orphans((), 9)] == [ROOM]
    taken = await store.take_over(ROOM, "b", Held(epoch, 44))
    assert isinstance(taken, Taken)
    # An epoch ahead of the clock stays behind the new one.
    far = Checkpoint(9_000, 3, b"")
    assert await store.recreate(OTHER, META, "a", far) == 9_001


@pytest.mark.parametrize("ended", [False, True])
async def test_a_room_that_the_store_knows_is_not_written_again(store: Store, ended: bool) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 3))
    if ended:
        await store.set_status(ROOM, epoch, Status.CLOSED)
    with pytest.raises(RoomExists):
        await store.recreate(ROOM, META, "b", Checkpoint(epoch, 1, b"rows"))
    if not ended:
        assert await ticks(store) == [1, 2]
