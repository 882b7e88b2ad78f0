"""Going back to a tick, on every backend: what came after it never was, and an owner goes on."""

from __future__ import annotations

import pytest

from server.store.base import Fenced, Held, NoSuchRoom, OutOfOrder, Status, Store, Taken
from tests.server.store.backends import META, ROOM, committed, entry, kinds, owned, ticks


async def long_room(store: Store) -> int:
    """A room of 20 ticks with checkpoints of the 8th and the 16th; its epoch."""
    epoch = await owned(store)
    await committed(store, epoch, range(1, 21))
    await store.checkpoint(ROOM, epoch, 8, b"8")
    await store.checkpoint(ROOM, epoch, 16, b"16")
    return epoch


@pytest.mark.parametrize(("tick", "checkpoints"), [(18, [16, 8]), (16, [16, 8]), (12, [8])])
async def test_what_came_after_is_forgotten_and_the_next_tick_follows(
    store: Store, tick: int, checkpoints: list[int]
) -> None:
    epoch = await long_room(store)
    cut = await store.cut(ROOM, epoch, tick)
    assert cut > epoch
    loaded = await store.load(ROOM)
    assert [one.tick for one in loaded.checkpoints] == checkpoints
    assert [one.tick for one in loaded.records] == list(range(9, tick + 1))
    assert loaded.epoch == cut
    [line] = await store.rooms()
    assert (line.tick, line.epoch, line.owner) == (tick, cut, "a")
    assert kinds(await store.append([entry(epoch, tick + 1)])) == [Fenced]
    assert kinds(await store.append([entry(cut, 21)])) == [OutOfOrder]
    await committed(store, cut, range(tick + 1, 25))
    await store.checkpoint(ROOM, cut, 24, b"24")
    assert (await ticks(store))[-1] == 24


async def test_a_room_whose_owners_changed_goes_back_behind_the_change(store: Store) -> None:
    epoch = await long_room(store)
    second = await store.take_over(ROOM, "b", Held(epoch, 20))
    assert isinstance(second, Taken)
    await committed(store, second.epoch, range(21, 31))
    third = await store.acquire(ROOM, "c")
    cut = await store.cut(ROOM, third.epoch, 18)
    assert await ticks(store) == list(range(9, 19))
    await committed(store, cut, range(19, 22))
    again = await store.acquire(ROOM, "d")
    assert [(one.epoch, one.tick) for one in again.records[-4:]] == [
        (epoch, 18),
        (cut, 19),
        (cut, 20),
        (cut, 21),
    ]


@pytest.mark.parametrize("tick", [0, 5, 8, 21, 2**40])
async def test_a_tick_that_nothing_leads_to_is_refused_and_nothing_changes(
    store: Store, tick: int
) -> None:
    epoch = await long_room(store)
    before = await store.load(ROOM)
    with pytest.raises(OutOfOrder, match=f"cannot go back to tick {tick}"):
        await store.cut(ROOM, epoch, tick)
    assert await store.load(ROOM) == before
    await committed(store, epoch, range(21, 22))


async def test_only_the_owner_cuts(store: Store) -> None:
    epoch = await long_room(store)
    later = (await store.acquire(ROOM, "b")).epoch
    with pytest.raises(Fenced):
        await store.cut(ROOM, epoch, 18)
    with pytest.raises(NoSuchRoom):
        await store.cut("nosuch00", later, 18)
    await store.set_status(ROOM, later, Status.CLOSED)
    with pytest.raises(NoSuchRoom):
        await store.cut(ROOM, later, 18)


async def test_a_quarantined_room_lives_again_from_a_tick_for_whoever_takes_it(
    store: Store,
) -> None:
    epoch = await long_room(store)
    await store.set_status(ROOM, epoch, Status.QUARANTINED, "it hung")
    cut = await store.cut(ROOM, epoch, 18)
    await store.set_status(ROOM, cut, Status.LIVE)
    await store.release(ROOM, cut)
    taken = await store.acquire(ROOM, "next")
    assert (taken.status, taken.recoveries, taken.meta) == (Status.LIVE, 0, META)
    await committed(store, taken.epoch, range(19, 20))
