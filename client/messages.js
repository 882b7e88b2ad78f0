/** The messages, to the item: numbers and names on one side, bytes on the other. */

import { decode, encode } from "./msgpack.js";
import { whole } from "./fields.js";
import { demand } from "./errors.js";
import { INTEGER_MAX, REASON_CHARS_MAX, TOKEN_BYTES_MAX } from "./limits.js";

/** @typedef {import("./msgpack.js").Value} Value */
/** @typedef {{ message: number, items: number, actions: number, unacked: number,
 *   rewind: number }} Limits */
/** @typedef {[seq: number, index: number, reason: string]} Refusal */
/**
 * @typedef {{ type: "welcome", token: Uint8Array, room: string, epoch: number, player: number,
 *   tickRate: number, sendEvery: number, schema: Value, limits: Limits }} Welcome
 */
/**
 * @typedef {{ type: "frame", tick: number, base: number, committed: number, ack: number,
 *   refusals: Refusal[], dropped: Value[][], chunks: Value[], still: number | null }} Frame
 */
/** @typedef {{ type: "renew", ms: number }} Renew */
/** @typedef {{ type: "time", sent: number, server: number, tick: number }} Time */
/**
 * @typedef {{ type: "room", epoch: number, committed: number, status: number, schema: Value,
 *   speed: number }} RoomStatus
 */
/** @typedef {{ type: "digest", tick: number, crc: number }} Digest */
/** @typedef {{ type: "close", code: number, reason: string, retry: number | null }} Close */
/** @typedef {Welcome | Frame | Renew | Time | RoomStatus | Digest | Close} Message */
/**
 * @typedef {{ nonce: Uint8Array, game: string, options: { [name: string]: Value }, name: string,
 *   role: "player" | "spectator", identity: string | null, build: string }} Join
 */

/** @param {Join} j */
export const join = (j) =>
  encode([
    1,
    j.nonce,
    j.game,
    j.options,
    j.name,
    j.role === "spectator" ? 1 : 0,
    j.identity,
    j.build,
  ]);

/**
 * @param {Uint8Array} token
 * @param {number} epoch
 * @param {number} held
 * @param {number} first the first input seq held
 */
export const resume = (token, epoch, held, first) => encode([2, token, epoch, held, first]);

/**
 * @param {number} held
 * @param {Value[]} items
 */
export const input = (held, items) => encode([3, held, ...items]);

/** @param {number} now milliseconds */
export const time = (now) => encode([4, now]);

export const leave = () => encode([5]);

/**
 * A message from the server; null for a type this version does not know, which is ignored.
 * @param {Uint8Array} bytes
 * @returns {Message | null}
 * @throws {import("./errors.js").RemoteError}
 */
export function read(bytes) {
  const items = decode(bytes);
  demand(
    Array.isArray(items) && whole(items[0], 0, 1e9),
    "a message is no array that begins with its type",
  );
  const known = READERS[items[0]];
  return known ? known(items) : null;
}

/** @type {Record<number, (items: Value[]) => Message>} */
const READERS = {
  16: ([, token, room, epoch, player, tickRate, sendEvery, schema, limits]) => {
    demand(token instanceof Uint8Array && token.length <= TOKEN_BYTES_MAX, "WELCOME has no token");
    demand(typeof room === "string", "WELCOME names no room");
    demand(Array.isArray(limits), "WELCOME states no limits");
    // The last is of a later version than the others: 0 where the game looks at no past.
    const [message, most, actions, unacked, rewind = 0] = limits.map(count);
    demand(message && most && actions && unacked, "a limit is missing or 0");
    return {
      type: "welcome",
      token,
      room,
      epoch: count(epoch),
      player: count(player),
      tickRate: Math.max(1, count(tickRate)),
      sendEvery: Math.max(1, count(sendEvery)),
      schema: schema ?? null,
      limits: { message, items: most, actions, unacked, rewind },
    };
  },
  17: ([, tick, base, committed, ack, refusals, dropped, chunks, still]) => {
    demand(Array.isArray(chunks), "FRAME has no chunks");
    return {
      type: "frame",
      tick: count(tick),
      base: count(base),
      committed: count(committed),
      ack: count(ack),
      refusals: list(refusals, 3).map(([seq, index, reason]) => [
        count(seq),
        count(index),
        line(reason),
      ]),
      dropped: list(dropped, 2),
      chunks,
      // Up to this tick nothing changed since the base; null where that is not said.
      still: still == null ? null : count(still),
    };
  },
  18: ([, ms]) => ({ type: "renew", ms: number(ms) }),
  19: ([, sent, server, tick]) => ({
    type: "time",
    sent: number(sent),
    server: number(server),
    tick: count(tick),
  }),
  20: ([, epoch, committed, status, schema, speed]) => ({
    type: "room",
    epoch: count(epoch),
    committed: count(committed),
    status: count(status),
    schema: schema ?? null,
    speed: typeof speed === "number" && speed > 0 && speed < 1 ? speed : 1,
  }),
  21: ([, tick, crc]) => ({
    type: "digest",
    tick: count(tick),
    crc: count(crc),
  }),
  22: ([, code, reason, retry]) => ({
    type: "close",
    code: count(code),
    reason: line(reason),
    retry: retry == null ? null : number(retry),
  }),
};

/** @param {Value | undefined} value */
function count(value) {
  demand(whole(value, 0, INTEGER_MAX), "a tick, id, seq or count is no whole number");
  return value;
}

/** @param {Value | undefined} value */
function number(value) {
  demand(typeof value === "number" && Number.isFinite(value), "a number is none");
  return value;
}

/** @param {Value | undefined} value */
function line(value) {
  demand(typeof value === "string", "a reason is no text");
  return value.slice(0, REASON_CHARS_MAX);
}

/**
 * @param {Value | undefined} value
 * @param {number} width items each entry has at least
 * @returns {Value[][]}
 */
function list(value, width) {
  if (value == null) return [];
  demand(Array.isArray(value), "a list is no array");
  return value.map((entry) => {
    demand(Array.isArray(entry) && entry.length >= width, "a list's entry is too short");
    return entry;
  });
}
