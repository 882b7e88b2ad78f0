"""The rare operations on rooms in a Redis: each one script, and the lists of rooms beside it.

The lists (`redis_index`) lie in other slots than the rooms and are written apart. A process that
dies in between leaves a line without a room, or a room in the wrong list, which the reaper puts
right, or a result that the next acquire lists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Set
from dataclasses import replace
from typing import cast

from server.store.base import (
    ROOM_ID,
    Checkpoint,
    Loaded,
    MatchResult,
    NoSuchRoom,
    OutOfOrder,
    Retention,
    RoomEntry,
    Status,
    StoreCorrupt,
    Tidied,
    cannot_cut,
)
from server.store.redis_answers import (
    Answer,
    checkpoint_range,
    has_result,
    owner_before,
    read_entry,
    read_loaded,
    read_release,
    read_results,
    read_status,
    refused,
)
from server.store.redis_client import Argument, Client
from server.store.redis_index import Index
from server.store.redis_scripts import Script, Scripts

UNTENDED_S = 3600.0
"""How much longer than its retention the keys of a room that rests last: servers say it is over."""


class RedisRooms:
    """What a `Store` does but append; `wall_ms` is the clock of epochs (None: Redis's own)."""

    def __init__(
        self,
        client: Client,
        scripts: Scripts,
        wall_ms: Callable[[], int] | None,
        retention: Retention,
    ) -> None:
        self.index = Index(client)
        self._client = client
        self._retention = retention
        self._address = client.address
        self._scripts = scripts
        self._wall_ms = wall_ms

    async def create(self, room: str, meta: bytes, owner: str) -> None:
        await self.index.created(room, owner)
        await self._run(self._scripts.create, room, 0, meta, owner)

    async def recreate(self, room: str, meta: bytes, owner: str, kept: Checkpoint) -> int:
        await self.index.created(room, owner)
        answer = await self._run(
            self._scripts.recreate,
            room,
            0,
            meta,
            owner,
            kept.epoch,
            kept.tick,
            kept.blob,
            self._now_ms(),
        )
        return int(cast("bytes", answer[1]))

    async def rooms(self) -> list[RoomEntry]:
        entries = await asyncio.gather(*map(self._entry, await self.index.rooms()))
        return [entry for entry in entries if entry is not None]

    async def entry(self, room: str) -> RoomEntry:
        return read_entry(self._address, room, await self._run(self._scripts.entry, room, 0))

    async def orphans(
        self, living: Set[str], limit: int, after: RoomEntry | None
    ) -> list[RoomEntry]:
        """As `Store.orphans`; a line of the list that is wrong is put right on the way."""
        found: list[RoomEntry] = []
        last = None if after is None else (after.owner, after.room)
        while len(found) < limit:
            page = await self.index.page(living, limit - len(found), last)
            if not page:
                break
            last = page[-1]
            entries = await asyncio.gather(*(self._entry(room) for _, room in page))
            for (owner, room), read in zip(page, entries, strict=True):
                # A damaged room says nothing of its owner: the line's word counts.
                damaged = read is not None and not read.meta
                entry = replace(read, owner=owner) if read is not None and damaged else read
                if entry is None or entry.status is not Status.LIVE or entry.owner != owner:
                    await self.index.correct(owner, room, entry)
                else:
                    found.append(entry)
        return found

    async def tidy(self, limit: int) -> Tidied:
        """As `Store.tidy`; what is closed, and results, end by themselves."""
        due = await self.index.due(self._retention, self._now_ms(), limit)
        closed: list[str] = []
        for room, status in due.rooms:
            if await self._end(room, status) and status is Status.ASLEEP:
                closed.append(room)
        return Tidied(tuple(closed), due.asleep - len(closed))

    async def acquire(self, room: str, owner: str, *, blameless: bool) -> tuple[Loaded, int]:
        """As `Store.acquire`, and the last committed tick."""
        answer = await self._run(
            self._scripts.acquire, room, 0, owner, self._now_ms(), int(blameless)
        )
        self.index.moved(room, owner_before(answer), owner)
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
        answer = await self._run(
            self._scripts.set_status,
            room,
            epoch,
            epoch,
            status.value,
            reason,
            self._now_ms(),
            int(self._kept_s(status) * 1000),
        )
        owner, since_ms = read_status(self._address, room, answer)
        if status is Status.LIVE:
            await self.index.lives(room, owner)
        elif status is Status.CLOSED:
            await self.index.gone(room, owner)
        else:
            await self.index.rests(room, owner, status, since_ms)

    async def release(self, room: str, epoch: int) -> None:
        answer = await self._run(self._scripts.release, room, epoch, epoch)
        status, owner = read_release(self._address, room, answer)
        if status is Status.LIVE:
            self.index.moved(room, owner, "")

    async def results_of(self, room: str) -> list[MatchResult]:
        """As `Store.results_of`; what Holdfast 0.1 kept in the room's hash is the first match's."""
        key = self._address.room_key(room, "results")
        results = read_results(await self._client.command("XRANGE", key, "-", "+"))
        if not results:
            key = self._address.room_key(room, "room")
            first = await self._client.command("HGET", key, "result")
            return [MatchResult(1, 0, first)] if isinstance(first, bytes) else []
        return results

    async def cut(self, room: str, epoch: int, tick: int) -> int:
        answer = await self._run(self._scripts.cut, room, epoch, epoch, tick, self._now_ms())
        match answer:
            case [b"ok", bytes(now)]:
                return int(now)
            case _:
                raise cannot_cut(room, tick)

    async def result(self, room: str) -> bytes | None:
        """The last result of a room."""
        results = await self.results_of(room)
        return results[-1].result if results else None

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
            await self._client.command("ZADD", self._address.key("results"), when, room)

    def _now_ms(self) -> Argument:
        return "" if self._wall_ms is None else self._wall_ms()

    def _kept_s(self, status: Status) -> float:
        """How long the keys of a room that rests last, should no server live to tidy up."""
        kept = self._retention
        match status:
            case Status.ASLEEP:
                return kept.asleep_s + UNTENDED_S
            case Status.QUARANTINED:
                return kept.quarantined_s + UNTENDED_S
            case _:
                return kept.closed_s

    async def _end(self, room: str, status: Status) -> bool:
        """Close a room that rests, if it does so still; whether this call closed it."""
        try:
            answer = await self._run(
                self._scripts.end,
                room,
                0,
                status.value,
                self._now_ms(),
                int(self._retention.closed_s * 1000),
            )
        except NoSuchRoom:
            await self.index.gone(room, "")
            return False
        now, owner = read_release(self._address, room, answer)
        if now is Status.LIVE:
            await self.index.lives(room, owner)
        elif now is Status.CLOSED:
            await self.index.gone(room, owner)
        return now is Status.CLOSED

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
