"""The lists of rooms in a Redis: the live ones by owner, those that rest by time, and the results.

They lie in other slots than the rooms, so they are written beside them, not with them:
```
{PREFIX}:owned        zset  OWNER NUL ROOM, all of score 0, so in the order of their owners
{PREFIX}:asleep       zset  room by the moment it fell asleep, in milliseconds
{PREFIX}:quarantined  zset  room by the moment it was put aside
{PREFIX}:results      zset  room by its last result, in microseconds
{PREFIX}:rooms        set   rooms that Holdfast 0.1 listed; they are taken into `owned`
```
A process lists a room as owned before it creates it, and what changes afterwards is written once
the room's own script has answered, soon: a storm of takeovers is one write. A process that dies in
between leaves a room under an owner that no longer lives, where the reaper finds it, which puts the
line right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import cast

from server.store.base import ROOM_ID, Retention, RoomEntry, Status
from server.store.redis_client import Argument, Client
from server.store.redis_scripts import Script
from shared.columns import is_list
from shared.errors import StoreError

FLUSH_S = 0.02
TAKEN_IN = 256

_RESTING = (Status.ASLEEP, Status.QUARANTINED)

_ORPHANS = """
local living = {}
for n = 3, #ARGV do living[ARGV[n]] = true end
local limit, from, found = tonumber(ARGV[1]), ARGV[2], {}
while #found < limit do
  local lines = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, limit - #found)
  if #lines == 0 then break end
  for _, line in ipairs(lines) do
    local owner = string.match(line, '^[^%z]*')
    if living[owner] then
      from = '[' .. owner .. '\\1'
      break
    end
    found[#found + 1] = line
    from = '(' .. line
  end
end
return found
"""

# Answers with the sleepers, the due among them, and the quarantined rooms that are due.
_DUE = """
local limit, now = tonumber(ARGV[1]), tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function before(ms) return string.format('%.0f', now - tonumber(ms)) end
local function due(key, keep_ms, most)
  local rooms = redis.call('ZRANGEBYSCORE', key, '-inf', before(keep_ms), 'LIMIT', 0, limit)
  local spare = math.min(limit, redis.call('ZCARD', key) - most)
  if spare > #rooms then rooms = redis.call('ZRANGE', key, 0, spare - 1) end
  return rooms
end
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', before(ARGV[5]) .. '000')
local asleep = due(KEYS[2], ARGV[3], tonumber(ARGV[6]))
local listed = redis.call('SRANDMEMBER', KEYS[5], ARGV[7])
for _, room in ipairs(listed) do
  redis.call('ZADD', KEYS[1], 0, '\\0' .. room)
  redis.call('SREM', KEYS[5], room)
end
return {redis.call('ZCARD', KEYS[2]), asleep, due(KEYS[3], ARGV[4], math.huge)}
"""

ORPHANS, DUE = Script(_ORPHANS), Script(_DUE)


@dataclass(frozen=True, slots=True)
class Due:
    """How many rooms sleep, and which rooms may have rested for too long."""

    asleep: int
    rooms: tuple[tuple[str, Status], ...]


class Index:
    """Keeps the lists; `room` is not checked, since who writes here has just read it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        names = ("owned", "asleep", "quarantined", "results", "rooms")
        self._keys = [client.address.key(name) for name in names]
        self._owned = self._keys[0]
        self._resting: dict[Status, bytes] = dict(zip(_RESTING, self._keys[1:3], strict=True))
        # What is to be written: lines of `owned`, there (True) or gone, the last word on each.
        self._lines: dict[bytes, bool] = {}
        self._flushing: asyncio.Task[None] | None = None

    async def created(self, room: str, owner: str) -> None:
        """List a room that is about to be created."""
        await self._client.command("ZADD", self._owned, 0, _line(owner, room))

    def moved(self, room: str, before: str, owner: str) -> None:
        """A room has another owner."""
        if before != owner:
            self._lines.pop(_line(before, room), None)
            self._lines[_line(before, room)] = False
        self._lines[_line(owner, room)] = True
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.get_running_loop().create_task(self._flush_soon())

    async def rests(self, room: str, owner: str, status: Status, since_ms: int) -> None:
        """A room is asleep or put aside: it is listed by time, and under its owner no more."""
        await self._client.command("ZADD", self._resting[status], since_ms, room)
        await self._unlist(room, owner, but=status)

    async def lives(self, room: str, owner: str) -> None:
        """A room is live (again)."""
        await self._client.command("ZADD", self._owned, 0, _line(owner, room))
        for key in self._resting.values():
            await self._client.command("ZREM", key, room)

    async def gone(self, room: str, owner: str) -> None:
        """A room is over."""
        await self._unlist(room, owner)

    async def rooms(self) -> list[str]:
        """Every room listed anywhere."""
        await self.flush()
        owned = await self._client.command("ZRANGE", self._owned, 0, -1)
        names = [room for _, room in map(_parted, _words(owned))]
        for key in self._resting.values():
            names += map(_text, _words(await self._client.command("ZRANGE", key, 0, -1)))
        names += map(_text, _words(await self._client.command("SMEMBERS", self._keys[4])))
        return sorted({name for name in names if ROOM_ID.fullmatch(name)})

    async def owned(self, owner: str) -> list[str]:
        """The rooms listed under one owner."""
        await self.flush()
        name = owner.encode()
        found = await self._client.command(
            "ZRANGEBYLEX", self._owned, b"[%s\0" % name, b"(%s\1" % name
        )
        return [room for _, room in map(_parted, _words(found))]

    async def page(
        self, living: Collection[str], limit: int, after: tuple[str, str] | None
    ) -> list[tuple[str, str]]:
        """Up to `limit` lines of owners that do not live, as (owner, room), in their order."""
        await self.flush()
        start: bytes = b"-" if after is None else b"(" + _line(*after)
        found = await self._client.judge(ORPHANS, [self._owned], limit, start, *sorted(living))
        return [_parted(line) for line in _words(found)]

    async def due(self, retention: Retention, now_ms: Argument, limit: int) -> Due:
        """Who rests too long, perhaps; old results are taken off their list."""
        kept = (retention.asleep_s, retention.quarantined_s, retention.results_s)
        answer = await self._client.judge(
            DUE,
            self._keys,
            limit,
            now_ms,
            *(int(seconds * 1000) for seconds in kept),
            retention.sleeping_max,
            TAKEN_IN,
        )
        match answer if is_list(answer) else []:
            case [int(asleep), sleepers, aside]:
                lists = zip(_RESTING, (sleepers, aside), strict=True)
                rooms = [(_text(room), status) for status, one in lists for room in _words(one)]
                return Due(asleep, tuple(each for each in rooms if ROOM_ID.fullmatch(each[0])))
            case _:
                return Due(0, ())

    async def correct(self, owner: str, room: str, entry: RoomEntry | None) -> None:
        """Put right a line that says `owner` of a room, after what the room says of itself."""
        if entry is None:
            await self._unlist(room, owner)
        elif entry.status in self._resting:
            await self.rests(room, owner, entry.status, entry.since_ms)
        elif entry.owner != owner:
            self.moved(room, owner, entry.owner)

    async def flush(self) -> None:
        """Write what changed, now."""
        lines, self._lines = self._lines, {}
        there = [line for line, is_there in lines.items() if is_there]
        gone = [line for line, is_there in lines.items() if not is_there]
        try:
            if there:
                scored = (word for line in there for word in (0, line))
                await self._client.command("ZADD", self._owned, *scored)
            if gone:
                await self._client.command("ZREM", self._owned, *gone)
        except StoreError:
            self._lines = lines | self._lines
            raise

    async def close(self) -> None:
        """Write what is to be written, if that can be, and end."""
        if self._flushing is not None:
            await asyncio.gather(self._flushing, return_exceptions=True)

    async def _flush_soon(self) -> None:
        await asyncio.sleep(FLUSH_S)
        try:
            await self.flush()
        except StoreError:
            # It goes with the next change; until then the reaper finds the room under who had it.
            return

    async def _unlist(self, room: str, owner: str, but: Status | None = None) -> None:
        self._lines.pop(_line(owner, room), None)
        await self._client.command("ZREM", self._owned, _line(owner, room))
        for status, key in self._resting.items():
            if status is not but:
                await self._client.command("ZREM", key, room)


def _line(owner: str, room: str) -> bytes:
    return b"%s\0%s" % (owner.encode(), room.encode())


def _parted(line: bytes) -> tuple[str, str]:
    owner, _, room = line.rpartition(b"\0")
    return _text(owner), _text(room)


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")


def _words(found: object) -> Iterable[bytes]:
    return cast("list[bytes]", found) if is_list(found) or isinstance(found, set) else []
