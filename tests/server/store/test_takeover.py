"""The contract of takeovers on every backend: who may, what was missed, and counted crashes."""

from __future__ import annotations

import pytest

from server.store.base import (
    RECOVERY_TICKS,
    Fenced,
    Held,
    NoSuchRoom,
    Record,
    RoomEntry,
    Status,
    Store,
    Tail,
    Taken,
)
from shared.errors import LocalError
from tests.server.store.backends import (
    META,
    OTHER,
    ROOM,
    UNFENCED,
    Place,
    WallClock,
    committed,
    entry,
    kinds,
    owned,
    ticks,
)


def records(epoch: int, of: range) -> tuple[Record, ...]:
    """What `committed` commits."""
    return tuple(Record(epoch, tick, entry(epoch, tick).record) for tick in of)


async def epoch_taken(store: Store, held: Held, owner: str = "heir") -> int:
    taken = await store.take_over(ROOM, owner, held)
    assert isinstance(taken, Taken)
    return taken.epoch


async def test_who_holds_all_takes_over_and_the_old_owner_is_fenced(
    store: Store, clock: WallClock
) -> None:
    old = await owned(store)
    await committed(store, old, range(1, 4))
    clock.now_ms += 500
    assert await store.take_over(ROOM, "heir", Held(old, 3)) == Taken(clock.now_ms, 1)
    assert kinds(await store.append([entry(old, 4)])) == [Fenced]
    await committed(store, clock.now_ms, range(4, 7))
    with pytest.raises(Fenced):
        await store.release(ROOM, old)
    loaded = await store.load(ROOM)
    assert loaded.records == records(old, range(1, 4)) + records(clock.now_ms, range(4, 7))
    assert await store.rooms() == [RoomEntry(ROOM, META, clock.now_ms, 6, "heir", Status.LIVE)]


async def test_who_missed_something_is_told_it_and_nothing_moves(store: Store) -> None:
    old = await owned(store)
    await committed(store, old, range(1, 70))
    told = await store.take_over(ROOM, "heir", Held(old, 66, records(old, range(60, 67))))
    assert told == Tail(old, 69, "a", Status.LIVE, records(old, range(67, 70)))
    await committed(store, old, range(70, 72))
    assert await store.tail(ROOM, 1) == Tail(old, 71, "a", Status.LIVE, records(old, range(2, 72)))
    assert isinstance(await store.take_over(ROOM, "heir", Held(old, 71)), Taken)


async def test_a_newer_epoch_without_ticks_refuses_until_it_is_known(store: Store) -> None:
    old = await owned(store)
    await committed(store, old, range(1, 4))
    new = await epoch_taken(store, Held(old, 3), "first")
    assert await store.take_over(ROOM, "second", Held(old, 3)) == Tail(
        new, 3, "first", Status.LIVE, ()
    )
    await committed(store, new, range(4, 5))
    assert await epoch_taken(store, Held(new, 4), "second") > new


async def test_a_tail_goes_over_changes_of_owner(store: Store) -> None:
    epochs = [await owned(store)]
    for tick in range(1, 4):
        await committed(store, epochs[-1], range(tick, tick + 1))
        epochs.append(await epoch_taken(store, Held(epochs[-1], tick)))
    told = await store.tail(ROOM, 1)
    assert (told.epoch, told.tick) == (epochs[-1], 3)
    assert [(each.epoch, each.tick) for each in told.records] == [(epochs[1], 2), (epochs[2], 3)]


async def test_what_the_store_lost_is_brought_back_with_its_epochs(store: Store) -> None:
    first = await owned(store)
    await committed(store, first, range(1, 4))
    # As a follower holds it that heard two owners, of whose ticks this store has lost the last.
    later = first + 5
    recent = records(first, range(2, 6)) + records(later, range(6, 8))
    epoch = await epoch_taken(store, Held(later, 7, recent))
    assert epoch > later
    loaded = await store.load(ROOM)
    assert loaded.records == records(first, range(1, 2)) + recent
    await committed(store, epoch, range(8, 10))
    assert await ticks(store) == list(range(1, 10))


async def test_an_owner_whose_epoch_alone_was_lost_is_followed(store: Store) -> None:
    first = await owned(store)
    await committed(store, first, range(1, 4))
    assert await epoch_taken(store, Held(first + 9, 3)) > first + 9


async def test_a_hole_larger_than_what_is_held_is_told_and_not_written(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 4))
    held = Held(epoch, 9, records(epoch, range(5, 10)))
    assert await store.take_over(ROOM, "heir", held) == Tail(epoch, 3, "a", Status.LIVE, ())
    assert await ticks(store) == [1, 2, 3]
    await committed(store, epoch, range(4, 5))


async def test_what_is_trimmed_is_not_told(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 11))
    await store.checkpoint(ROOM, epoch, 5, b"five")
    await store.checkpoint(ROOM, epoch, 8, b"eight")
    assert (await store.tail(ROOM, 4)).records == ()
    assert (await store.tail(ROOM, 5)).records == records(epoch, range(6, 11))
    assert await store.tail(ROOM, 10) == Tail(epoch, 10, "a", Status.LIVE, ())
    assert (await store.tail(ROOM, 12)).records == ()


