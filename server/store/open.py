"""From a store's address to the store: the only place that knows every backend by name.

What speaks to a Redis is imported where one is named: its client library is 0.2 s of every other
start, and of every restart of a worker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

from server.store.base import RETENTION, Retention, Store
from server.store.exchange import Exchange
from server.store.memory import MemoryStore
from server.store.memory_exchange import MemoryExchange
from server.store.reader import Reader, SqliteReader
from server.store.sqlite import SqliteStore
from shared.errors import ConfigError

_ACCEPTED = "memory:, sqlite:PATH, sqlite:PATH?synchronous=full or redis://HOST:PORT/DB"


def is_shared(url: str) -> bool:
    """Whether the store that `url` names serves several processes."""
    return url.startswith(("redis://", "rediss://"))


def open_store(
    url: str,
    wall_ms: Callable[[], int],
    retention: Retention = RETENTION,
    log: logging.Logger | None = None,
) -> Store:
    """Return the store that `url` names, not yet opened; raise a `ConfigError` for other texts.

    `memory:` forgets with the process. `sqlite:PATH` keeps a file, whose folder is created when the
    store is opened; `?synchronous=full` makes every commit survive the loss of power, `normal`
    (the default) the death of the process. `redis://[USER:PASSWORD@]HOST:PORT/DB` and `rediss://`
    (with TLS) name a Redis or Valkey, whose own clock its epochs are taken from; no error says
    what stands before the host. `log` is told of a database file that vanished under the store.
    """
    if url == "memory:":
        return MemoryStore(wall_ms, retention)
    if is_shared(url):
        from server.store.redis import RedisStore
        from server.store.redis_address import parse_address

        return RedisStore(parse_address(url), retention=retention)
    scheme, _, rest = url.partition(":")
    path, _, query = rest.partition("?")
    if scheme != "sqlite" or not path:
        shown = url[:200] if "@" not in url else "***" + url[url.rindex("@") :][:200]
        raise ConfigError(f"store {shown!r} is not one of {_ACCEPTED}")
    match parse_qsl(query, keep_blank_values=True):
        case [] if not query:
            return SqliteStore(Path(path), wall_ms, retention=retention, log=log)
        case [("synchronous", ("normal" | "full") as synchronous)]:
            return SqliteStore(Path(path), wall_ms, synchronous, retention=retention, log=log)
        case _:
            raise ConfigError(
                f"store {url[:200]!r}: after the question mark stands synchronous=normal or "
                "synchronous=full, once"
            )


def open_reader(url: str) -> Reader:
    """Return what reads the store that `url` names, also beside the servers that use it."""
    store = open_store(url, lambda: 0)
    return SqliteReader(store.path) if isinstance(store, SqliteStore) else store


def open_exchange(
    url: str, now: Callable[[], float], chance: Callable[[int], bytes], log: logging.Logger
) -> Exchange:
    """Return the exchange beside the store that `url` names, not yet opened.

    What one process alone can use needs nothing outside it; `now` is its clock, monotonic, in
    seconds. Through a Redis, `chance` spreads reconnections and `log` is told what was lost.
    """
    if is_shared(url):
        from server.store.redis_address import parse_address
        from server.store.redis_exchange import RedisExchange

        return RedisExchange(parse_address(url), chance, log)
    return MemoryExchange(now)
