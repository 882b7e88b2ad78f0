"""Replicas that are waited for: what counts as committed, what does not, and what is found again.

Each promise stands beside the same story without `?durable`, which must end badly.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.store.base import Fenced, Held, StoreUnavailable, Taken
from server.store.redis import RedisStore
from tests.server.store.backends import ROOM, committed, entry, kinds, owned, ticks
from tests.server.store.proxy import Proxy
from tests.server.store.redis_ways import append_at_last, ask, key, opened, until
from tests.server.store.valkey import Valkey, running

# Half of it is how long replicas are waited for: long for loopback, and waited out a few times.
PATIENT_S = 1.0


@pytest.fixture
async def replica(own: Valkey, tmp_path: Path) -> AsyncIterator[Valkey]:
    """A replica of `own` that has all it has."""
    with running(tmp_path / "replica") as server:
        await follow(server, own)
        yield server


async def follow(replica: Valkey, primary: Valkey) -> None:
    """Make one a replica of the other, and wait until it has confirmed a write."""
    await ask(replica, "CONFIG", "SET", "repl-diskless-load", "swapdb")
    await ask(primary, "CONFIG", "SET", "repl-diskless-sync-delay", 0)
    await ask(replica, "REPLICAOF", "127.0.0.1", primary.port)

    async def confirmed() -> bool:
        # "Online" is not enough: it says so before it answers for what it was sent.
        try:
            async with opened(primary.port, PATIENT_S, durable=1):
                return True
        except StoreUnavailable:
            return False

    await until(confirmed)


async def length(server: Valkey) -> object:
    """Entries of the room's journal, the one of its acquire included."""
    return await ask(server, "XLEN", key("journal"))


async def held_of(store: RedisStore) -> Held:
    """What a follower holds that has heard everything."""
    tail = await store.tail(ROOM, 0)
    return Held(tail.epoch, tail.tick, tail.records)


async def test_what_was_answered_is_on_the_replica(own: Valkey, replica: Valkey) -> None:
    async with opened(own.port, PATIENT_S, durable=1) as store:
        epoch = await owned(store)
        for tick in range(1, 50):
            assert await store.append([entry(epoch, tick)]) == [None]
            assert await length(replica) == 1 + tick


async def test_a_tick_no_replica_has_is_unsure_and_found_when_it_is_repeated(
    own: Valkey, replica: Valkey
) -> None:
    async with opened(own.port, PATIENT_S, durable=1) as store, opened(own.port) as hasty:
        epoch = await owned(store)
        await committed(store, epoch, range(1, 4))
        with replica.stopped():
            with pytest.raises(StoreUnavailable, match=r"0 replicas had it all.*durable=1"):
                await store.append([entry(epoch, 4)])
            assert await length(own) == 1 + 4
            # The control: without `durable` the same tick counts.
            assert await hasty.append([entry(epoch, 4)]) == [None]
        assert await append_at_last(store, entry(epoch, 4)) == [None]
        assert await length(replica) == 1 + 4
        await committed(store, epoch, range(5, 7))
        assert await ticks(store) == [1, 2, 3, 4, 5, 6]


async def test_a_repetition_on_a_new_connection_waits_for_the_write_it_finds(
    own: Valkey, replica: Valkey
) -> None:
    async with opened(own.port, PATIENT_S, durable=1) as store:
        epoch = await owned(store)
        await committed(store, epoch, range(1, 4))
        with replica.stopped():
            # A new connection each time, since the one before is broken by its failure.
            for _ in range(3):
                with pytest.raises(StoreUnavailable, match="0 replicas"):
                    await store.append([entry(epoch, 4)])
            assert await length(own) == 1 + 4


async def test_what_is_read_is_on_the_replica_too(own: Valkey, replica: Valkey) -> None:
    async with opened(own.port, PATIENT_S, durable=1) as store, opened(own.port) as hasty:
        epoch = await owned(store)
        await committed(store, epoch, range(1, 4))
        with replica.stopped():
            await committed(hasty, epoch, range(4, 5))
            for read in (store.load(ROOM), store.tail(ROOM, 3), store.result(ROOM)):
                with pytest.raises(StoreUnavailable, match="0 replicas"):
                    await read
            assert (await hasty.tail(ROOM, 3)).tick == 4


async def test_while_the_replica_is_away_no_room_changes_hands(
    own: Valkey, replica: Valkey
) -> None:
    async with (
        opened(own.port, PATIENT_S, durable=1) as store,
        opened(own.port, PATIENT_S, durable=1) as heir,
    ):
        epoch = await owned(store)
        await committed(store, epoch, range(1, 4))
        held = await held_of(store)
        with replica.stopped():
            for _ in range(3):
                with pytest.raises(StoreUnavailable, match="0 replicas"):
                    await heir.take_over(ROOM, "heir", held)
                with pytest.raises(StoreUnavailable, match="0 replicas"):
                    await heir.acquire(ROOM, "heir")
            assert await ask(own, "HGET", key("room"), "epoch") == str(epoch).encode()

        async def back() -> bool:
            try:
                await heir.tail(ROOM, 3)
            except StoreUnavailable:
                return False
            return True

        await until(back)
        taken = await heir.take_over(ROOM, "heir", held)
        assert isinstance(taken, Taken)
        assert taken.recoveries == 1
        assert kinds(await store.append([entry(epoch, 4)])) == [Fenced]


async def test_a_store_without_its_replicas_does_not_open(own: Valkey, replica: Valkey) -> None:
    with pytest.raises(StoreUnavailable, match=r"1 replicas had it all.*bring them back"):
        async with opened(own.port, PATIENT_S, durable=2):
            pass
    async with opened(own.port, PATIENT_S, durable=1):
        assert await length(replica) == 0


@pytest.mark.parametrize("durable", [1, 0])
async def test_a_replica_promoted_beside_its_living_primary(
    own: Valkey, replica: Valkey, durable: int
) -> None:
    """The old owner goes on at the old primary; the new one begins at what was promoted."""
    seen: dict[int, bytes] = {}
    async with opened(own.port, PATIENT_S, durable=durable) as old:
        epoch = await owned(old)
        for tick in range(1, 4):
            await committed(old, epoch, range(tick, tick + 1))
            seen[tick] = entry(epoch, tick).record
        await until(lambda: _has(replica, 1 + 3))
        await ask(replica, "REPLICAOF", "NO", "ONE")
        try:
            outcomes = await old.append([entry(epoch, 4, text="old")])
        except StoreUnavailable:
            outcomes = []
        if outcomes == [None]:
            seen[4] = entry(epoch, 4, text="old").record
        async with opened(replica.port) as new:
            loaded = await new.acquire(ROOM, "new")
            await new.append([entry(loaded.epoch, 4, text="new")])
            found = {each.tick: each.record for each in (await new.load(ROOM)).records}
    forgotten = [tick for tick, record in seen.items() if found[tick] != record]
    assert forgotten == ([] if durable else [4])


async def _has(server: Valkey, entries: int) -> bool:
    return await length(server) == entries


async def test_without_durable_nothing_is_sent_but_the_appends(own: Valkey, proxy: Proxy) -> None:
    async with opened(proxy.port) as store:
        await committed(store, await owned(store), range(1, 4))
    assert await ask(own, "EXISTS", "{holdfast}:waited") == 0
    found = await ask(own, "INFO", "commandstats")
    assert isinstance(found, dict)
    assert "cmdstat_wait" not in found
