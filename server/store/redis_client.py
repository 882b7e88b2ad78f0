"""The rare operations' way to a Redis: redis-py's pools of connections, without their retries.

A retry would hide from the caller that a call may have happened twice; a pool still opens a new
connection for the next call. Only what a node of a cluster would not do, because another one keeps
the key, is asked again: there. Every error leaves here as one of the store's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, cast

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ConnectionError,  # noqa: A004 - It is not the built-in one.
    MovedError,
    NoScriptError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
    TryAgainError,
)

from server.store.base import StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_each import EachNode
from server.store.redis_errors import refusal
from server.store.redis_nodes import Nodes
from server.store.redis_scripts import ROOM_KEYS, Script
from shared.errors import StoreError

CONNECTIONS_MAX = 4
"""Calls in parallel to a node: a start reads every room, and the journal must get its turn."""

CALL_S = 5.0
"""How long a rare call may take: the largest checkpoint on a slow link, or a crowded start."""

Argument = str | bytes | int


class _Redis(Protocol):
    """What is used of redis-py's client, whose own types say less."""

    async def execute_command(self, *args: Argument) -> object: ...
    async def aclose(self) -> None: ...


class Client:
    """Runs commands and scripts on whoever keeps the key; made closed."""

    def __init__(self, nodes: Nodes, answer_s: float) -> None:
        self.address = nodes.address
        self.nodes = nodes
        self._answer_s = answer_s
        self._pools = EachNode(nodes, self._made, _end)
        self._is_open = False

    def open(self) -> None:
        """Make pools from now on; nothing is sent yet."""
        self._is_open = True

    async def close(self) -> None:
        """End every connection."""
        self._is_open = False
        await self._pools.close()

    async def run(self, script: Script, room: str, *arguments: Argument) -> list[object]:
        """Run a script on a room's keys, teaching it to the Redis where it is not known yet."""
        keys = [self.address.room_key(room, name) for name in ROOM_KEYS]
        return cast("list[object]", await self.judge(script, keys, *arguments))

    async def judge(self, script: Script, keys: Sequence[bytes], *arguments: Argument) -> object:
        """Run a script on other keys, which lie in one slot."""
        tail = (len(keys), *keys, *arguments)

        async def call(redis: _Redis) -> object:
            try:
                return await redis.execute_command("EVALSHA", script.sha, *tail)
            except NoScriptError:
                return await redis.execute_command("EVAL", script.text, *tail)

        return await self._at(keys[0], call)

    async def command(self, name: str, key: bytes, *arguments: Argument) -> object:
        """Run one command about a key."""
        return await self._at(key, lambda redis: redis.execute_command(name, key, *arguments))

    async def ask(self, node: Address, *words: Argument) -> object:
        """Run a command that is about a node, not about a key."""
        try:
            return await self._pool(node).execute_command(*words)
        except RedisError as error:
            raise self._translated(node, error) from error

    async def _at(self, key: bytes, call: Callable[[_Redis], Awaitable[object]]) -> object:
        node = self.nodes.of(key)
        try:
            try:
                return await call(self._pool(node))
            except (MovedError, AskError, TryAgainError):
                self.nodes.doubt()
                await self.nodes.settled()
                node = self.nodes.of(key)
                return await call(self._pool(node))
        except RedisError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                self.nodes.doubt()
            raise self._translated(node, error) from error

    def _pool(self, node: Address) -> _Redis:
        if not self._is_open:
            raise StoreUnavailable(f"the store {self.address} is not open: open it before use")
        return self._pools.at(node)

    def _made(self, node: Address) -> _Redis:
        tls: dict[str, Any] = {"ssl_check_hostname": True} if node.tls else {}
        pool = BlockingConnectionPool(
            max_connections=CONNECTIONS_MAX,
            timeout=None,
            connection_class=SSLConnection if node.tls else Connection,
            host=node.host,
            port=node.port,
            db=node.db,
            username=node.user,
            password=node.password,
            protocol=2,
            socket_connect_timeout=self._answer_s,
            socket_timeout=CALL_S,
            retry=Retry(NoBackoff(), 0),
            **tls,
        )
        return cast("_Redis", Redis.from_pool(pool))

    def _translated(self, node: Address, error: RedisError) -> StoreError:
        """The store's error; redis-py takes the code off some messages, its class names it."""
        text = str(error)
        if isinstance(error, TimeoutError):
            return StoreUnavailable(f"{node} did not answer in time: see whether it hangs")
        if isinstance(error, AuthenticationError):
            return refusal(node, f"NOAUTH {text}")
        code = _CODE_OF.get(type(error).__name__)
        if code is not None:
            return refusal(node, f"{code} {text}")
        if isinstance(error, ResponseError):
            return refusal(node, text)
        if isinstance(error, ConnectionError):
            return StoreUnavailable(f"the connection to {node} failed ({text[:200]})")
        return StoreUnavailable(f"what answers at {node} is no Redis ({text[:200]})")


async def _end(redis: _Redis) -> None:
    with suppress(OSError):
        await redis.aclose()


_CODE_OF = {
    "AskError": "ASK",
    "BusyLoadingError": "LOADING",
    "ClusterCrossSlotError": "CROSSSLOT",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}
