"""Appends whose questions or answers are lost, late, cancelled or many at once."""

from __future__ import annotations

import asyncio

import pytest

from server.store.base import Append, Fenced, OutOfOrder, StoreUnavailable
from tests.server.store.backends import OTHER, ROOM, committed, entry, kinds, owned, ticks
from tests.server.store.proxy import Proxy
from tests.server.store.redis_ways import append_later, ask, calls, have_run, key, opened, until
from tests.server.store.valkey import Valkey


async def test_an_append_whose_answer_was_lost_is_recognised_when_repeated(
    own: Valkey, proxy: Proxy
) -> None:
    async with opened(proxy.port) as store:
        epoch = await owned(store)
        await committed(store, epoch, range(1, 4))
        proxy.answering = False
        batch = [entry(epoch, 4), entry(epoch, 5)]
        with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.5 s"):
            await store.append(batch)
        proxy.answering = True
        assert await ask(own, "XLEN", key("journal")) == 1 + 5
        assert await store.append(batch) == [None, None]
        await committed(store, epoch, range(6, 8))
        assert await ticks(store) == list(range(1, 8))


async def test_a_repetition_with_other_bytes_is_none(own: Valkey, proxy: Proxy) -> None:
    async with opened(proxy.port) as store:
        epoch = await owned(store)
        proxy.answering = False
        with pytest.raises(StoreUnavailable):
            await store.append([entry(epoch, 1)])
        proxy.answering = True
        assert kinds(await store.append([entry(epoch, 1, text="other")])) == [OutOfOrder]
        assert await ask(own, "XLEN", key("journal")) == 1 + 1


async def test_a_lost_answer_and_a_new_owner_is_fenced_when_repeated(
    own: Valkey, proxy: Proxy
) -> None:
    async with opened(proxy.port) as zombie, opened(own.port) as heir:
        epoch = await owned(zombie)
        await committed(zombie, epoch, range(1, 4))
        proxy.answering = False
        with pytest.raises(StoreUnavailable):
            await zombie.append([entry(epoch, 4)])
        loaded = await heir.acquire(ROOM, "heir")
        proxy.answering = True
        assert kinds(await zombie.append([entry(epoch, 4)])) == [Fenced]
        assert [record.tick for record in loaded.records] == [1, 2, 3, 4]


async def test_a_connection_that_is_reset_says_so_and_the_next_append_makes_another(
    proxy: Proxy,
) -> None:
    async with opened(proxy.port) as store:
        epoch = await owned(store)
        await committed(store, epoch, range(1, 4))
        proxy.asking.clear()
        waiting = append_later(store, entry(epoch, 4))
        await asyncio.sleep(0.02)
        proxy.cut()
        with pytest.raises(StoreUnavailable, match="ended the connection"):
            await waiting
        proxy.asking.set()
        assert await store.append([entry(epoch, 4)]) == [None]
        assert await ticks(store) == [1, 2, 3, 4]


async def test_a_question_that_arrives_late_is_refused_and_changes_nothing(
    own: Valkey, proxy: Proxy
) -> None:
    async with opened(proxy.port) as slow, opened(own.port) as quick:
        epoch = await owned(slow)
        await committed(slow, epoch, range(1, 4))
        proxy.asking.clear()
        with pytest.raises(StoreUnavailable):
            await slow.append([entry(epoch, 4, text="late")])
        # The same owner goes on by another way, while the first question is still on its way.
        assert await quick.append([entry(epoch, 4), entry(epoch, 5)]) == [None, None]
        before = await calls(own, "xadd")
        proxy.asking.set()
        await until(lambda: have_run(own, "xadd", before + 1))
        loaded = await quick.load(ROOM)
        assert [each.record for each in loaded.records[3:]] == [
            entry(epoch, 4).record,
            entry(epoch, 5).record,
        ]


async def test_after_a_new_connection_every_room_is_asked_about_once(
    own: Valkey, proxy: Proxy
) -> None:
    async with opened(proxy.port) as store:
        epochs = {room: await owned(store, room) for room in (ROOM, OTHER)}
        for tick in range(1, 4):
            await store.append([entry(epochs[room], tick, room) for room in epochs])
        # So that the lists of rooms are written, and not in between.
        await store.rooms()
        scripts, connections = await calls(own, "eval"), proxy.connections
        proxy.cut()
        await asyncio.sleep(0.05)
        for tick in range(4, 9):
            batch = [entry(epochs[room], tick, room) for room in epochs]
            assert await store.append(batch) == [None, None]
        assert await calls(own, "eval") == scripts + 2
        assert proxy.connections == connections + 1


async def test_appends_at_once_go_out_without_waiting_for_each_other(
    own: Valkey, proxy: Proxy
) -> None:
    async with opened(proxy.port) as store:
        epochs = {room: await owned(store, room) for room in (ROOM, OTHER)}
        # So that the lists of rooms are written, and not in between.
        await store.rooms()
        connections, written = proxy.connections, await calls(own, "xadd")
        proxy.answering = False
        waiting = [
            append_later(store, *(entry(epochs[room], tick, room) for room in epochs))
            for tick in range(1, 6)
        ]
        # Not one of them is answered, and all of them are in the Redis.
        await until(lambda: have_run(own, "xadd", written + 10))
        failed = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in failed] == [StoreUnavailable] * 5
        assert proxy.connections == connections
        proxy.answering = True
        again = [
            append_later(store, *(entry(epochs[room], tick, room) for room in epochs))
            for tick in range(1, 8)
        ]
        bad = append_later(store, entry(epochs[ROOM], 99), entry(epochs[ROOM] - 1, 8))
        assert [await each for each in again] == [[None, None]] * 7
        assert kinds(await bad) == [OutOfOrder, Fenced]
        assert proxy.connections == connections + 1
        assert await ticks(store) == list(range(1, 8))


async def test_a_cancelled_append_leaves_the_others_their_outcomes(proxy: Proxy) -> None:
    async with opened(proxy.port, answer_s=5.0) as store:
        epoch = await owned(store)
        proxy.asking.clear()
        first = append_later(store, entry(epoch, 1))
        cancelled = append_later(store, entry(epoch, 2), entry(epoch, 3))
        after = append_later(store, entry(epoch, 4), entry(epoch, 9))
        await asyncio.sleep(0.02)
        cancelled.cancel()
        proxy.asking.set()
        assert await first == [None]
        outcomes = await after
        assert outcomes[0] is None
        assert "tick 9 does not follow 4" in str(outcomes[1])
        assert cancelled.cancelled()
        await committed(store, epoch, range(5, 7))
        assert await ticks(store) == [1, 2, 3, 4, 5, 6]


async def test_a_room_goes_back_to_plain_commands_after_a_refusal(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch = await owned(store)
        assert kinds(await store.append([Append(ROOM, epoch, 1, b""), entry(epoch, 9)])) == [
            None,
            OutOfOrder,
        ]
        await committed(store, epoch, range(2, 3))
        scripts = await calls(own, "eval")
        for tick in range(3, 20):
            await committed(store, epoch, range(tick, tick + 1))
        assert await calls(own, "eval") == scripts
