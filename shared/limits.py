"""Every bound of the system, each with its reason; their relations are asserted at import.

Units come last in each name. A limit that an operator may lower is a setting; these are the
ceilings and the defaults.
"""

from __future__ import annotations

# A message holds one second of inputs with actions; a JOIN with every option stays below 2 KiB.
MESSAGE_BYTES_MAX = 16 * 1024
# A longer frame goes in parts, so that no client's snapshot fills its socket's buffer at once.
PART_BYTES = 64 * 1024
# What a match may hold, as a checkpoint encodes it: 20,000 rows of 8 f64 five times over. Larger
# worlds want several rooms: each takeover, and each newcomer, reads all of it.
MATCH_BYTES_MAX = 8 * 1024 * 1024
# A frame from nothing holds what a match may, and names rows that left a view and refusals.
FRAME_BYTES_MAX = MATCH_BYTES_MAX + 1024 * 1024

# An item holds an input and actions; each of the two may take half of a message, less its heads.
ACTION_BYTES_MAX = MESSAGE_BYTES_MAX // 2 - 32
# A JOIN but for the game's own options: nonce, game, name, identity, build and reserved options.
JOIN_HEAD_BYTES_MAX = 3072

# Bit operations in JavaScript are 32 bits wide and signed, so a mask keeps to 31.
MASK_BITS_MAX = 31
# Bit 0 is the owner.
FIELDS_MAX = MASK_BITS_MAX - 1
# One msgpack byte for the table's index, and for an action's.
TABLES_MAX = 127
ACTIONS_MAX = 127
# Integers above 2**53 are not exact in JavaScript.
INTEGER_MAX = 2**53
# A fixed field's wire number. Up to here `floor(q / scale * scale + 0.5)` is q again for every
# scale, so a value encoded twice is the same; from 2**52 on, adding 0.5 alone may round up.
FIXED_WIRE_MAX = 2**50
# Ids are never reused within a room; at 1,000 spawns a second this lasts seven weeks.
ENTITY_ID_MAX = 2**32 - 1
# Shorter columns are smaller as plain msgpack (measured: below 8 an ext header costs more).
TYPED_COLUMN_ROWS_MIN = 8
# A chat line fits; longer text belongs outside the match.
TEXT_CHARS_MAX = 16_384

# 6.4 s at 20 ticks a second: longer than a reconnect, shorter than a coffee.
HISTORY_TICKS = 128
# A room that plays on without its store: 51 s at 20 ticks a second, longer than a failover takes.
JOURNAL_LAG_TICKS_MAX = 1024
# One tick a second for a board game, 128 for a shooter.
TICK_RATE_MAX = 128
# Ticks made up for after a stall; what lies before is over, not caught up.
CATCH_UP_TICKS_MAX = 3
# While nothing changes for a client, its frames come this far apart. A client that draws in the
# past goes on for 200 ms without one, and takes samples for 500 ms.
QUIET_S = 0.2
# However slow a room ticks, its views are compared with the server's this often.
DIGEST_S_MAX = 5.0
# A reader this many ticks behind is skipped until it catches up.
BEHIND_TICKS_MAX = 20
# A write buffer above this holds several frames already; the next frame covers them.
WRITE_GATE_BYTES = 64 * 1024
# Behind the gate for this long, a reader is gone in all but name. A tab that sleeps, a phone in a
# lift or a debugger's breakpoint is back sooner, and then one frame makes it current; until then it
# costs a bounded buffer and nothing else (`python -m bench slow`), while a reconnect costs a
# handshake and, in most games, all rows anew.
TOO_SLOW_S = 45.0

# Inputs a client keeps unacknowledged: six seconds at 20 Hz.
UNACKED_INPUTS_MAX = 128
# Items in one INPUT message; a client repeats its unacknowledged inputs in two messages.
INPUT_ITEMS_MAX = 64
# Actions in one input item: a human's fastest clicking, several times over.
ACTIONS_PER_ITEM_MAX = 8
# Actions that may wait in a client to be sent: 32 items' worth, 1.6 s at 20 ticks a second.
ACTIONS_WAITING_MAX = 32 * ACTIONS_PER_ITEM_MAX
# Items waiting in a room for one player; a flood beyond it is refused at the edge.
INBOX_ITEMS_MAX = 2 * UNACKED_INPUTS_MAX
# Input items a session may post in a second, sustained, and the burst it may begin with.
INPUT_ITEMS_PER_S = 160.0
INPUT_ITEMS_BURST = 2 * UNACKED_INPUTS_MAX
# Messages of any type a connection may send in a second: one input a tick and a clock now and then.
MESSAGES_PER_S = 150.0
MESSAGES_BURST = 300

