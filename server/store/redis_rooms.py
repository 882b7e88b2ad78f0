"""The rare operations on rooms in a Redis: each one script, and the list of rooms beside it.

The list of rooms and the list of results lie in other slots than the rooms, so they are written
before a room is created, and after it is closed or has its result. A process that dies in between
leaves a name without a room, which is passed over, or a result that the next acquire lists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

from server.store.base import (
    ROOM_ID,
    Loaded,
    NoSuchRoom,
    OutOfOrder,
    RoomEntry,
    Status,
    StoreCorrupt,
)
from server.store.redis_answers import (
    Answer,
    checkpoint_range,
    has_result,
    read_entry,
    read_loaded,
    refused,
)
from server.store.redis_client import Argument, Client
from server.store.redis_scripts import Script, Scripts


class RedisRooms:
    """What a `Store` does but append; `wall_ms` is the clock of epochs (None: Redis's own)."""

    def __init__(self, client: Client, scripts: Scripts, wall_ms: Callable[[], int] | None) -> None:
        self._client = client
        self._address = client.address
        self._scripts = scripts
        self._wall_ms = wall_ms

    async def create(self, room: str, meta: bytes) -> None:
        await self._client.command("SADD", self._address.key("rooms"), room)
        await self._run(self._scripts.create, room, 0, meta)

    async def rooms(self) -> list[RoomEntry]:
        found = await self._client.command("SMEMBERS", self._address.key("rooms"))
        entries = await asyncio.gather(*map(self._entry, sorted(_rooms(found))))
        return [entry for entry in entries if entry is not None]

    async def acquire(self, room: str, owner: str, *, blameless: bool) -> tuple[Loaded, int]:
        """As `Store.acquire`, and the last committed tick."""
        answer = await self._run(
            self._scripts.acquire, room, 0, owner, self._now_ms(), int(blameless)
        )
        if has_result(answer):
            await self.list_result(room)
        return read_loaded(self._address, room, answer)

    async def load(self, room: str) -> Loaded:
        answer = await self._run(self._scripts.load, room, 0)
        return read_loaded(self._address, room, answer)[0]

    async def checkpoint(self, room: str, epoch: int, tick: int, blob: bytes) -> None:
        answer = await self._run(self._scripts.checkpoint, room, epoch, epoch, tick, blob)
        expected = checkpoint_range(answer)
        if expected is not None:
            raise OutOfOrder(
                f"room {room}: a checkpoint of tick {tick}, expected {expected.least} to "
                f"{expected.most}"
            )

    async def set_status(self, room: str, epoch: int, status: Status, reason: str) -> None:
        await self._run(
            self._scripts.set_status, room, epoch, epoch, status.value, reason, self._now_ms()
        )
        if status is Status.CLOSED:
            await self._client.command("SREM", self._address.key("rooms"), room)

    async def release(self, room: str, epoch: int) -> None:
        await self._run(self._scripts.release, room, epoch, epoch)

    async def result(self, room: str) -> bytes | None:
        found = await self._client.command("HGET", self._address.room_key(room, "room"), "result")
        return found if isinstance(found, bytes) else None

    async def results(self, limit: int) -> list[tuple[str, bytes]]:
        if not limit:
            return []
        key = self._address.key("results")
        found = await self._client.command("ZREVRANGE", key, 0, limit - 1)
        rooms = _rooms(found)
        kept = await asyncio.gather(*map(self.result, rooms))
        return [(room, one) for room, one in zip(rooms, kept, strict=True) if one is not None]

    async def list_result(self, room: str) -> None:
        """List a room's result, if it has one, by when it was committed; again does nothing."""
        key = self._address.room_key(room, "room")
        when = await self._client.command("HGET", key, "resulted")
        if isinstance(when, bytes):
            await self._client.command("ZADD", self._address.key("results"), "NX", when, room)

    def _now_ms(self) -> Argument:
        return "" if self._wall_ms is None else self._wall_ms()

    async def _entry(self, room: str) -> RoomEntry | None:
        """A line of the list; a damaged room is in it, so that whoever takes it up hears why."""
        try:
            return read_entry(self._address, room, await self._run(self._scripts.entry, room, 0))
        except NoSuchRoom:
            return None
        except StoreCorrupt:
            return RoomEntry(room, b"", 0, 0, "", Status.LIVE)

    async def _run(self, script: Script, room: str, epoch: int, *arguments: Argument) -> Answer:
        """Run a script; raise what it refuses with, of which `epoch` is a part."""
        answer = await self._client.run(script, room, *arguments)
        if error := refused(self._address, room, epoch, answer):
            raise error
        return answer


def _rooms(found: object) -> list[str]:
    """The ids in a list or set; names that no Holdfast wrote are passed over."""
    names = cast("Iterable[bytes]", found)
    texts = [name.decode("ascii", "replace") for name in names]
    return [text for text in texts if ROOM_ID.fullmatch(text)]
