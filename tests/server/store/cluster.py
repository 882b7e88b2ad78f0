"""A real cluster of valkey-servers for tests: slots dealt out evenly, replicas where asked for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from functools import partial
from itertools import count
from pathlib import Path
from typing import cast

from redis.crc import key_slot

from bench.cluster_valkey import join_nodes
from tests.server.store.valkey import PATIENCE_S, Valkey, running

NODE_TIMEOUT_MS = 1000
"""After this long without a word from a node, the others begin to agree that it is gone."""


class Cluster:
    """Its nodes, and what one needs to do to them; `replicas[i]` follows `nodes[i]`."""

    def __init__(self, nodes: list[Valkey], replicas: list[Valkey]) -> None:
        self.nodes = nodes
        self.replicas = replicas

    @property
    def port(self) -> int:
        """A node to begin with; which one does not matter."""
        return self.nodes[0].port

    def keeper(self, key: bytes) -> Valkey:
        """The node that keeps a key, as the first node knows it."""
        slot = key_slot(key)
        for first, last, node, *_ in cast("list[list[int | list[int]]]", self._slots()):
            if cast("int", first) <= slot <= cast("int", last):
                port = cast("list[int]", node)[1]
                return next(one for one in self._servers() if one.port == port)
        raise AssertionError(f"nobody keeps slot {slot}")

    def has_sharded_channels(self) -> bool:
        """Whether a channel has a slot, as from Redis 7 on."""
        told = cast("dict[str, object]", self.nodes[0].ask("INFO", "server"))
        return int(str(told["redis_version"]).partition(".")[0]) >= 7

    def other(self, than: Valkey) -> Valkey:
        """A node that is another one."""
        return next(node for node in self.nodes if node is not than)

    def move(self, key: bytes, to: Valkey) -> None:
        """Hand the slot of a key, and all keys in it, to another node, as `redis-cli` does."""
        slot, source = key_slot(key), self.keeper(key)
        to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", _id(source))
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", _id(to))
        while keys := cast("list[bytes]", source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100)):
            source.ask("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *keys)
        for node in (to, source, *self.nodes):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", _id(to))

    def ready(self) -> None:
        """Wait until every living node says that all slots are kept."""
        for server in self._servers():
            if server.process.poll() is None:
                _until(partial(_says, server, "cluster_state:ok", "CLUSTER", "INFO"))

    def _servers(self) -> list[Valkey]:
        return self.nodes + self.replicas

    def _slots(self) -> object:
        living = next(one for one in self._servers() if one.process.poll() is None)
        return living.ask("CLUSTER", "SLOTS")


@contextlib.contextmanager
def clustered(
    folder: Path, size: int = 3, *flags: str, replicas: bool = False
) -> Generator[Cluster, None, None]:
    """A cluster for the time of the block."""
    with contextlib.ExitStack() as stack:

        def start(name: str) -> Valkey:
            timeout = ("--cluster-node-timeout", str(NODE_TIMEOUT_MS))
            enabled = ("--cluster-enabled", "yes", *timeout)
            return stack.enter_context(running(folder / name, *enabled, *flags))

        nodes = [start(f"node{number}") for number in range(size)]
        made = Cluster(nodes, [start(f"replica{n}") for n in range(size)] if replicas else [])
        join_nodes(nodes)
        for replica in made.replicas:
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", replica.port)
        made.ready()
        for node, replica in zip(nodes, made.replicas, strict=bool(made.replicas)):
            _until(partial(_says, replica, _id(node), "CLUSTER", "NODES"))
            replica.ask("CLUSTER", "REPLICATE", _id(node))
        for node in nodes if made.replicas else ():
            tags = (b"{%d}:made" % number for number in count())
            node.ask("SET", next(key for key in tags if made.keeper(key) is node), "")
            _until(partial(_is_followed, node))
        yield made


def _id(server: Valkey) -> str:
    return cast("bytes", server.ask("CLUSTER", "MYID")).decode()


def _says(server: Valkey, what: str, *words: str) -> bool:
    return what in str(server.ask(*words))


def _is_followed(node: Valkey) -> bool:
    """Whether a replica has confirmed all there is; being online alone says little."""
    found = cast("dict[str, object]", node.ask("INFO", "replication"))
    replica = cast("dict[str, object]", found.get("slave0", {}))
    offset = found["master_repl_offset"]
    return offset != 0 and (replica.get("state"), replica.get("offset")) == ("online", offset)


def _until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline, "the cluster did not come about"
        time.sleep(0.02)
