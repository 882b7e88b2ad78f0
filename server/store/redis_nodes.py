"""Which Redis keeps which keys: one keeps them all, or each node of a cluster keeps its slots.

A cluster says itself who keeps what (`CLUSTER SLOTS`). It is asked when the store is opened, and
again whenever somebody has reason to doubt it: a node was away, or said that a key has moved. See
the specification, https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count

import hiredis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from server.store.redis_address import Address
from server.store.redis_connection import Reply, connect
from server.store.redis_errors import refusal
from shared.columns import is_list
from shared.errors import StoreError

AGAIN_S = 0.05
"""The least time between two questions; while nobody answers it doubles, up to `AGAIN_MAX_S`."""
AGAIN_MAX_S = 2.0

_SLOTS = hiredis.pack_command((b"CLUSTER", b"SLOTS"))
_SHARDED = hiredis.pack_command((b"PUBSUB", b"SHARDNUMSUB"))


class Nodes:
    """Who keeps what; made closed. `address` is the node that is asked first."""

    def __init__(self, address: Address, answer_s: float) -> None:
        self.address = address
        self.sharded = False
        """Whether a channel has a slot, as from Redis 7 on, or is heard at every node."""
        self._told: list[Callable[[], None]] = []
        self._answer_s = answer_s
        # Who keeps each slot; empty where there is no cluster.
        self._slots: list[Address] = []
        self._all: tuple[Address, ...] = (address,)
        self._learning: asyncio.Task[None] | None = None
        self._turn = 0

    @property
    def all(self) -> tuple[Address, ...]:
        """Every node that keeps something."""
        return self._all

    def of(self, key: bytes) -> Address:
        """Who keeps a key, as far as is known."""
        return self._slots[key_slot(key)] if self._slots else self.address

    def key_at(self, node: Address, name: str) -> bytes:
        """A key of this name that this node keeps: the prefix is numbered until one fits."""
        key = self.address.key(name)
        if node not in self._all:
            return key
        numbered = (self.address.room_key(str(number), name) for number in count())
        return key if self.of(key) == node else next(k for k in numbered if self.of(k) == node)

    async def open(self) -> None:
        """Ask; raise `StoreUnavailable` saying why that cannot be."""
        connection = await connect(self.address, self._answer_s, _nothing)
        try:
            slots, sharded = await connection.replies(_SLOTS, _SHARDED)
        finally:
            await connection.finish()
        # Where there is no cluster, or it may not be asked, one keeps all.
        self._slots, self._all = [], (self.address,)
        self.sharded = is_list(slots) and is_list(sharded)
        self._take(self.address, slots)

    async def close(self) -> None:
        """Ask no more."""
        if self._learning is not None:
            self._learning.cancel()
            with suppress(asyncio.CancelledError):
                await self._learning
            self._learning = None

    def when_learnt(self, told: Callable[[], None]) -> None:
        """Call `told`, after those before it, each time the cluster has answered a doubt."""
        self._told.append(told)

    def doubt(self) -> None:
        """Ask again, in the background; once, however many doubt meanwhile."""
        if self._slots and self._learning is None:
            self._learning = asyncio.get_running_loop().create_task(self._learn())

    async def settled(self) -> None:
        """Wait while the answer to a doubt is out, but no longer than a node may be silent."""
        if self._learning is not None:
            await asyncio.wait([self._learning], timeout=self._answer_s)

    async def _learn(self) -> None:
        pause_s = AGAIN_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_MAX_S)
            # Each time another one, since one that is cut off from the others may be wrong.
            nodes = self.all
            self._turn += 1
            with suppress(StoreError):
                await self._ask(nodes[self._turn % len(nodes)])
                break
        self._learning = None
        for told in self._told:
            told()

    async def _ask(self, node: Address) -> None:
        connection = await connect(node, self._answer_s, _nothing)
        try:
            (slots,) = await connection.replies(_SLOTS)
        finally:
            await connection.finish()
        if isinstance(slots, hiredis.ReplyError):
            raise refusal(node, str(slots))
        self._take(node, slots)

    def _take(self, asked: Address, slots: Reply) -> None:
        """Note who keeps what; a slot that nobody keeps stays with who kept it last."""
        found = list(_ranges(asked, slots))
        if not found:
            return
        if len({node for _, _, node in found}) == 1:
            # What one keeps is reached as it was named, whatever it calls itself.
            found = [(first, last, self.address) for first, last, _ in found]
        kept = self._slots or [self.address] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, node in found:
            kept[first : last + 1] = [node] * (last + 1 - first)
        self._slots, self._all = kept, tuple(dict.fromkeys(kept))


def _ranges(asked: Address, slots: Reply) -> Iterator[tuple[int, int, Address]]:
    """First and last slot, and who keeps them; what is not formed like that is passed over.

    A node that does not know its own name is where it was asked.
    """
    for each in slots if is_list(slots) else ():
        match each:
            case [int(first), int(last), [name, int(port), *_], *_] if (
                0 <= first <= last < REDIS_CLUSTER_HASH_SLOTS and 0 < port < 65536
            ):
                host = name.decode("ascii", "replace") if isinstance(name, bytes) else ""
                yield first, last, replace(asked, host=host or asked.host, port=port)
            case _:
                pass


def _nothing() -> None:
    """A connection that only asks is not missed."""
