"""The Lua scripts of the Redis store: everything that is judged and written in one step.

Each script is about one room, whose keys are its KEYS, in this order, as many as it needs:
```
room     hash    meta epoch owner status recoveries counted_at, reason and since (ms) of its status,
                 and resulted (microseconds) once there is a result
journal  stream  <epoch>-<tick> d <record>, and per acquire <epoch>-0 base <tick> owner <name>
newest   hash    epoch tick blob of the newest checkpoint
older    hash    the same of the one before it
results  stream  <match>-1 tick <tick> result <result>
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

from server.store.redis_lua import (
    CLOCK,
    FENCE,
    HANDING,
    LASTING,
    LOADED,
    NUMBER,
    READING,
    RESULTS,
    TAIL,
)

ROOM_KEYS = ("room", "journal", "newest", "older", "results")

_CREATE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return {'exists'} end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[1], 'meta', ARGV[1], 'epoch', '0', 'owner', ARGV[2], 'status', 'live')
return {'ok'}
"""

# Of a room that this Redis has lost, the checkpoint that its owner holds is all there is.
_RECREATE = """
for n = 1, 4 do
  if redis.call('EXISTS', KEYS[n]) == 1 then return {'exists'} end
end
local epoch = math.max(tonumber(ARGV[3]) + 1, clock(ARGV[6]))
redis.call('XADD', KEYS[2], id_of(epoch, 0), 'base', ARGV[4], 'owner', ARGV[2])
redis.call('HSET', KEYS[3], 'epoch', ARGV[3], 'tick', ARGV[4], 'blob', ARGV[5])
redis.call('HSET', KEYS[1], 'meta', ARGV[1], 'epoch', number(epoch), 'owner', ARGV[2],
  'status', 'live')
return {'ok', number(epoch)}
"""

_ENTRY = """
local room, no = room_at(KEYS[1])
if not room then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
return {'ok', room.meta, number(room.epoch), number(last.tick), room.owner, room.status,
  room.reason, room.since}
"""

_LOAD = """
local room, no = room_at(KEYS[1])
if not room then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
return loaded(room, last)
"""

_ACQUIRE = """
local room, no = room_at(KEYS[1])
if not room then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
hand_to(ARGV[1], room, last, ARGV[2], ARGV[3])
return loaded(room, last)
"""

# With the records that are held, as pairs of epoch and record, the end of a journal that this Redis
# lost is written again; what is there must be older than the first of them that is not.
_TAKE_OVER = """
local room, no = room_at(KEYS[1])
if not room then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
local held = {epoch = tonumber(ARGV[3]), tick = tonumber(ARGV[4])}
local lost = held.tick - last.tick
local at = #ARGV + 1 - 2 * lost
if math.max(room.epoch, last.epoch) > held.epoch or lost < 0 or at < 6
  or (lost > 0 and tonumber(ARGV[at]) < last.epoch) then
  return tail(room, last, held.tick)
end
for n = at, #ARGV, 2 do
  last = {epoch = tonumber(ARGV[n]), tick = last.tick + 1}
  redis.call('XADD', KEYS[2], id_of(last.epoch, last.tick), 'd', ARGV[n + 1])
end
room.epoch = math.max(room.epoch, held.epoch)
hand_to(ARGV[1], room, last, ARGV[2], ARGV[5])
return {'ok', number(room.epoch), number(room.recoveries), room.before,
  room.resulted and '1' or ''}
"""

_TAIL = """
local room, no = room_at(KEYS[1])
if not room then return no end
local last, no = last_of(KEYS[2], room)
if not last then return no end
return tail(room, last, tonumber(ARGV[1]))
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
if ARGV[4] then keep_result(ARGV[4], tonumber(ARGV[5]), ARGV[2], ARGV[6]) end
return {'ok', number(tick)}
"""

# After a Redis came back without the end of a journal: the records its owner holds, as pairs of
# epoch and record, bring it back, if what is there is the beginning of what the owner knows and
# nobody else has written since.
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
  local n = 4 + 2 * (last.tick - first)
  local same = ARGV[n] and (last.id == id_of(last.epoch, 0)
    or last.id == ARGV[n] .. '-' .. number(last.tick) and last.record == ARGV[n + 1])
  if not same then return {'order', number(last.tick)} end
end
local fenced = last.epoch == epoch
local function fence_at(tick)
  if not fenced then
    redis.call('XADD', KEYS[2], id_of(epoch, 0), 'base', number(tick), 'owner', ARGV[2])
  end
  fenced = true
end
local tick = last.tick
for n = 4 + 2 * (last.tick + 1 - first), #ARGV, 2 do
  if tonumber(ARGV[n]) < last.epoch then return {'order', number(last.tick)} end
  if tonumber(ARGV[n]) == epoch then fence_at(tick) end
  tick = tick + 1
  redis.call('XADD', KEYS[2], id_of(tonumber(ARGV[n]), tick), 'd', ARGV[n + 1])