async def test_a_room_without_ticks_is_taken_over_too(store: Store) -> None:
    epoch = await owned(store)
    assert await store.tail(ROOM, 0) == Tail(epoch, 0, "a", Status.LIVE, ())
    new = await epoch_taken(store, Held(epoch, 0))
    await committed(store, new, range(1, 3))


async def test_a_sleeping_room_sleeps_on(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 2))
    await store.set_status(ROOM, epoch, Status.ASLEEP)
    await epoch_taken(store, Held(epoch, 1))
    assert (await store.load(ROOM)).status == Status.ASLEEP


async def test_a_closed_or_unknown_room_is_not_there(store: Store) -> None:
    epoch = await owned(store)
    await store.set_status(ROOM, epoch, Status.CLOSED)
    for room in (ROOM, OTHER):
        with pytest.raises(NoSuchRoom, match=room):
            await store.take_over(room, "heir", Held(epoch, 0))
        with pytest.raises(NoSuchRoom, match=room):
            await store.tail(room, 0)


@pytest.mark.parametrize(
    "held",
    [
        Held(5, 3, records(5, range(1, 3))),
        Held(5, 3, (*records(5, range(1, 2)), *records(5, range(3, 4)))),
        Held(5, 2, (*records(5, range(1, 2)), *records(4, range(2, 3)))),
        Held(5, 1, records(6, range(1, 2))),
    ],
)
async def test_what_nobody_can_hold_is_our_bug(store: Store, held: Held) -> None:
    await owned(store)
    with pytest.raises(LocalError, match="hole or an epoch out of order"):
        await store.take_over(ROOM, "heir", held)
    with pytest.raises(LocalError, match="owner"):
        await store.take_over(ROOM, "", Held(1, 0))
    for call in (store.take_over("Bad", "heir", Held(1, 0)), store.tail("Bad", 0)):
        with pytest.raises(LocalError, match="8 to 32 characters"):
            await call


async def test_crashes_are_counted_until_the_room_gets_far_or_is_released(store: Store) -> None:
    await store.create(ROOM, META)
    assert (await store.acquire(ROOM, "a")).recoveries == 0
    assert (await store.acquire(ROOM, "b")).recoveries == 1
    loaded = await store.acquire(ROOM, "c")
    assert loaded.recoveries == 2
    await committed(store, loaded.epoch, range(1, RECOVERY_TICKS))
    taken = await store.take_over(ROOM, "d", Held(loaded.epoch, RECOVERY_TICKS - 1))
    assert isinstance(taken, Taken)
    assert taken.recoveries == 3
    assert (await store.load(ROOM)).recoveries == 3
    await committed(store, taken.epoch, range(RECOVERY_TICKS, RECOVERY_TICKS + 1))
    loaded = await store.acquire(ROOM, "e")
    assert loaded.recoveries == 1
    await store.release(ROOM, loaded.epoch)
    assert (await store.load(ROOM)).recoveries == 0
    assert (await store.acquire(ROOM, "f")).recoveries == 0


async def test_an_owner_that_takes_its_own_room_again_counts_no_crash(store: Store) -> None:
    """Its answers were lost, and it cannot know whether the room changed hands."""
    epoch = await owned(store)
    await committed(store, epoch, range(1, 3))
    first = await store.take_over(ROOM, "b", Held(epoch, 2))
    assert isinstance(first, Taken)
    assert first.recoveries == 1
    again = await store.take_over(ROOM, "b", Held(first.epoch, 2))
    assert isinstance(again, Taken)
    assert again.epoch > first.epoch
    assert again.recoveries == 1
    assert (await store.acquire(ROOM, "b")).recoveries == 1
    # The next owner's death is another crash, at the same tick.
    assert (await store.acquire(ROOM, "c")).recoveries == 2


async def test_a_blameless_crash_is_not_counted_and_the_count_before_it_stays(
    store: Store,
) -> None:
    await store.create(ROOM, META)
    await store.acquire(ROOM, "a")
    assert (await store.acquire(ROOM, "b", blameless=True)).recoveries == 0
    assert (await store.acquire(ROOM, "c")).recoveries == 1
    epoch = (await store.acquire(ROOM, "d", blameless=True)).epoch
    await committed(store, epoch, range(1, 3))
    taken = await store.take_over(ROOM, "e", Held(epoch, 2), blameless=True)
    assert isinstance(taken, Taken)
    assert taken.recoveries == 1
    assert (await store.acquire(ROOM, "f")).recoveries == 2


async def test_a_takeover_after_a_release_counts_nothing(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 3))
    await store.release(ROOM, epoch)
    taken = await store.take_over(ROOM, "b", Held(epoch, 2))
    assert isinstance(taken, Taken)
    assert taken.recoveries == 0


@pytest.mark.parametrize("backend", UNFENCED)
async def test_without_its_fence_a_store_lets_the_old_owner_write_on(
    backend: str, place: Place
) -> None:
    store = UNFENCED[backend](place)
    await store.open()
    old = await owned(store)
    await committed(store, old, range(1, 3))
    await epoch_taken(store, Held(old, 2))
    assert await store.append([entry(old, 3)]) == [None]
    await store.close()


async def test_after_a_takeover_results_are_committed_as_ever(store: Store) -> None:
    epoch = await owned(store)
    heir = await epoch_taken(store, Held(epoch, 0))
    assert await store.append([entry(heir, 1, result="won")]) == [None]
    assert await store.result(ROOM) == b"won"
