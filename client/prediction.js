/**
 * Prediction: the rows a player owns, ahead of the server by the inputs it has not answered.
 *
 * What it says is only drawn. The server moves rows by the inputs alone, so a page that predicts
 * its walls away sees its rows pulled back.
 */

import { add, gap, move, moves } from "./interpolation.js";
import { rounded } from "./fields.js";

/** @typedef {import("./schema.js").Row} Row */
/** @typedef {import("./schema.js").Table} Table */
/** @typedef {import("./view.js").View} View */
/** @typedef {Record<string, any>} Fields */
/**
 * The game's own step for one row: changes `row` as one tick of `dt` seconds under `input` does.
 * `view` is the newest the server sent, for what stands in the way.
 * @typedef {(row: Row, input: Fields, dt: number, view: View) => void} Rule
 */
/**
 * `peek` reads the controls as they are now, so that a key shows with the next picture and not
 * with the next tick. `smooth_ms` is the time in which a correction fades by 63 %; 0 shows it at
 * once.
 * @typedef {{ peek?: (() => Fields) | null, smooth_ms?: number }} Options
 */
/**
 * A row being predicted: the server's, the same after all inputs, and one tick further.
 * @typedef {{ truth: Row, state: Row, next: Row, off: Record<string, number>, drawn: Row }} Own
 */

const SMOOTH_MS = 100;
/** How far a row is carried on when the next sample is late, in ticks. */
const PART_MAX = 1.5;

export class Prediction {
  /** By id. @type {Map<number, Own>} */
  #rows = new Map();
  /** @type {View | null} */
  #view = null;
  /** @type {Table | null} */
  #table = null;
  /** The input that rows go on with. @type {Fields | null} */
  #input = null;
  #part = 0;
  /** Inputs sent that the server has not answered. */
  ahead = 0;
  /** How far the last frame moved a row from where it was predicted, by field. */
  error = /** @type {Record<string, number>} */ ({});

  /**
   * @param {string} table
   * @param {Rule} rule
   * @param {number} dt seconds a tick
   * @param {Options} [options]
   */
  constructor(table, rule, dt, { peek = null, smooth_ms = SMOOTH_MS } = {}) {
    this.table = table;
    this.rule = rule;
    this.dt = dt;
    this.peek = peek;
    this.smooth_ms = smooth_ms;
  }

  /** The first row as the next input will find it; null where this player has none. */
  get row() {
    for (const { state } of this.#rows.values()) return state;
    return null;
  }

  /**
   * Takes a frame: the server's rows, and on top of them what it has not answered.
   * @param {View} view
   * @param {Fields[]} pending inputs not answered, oldest first
   */
  framed(view, pending) {
    if (view.schema !== this.#view?.schema) this.#rows.clear();
    this.#view = view;
    const table = view.schema.tables[view.index(this.table)] ?? null;
    this.#table = table;
    this.ahead = pending.length;
    this.#input = pending.at(-1) ?? this.#input;
    const before = this.#rows;
    this.#rows = new Map();
    this.error = {};
    for (const row of table ? view.rows(table.index).sorted : []) {
      if (row.owner !== view.player) continue;
      const was = before.get(row.id);
      const state = { ...row };
      for (const input of pending) this.#step(state, input);
      const own = { truth: row, state, next: state, off: {}, drawn: { ...row } };
      if (was) this.error = gap(this.#moving, was.state, state) ?? {};
      this.#rows.set(row.id, own);
      this.#changed(own, was);
    }
  }

  /**
   * Takes an input that is being sent.
   * @param {Fields} input as it will arrive
   */
  sampled(input) {
    this.ahead++;
    this.#input = input;
    // The picture's time stays: just before the new state, until it is drawn again.
    const part = this.#part - 1;
    for (const own of this.#rows.values()) {
      const was = { ...own };
      own.state = { ...own.state };
      this.#step(own.state, input);
      this.#changed(own, was, part);
    }
    this.#part = part;
  }

  /**
   * Moves on to a picture's time.
   * @param {number} part of a tick since the last input, 0 to 1 and a little more
   * @param {number} passed milliseconds since the last picture
   */
  seek(part, passed) {
    const left = this.smooth_ms ? Math.exp(-passed / this.smooth_ms) : 0;
    const input = this.peek?.() ?? null;
    const other = input && (!this.#input || differs(input, this.#input));
    if (other) this.#input = input;
    for (const own of this.#rows.values()) {
      if (other) this.#changed(own, { ...own });
      for (const name in own.off) own.off[name] = (own.off[name] ?? 0) * left;
    }
    this.#part = Math.min(PART_MAX, part);
  }

  /**
   * The row to draw, an object used again by the next call; null where it is not predicted. Fields
   * that do not move, and that the rule leaves alone, are those of `shown`.
   * @param {Row} shown
   */
  drawn(shown) {
    const own = this.#rows.get(shown.id);
    if (!own) return null;
    const { truth, state, off, drawn } = own;
    Object.assign(drawn, shown);
    for (const { name } of this.#table?.fields ?? [])
      if (state[name] !== truth[name]) drawn[name] = state[name];
    this.#place(own, this.#part);
    for (const field of this.#moving)
      drawn[field.name] = add(field, drawn[field.name], off[field.name] ?? 0);
    return drawn;
  }

  get #moving() {
    return this.#table?.fields.filter(moves) ?? [];
  }

  /**
   * Writes where a row is between its inputs.
   * @param {Own} own
   * @param {number} part
   */
  #place({ state, next, drawn }, part) {
    for (const field of this.#moving) {
      const { name } = field;
      drawn[name] = move(field, state[name], next[name], part);
    }
    return drawn;
  }

  /**
   * Makes the next tick anew, and keeps the picture where it was, to fade into where it should be.
   * @param {Own} own
   * @param {Own} [was] before it changed
   * @param {number} [part] where the picture is from now on
   */
  #changed(own, was, part = this.#part) {
    const drawn = was && { ...this.#place(was, this.#part) };
    own.next = { ...own.state };
    if (this.#input) this.#step(own.next, this.#input);
    if (!drawn || !was) return;
    const by = this.smooth_ms ? gap(this.#moving, drawn, this.#place(own, part)) : null;
    own.off = {};
    if (!by) return void (own.off = jumped(this.#moving, drawn, own.drawn) ? {} : was.off);
    for (const name in by) own.off[name] = (was.off[name] ?? 0) + (by[name] ?? 0);
  }

  /**
   * One tick, rounded as the server rounds what it commits.
   * @param {Row} row is changed
   * @param {Fields} input
   */
  #step(row, input) {
    this.rule(row, input, this.dt, /** @type {View} */ (this.#view));
    for (const field of this.#table?.fields ?? []) row[field.name] = rounded(field, row[field.name]);
  }
}

/**
 * @param {import("./fields.js").Field[]} fields
 * @param {Row} a
 * @param {Row} b
 */
function jumped(fields, a, b) {
  return fields.some(({ name, snap }) => snap !== null && Math.abs(a[name] - b[name]) > snap);
}

/**
 * @param {Fields} a
 * @param {Fields} b
 */
function differs(a, b) {
  for (const name in a) if (a[name] !== b[name]) return true;
  return false;
}
