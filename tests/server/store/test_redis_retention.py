"""What a Redis forgets by itself: the keys of rooms that rest or ended, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import pytest

from server.store.base import (
    Checkpoint,
    Held,
    NoSuchRoom,
    Retention,
    Status,
    StoreUnavailable,
    Taken,
)
from server.store.redis import RedisStore
from server.store.redis_address import parse_address
from server.store.redis_rooms import UNTENDED_S
from tests.server.store.backends import META, OTHER, ROOM, committed, entry, owned
from tests.server.store.valkey import Valkey

KEPT = Retention(
    asleep_s=100.0, closed_s=0.2, results_s=0.4, quarantined_s=1000.0, sleeping_max=1000
)
FOREVER, MISSING = -1, -2


@pytest.fixture
async def store(own: Valkey) -> AsyncIterator[RedisStore]:
    made = RedisStore(parse_address(own.url), retention=KEPT)
    await made.open()
    yield made
    await made.close()


def left(own: Valkey, room: str = ROOM) -> dict[str, int]:
    """The keys of a room, and the seconds each has left (`FOREVER`: it stays)."""
    found: dict[str, int] = {}
    for name in ("room", "journal", "newest", "older", "results"):
        seconds = cast("int", own.ask("TTL", f"{{holdfast:{room}}}:{name}"))
        if seconds != MISSING:
            found[name] = seconds
    return found


def keys(own: Valkey) -> set[bytes]:
    return set(cast("list[bytes]", own.ask("KEYS", "*")))


async def test_a_live_rooms_keys_have_no_end_and_a_sleeping_ones_have(
    own: Valkey, store: RedisStore
) -> None:
    epoch = await owned(store)
    await committed(store, epoch, range(1, 31))
    for tick in (10, 20, 30):
        await store.checkpoint(ROOM, epoch, tick, b"rows")
    assert left(own) == dict.fromkeys(("room", "journal", "newest", "older"), FOREVER)
    await store.set_status(ROOM, epoch, Status.ASLEEP)
    assert left(own).keys() == {"room", "journal", "newest"}
    assert all(0 < seconds <= KEPT.asleep_s + UNTENDED_S for seconds in left(own).values())
    taken = await store.take_over(ROOM, "b", Held(epoch, 30))
    assert isinstance(taken, Taken)
    # From the takeover on, not only once its owner has said that it lives.
    assert left(own) == dict.fromkeys(("room", "journal", "newest"), FOREVER)
    await store.set_status(ROOM, taken.epoch, Status.QUARANTINED)
    assert min(left(own).values()) > KEPT.asleep_s + UNTENDED_S
    await store.set_status(ROOM, taken.epoch, Status.LIVE)
    assert set(left(own).values()) == {FOREVER}


async def test_a_closed_room_leaves_its_results_and_they_end_too(
    own: Valkey, store: RedisStore
) -> None:
    epoch = await owned(store)
    await store.append([entry(epoch, 1, result="won")])
    await store.checkpoint(ROOM, epoch, 1, b"rows")
    await store.set_status(ROOM, epoch, Status.CLOSED)
    assert left(own).keys() == {"room", "results"}
    await asyncio.sleep(KEPT.closed_s + 0.05)
    await store.create(ROOM, META)
    assert await store.result(ROOM) == b"won"
    await asyncio.sleep(KEPT.results_s)
    assert await store.results_of(ROOM) == []
    assert await store.results(9) == []
    await store.tidy(9)
    assert own.ask("EXISTS", "{holdfast}:results") == 0


async def test_a_store_whose_rooms_are_all_over_holds_what_a_new_one_does(
    own: Valkey, store: RedisStore
) -> None:
    before = keys(own)
    for number in range(40):
        room = f"room{number:08d}"
        epoch = await owned(store, room)
        await store.append([entry(epoch, 1, room, result="won")])
        await store.checkpoint(room, epoch, 1, b"rows")
        if number % 2:
            await store.set_status(room, epoch, Status.ASLEEP)
            await store.acquire(room, "b")
            epoch = (await store.acquire(room, "c")).epoch
        await store.set_status(room, epoch, Status.CLOSED)
    await asyncio.sleep(max(KEPT.closed_s, KEPT.results_s) + 0.1)
    await store.tidy(9)
    assert await store.orphans((), 99) == []
    assert keys(own) == before


async def test_a_sleeper_whose_keys_ended_untended_is_taken_off_its_list(
    own: Valkey, store: RedisStore
) -> None:
    for room in (ROOM, OTHER):
        epoch = await owned(store, room)
        await store.set_status(room, epoch, Status.ASLEEP)
    own.ask("DEL", f"{{holdfast:{ROOM}}}:room")
    own.ask("ZADD", "{holdfast}:asleep", 1, ROOM, 2, OTHER)
    done = await store.tidy(9)
    assert (done.closed, own.ask("EXISTS", "{holdfast}:asleep")) == ((OTHER,), 0)


async def test_rooms_that_an_older_server_listed_are_found(own: Valkey, store: RedisStore) -> None:
    """Holdfast 0.1 kept one set of all rooms, and a result in the room's hash."""
    rooms = [f"room{number:08d}" for number in range(3)]
    for room in rooms:
        epoch = await owned(store, room, "old")
        await store.append([entry(epoch, 1, room)])
        own.ask("HSET", f"{{holdfast:{room}}}:room", "result", "won")
    await store.set_status(
        rooms[1], epoch := (await store.acquire(rooms[1], "old")).epoch, Status.ASLEEP
    )
    await store.release(rooms[1], epoch)
    await store.orphans((), 9)
    own.ask("DEL", "{holdfast}:owned", "{holdfast}:asleep")
    own.ask("SADD", "{holdfast}:rooms", *rooms, "roomthatisnot")
    assert [each.room for each in await store.rooms()] == rooms
    await store.tidy(9)
    await store.orphans((), 9)
    found = await store.orphans((), 9)
    assert [(each.owner, each.room) for each in found] == [("old", rooms[0]), ("old", rooms[2])]
    assert (await store.tidy(9)).asleep == 1
    assert own.ask("EXISTS", "{holdfast}:rooms") == 0
    assert await store.result(rooms[0]) == b"won"


