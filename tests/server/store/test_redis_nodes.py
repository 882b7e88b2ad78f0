"""Which node keeps a key: asked of a real cluster, and of answers that are odd."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from server.store.base import Record
from server.store.exchange import Gap, News
from server.store.redis_address import Address
from server.store.redis_exchange import RedisExchange
from server.store.redis_nodes import Nodes, _ranges
from tests.server.store.backends import LOG, ROOM
from tests.server.store.cluster import Cluster
from tests.server.store.redis_ways import ANSWER_S, ask, heard, until
from tests.server.store.valkey import Valkey

HERE = Address("here", 1, password="secret")
ANSWERS: list[tuple[object, list[tuple[int, int, str, int]]]] = [
    ([[0, 5, [b"a", 7]]], [(0, 5, "a", 7)]),
    ([[0, 5, [b"a", 7, b"id", []], [b"replica", 8]]], [(0, 5, "a", 7)]),
    ([[0, 5, [None, 7]], [6, 9, [b"", 8]]], [(0, 5, "here", 7), (6, 9, "here", 8)]),
    ([[0, 16384, [b"a", 7]], [5, 4, [b"a", 7]], [0, 1, [b"a", 0]]], []),
    ([[0, 5], [], 7, [b"0", 5, [b"a", 7]], [0, 5, b"a"]], []),
    (Exception("ERR This instance has cluster support disabled"), []),
    (None, []),
]


@asynccontextmanager
async def known(port: int) -> AsyncGenerator[Nodes]:
    nodes = Nodes(Address("127.0.0.1", port), ANSWER_S)
    await nodes.open()
    try:
        yield nodes
    finally:
        await nodes.close()


async def test_one_redis_keeps_everything(valkey: Valkey) -> None:
    async with known(valkey.port) as nodes:
        assert nodes.all == (nodes.address,)
        assert nodes.of(b"a") == nodes.of(b"b") == nodes.address
        assert nodes.key_at(nodes.address, "x") == b"{holdfast}:x"
        assert not nodes.sharded
        nodes.doubt()
        await nodes.settled()


async def test_each_node_of_a_cluster_keeps_its_slots(cluster: Cluster) -> None:
    async with known(cluster.port) as nodes:
        assert {node.port for node in nodes.all} == {node.port for node in cluster.nodes}
        assert nodes.sharded == cluster.has_sharded_channels()
        for number in range(50):
            key = b"{%d}:x" % number
            assert nodes.of(key).port == cluster.keeper(key).port
        for node in nodes.all:
            assert nodes.of(nodes.key_at(node, "x")) == node
        gone = Address("gone")
        assert nodes.key_at(gone, "x") == b"{holdfast}:x", "any key will do: it will be refused"


async def test_a_doubt_is_settled_by_asking_and_told(cluster: Cluster) -> None:
    async with known(cluster.port) as nodes:
        told: list[bool] = []
        nodes.when_learnt(lambda: told.append(True))
        nodes.doubt()
        nodes.doubt()

        async def once() -> bool:
            return told == [True]

        await until(once)
        nodes.doubt()
        await nodes.settled()
        assert told == [True, True]


@pytest.mark.parametrize(("answer", "found"), ANSWERS)
def test_odd_answers_are_passed_over(
    answer: object, found: list[tuple[int, int, str, int]]
) -> None:
    read = list(_ranges(HERE, answer))
    assert [(first, last, node.host, node.port) for first, last, node in read] == found
    assert all(node.password == "secret" for _, _, node in read)


async def test_where_channels_have_no_slots_every_node_passes_news_on(cluster: Cluster) -> None:
    # Like a Redis 6.2, these users have no sharded channels, as far as they can tell.
    name, password = "plain", os.urandom(8).hex()
    rules = ["on", f">{password}", "~*", "&*", "+@all", "-pubsub"]
    if cluster.has_sharded_channels():
        rules += ["-spublish", "-ssubscribe"]
    for node in cluster.nodes:
        await ask(node, "ACL", "SETUSER", name, *rules)
    address = Address("127.0.0.1", cluster.port, user=name, password=password)

    def made() -> RedisExchange:
        return RedisExchange(address, random.Random(1).randbytes, LOG, answer_s=ANSWER_S)

    teller, follower = made(), made()
    await teller.open()
    await follower.open()
    try:
        found: list[News | Gap] = []
        await follower.follow(ROOM, found.append)
        teller.tell([(ROOM, Record(1, 1, b"told"))])
        await heard(lambda: found == [Record(1, 1, b"told")])
    finally:
        await follower.close()
        await teller.close()
        for node in cluster.nodes:
            await ask(node, "ACL", "DELUSER", name)
