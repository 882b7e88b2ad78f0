"""A cluster whose slots move and whose nodes hang, die and are replaced while rooms are run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from server.store.base import Held, Record, StoreUnavailable, Taken
from server.store.exchange import Gap, News, Process
from server.store.redis import RedisStore
from server.store.redis_address import Address
from server.store.redis_exchange import RedisExchange
from tests.server.store.backends import LOG, OTHER, ROOM, committed, entry, owned, ticks
from tests.server.store.cluster import Cluster, clustered
from tests.server.store.redis_ways import (
    ANSWER_S,
    append_at_last,
    append_later,
    ask,
    at_last,
    calls,
    heard,
    key,
    until,
)

ROOMS = [f"room{number:08d}" for number in range(1, 13)]
PROCESS = Process("a", 1, open=True, games=("arena",))

# Each waits for nodes to notice that another is gone.
pytestmark = pytest.mark.slow


@pytest.fixture
def own_cluster(tmp_path: Path) -> Generator[Cluster, None, None]:
    """Three nodes of the test's own, to do anything to; what they answered is on their disks."""
    flags = ("--appendonly", "yes", "--appendfsync", "always")
    with clustered(tmp_path / "cluster", 3, *flags) as made:
        yield made


@pytest.fixture
def replicated(tmp_path: Path) -> Generator[Cluster, None, None]:
    """Three nodes with a replica each."""
    flags = ("--repl-diskless-sync-delay", "0", "--repl-diskless-load", "swapdb")
    with clustered(tmp_path / "replicated", 3, *flags, replicas=True) as made:
        yield made


@asynccontextmanager
async def store_at(
    cluster: Cluster, *, durable: int = 0, answer_s: float = ANSWER_S
) -> AsyncGenerator[RedisStore]:
    address = Address("127.0.0.1", cluster.port, durable=durable)
    store = RedisStore(address, answer_s=answer_s)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def exchange_at(cluster: Cluster) -> AsyncGenerator[RedisExchange]:
    address = Address("127.0.0.1", cluster.port)
    made = RedisExchange(address, random.Random(1).randbytes, LOG, answer_s=ANSWER_S)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def test_a_batch_is_one_write_to_each_node_that_keeps_rooms_of_it(
    own_cluster: Cluster,
) -> None:
    async with store_at(own_cluster) as store:
        epochs = {room: await owned(store, room) for room in ROOMS}
        assert len({store.shard(room) for room in ROOMS}) == 3
        scripts = [await calls(node, "eval") for node in own_cluster.nodes]
        for tick in range(1, 21):
            batch = [entry(epochs[room], tick, room) for room in ROOMS]
            assert await store.append(batch) == [None] * len(ROOMS)
        assert [await calls(node, "eval") for node in own_cluster.nodes] == scripts
        for room in ROOMS:
            assert await ticks(store, room) == list(range(1, 21))
            assert await ask(own_cluster.keeper(key("journal", room)), "XLEN", key("journal", room))


async def test_a_room_goes_on_where_its_slot_was_moved_to(own_cluster: Cluster) -> None:
    async with store_at(own_cluster) as store, store_at(own_cluster) as other:
        epochs = {room: await owned(store, room) for room in (ROOM, OTHER)}
        for room, epoch in epochs.items():
            await committed(store, epoch, range(1, 4), room)
        before = store.shard(ROOM)
        source = own_cluster.keeper(key("journal"))
        target = own_cluster.other(source)
        await asyncio.to_thread(own_cluster.move, key("journal"), target)
        batch = [entry(epochs[room], 4, room) for room in epochs]
        assert await append_at_last(store, *batch) == [None, None]
        assert store.shard(ROOM) != before
        assert await ask(target, "XLEN", key("journal")) == 1 + 4
        # What is rare finds its way by itself, and without an error.
        assert await ticks(other) == [1, 2, 3, 4]
        await other.checkpoint(ROOM, epochs[ROOM], 2, b"checkpoint")
        tail = await other.tail(ROOM, 4)
        taken = await other.take_over(ROOM, "b", Held(tail.epoch, 4))
        assert isinstance(taken, Taken)
        assert await other.append([entry(taken.epoch, 5)]) == [None]


