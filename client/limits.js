/**
 * Every bound on what comes in, each with its reason; the times a client keeps; and how long to
 * wait.
 */

/** All that a match may hold, as a frame from nothing, put together of its parts. */
export const MESSAGE_BYTES_MAX = 9 * 1024 * 1024;
/** A frame above this comes in parts of so many bytes. */
export const PART_BYTES = 64 * 1024;
export const PARTS_MAX = MESSAGE_BYTES_MAX / PART_BYTES;
/** The deepest message is a schema: message, schema, tables, table, fields, field. */
export const DEPTH_MAX = 8;
/** Rows may cost a sender one byte each and us a hundred, so they are counted too. */
export const ROWS_MAX = 65_536;
export const TABLES_MAX = 127;
export const ACTIONS_MAX = 127;
/** Masks are 31 bits wide and bit 0 is the owner. */
export const BIT_MAX = 30;
/** Beyond this, integers are not exact in JavaScript; it is itself allowed. */
export const INTEGER_MAX = 2 ** 53;
/** A fixed field's wire number; further out the server's arithmetic would not be exact. */
export const FIXED_WIRE_MAX = 2 ** 50;
export const ID_MAX = 2 ** 32 - 1;
export const REASON_CHARS_MAX = 256;
export const TOKEN_BYTES_MAX = 1024;
/** Malformed messages in a row, with no good frame between, before a client gives up. */
export const MALFORMED_MAX = 5;

/** Actions that may wait to be sent: 32 items' worth, 1.6 s at 20 ticks a second. */
export const ACTIONS_WAITING_MAX = 256;

/** Views kept to play back from: longer than the longest delay at the lowest useful tick rate. */
export const HISTORY_VIEWS_MAX = 64;

/** SESSION: silence of this length counts as a lost socket. */
export const SILENCE_MS = 5000;
/** SESSION: a JOIN without a WELCOME is given up after this. */
export const JOIN_MS_MAX = 60_000;
/** SESSION: at least every eighth frame the server hears which tick is held. */
export const REPORT_FRAMES = 8;
/** SESSION: items are repeated when the ack stands still for this many frames. */
export const STALLED_FRAMES = 20;
/** What a player did this long ago is not done any more, as after a laptop slept; actions are. */
export const STALE_MS = 1000;
/** Without a frame for this long, the server hears no more inputs: it would only skip them. */
export const BRIDGED_MS_MAX = 500;
/** A clock question every two seconds; at most two a second are allowed. */
export const TIME_EVERY_MS = 2000;

/**
 * How long to wait before try `n` (from 0): 100 ms times 2 to the n, at most 5 s, times 0.5 to 1.
 * @param {number} n
 * @param {() => number} random in [0, 1)
 * @returns {number} milliseconds
 */
export function backoff(n, random) {
  return Math.min(5000, 100 * 2 ** n) * (0.5 + random() / 2);
}
