"""The contract on every backend: rooms, epochs, appends and the fence (server/store/base.py)."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from server.store.base import (
    Append,
    Checkpoint,
    Fenced,
    NoSuchRoom,
    OutOfOrder,
    Record,
    RoomEntry,
    RoomExists,
    Status,
    Store,
)
from server.store.succeeding import next_epoch
from shared.errors import LocalError, StoreError
from shared.limits import INTEGER_MAX
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


async def test_a_new_room_is_live_without_owner_and_empty(store: Store) -> None:
    await store.create(ROOM, META)
    assert await store.rooms() == [RoomEntry(ROOM, META, 0, 0, "", Status.LIVE)]
    loaded = await store.load(ROOM)
    assert (loaded.meta, loaded.epoch, loaded.status) == (META, 0, Status.LIVE)
    assert (loaded.checkpoints, loaded.records) == ((), ())


async def test_a_room_is_created_once(store: Store) -> None:
    epoch = await owned(store)
    with pytest.raises(RoomExists, match=ROOM):
        await store.create(ROOM, b"other")
    await store.set_status(ROOM, epoch, Status.CLOSED)
    with pytest.raises(RoomExists, match="closed"):
        await store.create(ROOM, b"other")


async def test_rooms_are_listed_in_the_order_of_their_ids_with_what_is_committed(
    store: Store,
) -> None:
    second = await owned(store, OTHER, "b")
    first = await owned(store, ROOM, "a")
    await committed(store, second, range(3, 6), OTHER)
    await store.set_status(OTHER, second, Status.ASLEEP)
    assert await store.rooms() == [
        RoomEntry(ROOM, META, first, 0, "a", Status.LIVE),
        RoomEntry(OTHER, META, second, 5, "b", Status.ASLEEP),
    ]


@pytest.mark.parametrize(
    "room", ["", "short", "a" * 33, "Room0000", "room{0000}", "room000\n", "é" * 9]
)
async def test_a_malformed_room_id_is_our_bug_in_every_method(store: Store, room: str) -> None:
    calls = [
        store.create(room, META),
        store.acquire(room, "a"),
        store.load(room),
        store.append([Append(room, 1, 1, b"")]),
        store.checkpoint(room, 1, 1, b""),
        store.set_status(room, 1, Status.CLOSED),
        store.release(room, 1),
        store.result(room),
        store.results_of(room),
        store.entry(room),
        store.recreate(room, META, "a", Checkpoint(1, 1, b"")),
    ]
    for call in calls:
        with pytest.raises(LocalError, match="8 to 32 characters"):
            await call


@pytest.mark.parametrize("room", ["abcdefgh", "0" * 32])
async def test_the_shortest_and_the_longest_room_id_are_accepted(store: Store, room: str) -> None:
    await store.create(room, META)
    assert [each.room for each in await store.rooms()] == [room]


@pytest.mark.parametrize(
    ("epoch", "tick"), [(0, 1), (1, 0), (-1, 1), (1, INTEGER_MAX + 1), (2**63, 1)]
)
async def test_a_bad_number_writes_nothing_of_its_batch(
    store: Store, epoch: int, tick: int
) -> None:
    mine = await owned(store)
    with pytest.raises(LocalError, match="between 1 and"):
        await store.append([entry(mine, 1), entry(epoch, tick)])
    assert await ticks(store) == []


@pytest.mark.parametrize("past", [2**31, 2**32, INTEGER_MAX - 2])
async def test_a_journal_goes_on_when_its_tick_passes(store: Store, past: int) -> None:
    first = await owned(store)
    across = range(past - 2, past + 3)
    await committed(store, first, across)
    assert await ticks(store) == [*across]
    await store.checkpoint(ROOM, first, past, b"checkpoint")
    second = await store.acquire(ROOM, "b")
    assert [record.tick for record in second.records][-2:] == [past + 1, past + 2]
    assert second.checkpoints[0].tick == past
    listed = await store.entry(ROOM)
    assert listed.tick == past + 2


async def test_an_owner_has_a_name_and_a_limit_is_not_negative(store: Store) -> None:
    await store.create(ROOM, META)
    with pytest.raises(LocalError, match="owner"):
        await store.acquire(ROOM, "")
    with pytest.raises(LocalError, match="limit"):
        await store.results(-1)
    with pytest.raises(LocalError, match="limit"):
        await store.tidy(-1)
    with pytest.raises(LocalError, match="limit"):
        await store.orphans([], -1)


async def test_an_unknown_room_is_named_in_every_refusal(store: Store) -> None:
    calls = [
        store.acquire(ROOM, "a"),
        store.load(ROOM),
        store.entry(ROOM),
        store.checkpoint(ROOM, 1, 1, b""),
        store.set_status(ROOM, 1, Status.CLOSED),
        store.release(ROOM, 1),
    ]
    for call in calls:
        with pytest.raises(NoSuchRoom, match=ROOM):
            await call
    assert kinds(await store.append([entry(1, 1)])) == [NoSuchRoom]
    assert await store.result(ROOM) is None


async def test_each_acquire_raises_the_epoch_above_the_stored_and_the_clock(
    store: Store, clock: WallClock
) -> None:
    assert await owned(store) == 1_000
    assert (await store.acquire(ROOM, "a")).epoch == 1_001
    clock.now_ms = 5
    assert (await store.acquire(ROOM, "b")).epoch == 1_002
    clock.now_ms = 9_000
    assert (await store.acquire(ROOM, "b")).epoch == 9_000


def test_an_epoch_is_above_the_stored_the_journaled_and_the_clock() -> None:
    assert [next_epoch(7, 3, 5), next_epoch(3, 7, 5), next_epoch(3, 5, 70)] == [8, 8, 70]


async def test_acquire_hands_over_what_is_committed(store: Store) -> None:
    first = await owned(store)
    await committed(store, first, range(1, 4))
    await store.set_status(ROOM, first, Status.ASLEEP)
    loaded = await store.acquire(ROOM, "b")
    assert loaded.epoch > first
    assert loaded.records == tuple(
        Record(first, tick, entry(first, tick).record) for tick in (1, 2, 3)
    )
    assert (loaded.room, loaded.meta, loaded.status) == (ROOM, META, Status.ASLEEP)
    assert loaded == await store.load(ROOM)


async def test_the_first_record_has_any_tick_and_the_rest_follow(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(41, 43))
    bad = [entry(epoch, tick) for tick in (41, 44, 1)]
    outcomes = await store.append([*bad[1:], entry(epoch, 43)])
    assert kinds(outcomes) == [OutOfOrder, OutOfOrder, None]
    assert "tick 44 does not follow 42" in str(outcomes[0])
    assert await ticks(store) == [41, 42, 43]


async def test_an_empty_batch_and_an_empty_record_are_fine(store: Store) -> None:
    epoch = await owned(store)
    assert await store.append([]) == []
    assert await store.append([Append(ROOM, epoch, 1, b"")]) == [None]
    assert (await store.load(ROOM)).records == (Record(epoch, 1, b""),)


async def test_a_refused_entry_neither_stops_nor_undoes_the_others(store: Store) -> None:
    stale = await owned(store)
    now = (await store.acquire(ROOM, "b")).epoch
    other = await owned(store, OTHER)
    batch = [
        entry(other, 1, OTHER),
        entry(1, 1, "unknown00"),
        entry(stale, 1),
        entry(now, 1),
        entry(now, 3),
        entry(other, 2, OTHER),
        entry(now + 1, 2),
    ]
    outcomes = await store.append(batch)
    assert kinds(outcomes) == [None, NoSuchRoom, Fenced, None, OutOfOrder, None, Fenced]
    assert (await ticks(store), await ticks(store, OTHER)) == ([1], [1, 2])


async def test_the_same_record_again_is_a_success_and_stands_once(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 4))
    again = [entry(epoch, tick) for tick in (1, 3, 4, 4)]
    assert await store.append(again) == [None] * 4
    assert await ticks(store) == [1, 2, 3, 4]


async def test_the_same_tick_with_other_bytes_or_of_another_epoch_is_refused(store: Store) -> None:
    first = await owned(store)
    await committed(store, first, range(1, 3))
    assert kinds(await store.append([entry(first, 2, text="other")])) == [OutOfOrder]
    second = (await store.acquire(ROOM, "b")).epoch
    outcomes = await store.append([entry(first, 2), entry(second, 2)])
    assert kinds(outcomes) == [Fenced, OutOfOrder]


async def test_a_zombie_is_fenced_in_everything_it_writes(store: Store) -> None:
    zombie = await owned(store, owner="zombie")
    await committed(store, zombie, range(1, 3))
    heir = (await store.acquire(ROOM, "heir")).epoch
    refused = await store.append([entry(zombie, 3, text="zombie", result="zombie")])
    assert kinds(refused) == [Fenced]
    assert f"epoch {zombie}" in str(refused[0])
    assert str(heir) in str(refused[0])
    for call in (
        store.checkpoint(ROOM, zombie, 2, b"zombie"),
        store.set_status(ROOM, zombie, Status.CLOSED),
        store.release(ROOM, zombie),
    ):
        with pytest.raises(Fenced):
            await call
    await committed(store, heir, range(3, 4))
    loaded = await store.load(ROOM)
    assert [record.epoch for record in loaded.records] == [zombie, zombie, heir]
    assert (loaded.checkpoints, loaded.status) == ((), Status.LIVE)
    assert [each.owner for each in await store.rooms()] == ["heir"]
    assert await store.result(ROOM) is None


@pytest.mark.parametrize("backend", UNFENCED)
async def test_without_its_fence_a_store_does_not_stop_a_zombie(backend: str, place: Place) -> None:
    store = UNFENCED[backend](place)
    await store.open()
    zombie = await owned(store, owner="zombie")
    await committed(store, zombie, range(1, 3))
    heir = (await store.acquire(ROOM, "heir")).epoch
    assert await store.append([entry(zombie, 3, text="zombie")]) == [None]
    assert kinds(await store.append([entry(heir, 3)])) == [OutOfOrder]
    await store.checkpoint(ROOM, zombie, 2, b"zombie")
    assert (await store.load(ROOM)).checkpoints == (Checkpoint(zombie, 2, b"zombie"),)
    await store.close()


async def test_of_many_who_acquire_at_once_only_the_last_may_write(store: Store) -> None:
    await store.create(ROOM, META)
    loads = await asyncio.gather(*(store.acquire(ROOM, f"owner{n}") for n in range(8)))
    epochs = [loaded.epoch for loaded in loads]
    assert len(set(epochs)) == len(epochs)
    outcomes = await store.append([entry(epoch, 1, text=str(epoch)) for epoch in epochs])
    assert [outcome is None for outcome in outcomes] == [epoch == max(epochs) for epoch in epochs]


async def test_appends_at_once_are_each_answered_with_their_own_outcomes(store: Store) -> None:
    rooms = [f"room{number:08d}" for number in range(20)]
    epochs = {room: await owned(store, room) for room in rooms}

    async def play(room: str, stride: int) -> list[StoreError | None]:
        outcomes: list[StoreError | None] = []
        for tick in range(1, 21):
            outcomes += await store.append([entry(epochs[room], tick * stride, room)])
        return outcomes

    played = await asyncio.gather(*(play(room, 1 + n % 2) for n, room in enumerate(rooms)))
    for number, (room, outcomes) in enumerate(zip(rooms, played, strict=True)):
        if number % 2 == 0:
            assert outcomes == [None] * 20
            assert await ticks(store, room) == list(range(1, 21))
        else:
            assert kinds(outcomes) == [None, *[OutOfOrder] * 19]
            assert await ticks(store, room) == [2]


async def test_a_room_handed_on_many_times_has_one_unbroken_journal(
    store: Store, clock: WallClock
) -> None:
    await store.create(ROOM, META)
    owners: list[int] = []
    for tick in range(1, 41):
        clock.now_ms += tick % 3 - 1
        if tick % 4 == 1:
            owners.append((await store.acquire(ROOM, f"owner{tick}")).epoch)
        outcomes = await store.append([entry(epoch, tick) for epoch in owners])
        assert kinds(outcomes) == [*[Fenced] * (len(owners) - 1), None]
    records = (await store.load(ROOM)).records
    assert [record.tick for record in records] == list(range(1, 41))
    assert all(earlier.epoch <= later.epoch for earlier, later in pairwise(records))
    assert sorted({record.epoch for record in records}) == owners
