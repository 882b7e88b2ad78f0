/**
 * Inputs and actions on their way: numbered, kept until acknowledged, repeated when they must be.
 */

import { ACTIONS_WAITING_MAX, STALE_MS, STALLED_FRAMES } from "./limits.js";
import { encode } from "./msgpack.js";

/** @typedef {import("./msgpack.js").Value} Value */
/** @typedef {import("./messages.js").Limits} Limits */
/** @typedef {import("./messages.js").Refusal} Refusal */
/** @typedef {{ applied: true } | { applied: false, reason: string }} Outcome */
/** @typedef {{ wire: Value[], settle: (outcome: Outcome) => void }} Asked */
/**
 * `values` is the input as the server reads it, null where there is none; `made` is when.
 * @typedef {{ seq: number, wire: Value[], bytes: number, asked: Asked[], refused: Map<number,
 *   string>, values: Record<string, any> | null, made: number }} Item
 */

/** A message's type, tick and array head take less than this. */
const HEAD_BYTES = 24;

export class Inputs {
  /** @type {Item[]} */
  #kept = [];
  /** @type {Asked[]} */
  #asked = [];
  #still = 0;

  /**
   * @param {Limits} limits
   * @param {number} next the seq the next item takes
   */
  constructor(limits, next) {
    this.limits = limits;
    this.next = next;
  }

  /** The first seq held: the oldest item not acknowledged, or the next to be used. */
  get first() {
    return this.#kept[0]?.seq ?? this.next;
  }

  /**
   * Takes an action along with the next item that has room for it; refuses it where too many wait.
   * @param {Asked} asked
   * @throws {RangeError} when no message could hold it
   */
  ask(asked) {
    if (encode(asked.wire).length > this.limits.message / 2) {
      throw new RangeError(
        `an action longer than ${this.limits.message / 2} bytes fits in no message`,
      );
    }
    if (this.#asked.length >= ACTIONS_WAITING_MAX) {
      const reason = `${ACTIONS_WAITING_MAX} actions wait to be sent already`;
      asked.settle({ applied: false, reason });
      return;
    }
    this.#asked.push(asked);
  }

  /**
   * Numbers one sample and the actions asked for. Null when there is neither, or when too much is
   * unanswered.
   * @param {Value[] | null} input
   * @param {number | null} [drawn] the tick on the screen, for a game that looks at the past
   * @returns {Item | null}
   */
  queue(input, drawn = null) {
    if ((!input && !this.#asked.length) || this.#kept.length >= this.limits.unacked) return null;
    const bytesMax = this.limits.message - HEAD_BYTES;
    /** @type {Asked[]} */
    const asked = [];
    /** @type {Value[]} */
    let wire = [this.next, input];
    if (drawn !== null && this.limits.rewind) wire.push(drawn);
    while (this.#asked.length && asked.length < this.limits.actions) {
      const longer = [...wire, /** @type {Asked} */ (this.#asked[0]).wire];
      if (encode(longer).length > bytesMax) break;
      asked.push(/** @type {Asked} */ (this.#asked.shift()));
      wire = longer;
    }
    /** @type {Item} */
    const item = {
      seq: this.next++,
      wire,
      bytes: encode(wire).length,
      asked,
      refused: new Map(),
      values: null,
      made: 0,
    };
    this.#kept.push(item);
    return item;
  }

  /**
   * Takes a frame's answer: settles the actions of items acknowledged, and counts frames without
   * progress.
   * @param {number} ack
   * @param {Refusal[]} refusals
   * @param {number} [covered] frames that this one stands for: while nothing happens, one in a few
   *   comes, and what was sent lately is on its way all the same
   * @returns {{ seq: number, action: number | null, reason: string }[]} those not heard before
   */
  answered(ack, refusals, covered = 1) {
    const fresh = [];
    for (const [seq, index, reason] of refusals) {
      const item = this.#kept.find((kept) => kept.seq === seq);
      if (!item || item.refused.has(index)) continue;
      item.refused.set(index, reason);
      const asked = item.asked[index - 1];
      fresh.push({ seq, action: asked ? Number(asked.wire[0]) : null, reason });
    }
    const stood = Math.max(1, Math.min(covered, STALLED_FRAMES / 4));
    this.#still = this.#kept.length && this.first > ack ? this.#still + stood : 0;
    for (let item; (item = this.#kept[0]) && item.seq <= ack; this.#kept.shift()) settle(item);
    // Another page used this seat and went further; its numbers are taken.
    this.next = Math.max(this.next, ack + 1);
    return fresh;
  }

  /** Whether items wait and the ack stood still for so long that they should be repeated. */
  get stalled() {
    return this.#kept.length > 0 && this.#still >= STALLED_FRAMES;
  }

  /** The inputs not acknowledged, as the server reads them, oldest first. */
  get pending() {
    return this.#kept.flatMap(({ values }) => (values ? [values] : []));
  }

  /**
   * All items not acknowledged, oldest first; those of long ago without their input.
   * @param {number} now milliseconds
   */
  repeat(now) {
    this.#still = 0;
    for (const item of this.#kept) {
      if (!item.values || now - item.made < STALE_MS) continue;
      item.values = null;
      item.wire[1] = null;
      item.bytes = encode(item.wire).length;
    }
    return this.#kept;
  }

  /**
   * Splits items into messages within the limits.
   * @param {Item[]} items
   * @returns {Value[][]} what each message holds
   */
  messages(items) {
    /** @type {Value[][]} */
    const messages = [];
    let bytes = 0;
    for (const item of items) {
      const last = messages[messages.length - 1];
      if (!last || bytes + item.bytes > this.limits.message || last.length >= this.limits.items) {
        messages.push([item.wire]);
        bytes = HEAD_BYTES + item.bytes;
      } else {
        last.push(item.wire);
        bytes += item.bytes;
      }
    }
    return messages;
  }

  /**
   * Makes what is kept mean nothing but its number, as when a new schema gave its fields other
   * meanings.
   * @param {string} reason
   */
  blank(reason) {
    for (const item of this.#kept) {
      for (const { settle: tell } of item.asked.splice(0)) tell({ applied: false, reason });
      item.wire = [item.seq, null];
      item.values = null;
      item.bytes = encode(item.wire).length;
    }
    for (const { settle: tell } of this.#asked.splice(0)) tell({ applied: false, reason });
  }

  /**
   * Gives up all that is kept, and goes on with a seq that much higher.
   * @param {string} reason
   * @param {number} [ahead]
   */
  drop(reason, ahead = 0) {
    this.blank(reason);
    this.#kept.length = 0;
    this.next += ahead;
  }
}

/** @param {Item} item */
function settle({ asked, refused }) {
  asked.forEach(({ settle: tell }, i) => {
    const reason = refused.get(i + 1);
    tell(reason === undefined ? { applied: true } : { applied: false, reason });
  });
}
