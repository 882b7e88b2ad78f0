"""What the store's tests run on: every backend, its unfenced control, and a few short words."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

from server.store.base import Append, Retention, Store
from server.store.exchange import Exchange
from server.store.memory import MemoryStore
from server.store.memory_exchange import MemoryExchange
from server.store.redis import RedisStore
from server.store.redis_address import Address
from server.store.redis_exchange import RedisExchange
from server.store.redis_scripts import scripts
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import SqliteFile
from shared.errors import StoreError
from tests.server.store.cluster import Cluster
from tests.server.store.valkey import Valkey

ROOM = "room00000001"
OTHER = "room00000002"
META = b"\x00meta"
LOG = logging.getLogger("tests.server.store")


class WallClock:
    """A wall clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_ms = 1_000

    def __call__(self) -> int:
        return self.now_ms

    def seconds(self) -> float:
        """The same, as the exchange's clock."""
        return self.now_ms / 1000


class UnfencedMemory(MemoryStore):
    """The control: a memory store whose fence is gone."""

    def _fence(self, room: str, epoch: int, epoch_now: int) -> None:
        del room, epoch, epoch_now


class UnfencedFile(SqliteFile):
    """The control: a sqlite file whose fence is gone."""

    def _fence(self, room: str, epoch: int, epoch_now: int) -> None:
        del room, epoch, epoch_now


class UnfencedSqlite(SqliteStore):
    """The control: a sqlite store over an `UnfencedFile`."""

    file_type = UnfencedFile


class UnfencedRedis(RedisStore):
    """The control: a redis store whose scripts lack their fence."""

    scripts = scripts(fence="local function fence() end")


@dataclass(frozen=True)
class Place:
    """Where a test's store is to be: a folder of its own, a clock, and a Redis if it wants one."""

    folder: Path
    clock: WallClock
    valkey: Callable[[], Valkey]
    cluster: Callable[[], Cluster]

    def address(self) -> Address:
        """A prefix of the test's own in the Redis that all tests share."""
        return Address("127.0.0.1", self.valkey().port, prefix=self._prefix())

    def cluster_address(self) -> Address:
        """The same in the cluster that all tests share."""
        return Address("127.0.0.1", self.cluster().port, prefix=self._prefix())

    def _prefix(self) -> str:
        return sha1(str(self.folder).encode(), usedforsecurity=False).hexdigest()


RETENTION = Retention(
    asleep_s=100.0, closed_s=50.0, results_s=300.0, quarantined_s=200.0, sleeping_max=5
)
"""Short by the clock that stands still; a Redis, which ends keys by its own, does not get there."""
BACKENDS: dict[str, Callable[[Place], Store]] = {
    "memory": lambda place: MemoryStore(place.clock, RETENTION),
    "sqlite": lambda place: SqliteStore(place.folder / "a.db", place.clock, retention=RETENTION),
    "sqlite-full": lambda place: SqliteStore(
        place.folder / "a.db", place.clock, "full", retention=RETENTION
    ),
    "redis": lambda place: RedisStore(place.address(), place.clock, retention=RETENTION),
    "redis-cluster": lambda place: RedisStore(
        place.cluster_address(), place.clock, retention=RETENTION
    ),
}
EXCHANGES: dict[str, Callable[[Place, Exchange | None], Exchange]] = {
    # What lives in a process has but one for all who are in it.
    "memory": lambda place, other: other or MemoryExchange(place.clock.seconds),
    "redis": lambda place, _: RedisExchange(
        place.address(), random.Random(1).randbytes, LOG, place.clock.seconds
    ),
    "redis-cluster": lambda place, _: RedisExchange(
        place.cluster_address(), random.Random(1).randbytes, LOG, place.clock.seconds
    ),
}
"""Each makes an exchange, or one more beside the other, as another process would."""
UNFENCED: dict[str, Callable[[Place], Store]] = {
    "memory": lambda place: UnfencedMemory(place.clock),
    "sqlite": lambda place: UnfencedSqlite(place.folder / "a.db", place.clock),
    "redis": lambda place: UnfencedRedis(place.address(), place.clock),
    "redis-cluster": lambda place: UnfencedRedis(place.cluster_address(), place.clock),
}


def entry(epoch: int, tick: int, room: str = ROOM, text: str = "", result: str = "") -> Append:
    record = f"{room} {tick} {text}".encode()
    return Append(room, epoch, tick, record, result.encode() if result else None)


async def owned(store: Store, room: str = ROOM, owner: str = "a") -> int:
    await store.create(room, META)
    return (await store.acquire(room, owner)).epoch


async def committed(store: Store, epoch: int, ticks: range, room: str = ROOM) -> None:
    outcomes = await store.append([entry(epoch, tick, room) for tick in ticks])
    assert outcomes == [None] * len(ticks)


async def ticks(store: Store, room: str = ROOM) -> list[int]:
    return [record.tick for record in (await store.load(room)).records]


def kinds(outcomes: list[StoreError | None]) -> list[type | None]:
    return [None if outcome is None else type(outcome) for outcome in outcomes]
