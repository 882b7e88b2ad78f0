"""The rare operations' way to a Redis: redis-py's pool of connections, without its retries.

A retry would hide from the caller that a call may have happened twice; the pool still opens a new
connection for the next call. Every error leaves here as one of the store's.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 - It is not the built-in one.
    NoScriptError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
)

from server.store.base import StoreUnavailable
from server.store.redis_address import Address
from server.store.redis_errors import refusal
from server.store.redis_scripts import ROOM_KEYS, Script
from shared.errors import StoreError

CONNECTIONS_MAX = 4
"""Calls in parallel: a start reads every room, and the journal must still get its turn."""

CALL_S = 5.0
"""How long a rare call may take: the largest checkpoint on a slow link, or a crowded start."""

Argument = str | bytes | int


class _Redis(Protocol):
    """What is used of redis-py's client, whose own types say less."""

    async def execute_command(self, *args: Argument) -> object: ...
    async def aclose(self) -> None: ...


class Client:
    """Runs commands and scripts on a Redis; made closed."""

    def __init__(self, address: Address, answer_s: float) -> None:
        self.address = address
        self._answer_s = answer_s
        self._redis: _Redis | None = None

    def open(self) -> None:
        """Make the pool; nothing is sent yet."""
        address = self.address
        tls: dict[str, Any] = {"ssl_check_hostname": True} if address.tls else {}
        pool = BlockingConnectionPool(
            max_connections=CONNECTIONS_MAX,
            timeout=None,
            connection_class=SSLConnection if address.tls else Connection,
            host=address.host,
            port=address.port,
            db=address.db,
            username=address.user,
            password=address.password,
            protocol=2,
            socket_connect_timeout=self._answer_s,
            socket_timeout=CALL_S,
            retry=Retry(NoBackoff(), 0),
            **tls,
        )
        self._redis = cast("_Redis", Redis.from_pool(pool))

    async def close(self) -> None:
        """End every connection."""
        if self._redis is not None:
            redis, self._redis = self._redis, None
            await redis.aclose()

    async def run(self, script: Script, room: str, *arguments: Argument) -> list[object]:
        """Run a script on a room's keys, teaching it to the Redis where it is not known yet."""
        keys = [self.address.room_key(room, name) for name in ROOM_KEYS]
        tail = (len(keys), *keys, *arguments)
        try:
            try:
                found = await self._open().execute_command("EVALSHA", script.sha, *tail)
            except NoScriptError:
                found = await self._open().execute_command("EVAL", script.text, *tail)
        except RedisError as error:
            raise self._translated(error) from error
        return cast("list[object]", found)

    async def command(self, *arguments: Argument) -> object:
        """Run one command."""
        try:
            return await self._open().execute_command(*arguments)
        except RedisError as error:
            raise self._translated(error) from error

    def _open(self) -> _Redis:
        if self._redis is None:
            raise StoreUnavailable(f"the store {self.address} is not open: open it before use")
        return self._redis

    def _translated(self, error: RedisError) -> StoreError:
        """The store's error; redis-py takes the code off some messages, its class names it."""
        text = str(error)
        if isinstance(error, TimeoutError):
            return StoreUnavailable(f"{self.address} did not answer in time: see whether it hangs")
        if isinstance(error, AuthenticationError):
            return refusal(self.address, f"NOAUTH {text}")
        code = _CODE_OF.get(type(error).__name__)
        if code is not None:
            return refusal(self.address, f"{code} {text}")
        if isinstance(error, ResponseError):
            return refusal(self.address, text)
        if isinstance(error, ConnectionError):
            return StoreUnavailable(f"the connection to {self.address} failed ({text[:200]})")
        return StoreUnavailable(f"what answers at {self.address} is no Redis ({text[:200]})")


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
