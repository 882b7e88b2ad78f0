"""Taking over on every backend: only what is held in full, and never quietly (base.py)."""

from __future__ import annotations

import pytest

from server.store.base import (
    RECOVERY_TICKS,
    Append,
    Fenced,
    Held,
    NoSuchRoom,
    Record,
    Status,
    Store,
    Tail,
    Taken,
)
from tests.server.store.backends import ROOM, committed, entry, kinds, owned, ticks


def record(epoch: int, tick: int) -> Record:
    made = entry(epoch, tick)
    return Record(epoch, tick, made.record)


async def test_who_holds_all_there_is_takes_over_and_the_old_owner_is_fenced(store: Store) -> None:
    old = await owned(store, owner="old")
    await committed(store, old, range(1, 6))
    taken = await store.take_over(ROOM, "new", Held(old, 5))
    assert isinstance(taken, Taken)
    assert taken.epoch > old
    assert kinds(await store.append([entry(old, 6)])) == [Fenced]
    await committed(store, taken.epoch, range(6, 9))
    assert await ticks(store) == list(range(1, 9))
    assert (await store.tail(ROOM, 8)).owner == "new"


async def test_who_missed_something_gets_it_and_not_the_room(store: Store) -> None:
    old = await owned(store, owner="old")
    await committed(store, old, range(1, 8))
    missed = tuple(record(old, tick) for tick in (6, 7))
    tail = Tail(old, 7, "old", Status.LIVE, missed)
    assert await store.take_over(ROOM, "new", Held(old, 5)) == tail
    assert await store.tail(ROOM, 5) == tail
    await committed(store, old, range(8, 9))
    assert (await store.tail(ROOM, 8)).records == ()


async def test_an_epoch_without_ticks_is_something_missed(store: Store) -> None:
    old = await owned(store, owner="old")
    await committed(store, old, range(1, 4))
    heir = (await store.acquire(ROOM, "heir")).epoch
    tail = await store.take_over(ROOM, "late", Held(old, 3))
    assert tail == Tail(heir, 3, "heir", Status.LIVE, ())
    await committed(store, heir, range(4, 5))


async def test_a_room_that_never_ticked_can_be_taken_over(store: Store) -> None:
    old = await owned(store, owner="old")
    taken = await store.take_over(ROOM, "new", Held(old, 0))
    assert isinstance(taken, Taken)
    await committed(store, taken.epoch, range(1, 3))


async def test_a_lost_end_is_brought_back_under_its_old_epochs(store: Store) -> None:
    old = await owned(store, owner="old")
    await committed(store, old, range(1, 4))
    recent = tuple(record(old, tick) for tick in range(2, 7))
    taken = await store.take_over(ROOM, "new", Held(old, 6, recent))
    assert isinstance(taken, Taken)
    await committed(store, taken.epoch, range(7, 8))
    records = (await store.load(ROOM)).records
    assert [one.tick for one in records] == list(range(1, 8))
    assert [one.epoch for one in records] == [old] * 6 + [taken.epoch]
    assert records[4] == record(old, 5)


async def test_an_end_that_is_not_held_whole_is_not_brought_back(store: Store) -> None:
    old = await owned(store, owner="old")
    await committed(store, old, range(1, 4))
    recent = tuple(record(old, tick) for tick in range(6, 8))
    tail = await store.take_over(ROOM, "new", Held(old, 7, recent))
    assert tail == Tail(old, 3, "old", Status.LIVE, ())
    assert await ticks(store) == [1, 2, 3]


async def test_records_that_the_journal_keeps_no_more_make_no_tail(store: Store) -> None:
    old = await owned(store, owner="old")
    await committed(store, old, range(1, 9))
    for tick in (4, 6):
        await store.checkpoint(ROOM, old, tick, b"rows")
    assert (await store.tail(ROOM, 2)).records == ()
    assert [one.tick for one in (await store.tail(ROOM, 4)).records] == [5, 6, 7, 8]


async def test_crashes_are_counted_until_the_room_gets_further_or_is_released(
    store: Store,
) -> None:
    epoch = await owned(store, owner="a")
    assert (await store.load(ROOM)).recoveries == 0
    tick = 0
    for crash in (1, 2):
        await committed(store, epoch, range(tick + 1, tick + 3))
        tick += 2
        taken = await store.take_over(ROOM, f"heir {crash}", Held(epoch, tick))
        assert isinstance(taken, Taken)
        assert taken.recoveries == crash
        epoch = taken.epoch
    loaded = await store.acquire(ROOM, "third")
    assert loaded.recoveries == 3
    epoch = loaded.epoch
    # Counting began at tick 2, so it begins anew at this one.
    await committed(store, epoch, range(tick + 1, 2 + RECOVERY_TICKS + 1))
    tick = 2 + RECOVERY_TICKS
    taken = await store.take_over(ROOM, "fourth", Held(epoch, tick))
    assert isinstance(taken, Taken)
    assert taken.recoveries == 1
    await store.release(ROOM, taken.epoch)
    taken = await store.take_over(ROOM, "fifth", Held(taken.epoch, tick))
    assert isinstance(taken, Taken)
    assert taken.recoveries == 0


async def test_a_sleeping_room_is_taken_over_asleep_and_a_closed_one_is_not(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 3))
    await store.set_status(ROOM, epoch, Status.ASLEEP)
    taken = await store.take_over(ROOM, "b", Held(epoch, 2))
    assert isinstance(taken, Taken)
    assert (await store.load(ROOM)).status is Status.ASLEEP
    await store.set_status(ROOM, taken.epoch, Status.CLOSED)
    with pytest.raises(NoSuchRoom):
        await store.take_over(ROOM, "c", Held(taken.epoch, 2))
    with pytest.raises(NoSuchRoom):
        await store.tail(ROOM, 2)


async def test_after_a_takeover_results_are_committed_as_ever(store: Store) -> None:
    epoch = await owned(store)
    taken = await store.take_over(ROOM, "b", Held(epoch, 0))
    assert isinstance(taken, Taken)
    last = Append(ROOM, taken.epoch, 1, b"last", b"won")
    assert await store.append([last]) == [None]
    assert await store.result(ROOM) == b"won"
