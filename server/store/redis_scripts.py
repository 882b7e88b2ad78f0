"""The Lua scripts of the Redis store: everything that is judged and written in one step.

Each script is about one room, whose keys are its KEYS, in this order, as many as it needs:
```
room     hash    meta epoch owner status, and result resulted (microseconds) once there is one
journal  stream  <epoch>-<tick> d <record>, and per acquire <epoch>-0 base <tick> owner <name>
newest   hash    epoch tick blob of the newest checkpoint
older    hash    the same of the one before it
```
The last entry of a journal names the last tick committed: by its id or, for the entry of an
acquire, as `base`. A script answers with a list whose first item is a word: `ok` and what was asked
for, or a refusal: `gone`, `exists`, `fenced EPOCH`, `order ...`, `corrupt WHAT`. Numbers travel as
text, for Lua would round an integer reply no better than a double; ticks and epochs stay below
2**53, where doubles are exact. Redis serves one script at a time, so nothing comes in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1

ROOM_KEYS = ("room", "journal", "newest", "older")

FENCE = """
local function fence(epoch, now)
  if epoch ~= now then return {'fenced', number(now)} end
end
"""

_NUMBER = """
local function number(n) return string.format('%.0f', n) end
"""

_READING = """
local function room_at(key)
  local f = redis.call('HMGET', key, 'status', 'epoch', 'meta', 'owner', 'resulted')
  if f[1] == 'closed' or not (f[1] or f[2] or f[3] or f[4]) then return nil, {'gone'} end
  if not (f[1] and f[2] and f[3] and f[4] and string.match(f[2], '^%d+$')) then
    return nil, {'corrupt', 'its fields are incomplete'}
  end
  return {status = f[1], epoch = tonumber(f[2]), meta = f[3], owner = f[4], resulted = f[5]}
end
local function last_of(key, room)
  local entry = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  if not entry then
    if room.epoch == 0 then return {epoch = 0, tick = 0} end
    return nil, {'corrupt', 'its journal is gone, deleted or evicted'}
  end
  local epoch, tick = string.match(entry[1], '^(%d+)-(%d+)$')
  local field = entry[2][1]
  if tick == '0' then
    tick = field == 'base' and string.match(entry[2][2], '^%d+$')
  elseif field ~= 'd' then
    tick = nil
  end
  if not tick then return nil, {'corrupt', 'its journal ends with a foreign entry ' .. entry[1]} end
  return {epoch = tonumber(epoch), tick = tonumber(tick), id = entry[1], record = entry[2][2]}
end
local function id_of(epoch, tick) return number(epoch) .. '-' .. number(tick) end
"""

_LOADED = """
local function loaded(room, last)
  return {'ok', room.meta, number(room.epoch), room.status, number(last.tick),
    redis.call('HMGET', KEYS[3], 'epoch', 'tick', 'blob'),
    redis.call('HMGET', KEYS[4], 'epoch', 'tick', 'blob'),
    redis.call('XRANGE', KEYS[2], '-', '+'), room.resulted and '1' or ''}
end
"""

_CREATE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return {'exists'} end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[1], 'meta', ARGV[1], 'epoch', '0', 'owner', '', 'status', 'live')
return {'ok'}
"""

_ENTRY = """
local room, no = room_at(KEYS[1])
if not room then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
return {'ok', room.meta, number(room.epoch), number(last.tick), room.owner, room.status}
"""

_LOAD = """
local room, no = room_at(KEYS[1])
if not room then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
return loaded(room, last)
"""

# The entry fences every older owner's XADD from here on, whichever connection it comes by. It is
# written first, so that a Redis without memory refuses before anything has changed.
_ACQUIRE = """
local room, no = room_at(KEYS[1])
if not room then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
room.epoch = math.max(room.epoch + 1, last.epoch + 1, now)
redis.call('XADD', KEYS[2], id_of(room.epoch, 0), 'base', number(last.tick), 'owner', ARGV[1])
redis.call('HSET', KEYS[1], 'epoch', number(room.epoch), 'owner', ARGV[1])
return loaded(room, last)
"""

_APPEND = """
local room, no = room_at(KEYS[1])
if not room then return no end
local epoch, tick = tonumber(ARGV[1]), tonumber(ARGV[2])
no = fence(epoch, room.epoch)
if no then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
if last.tick ~= 0 and tick ~= last.tick + 1 then
  local id = id_of(epoch, tick)
  local there = redis.call('XRANGE', KEYS[2], id, id)[1]
  if there and there[2][1] == 'd' and there[2][2] == ARGV[3] then
    return {'ok', number(last.tick)}
  end
  return {'order', number(last.tick)}
end
redis.call('XADD', KEYS[2], id_of(room.epoch, tick), 'd', ARGV[3])
if ARGV[4] and redis.call('HSETNX', KEYS[1], 'result', ARGV[4]) == 1 then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'resulted', number(time[1] * 1000000 + time[2]))
end
return {'ok', number(tick)}
"""