async def test_while_one_node_hangs_the_rooms_of_the_others_go_on(own_cluster: Cluster) -> None:
    async with store_at(own_cluster) as store:
        epochs = {room: await owned(store, room) for room in ROOMS}
        hung = own_cluster.keeper(key("journal", ROOMS[0]))
        mine = [r for r in ROOMS if own_cluster.keeper(key("journal", r)) is hung]
        others = [room for room in ROOMS if room not in mine]
        assert others
        with hung.stopped():
            waiting = append_later(store, *(entry(epochs[room], 1, room) for room in mine))
            for tick in range(1, 6):
                batch = [entry(epochs[room], tick, room) for room in others]
                assert await store.append(batch) == [None] * len(others)
            assert not waiting.done()
            with pytest.raises(StoreUnavailable, match="did not answer within"):
                await waiting
            # Of a batch for all nodes nothing is known, and all of it is found when repeated.
            whole = [
                entry(epochs[room], 1 if room in mine else 6, room) for room in (*mine, *others)
            ]
            with pytest.raises(StoreUnavailable):
                await store.append(whole)
        assert await append_at_last(store, *whole) == [None] * len(ROOMS)
        for room in ROOMS:
            assert await ticks(store, room) == list(range(1, 2 if room in mine else 7))


async def test_a_replica_takes_the_place_of_a_node_that_died(replicated: Cluster) -> None:
    async with (
        store_at(replicated) as store,
        exchange_at(replicated) as teller,
        exchange_at(replicated) as follower,
    ):
        epochs = {room: await owned(store, room) for room in ROOMS}
        for tick in range(1, 11):
            await store.append([entry(epochs[room], tick, room) for room in ROOMS])
        found: dict[str, list[News | Gap]] = {room: [] for room in ROOMS}
        for room in ROOMS:
            await follower.follow(room, found[room].append)
        # The first node is the one that everybody was told of.
        dead = replicated.nodes[0]
        mine = [r for r in ROOMS if replicated.keeper(key("journal", r)) is dead]
        assert mine
        dead.kill()
        # The rooms' owner repeats what the replica did not get, and goes on.
        for tick in range(11, 16):
            batch = [entry(epochs[room], tick, room) for room in ROOMS]
            assert await append_at_last(store, *batch) == [None] * len(ROOMS)
        for room in ROOMS:
            assert await ticks(store, room) == list(range(1, 16))
        told = Record(9, 99, b"told")

        async def all_hear() -> bool:
            teller.tell([(room, told) for room in ROOMS])
            return all(told in heard for heard in found.values())

        await until(all_hear)
        assert all(Gap() in found[room] for room in mine)
        assert "'role': 'master'" in str(await ask(replicated.replicas[0], "INFO", "replication"))


async def test_with_durable_nothing_is_answered_until_a_replica_is_there_again(
    replicated: Cluster,
) -> None:
    async with store_at(replicated, durable=1, answer_s=1.0) as store:
        epochs = {room: await owned(store, room) for room in ROOMS}
        assert await store.append([entry(epochs[room], 1, room) for room in ROOMS]) == [None] * 12
        dead = replicated.nodes[0]
        batch = [
            entry(epochs[room], 2, room)
            for room in ROOMS
            if replicated.keeper(key("journal", room)) is dead
        ]
        dead.kill()

        async def misses_a_replica() -> bool:
            with pytest.raises(StoreUnavailable) as caught:
                await store.append(batch)
            return "0 replicas had it all" in str(caught.value)

        await until(misses_a_replica)
        dead.restart()
        assert await append_at_last(store, *batch) == [None] * len(batch)
        for each in batch:
            # A replica that is new may be busy again for a moment.
            assert await at_last(partial(ticks, store, each.room)) == [1, 2]


