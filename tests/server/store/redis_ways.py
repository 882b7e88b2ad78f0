"""How the tests of the redis store open one, ask its Redis behind its back, and repeat appends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, cast

from server.store.base import Append, Store, StoreUnavailable
from server.store.redis import RedisStore
from server.store.redis_address import Address
from shared.errors import StoreError
from tests.server.store.backends import ROOM
from tests.server.store.valkey import Valkey

T = TypeVar("T")

# Short, since tests wait for it; long for a Redis on loopback, even beside other tests.
ANSWER_S = 0.5


@asynccontextmanager
async def opened(
    port: int, answer_s: float = ANSWER_S, *, durable: int = 0
) -> AsyncGenerator[RedisStore]:
    """A store at a local port, for the time of the block; `durable` replicas are waited for."""
    store = RedisStore(Address("127.0.0.1", port, durable=durable), answer_s=answer_s)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def key(name: str, room: str = ROOM) -> bytes:
    """A key of a room, under the usual prefix."""
    return Address("").room_key(room, name)


async def ask(server: Valkey, *words: str | bytes | int) -> object:
    """What the Redis itself says to a command."""
    return await asyncio.to_thread(server.ask, *words)


async def calls(server: Valkey, command: str) -> int:
    """How often the Redis has run a command, from scripts included."""
    found = cast("dict[str, dict[str, int]]", await ask(server, "INFO", "commandstats"))
    return found.get(f"cmdstat_{command}", {"calls": 0})["calls"]


async def have_run(server: Valkey, command: str, count: int) -> bool:
    """Whether a command was run so often by now."""
    return await calls(server, command) >= count


def append_later(store: Store, *entries: Append) -> asyncio.Task[list[StoreError | None]]:
    return asyncio.ensure_future(store.append(entries))


async def at_last(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call until the Redis is there; what it then returns."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await call()
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def append_at_last(store: Store, *entries: Append) -> list[StoreError | None]:
    """Repeat an append until the store is there, as the journal's writer does."""
    return await at_last(lambda: store.append(entries))


async def heard(check: Callable[[], bool]) -> None:
    """Wait until what was said is heard."""

    async def asked() -> bool:
        return check()

    await until(asked)


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something has come to be."""
    for _ in range(1000):
        if await check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to be")


async def forget_since(own: Valkey, saved: dict[str, object]) -> None:
    """Bring keys back as they were, and break every connection: a restart on an older file."""
    for name, dump in saved.items():
        assert isinstance(dump, bytes)
        await ask(own, "RESTORE", key(name), 0, dump, "REPLACE")
    await ask(own, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def saved_of(own: Valkey) -> dict[str, object]:
    """The keys of a room as they are, for `forget_since`."""
    return {name: await ask(own, "DUMP", key(name)) for name in ("room", "journal")}
