"""From a store's address to the store, and the sentence for what is no address."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from server.store.memory import MemoryStore
from server.store.memory_exchange import MemoryExchange
from server.store.open import open_exchange, open_store
from server.store.redis import RedisStore
from server.store.redis_address import Address
from server.store.redis_exchange import RedisExchange
from server.store.sqlite import SqliteStore
from shared.errors import ConfigError
from tests.server.store.backends import LOG, ROOM, WallClock
from tests.server.store.test_sqlite import pragma


def test_memory_is_the_memory_store() -> None:
    assert isinstance(open_store("memory:", WallClock()), MemoryStore)


@pytest.mark.parametrize(
    ("query", "number"), [("", 1), ("?synchronous=normal", 1), ("?synchronous=full", 2)]
)
async def test_a_sqlite_address_names_a_file_and_how_safe_it_is(
    tmp_path: Path, query: str, number: int
) -> None:
    store = open_store(f"sqlite:{tmp_path}/new/a b#.db{query}", WallClock())
    assert isinstance(store, SqliteStore)
    await store.open()
    await store.create(ROOM, b"")
    assert (tmp_path / "new" / "a b#.db").is_file()
    assert await pragma(store, "synchronous") == number
    await store.close()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://10.0.0.3:6380/1?prefix=x", Address("10.0.0.3", 6380, 1, prefix="x")),
        ("rediss://:hunter2@cache", Address("cache", tls=True, password="hunter2")),
    ],
)
def test_a_redis_address_names_a_server_whose_own_clock_is_taken(
    url: str, address: Address
) -> None:
    store = open_store(url, WallClock())
    assert isinstance(store, RedisStore)
    assert store._address == address
    assert store._rooms._wall_ms is None


def test_the_exchange_is_in_what_the_store_is_in() -> None:
    clock = WallClock()
    for url in ("memory:", "sqlite:a.db"):
        made = open_exchange(url, clock.seconds, random.Random(1).randbytes, LOG)
        assert isinstance(made, MemoryExchange)
    made = open_exchange("redis://cache/2?prefix=x", clock.seconds, random.Random(1).randbytes, LOG)
    assert isinstance(made, RedisExchange)
    assert made._address == Address("cache", db=2, prefix="x")
    assert made._directory._now is None


@pytest.mark.parametrize(
    "url", ["redis://:hunter2@", "redis:/:hunter2@h", "reddis://:hunter2@h", "redis://:hunter2@h:x"]
)
def test_no_error_tells_the_password_of_an_address(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url, WallClock())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "memory", "memory:x", "sqlite", "sqlite:", "sqlite:?synchronous=full", "mysql:x", "a.db"],
)
def test_an_unknown_address_is_told_what_is_accepted(url: str) -> None:
    with pytest.raises(ConfigError, match="memory:, sqlite:PATH") as caught:
        open_store(url, WallClock())
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize(
    "query",
    ["synchronous=off", "synchronous=", "sync=full", "synchronous=full&synchronous=full", "full"],
)
def test_an_unknown_option_is_told_what_is_accepted(query: str) -> None:
    with pytest.raises(ConfigError, match="synchronous=normal or synchronous=full"):
        open_store(f"sqlite:a.db?{query}", WallClock())
