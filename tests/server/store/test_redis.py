"""The redis store alone: its fence between processes, and a Redis that dies, forgets or is full."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from server.store.base import (
    Append,
    Fenced,
    NoSuchRoom,
    OutOfOrder,
    Status,
    StoreCorrupt,
    StoreUnavailable,
)
from server.store.redis_known import RECORDS_KEPT
from tests.server.store.backends import OTHER, ROOM, committed, entry, kinds, owned, ticks
from tests.server.store.redis_ways import (
    append_at_last,
    append_later,
    ask,
    calls,
    forget_since,
    key,
    opened,
    saved_of,
)
from tests.server.store.valkey import Valkey


async def test_a_zombie_of_another_process_is_fenced_by_the_stream_itself(own: Valkey) -> None:
    async with opened(own.port) as zombie, opened(own.port) as heir:
        old = await owned(zombie, owner="zombie")
        await committed(zombie, old, range(1, 4))
        new = (await heir.acquire(ROOM, "heir")).epoch
        # The very command that the zombie sends is refused by Redis.
        with pytest.raises(Exception, match="equal or smaller"):
            await ask(own, "XADD", key("journal"), "NOMKSTREAM", f"{old}-4", "d", "zombie")
        assert kinds(await zombie.append([entry(old, 4, text="zombie")])) == [Fenced]
        await committed(heir, new, range(4, 6))
        assert kinds(await zombie.append([entry(old, 6)])) == [Fenced]
        assert await ticks(heir) == [1, 2, 3, 4, 5]


async def test_a_writer_whose_ids_redis_makes_gets_through_and_is_seen(own: Valkey) -> None:
    async with opened(own.port) as heir:
        epoch = await owned(heir, owner="heir")
        await committed(heir, epoch, range(1, 4))
        other = await owned(heir, OTHER)
        await asyncio.sleep(0.005)
        # The control: without ids of ours nothing is refused, so the harm must be noticed.
        assert await ask(own, "XADD", key("journal"), "NOMKSTREAM", "*", "d", "zombie")
        with pytest.raises(StoreCorrupt, match="foreign entry"):
            await heir.load(ROOM)
        outcomes = await heir.append([entry(epoch, 4), entry(other, 1, OTHER)])
        assert kinds(outcomes) == [StoreCorrupt, None]


async def test_epochs_come_from_the_clock_of_the_redis_and_rise(own: Valkey) -> None:
    async with opened(own.port) as store:
        before, _ = cast("tuple[int, int]", await ask(own, "TIME"))
        first = await owned(store)
        epochs = [first, *[(await store.acquire(ROOM, "a")).epoch for _ in range(5)]]
        after, _ = cast("tuple[int, int]", await ask(own, "TIME"))
        assert epochs == sorted(set(epochs))
        assert before * 1000 <= first
        assert epochs[-1] < (after + 1) * 1000 + 6


async def test_many_rooms_and_ticks_are_one_plain_command_each(own: Valkey) -> None:
    async with opened(own.port) as store:
        rooms = [f"room{number:08d}" for number in range(100)]
        epochs = {room: await owned(store, room) for room in rooms}
        scripts = await calls(own, "eval") + await calls(own, "evalsha")
        for tick in range(1, 101):
            outcomes = await store.append([entry(epochs[room], tick, room) for room in rooms])
            assert outcomes == [None] * 100
        assert await calls(own, "xadd") == 100 * 100 + 100
        assert await calls(own, "eval") + await calls(own, "evalsha") == scripts
        assert [each.tick for each in await store.rooms()] == [100] * 100
        for room in rooms[::25]:
            assert await ticks(store, room) == list(range(1, 101))


async def test_a_record_and_a_checkpoint_of_a_megabyte(own: Valkey) -> None:
    big = bytes(range(256)) * 4096
    async with opened(own.port) as store:
        epoch = await owned(store)
        assert await store.append([Append(ROOM, epoch, 1, big)]) == [None]
        assert await store.append([Append(ROOM, epoch, 2, big), Append(ROOM, epoch, 3, big)]) == [
            None,
            None,
        ]
        await store.checkpoint(ROOM, epoch, 1, big)
        loaded = await store.load(ROOM)
        assert [record.record == big for record in loaded.records] == [True, True]
        assert loaded.checkpoints[0].blob == big


async def test_a_redis_that_is_killed_and_started_has_everything_and_the_store_goes_on(
    own: Valkey,
) -> None:
    async with opened(own.port) as store:
        epoch, other = await owned(store), await owned(store, OTHER)
        for tick in range(1, 31):
            assert await store.append([entry(epoch, tick), entry(other, tick, OTHER)]) == [None] * 2
        await asyncio.to_thread(own.kill)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=r"start it|ended the connection"):
                await store.append([entry(epoch, 31), entry(other, 31, OTHER)])
        with pytest.raises(StoreUnavailable):
            await store.load(ROOM)
        await asyncio.to_thread(own.restart)
        assert await store.append([entry(epoch, 31), entry(other, 31, OTHER)]) == [None] * 2
        assert await store.append([entry(epoch, 32)]) == [None]
        assert await ticks(store) == list(range(1, 33))
        assert await ticks(store, OTHER) == list(range(1, 32))


async def test_a_redis_that_is_killed_while_many_write_loses_and_doubles_nothing(
    own: Valkey,
) -> None:
    rooms = [f"room{number:08d}" for number in range(10)]

    async with opened(own.port) as store:
        epochs = {room: await owned(store, room) for room in rooms}
        kill_at = {60: asyncio.Event(), 120: asyncio.Event(), 180: asyncio.Event()}

        async def play(room: str) -> None:
            for tick in range(1, 301):
                assert await append_at_last(store, entry(epochs[room], tick, room)) == [None]
                if tick in kill_at:
                    kill_at[tick].set()

        playing = asyncio.gather(*map(play, rooms))
        for reached in kill_at.values():
            await reached.wait()
            await asyncio.to_thread(own.kill)
            await asyncio.to_thread(own.restart)
        await playing
        for room in rooms:
            assert await ticks(store, room) == list(range(1, 301))


async def test_a_stopped_redis_is_away_and_then_goes_on(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch = await owned(store)
        await committed(store, epoch, range(1, 4))
        with own.stopped():
            for _ in range(2):
                # It accepts connections all the while, but says nothing on them.
                with pytest.raises(StoreUnavailable, match="did not answer"):
                    await store.append([entry(epoch, 4)])
        assert await append_at_last(store, entry(epoch, 4)) == [None]
        await committed(store, epoch, range(5, 8))
        assert await ticks(store) == list(range(1, 8))


async def test_a_redis_that_forgot_everything_has_no_such_room(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch = await owned(store)
        await committed(store, epoch, range(1, 4))
        await ask(own, "FLUSHALL")
        assert kinds(await store.append([entry(epoch, 4)])) == [NoSuchRoom]
        assert await store.rooms() == []
        assert await ask(own, "EXISTS", key("journal")) == 0
        await committed(store, await owned(store), range(1, 3))


async def test_a_journal_that_is_gone_is_not_begun_anew(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch, other = await owned(store), await owned(store, OTHER)
        await committed(store, epoch, range(1, 4))
        await ask(own, "DEL", key("journal"))
        outcomes = await store.append([entry(epoch, 4), entry(other, 1, OTHER)])
        assert kinds(outcomes) == [StoreCorrupt, None]
        assert "journal is gone" in str(outcomes[0])
        assert await ask(own, "EXISTS", key("journal")) == 0
        with pytest.raises(StoreCorrupt, match="journal is gone"):
            await store.acquire(ROOM, "b")


@pytest.mark.parametrize("lost", [1, 2, RECORDS_KEPT])
async def test_the_owner_brings_back_the_end_that_a_redis_lost(own: Valkey, lost: int) -> None:
    async with opened(own.port) as store:
        epoch = await owned(store)
        await committed(store, epoch, range(1, 6))
        saved = await saved_of(own)
        await committed(store, epoch, range(6, 6 + lost))
        await forget_since(own, saved)
        assert await ask(own, "XLEN", key("journal")) == 1 + 5
        assert await append_at_last(store, entry(epoch, 6 + lost)) == [None]
        await committed(store, epoch, range(7 + lost, 9 + lost))
        assert await ticks(store) == list(range(1, 9 + lost))


async def test_an_acquire_that_a_redis_lost_is_brought_back_too(own: Valkey) -> None:
    async with opened(own.port) as first, opened(own.port) as second:
        await committed(first, await owned(first, owner="first"), range(1, 6))
        saved = await saved_of(own)
        epoch = (await second.acquire(ROOM, "second")).epoch
        await committed(second, epoch, range(6, 9))
        await forget_since(own, saved)
        assert await append_at_last(second, entry(epoch, 9)) == [None]
        assert await ticks(second) == list(range(1, 10))
        assert [each.owner for each in await second.rooms()] == ["second"]


async def test_an_end_that_is_lost_is_not_brought_back_over_another_owner(own: Valkey) -> None:
    async with opened(own.port) as old, opened(own.port) as heir:
        epoch = await owned(old, owner="old")
        await committed(old, epoch, range(1, 4))
        saved = await saved_of(own)
        await committed(old, epoch, range(4, 9))
        await forget_since(own, saved)
        new = (await heir.acquire(ROOM, "heir")).epoch
        assert kinds(await append_at_last(old, entry(epoch, 9))) == [Fenced]
        await committed(heir, new, range(4, 5))
        assert await ticks(heir) == [1, 2, 3, 4]


async def test_an_end_too_long_or_not_the_owners_is_not_brought_back(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch, other = await owned(store), await owned(store, OTHER)
        await committed(store, epoch, range(1, 4))
        saved = await saved_of(own)
        await committed(store, epoch, range(4, 5 + RECORDS_KEPT))
        await forget_since(own, saved)
        assert kinds(await append_at_last(store, entry(epoch, 5 + RECORDS_KEPT))) == [OutOfOrder]
        assert await ticks(store) == [1, 2, 3]
        # A tick 4 that is not this owner's: it must not go on behind it.
        await committed(store, other, range(1, 4), OTHER)
        saved = {"journal": await ask(own, "DUMP", key("journal", OTHER))}
        await committed(store, other, range(4, 6), OTHER)
        dump = saved["journal"]
        assert isinstance(dump, bytes)
        await ask(own, "RESTORE", key("journal", OTHER), 0, dump, "REPLACE")
        await ask(own, "XADD", key("journal", OTHER), f"{other}-4", "d", "another")
        await ask(own, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert kinds(await append_at_last(store, entry(other, 6, OTHER))) == [OutOfOrder]
        assert await ticks(store, OTHER) == [1, 2, 3, 4]


async def test_a_full_redis_loses_nothing_and_heals_when_there_is_memory(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch = await owned(store)
        await committed(store, epoch, range(1, 3))
        await ask(own, "CONFIG", "SET", "maxmemory", "1kb")
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="no memory left"):
                await store.append([entry(epoch, 3), entry(epoch, 4)])
        with pytest.raises(StoreUnavailable, match="no memory left"):
            await store.acquire(ROOM, "b")
        await ask(own, "CONFIG", "SET", "maxmemory", "0")
        assert await store.append([entry(epoch, 3), entry(epoch, 4)]) == [None, None]
        assert await ticks(store) == [1, 2, 3, 4]


async def test_a_redis_made_a_replica_is_away_until_it_is_primary_again(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch = await owned(store)
        await ask(own, "REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(StoreUnavailable, match="name the primary"):
            await store.append([entry(epoch, 1)])
        await ask(own, "REPLICAOF", "NO", "ONE")
        assert await append_at_last(store, entry(epoch, 1)) == [None]
        assert await ticks(store) == [1]


async def test_a_redis_that_lost_its_scripts_is_taught_them_again(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch = await owned(store)
        await ask(own, "SCRIPT", "FLUSH")
        assert await store.append([entry(epoch, 1, result="won")]) == [None]
        await ask(own, "SCRIPT", "FLUSH")
        await store.checkpoint(ROOM, epoch, 1, b"")
        await store.set_status(ROOM, epoch, Status.CLOSED)
        assert await store.results(1) == [(ROOM, b"won")]


async def test_a_result_that_was_not_listed_is_listed_by_the_next_owner(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch = await owned(store)
        await store.append([entry(epoch, 1, result="won")])
        # As after a death between the tick and the list.
        await ask(own, "DEL", "{holdfast}:results")
        assert await store.results(9) == []
        await store.acquire(ROOM, "heir")
        assert await store.results(9) == [(ROOM, b"won")]


async def test_closing_waits_for_what_was_begun(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch = await owned(store)
        begun = append_later(store, entry(epoch, 1), entry(epoch, 2))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="not open"):
            await store.append([entry(epoch, 3)])
        assert await begun == [None, None]
        await closing
        await store.open()
        assert await ticks(store) == [1, 2]