# After a Redis came back without the end of a journal: the owner's own records bring it back, if
# what is there is the beginning of what the owner knows and nobody else has written since.
_REPAIR = """
local room, no = room_at(KEYS[1])
if not room then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
local epoch, first = tonumber(ARGV[1]), tonumber(ARGV[3])
local now = math.max(room.epoch, last.epoch)
if now > epoch then return {'fenced', number(now)} end
if first > last.tick + 1 then return {'order', number(last.tick)} end
if last.tick >= first then
  local mine = ARGV[4 + last.tick - first]
  if last.id ~= id_of(epoch, last.tick) or last.record ~= mine then
    return {'order', number(last.tick)}
  end
end
if last.epoch < epoch then
  redis.call('XADD', KEYS[2], id_of(epoch, 0), 'base', number(last.tick), 'owner', ARGV[2])
end
if room.epoch < epoch then
  redis.call('HSET', KEYS[1], 'epoch', number(epoch), 'owner', ARGV[2])
end
for n = 4, #ARGV do
  local tick = first + n - 4
  if tick > last.tick then redis.call('XADD', KEYS[2], id_of(epoch, tick), 'd', ARGV[n]) end
end
return {'ok'}
"""

# RENAME would overwrite whatever is there, so HLEN refuses what is no hash before it.
# The record of a tick mostly carries the checkpoint's own epoch; where it was written by an owner
# before, or where the journal begins later, the last record at or before it is searched for.
_CHECKPOINT = """
local room, no = room_at(KEYS[1])
if not room then return no end
local epoch, tick = tonumber(ARGV[1]), tonumber(ARGV[2])
no = fence(epoch, room.epoch)
if no then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
local newest = tonumber(redis.call('HGET', KEYS[3], 'tick') or '')
if tick < (newest or 0) or tick > last.tick then
  return {'order', number(newest or 0), number(last.tick)}
end
redis.call('HLEN', KEYS[4])
if newest and tick ~= newest then redis.call('RENAME', KEYS[3], KEYS[4]) end
redis.call('HSET', KEYS[3], 'epoch', ARGV[1], 'tick', ARGV[2], 'blob', ARGV[3])
local function last_record_until(epoch, tick)
  local id = epoch .. '-' .. tick
  if redis.call('XRANGE', KEYS[2], id, id)[1] then return epoch, tick end
  local from = '+'
  while true do
    local entries = redis.call('XREVRANGE', KEYS[2], from, '-', 'COUNT', 64)
    for _, entry in ipairs(entries) do
      local at, there = string.match(entry[1], '^(%d+)-(%d+)$')
      if there ~= '0' and tonumber(there) <= tonumber(tick) then return at, there end
      from = '(' .. entry[1]
    end
    if #entries < 64 then return nil end
  end
end
local older = redis.call('HMGET', KEYS[4], 'epoch', 'tick')
if older[2] and older[2] ~= '0' then
  local at, there = last_record_until(older[1], older[2])
  if at then redis.call('XTRIM', KEYS[2], 'MINID', at .. '-' .. number(tonumber(there) + 1)) end
end
return {'ok'}
"""

_SET_STATUS = """
local was = redis.call('HMGET', KEYS[1], 'status', 'epoch')
if ARGV[2] == 'closed' and was[1] == 'closed' and was[2] == ARGV[1] then return {'ok'} end
local room, no = room_at(KEYS[1])
if not room then return no end
no = fence(tonumber(ARGV[1]), room.epoch)
if no then return no end
redis.call('HSET', KEYS[1], 'status', ARGV[2])
if ARGV[2] == 'closed' then
  redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HDEL', KEYS[1], 'meta', 'owner')
end
return {'ok'}
"""

_RELEASE = """
local room, no = room_at(KEYS[1])
if not room then return no end
no = fence(tonumber(ARGV[1]), room.epoch)
if no then return no end
redis.call('HSET', KEYS[1], 'owner', '')
return {'ok'}
"""


class Script:
    """A script's text, and the name by which Redis knows it once it has it."""

    __slots__ = ("sha", "text")

    def __init__(self, *parts: str) -> None:
        self.text = "".join(parts).encode()
        self.sha = sha1(self.text, usedforsecurity=False).hexdigest().encode()


@dataclass(frozen=True, slots=True)
class Scripts:
    """All scripts of the store."""

    create: Script
    entry: Script
    load: Script
    acquire: Script
    append: Script
    repair: Script
    checkpoint: Script
    set_status: Script
    release: Script


def scripts(fence: str = FENCE) -> Scripts:
    """Put the scripts together; another `fence` is for tests that show what it prevents."""
    fenced = _NUMBER + fence + _READING
    return Scripts(
        create=Script(_CREATE),
        entry=Script(_NUMBER, _READING, _ENTRY),
        load=Script(_NUMBER, _READING, _LOADED, _LOAD),
        acquire=Script(_NUMBER, _READING, _LOADED, _ACQUIRE),
        append=Script(fenced, _APPEND),
        repair=Script(_NUMBER, _READING, _REPAIR),
        checkpoint=Script(fenced, _CHECKPOINT),
        set_status=Script(fenced, _SET_STATUS),
        release=Script(fenced, _RELEASE),
    )