async def test_a_line_that_was_not_written_is_put_right_by_who_looks_for_orphans(
    own: Valkey, store: RedisStore
) -> None:
    """The process that took the room died before it could write whose it is."""
    epoch = await owned(store, ROOM, "a")
    await committed(store, epoch, range(1, 3))
    taken = await store.take_over(ROOM, "b", Held(epoch, 2))
    assert isinstance(taken, Taken)
    await store.orphans((), 9)
    own.ask("DEL", "{holdfast}:owned")
    own.ask("ZADD", "{holdfast}:owned", 0, b"a\0" + ROOM.encode())
    assert await store.orphans({"b"}, 9) == []
    assert [each.owner for each in await store.orphans((), 9)] == ["b"]


async def test_a_sleeping_rooms_owner_that_repairs_it_keeps_it(
    own: Valkey, store: RedisStore
) -> None:
    """The Redis came back without the end of what was written: that the room was woken."""
    epoch = await owned(store)
    await committed(store, epoch, range(1, 3))
    await store.checkpoint(ROOM, epoch, 2, b"rows")
    await store.set_status(ROOM, epoch, Status.ASLEEP)
    taken = await store.take_over(ROOM, "b", Held(epoch, 2))
    assert isinstance(taken, Taken)
    await store.set_status(ROOM, taken.epoch, Status.LIVE)
    await committed(store, taken.epoch, range(3, 6))
    key = f"{{holdfast:{ROOM}}}:"
    own.ask("HSET", key + "room", "status", "asleep", "epoch", epoch)
    own.ask("PEXPIRE", key + "room", 60_000)
    own.ask("DEL", key + "journal")
    own.ask("XADD", key + "journal", f"{epoch}-2", "d", entry(epoch, 2).record)
    own.ask("CLIENT", "KILL", "TYPE", "normal")
    await asyncio.sleep(0.05)
    with suppress(StoreUnavailable):
        await store.append([entry(taken.epoch, 6)])
    assert await store.append([entry(taken.epoch, 6)]) == [None]
    assert (await store.entry(ROOM)).status is Status.LIVE
    assert left(own)["room"] == FOREVER


async def test_a_rewritten_room_fences_who_held_it_before(store: RedisStore) -> None:
    epoch = await store.recreate(ROOM, META, "a", Checkpoint(7, 3, b"rows"))
    refused = await store.append([entry(7, 4), entry(epoch, 4)])
    assert [outcome is None for outcome in refused] == [False, True]
    with pytest.raises(NoSuchRoom):
        await store.entry(OTHER)


async def test_nothing_is_remembered_of_rooms_that_are_let_go(store: RedisStore) -> None:
    ends = (Status.CLOSED, Status.QUARANTINED, Status.ASLEEP)
    for number, end in enumerate(ends):
        room = f"room{number:08d}"
        epoch = await owned(store, room)
        await committed(store, epoch, range(1, 4), room)
        assert store._journal.rooms.get(room) is not None
        await store.set_status(room, epoch, end)
        if end is Status.ASLEEP:
            await store.release(room, epoch)
        assert store._journal.rooms.get(room) is None
    await store.rooms()
    assert store._rooms.index._lines == {}
