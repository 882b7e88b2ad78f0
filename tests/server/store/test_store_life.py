"""The contract on every backend: checkpoints, status, results, closing and opening again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.store.base import (
    REASON_CHARS_MAX,
    RESULTS_MAX,
    Append,
    Checkpoint,
    MatchResult,
    NoSuchRoom,
    OutOfOrder,
    RoomEntry,
    Status,
    Store,
    StoreUnavailable,
)
from tests.server.store.backends import (
    META,
    OTHER,
    ROOM,
    WallClock,
    committed,
    entry,
    kinds,
    owned,
    ticks,
)


async def test_the_two_newest_checkpoints_stay_and_the_journal_starts_behind_the_older(
    store: Store,
) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 31))
    seen: list[tuple[list[int], int]] = []
    for tick in (5, 10, 10, 30):
        await store.checkpoint(ROOM, epoch, tick, b"%d" % tick)
        loaded = await store.load(ROOM)
        seen.append(([each.tick for each in loaded.checkpoints], loaded.records[0].tick))
    assert seen == [([5], 6), ([10, 5], 6), ([10, 5], 6), ([30, 10], 11)]
    loaded = await store.load(ROOM)
    assert loaded.checkpoints == (Checkpoint(epoch, 30, b"30"), Checkpoint(epoch, 10, b"10"))
    assert [record.tick for record in loaded.records] == list(range(11, 31))


async def test_a_checkpoint_of_the_newest_tick_replaces_it(store: Store) -> None:
    first = await owned(store)
    await committed(store, first, range(1, 3))
    await store.checkpoint(ROOM, first, 1, b"one")
    await store.checkpoint(ROOM, first, 2, b"two")
    second = (await store.acquire(ROOM, "b")).epoch
    await store.checkpoint(ROOM, second, 2, b"two again")
    assert (await store.load(ROOM)).checkpoints == (
        Checkpoint(second, 2, b"two again"),
        Checkpoint(first, 1, b"one"),
    )


@pytest.mark.parametrize("tick", [-1, 3, 11])
async def test_a_checkpoint_is_of_a_committed_tick_and_not_older_than_the_newest(
    store: Store, tick: int
) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 11))
    await store.checkpoint(ROOM, epoch, 4, b"four")
    with pytest.raises(OutOfOrder, match=f"tick {tick}, expected 4 to 10"):
        await store.checkpoint(ROOM, epoch, tick, b"")
    assert (await store.load(ROOM)).checkpoints == (Checkpoint(epoch, 4, b"four"),)


async def test_a_checkpoint_of_tick_0_needs_no_record(store: Store) -> None:
    epoch = await owned(store)
    await store.checkpoint(ROOM, epoch, 0, b"start")
    await committed(store, epoch, range(1, 3))
    loaded = await store.load(ROOM)
    assert loaded.checkpoints == (Checkpoint(epoch, 0, b"start"),)
    assert [record.tick for record in loaded.records] == [1, 2]


async def test_a_trimmed_journal_goes_on_at_the_next_tick_alone(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 4))
    await store.checkpoint(ROOM, epoch, 2, b"")
    await store.checkpoint(ROOM, epoch, 3, b"")
    # The journal no longer holds ticks 1 and 2, so that they are nobody's repetition.
    outcomes = await store.append([entry(epoch, tick) for tick in (1, 2, 3, 7)])
    assert kinds(outcomes) == [OutOfOrder, OutOfOrder, None, OutOfOrder]
    await committed(store, epoch, range(4, 6))
    assert await ticks(store) == [3, 4, 5]
    assert [each.tick for each in await store.rooms()] == [5]


async def test_a_status_is_kept_and_judges_nothing_but_closing(store: Store) -> None:
    epoch = await owned(store)
    for status in (Status.ASLEEP, Status.QUARANTINED, Status.LIVE):
        await store.set_status(ROOM, epoch, status)
        assert (await store.load(ROOM)).status is status
    await store.set_status(ROOM, epoch, Status.QUARANTINED)
    await committed(store, epoch, range(1, 3))
    assert await ticks(store) == [1, 2]


async def test_a_status_says_why_and_since_when(store: Store, clock: WallClock) -> None:
    epoch = await owned(store)
    why = "step raised ZeroDivisionError at game.py:41, tick 7 é"
    clock.now_ms = 77_000
    await store.set_status(ROOM, epoch, Status.QUARANTINED, why)
    (listed,) = await store.rooms()
    assert listed == RoomEntry(ROOM, META, epoch, 0, "a", Status.QUARANTINED, why)
    assert listed.since_ms == 77_000
    await store.set_status(ROOM, epoch, Status.LIVE)
    assert [each.reason for each in await store.rooms()] == [""]
    await store.set_status(ROOM, epoch, Status.QUARANTINED, "x" * (REASON_CHARS_MAX + 1))
    assert [len(each.reason) for each in await store.rooms()] == [REASON_CHARS_MAX]


async def test_a_closed_room_is_gone_but_for_its_result(store: Store) -> None:
    epoch = await owned(store)
    await store.append([entry(epoch, 1, result="won")])
    await store.checkpoint(ROOM, epoch, 1, b"")
    await store.set_status(ROOM, epoch, Status.CLOSED)
    assert await store.rooms() == []
    for call in (
        store.load(ROOM),
        store.acquire(ROOM, "a"),
        store.checkpoint(ROOM, epoch, 1, b""),
        store.set_status(ROOM, epoch, Status.LIVE),
        store.set_status(ROOM, epoch + 1, Status.CLOSED),
        store.release(ROOM, epoch),
    ):
        with pytest.raises(NoSuchRoom):
            await call
    assert kinds(await store.append([entry(epoch, 1), entry(epoch, 2)])) == [NoSuchRoom] * 2
    assert await store.result(ROOM) == b"won"


async def test_closing_again_with_the_same_epoch_does_nothing(store: Store) -> None:
    epoch = await owned(store)
    await store.set_status(ROOM, epoch, Status.CLOSED)
    await store.set_status(ROOM, epoch, Status.CLOSED)
    assert await store.rooms() == []


async def test_release_takes_the_name_off_and_leaves_the_epoch(store: Store) -> None:
    epoch = await owned(store)
    await store.release(ROOM, epoch)
    await store.release(ROOM, epoch)
    assert await store.rooms() == [RoomEntry(ROOM, META, epoch, 0, "", Status.LIVE)]
    await committed(store, epoch, range(1, 2))


async def test_a_result_is_committed_once_and_only_with_its_tick(store: Store) -> None:
    epoch = await owned(store)
    assert kinds(await store.append([entry(epoch, 1), entry(epoch, 9, result="early")])) == [
        None,
        OutOfOrder,
    ]
    assert await store.result(ROOM) is None
    assert await store.append([entry(epoch, 1, result="repeated")]) == [None]
    assert await store.result(ROOM) is None
    assert await store.append([entry(epoch, 2, result="first")]) == [None]
    assert await store.append([entry(epoch, 2, result="first")]) == [None]
    assert await store.results_of(ROOM) == [MatchResult(1, 2, b"first")]
    assert await ticks(store) == [1, 2]


async def test_each_match_of_a_room_has_a_result_of_its_own(store: Store) -> None:
    epoch = await owned(store)
    ends = [(1, 0, "one"), (2, 2, "two"), (3, 2, "two again"), (4, 5, "five"), (5, 0, "six")]
    for tick, match, result in ends:
        append = replace(entry(epoch, tick, result=result), match=match)
        assert await store.append([append]) == [None]
    assert await store.results_of(ROOM) == [
        MatchResult(1, 1, b"one"),
        MatchResult(2, 2, b"two"),
        MatchResult(5, 4, b"five"),
        MatchResult(6, 5, b"six"),
    ]
    assert await store.result(ROOM) == b"six"
    assert await store.results(9) == [(ROOM, b"six")]
    assert await store.results_of(OTHER) == []


async def test_a_room_keeps_its_newest_results(store: Store) -> None:
    epoch = await owned(store)
    last = RESULTS_MAX + 3
    for tick in range(1, last + 1):
        assert await store.append([entry(epoch, tick, result=str(tick))]) == [None]
    kept = await store.results_of(ROOM)
    assert [each.match for each in kept] == list(range(4, last + 1))


async def test_results_come_newest_first_up_to_a_limit(store: Store) -> None:
    rooms = [f"room{number:08d}" for number in (5, 2, 9, 1)]
    for room in rooms:
        epoch = await owned(store, room)
        await store.append([Append(room, epoch, 1, b"", room.encode())])
    newest_first = [(room, room.encode()) for room in reversed(rooms)]
    assert await store.results(10) == newest_first
    assert await store.results(2) == newest_first[:2]
    assert await store.results(0) == []


async def test_what_was_committed_is_there_after_closing_and_opening(store: Store) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 11))
    await store.checkpoint(ROOM, epoch, 4, b"four")
    await store.append([entry(epoch, 11, result="won")])
    before = (await store.load(ROOM), await store.rooms(), await store.results(9))
    await store.close()
    await store.open()
    assert (await store.load(ROOM), await store.rooms(), await store.results(9)) == before
    await committed(store, epoch, range(12, 13))


async def test_opening_and_closing_twice_does_nothing(store: Store) -> None:
    epoch = await owned(store)
    await store.open()
    await committed(store, epoch, range(1, 2))
    await store.close()
    await store.close()
    await store.open()
    assert await ticks(store) == [1]


async def test_a_store_that_is_not_open_says_so_in_every_method(store: Store) -> None:
    await store.close()
    for call in (
        store.create(ROOM, META),
        store.rooms(),
        store.entry(ROOM),
        store.orphans([], 1),
        store.owned("a"),
        store.tidy(1),
        store.recreate(ROOM, META, "a", Checkpoint(1, 1, b"")),
        store.results_of(ROOM),
        store.acquire(ROOM, "a"),
        store.load(ROOM),
        store.append([entry(1, 1)]),
        store.checkpoint(ROOM, 1, 1, b""),
        store.set_status(ROOM, 1, Status.CLOSED),
        store.release(ROOM, 1),
        store.result(ROOM),
        store.results(1),
    ):
        with pytest.raises(StoreUnavailable, match="open it before use"):
            await call