end
fence_at(tick)
if room.epoch < epoch then
  redis.call('HSET', KEYS[1], 'epoch', number(epoch), 'owner', ARGV[2])
end
if room.status ~= 'live' then
  -- That it was woken is among what was lost.
  redis.call('HSET', KEYS[1], 'status', 'live')
  lasts()
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
if ARGV[2] == 'closed' and was[1] == 'closed' and was[2] == ARGV[1] then
  return {'ok', '', '0'}
end
local room, no = room_at(KEYS[1])
if not room then return no end
no = fence(tonumber(ARGV[1]), room.epoch)
if no then return no end
local since = number(clock(ARGV[4]))
if ARGV[2] == 'closed' then
  close(since, ARGV[5])
  return {'ok', room.owner, since}
end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'reason', ARGV[3], 'since', since)
if ARGV[2] == 'asleep' then
  local last = last_of(KEYS[2], room)
  if last and tonumber(redis.call('HGET', KEYS[3], 'tick') or '-1') == last.tick then
    redis.call('UNLINK', KEYS[4])
    redis.call('XTRIM', KEYS[2], 'MAXLEN', 1)
  end
end
if ARGV[2] == 'live' then lasts() else ends_in(ARGV[5]) end
return {'ok', room.owner, since}
"""

# Closes a room that has the status it had when it was listed as due.
_END = """
local room, no = room_at(KEYS[1])
if not room then return no end
if room.status ~= ARGV[1] then return {'ok', room.status, room.owner} end
close(number(clock(ARGV[2])), ARGV[3])
return {'ok', 'closed', room.owner}
"""

_RELEASE = """
local room, no = room_at(KEYS[1])
if not room then return no end
no = fence(tonumber(ARGV[1]), room.epoch)
if no then return no end
redis.call('HSET', KEYS[1], 'owner', '', 'recoveries', '0')
return {'ok', room.status, room.owner}
"""

# Backwards from the end; an entry of an acquire belongs to the tick it goes on from. The end is
# written anew by an entry that fences everybody, this owner's epoch of before included.
_CUT = """
local room, no = room_at(KEYS[1])
if not room then return no end
no = fence(tonumber(ARGV[1]), room.epoch)
if no then return no end
local tick, gone, there, from = tonumber(ARGV[2]), {}, false, '+'
local last = last_of(KEYS[2], room)
if not last then return {'order'} end
while not there do
  local entries = redis.call('XREVRANGE', KEYS[2], from, '-', 'COUNT', 64)
  for _, entry in ipairs(entries) do
    local at = tonumber(string.match(entry[1], '-(%d+)$'))
    there = at == tick
    if there then break end
    local base = at == 0 and tonumber(entry[2][2]) or at
    if base < tick then return {'order'} end
    gone[#gone + 1] = entry[1]
    from = '(' .. entry[1]
  end
  if not there and #entries < 64 then return {'order'} end
end
local newest = tonumber(redis.call('HGET', KEYS[3], 'tick') or '')
local older = tonumber(redis.call('HGET', KEYS[4], 'tick') or '')
if newest and newest > tick then
  if not older or older > tick then return {'order'} end
  redis.call('RENAME', KEYS[4], KEYS[3])
end
for n = 1, #gone, 1000 do
  redis.call('XDEL', KEYS[2], unpack(gone, n, math.min(n + 999, #gone)))
end
hand_to(room.owner, room, {epoch = last.epoch, tick = tick}, ARGV[3], '1')
return {'ok', number(room.epoch)}
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
    recreate: Script
    entry: Script
    load: Script
    acquire: Script
    take_over: Script
    tail: Script
    append: Script
    repair: Script
    checkpoint: Script
    set_status: Script
    release: Script
    end: Script
    cut: Script


def scripts(fence: str = FENCE) -> Scripts:
    """Put the scripts together; another `fence` is for tests that show what it prevents."""
    fenced = NUMBER + fence + READING
    return Scripts(
        create=Script(_CREATE),
        recreate=Script(NUMBER, CLOCK, READING, _RECREATE),
        entry=Script(NUMBER, READING, _ENTRY),
        load=Script(NUMBER, READING, LOADED, _LOAD),
        acquire=Script(NUMBER, READING, LOADED, HANDING, _ACQUIRE),
        take_over=Script(NUMBER, READING, HANDING, TAIL, _TAKE_OVER),
        tail=Script(NUMBER, READING, TAIL, _TAIL),
        append=Script(fenced, RESULTS, _APPEND),
        repair=Script(NUMBER, READING, LASTING, _REPAIR),
        checkpoint=Script(fenced, _CHECKPOINT),
        set_status=Script(fenced, CLOCK, LASTING, _SET_STATUS),
        release=Script(fenced, _RELEASE),
        end=Script(NUMBER, CLOCK, READING, LASTING, _END),
        cut=Script(fenced, HANDING, _CUT),
    )
