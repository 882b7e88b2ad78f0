"""The Lua scripts of the directory: who lives, which rooms are open, and who was promised a seat.

All keys lie in one slot, since what they say of each other must change together:
```
{PREFIX}:processes  hash  name -> process         {PREFIX}:beats     zset  name by its last moment
{PREFIX}:listings   hash  room -> listing         {PREFIX}:kinds     hash  room -> key
{PREFIX}:promises   zset  room:nonce by its end   {PREFIX}:promised  hash  room -> promises open
{PREFIX}:nonces     zset  nonce by its end        {PREFIX}:sent      hash  nonce -> room
{PREFIX}:making     zset  claim by its end        {PREFIX}:makers    hash  claim -> process:nonce
{PREFIX}:seats:KEY  zset  room by its seats that are neither taken nor promised
```
A claim is the key of a kind whose room is being made, or `:nonce` for a room of a nonce's own.
Moments are milliseconds of `ARGV[1]`, or of the Redis's own clock where that is empty. What is over
is taken away by whoever asks next, so a seat is found without looking at every room.
"""

from __future__ import annotations

from server.store.exchange import MAKING_S, NONCE_S, PROCESS_TTL_S, PROMISE_S
from server.store.redis_scripts import Script

UNTENDED_S = 3600.0
"""How long the directory outlives the last process that beats; a kind of room, a day."""

DIRECTORY_KEYS = (
    "processes",
    "beats",
    "listings",
    "kinds",
    "promises",
    "promised",
    "nonces",
    "sent",
    "making",
    "makers",
    "seats:",
)

_COMMON = f"""
local TTL, PROMISE = {PROCESS_TTL_S * 1000:.0f}, {PROMISE_S * 1000:.0f}
local NONCE, MAKING = {NONCE_S * 1000:.0f}, {MAKING_S * 1000:.0f}
local UNTENDED = {UNTENDED_S * 1000:.0f}
local PROCESSES, BEATS, LISTINGS, KINDS, PROMISES, PROMISED, NONCES, SENT, MAKINGS, MAKERS, SEATS =
  unpack(KEYS)
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function ms(n) return string.format('%.0f', n) end
local function forget(ends, fields)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', ms(now))) do
    redis.call('ZREM', ends, name)
    redis.call('HDEL', fields, name)
  end
end
"""

_PROMISES = """
local function unpromise(each)
  if redis.call('ZREM', PROMISES, each) == 0 then return end
  local room = string.match(each, '^[^:]*')
  if redis.call('HINCRBY', PROMISED, room, -1) <= 0 then redis.call('HDEL', PROMISED, room) end
  local key = redis.call('HGET', KINDS, room)
  if key and key ~= '' then redis.call('ZINCRBY', SEATS .. key, 1, room) end
end
local function promise(room, nonce)
  if redis.call('ZADD', PROMISES, ms(now + PROMISE), room .. ':' .. nonce) == 1 then
    redis.call('HINCRBY', PROMISED, room, 1)
    local key = redis.call('HGET', KINDS, room)
    if key and key ~= '' then redis.call('ZINCRBY', SEATS .. key, -1, room) end
  end
  redis.call('ZADD', NONCES, ms(now + NONCE), nonce)
  redis.call('HSET', SENT, nonce, room)
end
local function made(claim)
  redis.call('ZREM', MAKINGS, claim)
  redis.call('HDEL', MAKERS, claim)
end
local function unlist(room)
  local key = redis.call('HGET', KINDS, room)
  if key then redis.call('ZREM', SEATS .. key, room) end
  redis.call('HDEL', KINDS, room)
  redis.call('HDEL', LISTINGS, room)
end
"""

# What nobody renews for an hour ends by itself: no server lives that would.
_BEAT = """
redis.call('HSET', PROCESSES, ARGV[2], ARGV[3])
redis.call('ZADD', BEATS, ms(now + TTL), ARGV[2])
for n = 1, #KEYS - 1 do redis.call('PEXPIRE', KEYS[n], UNTENDED) end
return 1
"""

