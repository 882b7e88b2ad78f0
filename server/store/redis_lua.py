"""What the scripts of the Redis store have in common, in Lua: how a room is read and handed on.

These are pieces: `redis_scripts` puts them before the scripts that use them. `number` comes first,
since the others need it.
"""

from __future__ import annotations

from server.store.base import RECOVERY_TICKS, RESULTS_MAX

FENCE = """
local function fence(epoch, now)
  if epoch ~= now then return {'fenced', number(now)} end
end
"""

NUMBER = """
local function number(n) return string.format('%.0f', n) end
"""

CLOCK = """
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""

# Whatever rests ends by itself, even where no server lives to tidy up; whatever lives has no end.
LASTING = """
local function ends_in(ms)
  for n = 1, 4 do redis.call('PEXPIRE', KEYS[n], ms) end
end
local function lasts()
  for n = 1, 4 do redis.call('PERSIST', KEYS[n]) end
end
local function close(since, kept_ms)
  redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HDEL', KEYS[1], 'meta', 'owner')
  redis.call('HSET', KEYS[1], 'status', 'closed', 'reason', '', 'since', since)
  redis.call('PEXPIRE', KEYS[1], kept_ms)
end
"""

_RESULTS = """
local function keep_result(result, match, tick, kept_ms)
  local last = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)[1]
  local number_last = last and tonumber(string.match(last[1], '^%d+')) or 0
  local at = match > 0 and match or number_last + 1
  if at <= number_last then return end
  redis.call('XADD', KEYS[5], 'MAXLEN', RESULTS_MAX, id_of(at, 1), 'tick', tick, 'result', result)
  redis.call('PEXPIRE', KEYS[5], kept_ms)
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'resulted', number(time[1] * 1000000 + time[2]))
end
"""

RESULTS = f"local RESULTS_MAX = {RESULTS_MAX}{_RESULTS}"

READING = """
local function room_at(key)
  local f = redis.call('HMGET', key, 'status', 'epoch', 'meta', 'owner', 'resulted',
    'recoveries', 'counted_at', 'reason', 'since')
  if f[1] == 'closed' or not (f[1] or f[2] or f[3] or f[4]) then return nil, {'gone'} end
  if not (f[1] and f[2] and f[3] and f[4] and string.match(f[2], '^%d+$')) then
    return nil, {'corrupt', 'its fields are incomplete'}
  end
  return {status = f[1], epoch = tonumber(f[2]), meta = f[3], owner = f[4], resulted = f[5],
    recoveries = tonumber(f[6]) or 0, counted_at = tonumber(f[7]) or 0,
    reason = f[8] or '', since = f[9] or '0'}
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

LOADED = """
local function loaded(room, last)
  return {'ok', room.meta, number(room.epoch), room.status, number(last.tick),
    redis.call('HMGET', KEYS[3], 'epoch', 'tick', 'blob'),
    redis.call('HMGET', KEYS[4], 'epoch', 'tick', 'blob'),
    redis.call('XRANGE', KEYS[2], '-', '+'), number(room.recoveries),
    room.before or '', room.resulted and '1' or ''}
end
"""

# The entry fences every older owner's XADD from here on, whichever connection it comes by. It is
# written first, so that a Redis without memory refuses before anything has changed.
_HANDING = """
local function hand_to(owner, room, last, wall, blameless)
  room.before = room.owner
  room.epoch = math.max(room.epoch + 1, last.epoch + 1, clock(wall))
  if room.owner == '' then
    room.recoveries, room.counted_at = 0, 0
  elseif room.owner == owner or blameless == '1' then
    -- Nobody crashed, or not of this room.
  elseif room.recoveries > 0 and last.tick - room.counted_at < TICKS then
    room.recoveries = room.recoveries + 1
  else
    room.recoveries, room.counted_at = 1, last.tick
  end
  redis.call('XADD', KEYS[2], id_of(room.epoch, 0), 'base', number(last.tick), 'owner', owner)
  redis.call('HSET', KEYS[1], 'epoch', number(room.epoch), 'owner', owner,
    'recoveries', number(room.recoveries), 'counted_at', number(room.counted_at))
  if room.status ~= 'live' then lasts() end
end
"""
HANDING = f"local TICKS = {RECOVERY_TICKS}{CLOCK}{LASTING}{_HANDING}"

# Backwards from the end, in slices: whoever asks has mostly missed little of a long journal.
TAIL = """
local function tail(room, last, tick)
  local found, from, behind = {}, '+', last.tick <= tick
  while not behind do
    local entries = redis.call('XREVRANGE', KEYS[2], from, '-', 'COUNT', 32)
    for _, entry in ipairs(entries) do
      local at = tonumber(string.match(entry[1], '-(%d+)$'))
      behind = at ~= 0 and at <= tick
      if behind then break end
      if at ~= 0 then found[#found + 1] = entry end
      from = '(' .. entry[1]
    end
    behind = behind or #entries < 32
  end
  return {'tail', number(room.epoch), number(last.tick), room.owner, room.status, found}
end
"""
