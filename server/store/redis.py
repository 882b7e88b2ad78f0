"""The redis store: rooms in a Redis 6.2 or newer, or a Valkey, or a cluster of either.

Ticks go through a connection of their own to each node (`redis_journal`), everything rare through
scripts on a client library's connections (`redis_rooms`). A committed tick survives the death of
any process of ours; what survives the death of the Redis is its own setting: nothing without a
file, all but the last moments with `appendonly yes` (and the owner's last records bring those back
if it lives), everything with `appendfsync always`. Replicas get the ticks after they were answered;
with `?durable=N` in its address nothing is answered before N of them have it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from types import TracebackType

from server.store.base import (
    REASON_CHARS_MAX,
    RETENTION,
    Append,
    Checkpoint,
    Held,
    Loaded,
    MatchResult,
    Retention,
    RoomEntry,
    Status,
    StoreUnavailable,
    Tail,
    Taken,
    Tidied,
    check_batch,
    check_held,
    check_limit,
    check_owner,
    check_room,
)
from server.store.redis_address import Address
from server.store.redis_client import Client
from server.store.redis_connection import ANSWER_S
from server.store.redis_journal import Journal
from server.store.redis_nodes import Nodes
from server.store.redis_open import check
from server.store.redis_rooms import RedisRooms
from server.store.redis_scripts import Scripts, scripts
from server.store.redis_takeover import Takeovers
from shared.errors import StoreError


class RedisStore:
    """A `Store` in the Redis at `address`.

    `wall_ms` is the clock of epochs; None, as it should be where several processes share the store,
    takes the Redis's own. `answer_s` is how long a Redis may be silent before it counts as away.
    `scripts` is a seam: the tests put scripts without their fence there, and see the harm.
    """

    scripts: Scripts = scripts()

    def __init__(
        self,
        address: Address,
        wall_ms: Callable[[], int] | None = None,
        *,
        answer_s: float = ANSWER_S,
        retention: Retention = RETENTION,
    ) -> None:
        self._address = address
        self._nodes = Nodes(address, answer_s)
        self._client = Client(self._nodes, answer_s)
        self._rooms = RedisRooms(self._client, self.scripts, wall_ms, retention)
        listed, moved = self._rooms.list_result, self._rooms.index.moved
        results_ms = int(retention.results_s * 1000)
        self._journal = Journal(self._nodes, self.scripts, answer_s, listed, results_ms)
        self._takeovers = Takeovers(address, self.scripts, self._journal, wall_ms, listed, moved)
        self._is_open = False
        self._calls = _Calls()

    async def open(self) -> None:
        if self._is_open:
            return
        try:
            await self._nodes.open()
            await self._journal.open()
            self._client.open()
            await check(self._client)
            await self._journal.assure()
        except BaseException:
            await self._let_go()
            raise
        self._is_open = True

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        await self._calls.ended()
        await self._rooms.index.close()
        await self._let_go()

    def shard(self, room: str) -> str:
        check_room(room)
        return str(self._nodes.of(self._key(room)))

    async def create(self, room: str, meta: bytes, owner: str = "") -> None:
        check_room(room)
        keys = self._key(room), self._address.key("owned")
        with self._call():
            await self._journal.assure(*keys)
            await self._rooms.create(room, meta, owner)
            await self._journal.assure(*keys)

    async def recreate(self, room: str, meta: bytes, owner: str, checkpoint: Checkpoint) -> int:
        check_room(room)
        check_owner(owner)
        with self._call():
            await self._journal.assure(self._key(room))
            epoch = await self._rooms.recreate(room, meta, owner, checkpoint)
            self._journal.acquired(room, epoch, checkpoint.tick, owner)
            await self._journal.assure(self._key(room))
            return epoch

    async def rooms(self) -> list[RoomEntry]:
        with self._call():
            return await self._rooms.rooms()

    async def entry(self, room: str) -> RoomEntry:
        check_room(room)
        with self._call():
            return await self._rooms.entry(room)

    async def orphans(
        self, living: Collection[str], limit: int, after: RoomEntry | None = None
    ) -> list[RoomEntry]:
        check_limit(limit)
        with self._call():
            return await self._rooms.orphans(frozenset(living), limit, after)

    async def owned(self, owner: str) -> list[str]:
        with self._call():
            return await self._rooms.index.owned(owner)

    async def tidy(self, limit: int) -> Tidied:
        check_limit(limit)
        with self._call():
            return await self._rooms.tidy(limit)

    async def acquire(self, room: str, owner: str, *, blameless: bool = False) -> Loaded:
        check_room(room)
        check_owner(owner)
        with self._call():
            # First of all: where the replicas stay away, no room changes hands in vain.
            await self._journal.assure(self._key(room))
            loaded, tick = await self._rooms.acquire(room, owner, blameless=blameless)
            self._journal.acquired(room, loaded.epoch, tick, owner)
            await self._journal.assure(self._key(room))
            return loaded

    async def take_over(
        self, room: str, owner: str, held: Held, *, blameless: bool = False
    ) -> Taken | Tail:
        check_room(room)
        check_owner(owner)
        check_held(held)
        with self._call():
            return await self._takeovers.take_over(room, owner, held, blameless=blameless)

    async def tail(self, room: str, tick: int) -> Tail:
        check_room(room)
        with self._call():
            return await self._takeovers.tail(room, tick)

    async def load(self, room: str) -> Loaded:
        check_room(room)
        with self._call():
            loaded = await self._rooms.load(room)
            await self._journal.assure(self._key(room))
            return loaded

    async def append(self, batch: Sequence[Append]) -> list[StoreError | None]:
        check_batch(batch)
        with self._call():
            return await self._journal.append(batch) if batch else []

    async def checkpoint(self, room: str, epoch: int, tick: int, blob: bytes) -> None:
        check_room(room)
        with self._call():
            await self._rooms.checkpoint(room, epoch, tick, blob)

    async def set_status(self, room: str, epoch: int, status: Status, reason: str = "") -> None:
        check_room(room)
        with self._call():
            await self._rooms.set_status(room, epoch, status, reason[:REASON_CHARS_MAX])
            await self._journal.assure(self._key(room))
            if status in (Status.CLOSED, Status.QUARANTINED):
                self._journal.rooms.forget(room)

    async def release(self, room: str, epoch: int) -> None:
        check_room(room)
        with self._call():
            await self._rooms.release(room, epoch)
            # The epoch stays valid: should its owner append once more, a script looks first.
            self._journal.rooms.forget(room)

    async def cut(self, room: str, epoch: int, tick: int) -> int:
        check_room(room)
        with self._call():
            cut = await self._rooms.cut(room, epoch, tick)
            # What this process knew of the journal's end is no more.
            self._journal.rooms.forget(room)
            await self._journal.assure(self._key(room))
            return cut

    async def results_of(self, room: str) -> list[MatchResult]:
        check_room(room)
        with self._call():
            found = await self._rooms.results_of(room)
            await self._journal.assure(self._key(room))
            return found

    async def result(self, room: str) -> bytes | None:
        check_room(room)
        with self._call():
            found = await self._rooms.result(room)
            await self._journal.assure(self._key(room))
            return found

    async def results(self, limit: int) -> list[tuple[str, bytes]]:
        check_limit(limit)
        with self._call():
            found = await self._rooms.results(limit)
            await self._journal.assure()
            return found

    def _key(self, room: str) -> bytes:
        return self._address.room_key(room, "room")

    def _call(self) -> _Calls:
        if not self._is_open:
            raise StoreUnavailable(f"the store {self._address} is not open: open it before use")
        return self._calls

    async def _let_go(self) -> None:
        await self._nodes.close()
        await self._journal.close()
        await self._client.close()


class _Calls:
    """Counts the calls under way, so that closing can wait for them."""

    def __init__(self) -> None:
        self._running = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._running += 1
        self._none.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running -= 1
        if not self._running:
            self._none.set()

    async def ended(self) -> None:
        """Wait until no call is under way."""
        await self._none.wait()
