"""Takeovers on Redis: what they cost, the fence of the stream itself, and ends that were lost."""

from __future__ import annotations

import pytest

from server.store.base import Fenced, Held, Record, StoreUnavailable, Tail, Taken
from server.store.redis_known import RECORDS_KEPT
from tests.server.store.backends import ROOM, committed, entry, kinds, owned, ticks
from tests.server.store.proxy import Proxy
from tests.server.store.redis_ways import (
    append_at_last,
    ask,
    calls,
    forget_since,
    key,
    opened,
    saved_of,
)
from tests.server.store.valkey import Valkey


def held(epoch: int, of: range) -> Held:
    """What a follower has that heard these ticks of one epoch."""
    heard = tuple(Record(epoch, tick, entry(epoch, tick).record) for tick in of)
    return Held(epoch, of[-1], heard)


async def test_a_takeover_is_one_script_and_the_next_append_a_plain_command(own: Valkey) -> None:
    async with opened(own.port) as zombie, opened(own.port) as heir:
        old = await owned(zombie)
        await committed(zombie, old, range(1, 5))
        scripts = await calls(own, "eval")
        reads = await calls(own, "xrange")
        taken = await heir.take_over(ROOM, "heir", held(old, range(1, 5)))
        assert isinstance(taken, Taken)
        assert await calls(own, "eval") == scripts + 1
        await committed(heir, taken.epoch, range(5, 6))
        assert await calls(own, "eval") == scripts + 1
        assert await calls(own, "xrange") == reads
        # The very command that the zombie sends is refused by Redis.
        with pytest.raises(Exception, match="equal or smaller"):
            await ask(own, "XADD", key("journal"), "NOMKSTREAM", f"{old}-6", "d", "zombie")
        assert kinds(await zombie.append([entry(old, 5, text="zombie")])) == [Fenced]
        assert await ticks(heir) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("lost", [1, 5, RECORDS_KEPT])
async def test_a_follower_brings_back_the_end_that_a_redis_lost(own: Valkey, lost: int) -> None:
    async with opened(own.port) as dead:
        epoch = await owned(dead)
        await committed(dead, epoch, range(1, 4))
        saved = await saved_of(own)
        await committed(dead, epoch, range(4, 4 + lost))
        await forget_since(own, saved)
        async with opened(own.port) as heir:
            taken = await heir.take_over(ROOM, "heir", held(epoch, range(4, 4 + lost)))
            assert isinstance(taken, Taken)
            await committed(heir, taken.epoch, range(4 + lost, 6 + lost))
            assert await ticks(heir) == list(range(1, 6 + lost))
            assert kinds(await append_at_last(dead, entry(epoch, 4 + lost))) == [Fenced]


@pytest.mark.parametrize("own_ticks", [0, 1, 6])
async def test_an_heir_brings_back_what_it_took_over_as_well_as_its_own(
    own: Valkey, own_ticks: int
) -> None:
    async with opened(own.port) as dead, opened(own.port) as heir:
        old = await owned(dead)
        await committed(dead, old, range(1, 4))
        saved = await saved_of(own)
        await committed(dead, old, range(4, 8))
        taken = await heir.take_over(ROOM, "heir", held(old, range(2, 8)))
        assert isinstance(taken, Taken)
        await committed(heir, taken.epoch, range(8, 8 + own_ticks))
        await forget_since(own, saved)
        end = 8 + own_ticks
        assert await append_at_last(heir, entry(taken.epoch, end)) == [None]
        records = (await heir.load(ROOM)).records
        assert [record.tick for record in records] == list(range(1, end + 1))
        assert [record.epoch for record in records] == [old] * 7 + [taken.epoch] * (own_ticks + 1)


async def test_a_takeover_whose_answer_was_lost_is_seen_in_the_next(
    own: Valkey, proxy: Proxy
) -> None:
    async with opened(own.port) as dead, opened(proxy.port) as heir:
        old = await owned(dead)
        await committed(dead, old, range(1, 3))
        proxy.answering = False
        with pytest.raises(StoreUnavailable):
            await heir.take_over(ROOM, "heir", Held(old, 2))
        proxy.answering = True
        told = await heir.take_over(ROOM, "heir", Held(old, 2))
        assert isinstance(told, Tail)
        assert (told.owner, told.tick) == ("heir", 2)
        taken = await heir.take_over(ROOM, "heir", Held(told.epoch, 2))
        assert isinstance(taken, Taken)
        await committed(heir, taken.epoch, range(3, 4))


async def test_a_result_that_was_not_listed_is_listed_by_a_takeover(own: Valkey) -> None:
    async with opened(own.port) as store:
        epoch = await owned(store)
        await store.append([entry(epoch, 1, result="won")])
        await ask(own, "DEL", "{holdfast}:results")
        await store.take_over(ROOM, "heir", Held(epoch, 1))
        assert await store.results(9) == [(ROOM, b"won")]