async def test_followers_go_along_with_a_slot_and_hear_of_the_gap(own_cluster: Cluster) -> None:
    if not own_cluster.has_sharded_channels():
        pytest.skip("channels have no slots before Redis 7: they are heard at every node")
    async with exchange_at(own_cluster) as teller, exchange_at(own_cluster) as follower:
        found: list[News | Gap] = []
        twice: list[News | Gap] = []
        letters: list[bytes] = []
        news = [Record(1, tick, b"%d" % tick) for tick in range(1, 4)]
        subscription = await follower.follow(ROOM, found.append)
        await follower.follow(ROOM, twice.append)
        await follower.listen("name", letters.append)
        teller.tell([(ROOM, news[0])])
        await heard(lambda: found == twice == news[:1])
        source = own_cluster.keeper(key("journal"))
        target = own_cluster.other(source)
        await asyncio.to_thread(own_cluster.move, key("journal"), target)
        await heard(lambda: Gap() in found and Gap() in twice)

        async def told() -> bool:
            teller.tell([(ROOM, news[1])])
            return news[1] in found and news[1] in twice

        await until(told)
        teller.post("name", b"letter")
        await heard(lambda: letters == [b"letter"])
        channel = key("news:0")
        assert await ask(target, "PUBSUB", "SHARDNUMSUB", channel) == [channel, 1]
        assert await ask(source, "PUBSUB", "SHARDNUMSUB", channel) == [channel, 0]
        # Who comes later finds the way as well, and who leaves is gone there.
        late: list[News | Gap] = []
        async with exchange_at(own_cluster) as another:
            await another.follow(ROOM, late.append)
            teller.tell([(ROOM, news[2])])
            await heard(lambda: late == [news[2]])
        subscription.cancel()
        teller.tell([(ROOM, news[0])])
        await heard(lambda: twice[-1] == news[0])
        assert found[-1] != news[0]


async def test_the_directory_goes_along_with_its_slot(own_cluster: Cluster) -> None:
    async with exchange_at(own_cluster) as exchange:
        await exchange.beat(PROCESS)
        directory = Address("").key("processes")
        target = own_cluster.other(own_cluster.keeper(directory))
        await asyncio.to_thread(own_cluster.move, directory, target)

        assert [each.name for each in await at_last(exchange.processes)] == ["a"]


async def test_messages_go_to_one_node_only(own_cluster: Cluster) -> None:
    if not own_cluster.has_sharded_channels():
        pytest.skip("channels have no slots before Redis 7: nodes pass messages on")
    async with exchange_at(own_cluster) as teller, exchange_at(own_cluster) as follower:
        found: list[News | Gap] = []
        await follower.follow(ROOM, found.append)
        before = [await _bus_messages(node.ask("CLUSTER", "INFO")) for node in own_cluster.nodes]
        for tick in range(1, 101):
            teller.tell([(ROOM, Record(1, tick, b""))])
        await heard(lambda: len(found) == 100)
        after = [await _bus_messages(node.ask("CLUSTER", "INFO")) for node in own_cluster.nodes]
        assert before == after == [0, 0, 0], "no node passed anything on"


async def _bus_messages(told: object) -> int:
    """How many messages of channels without a slot a node has passed on to others."""
    lines = str(told).replace("\\r\\n", "\n").splitlines()
    named = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(named.get("cluster_stats_messages_publish_sent", 0))


async def test_a_takeover_of_what_a_dead_node_kept_waits_for_its_replica(
    replicated: Cluster,
) -> None:
    async with store_at(replicated) as owner, store_at(replicated) as heir:
        room = next(r for r in ROOMS if replicated.keeper(key("journal", r)) is replicated.nodes[1])
        epoch = await owned(owner, room)
        await committed(owner, epoch, range(1, 6), room)
        tail = await heir.tail(room, 0)
        replicated.nodes[1].kill()
        held = Held(tail.epoch, tail.tick, tail.records)
        taken = await at_last(lambda: heir.take_over(room, "heir", held))
        assert isinstance(taken, Taken)
        assert await heir.append([entry(taken.epoch, 6, room)]) == [None]
        assert await ticks(heir, room) == [1, 2, 3, 4, 5, 6]