_DEPART = """
redis.call('HDEL', PROCESSES, ARGV[2])
redis.call('ZREM', BEATS, ARGV[2])
return 1
"""

_LIVING = """
forget(BEATS, PROCESSES)
return redis.call('HVALS', PROCESSES)
"""

_ANNOUNCE = """
local n = 2
while n <= #ARGV do
  local room, key, free, listing, seated = unpack(ARGV, n, n + 4)
  n = n + 5
  for _ = 1, tonumber(seated) do
    unpromise(room .. ':' .. ARGV[n])
    n = n + 1
  end
  local new = redis.call('HEXISTS', LISTINGS, room) == 0
  unlist(room)
  redis.call('HSET', LISTINGS, room, listing)
  redis.call('HSET', KINDS, room, key)
  if key ~= '' then
    local promised = tonumber(redis.call('HGET', PROMISED, room) or '0')
    redis.call('ZADD', SEATS .. key, tonumber(free) - promised, room)
    redis.call('PEXPIRE', SEATS .. key, 24 * UNTENDED)
    if new or tonumber(free) > 0 then made(key) end
  end
  local made_for = tonumber(ARGV[n])
  for k = n + 1, n + made_for do
    promise(room, ARGV[k])
    made(':' .. ARGV[k])
  end
  n = n + 1 + made_for
end
return 1
"""

_DELIST = """
unlist(ARGV[2])
redis.call('HDEL', PROMISED, ARGV[2])
local beginning = ARGV[2] .. ':'
for _, each in ipairs(redis.call('ZRANGE', PROMISES, 0, -1)) do
  if string.sub(each, 1, #beginning) == beginning then redis.call('ZREM', PROMISES, each) end
end
return 1
"""

_LISTINGS = """
if not ARGV[2] then return redis.call('HVALS', LISTINGS) end
local found = {}
for _, room in ipairs(redis.call('ZRANGE', SEATS .. ARGV[2], 0, -1)) do
  found[#found + 1] = redis.call('HGET', LISTINGS, room) or nil
end
return found
"""

_FIND_SEAT = """
local key, nonce, process = ARGV[2], ARGV[3], ARGV[4]
forget(NONCES, SENT)
forget(MAKINGS, MAKERS)
for _, each in ipairs(redis.call('ZRANGEBYSCORE', PROMISES, '-inf', ms(now))) do
  unpromise(each)
end
local excluded = {}
for k = 5, #ARGV do
  excluded[ARGV[k]] = true
  unpromise(ARGV[k] .. ':' .. nonce)
end
local known = redis.call('HGET', SENT, nonce)
if known and not excluded[known] and redis.call('HEXISTS', LISTINGS, known) == 1 then
  return {'seat', known}
end
if key ~= '' then
  local enough = #ARGV - 3
  local found = redis.call('ZRANGEBYSCORE', SEATS .. key, 1, '+inf', 'LIMIT', 0, enough)
  for _, room in ipairs(found) do
    if not excluded[room] then
      if nonce ~= '' then promise(room, nonce) end
      return {'seat', room}
    end
  end
end
local claim = key ~= '' and key or ':' .. nonce
local asker = process .. ':' .. nonce
local maker = redis.call('HGET', MAKERS, claim)
if maker and maker ~= asker then return {'wait'} end
redis.call('ZADD', MAKINGS, ms(now + MAKING), claim)
redis.call('HSET', MAKERS, claim, asker)
return {'make'}
"""

BEAT = Script(_COMMON, _BEAT)
DEPART = Script(_COMMON, _DEPART)
LIVING = Script(_COMMON, _LIVING)
ANNOUNCE = Script(_COMMON, _PROMISES, _ANNOUNCE)
DELIST = Script(_COMMON, _PROMISES, _DELIST)
LISTINGS = Script(_COMMON, _LISTINGS)
FIND_SEAT = Script(_COMMON, _PROMISES, _FIND_SEAT)