# JOIN or RESUME must be the first message, and come within this.
HELLO_TIMEOUT_S = 5.0
# JOIN and RESUME are answered within this; clients take five seconds of silence for a lost socket.
SEAT_TIMEOUT_S = 4.0
# Messages in one long poll: RESUME, every unacknowledged input in two INPUTs, TIME or LEAVE, and as
# many again.
POLL_MESSAGES_MAX = 8
# A polling player counts as connected for so long after a poll ended: a slow round trip and a lost
# one.
POLL_LINGER_S = 5.0
# One process may follow a room so far ahead of another; what is held beyond is taken for lost.
AHEAD_TICKS_MAX = 20
# So long a new WebSocket may take to show that frames arrive, before polls take the seat back.
PROVE_S = 3.0
# After RENEW, time to open a second connection: several tries with backoff.
RENEW_NOTICE_S = 60.0
# How long an absent player keeps the seat.
GRACE_S = 30.0
# The longest a game may have something last: a month; in ticks a day at 128 a second.
SPAN_S_MAX = 30 * 24 * 3600
SPAN_TICKS_MAX = 24 * 3600 * TICK_RATE_MAX

# A match's result in UTF-8: a line for each of a hundred players.
RESULT_BYTES_MAX = 16_384

NAME_CHARS_MAX = 24
GAME_CHARS_MAX = 64
IDENTITY_CHARS_MAX = 128
VERSION_CHARS_MAX = 64
TITLE_CHARS_MAX = 64
BUILD_CHARS_MAX = 64
REASON_CHARS_MAX = 120
OPTIONS_MAX = 16
NONCE_BYTES = 16
TOKEN_BYTES_MAX = 128

SEATS_MAX = 1000
# Rows of one class in one room: what a game's loop over them may cost within a tick.
ROWS_MAX = 20_000
# Rows of all classes of a match; a client refuses a view of more.
MATCH_ROWS_MAX = 65_536
# Rows spawned: a whole world at once, and then as many as 39 a tick at 128 ticks a second. Each is
# journaled and sent, so a game that spawned its limit anew in each tick would fill a disk.
SPAWNS_BURST = MATCH_ROWS_MAX
SPAWNS_PER_S = 5000
ROOMS_MAX = 1000

_TEXTS_MAX = 16 * NAME_CHARS_MAX + IDENTITY_CHARS_MAX + BUILD_CHARS_MAX + GAME_CHARS_MAX
assert JOIN_HEAD_BYTES_MAX > 4 * _TEXTS_MAX + NONCE_BYTES
assert TYPED_COLUMN_ROWS_MIN > 1
assert RESULT_BYTES_MAX <= TEXT_CHARS_MAX, "a result is a text of the room's row"
assert FIELDS_MAX < MASK_BITS_MAX < 32
assert INPUT_ITEMS_MAX <= UNACKED_INPUTS_MAX <= INBOX_ITEMS_MAX
assert UNACKED_INPUTS_MAX <= INPUT_ITEMS_BURST
assert BEHIND_TICKS_MAX < HISTORY_TICKS, "a skipped reader must still find its baseline"
assert CATCH_UP_TICKS_MAX < BEHIND_TICKS_MAX
assert MESSAGE_BYTES_MAX <= WRITE_GATE_BYTES
assert PART_BYTES <= WRITE_GATE_BYTES, "a buffer holds the gate and one part at most"
assert MATCH_BYTES_MAX < FRAME_BYTES_MAX
assert ROWS_MAX <= MATCH_ROWS_MAX
assert INPUT_ITEMS_PER_S > TICK_RATE_MAX, "one input a tick must be allowed at any tick rate"
assert MESSAGES_PER_S > TICK_RATE_MAX
assert POLL_LINGER_S < TOO_SLOW_S, "who polls no more is gone before being called slow"
