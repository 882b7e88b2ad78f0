/** Interpolation: the view between two ticks, and for a moment beyond the newest. */

import { View } from "./view.js";
import { HISTORY_VIEWS_MAX } from "./limits.js";

/** @typedef {import("./schema.js").Row} Row */
/** @typedef {import("./schema.js").Table} Table */
/** @typedef {import("./fields.js").Field} Field */
/**
 * What a row's picture is off by, by field; `part` of it is left.
 * @typedef {{ by: Record<string, number>, part: number }} Offset
 */

/** Views before the one shown that are kept: two tell how steadily a row moves. */
const BEFORE = 2;
/** A guess that was wrong fades by 63 % in this time. */
const FADE_MS = 150;
/** An offset of which less is left is none. */
const NOTHING = 0.005;

/**
 * A view at a playback time. Its rows are objects used again by the next call: read them, do not
 * keep them.
 * Rows appear and go with the tick that says so; `fixed` and `angle` fields move between ticks, and
 * go on for a moment when frames are late. The rows that a prediction has are its.
 */
export class Playback extends View {
  /** Views by rising tick. @type {View[]} */
  #history = [];
  /** The one shown, and the one after it. */
  #from = 0;
  /** @type {View | null} */
  #to = null;
  #part = 0;
  #shown = 0;
  /** Ticks beyond the newest. */
  #beyond = 0;
  /** Rows between ticks, by table and id. @type {Map<number, Row>[]} */
  #between;
  /** By table and id. @type {Map<number, Offset>[]} */
  #off;
  /** What `all` answered since the last seek. @type {(Row[] | undefined)[]} */
  #answers = [];
  /** @type {Field[][]} */
  #moving;
  /** What is predicted, by table. @type {(import("./prediction.js").Prediction | undefined)[]} */
  predictions = [];

  /** @param {View} view */
  constructor(view) {
    super(view.schema, view.player, view.tick, view.tables);
    this.#history = [view];
    this.#shown = view.tick;
    this.#between = view.schema.tables.map(() => new Map());
    this.#off = view.schema.tables.map(() => new Map());
    this.#moving = view.schema.tables.map(({ fields }) => fields.filter(moves));
  }

  /** The newest tick there is a view of. */
  get newest() {
    return this.#history.at(-1)?.tick ?? 0;
  }

  /**
   * @param {View} view the newest; one whose tick went back forgets those after it
   * @param {number} [still] up to this tick, the view before it stayed as it was
   */
  push(view, still = 0) {
    const history = this.#history;
    const guessed = this.#beyond > 0 && view.tick > this.newest ? this.#drawings() : null;
    while (history.length && this.newest >= view.tick) history.pop();
    const last = history.at(-1);
    if (last && last.tick < still && still < view.tick)
      history.push(new View(last.schema, last.player, still, last.tables));
    history.push(view);
    while (history.length > HISTORY_VIEWS_MAX) history.shift();
    if (!guessed) return;
    // The picture stays where the guess had it, and fades into where it should be.
    this.#place(this.#shown);
    guessed.forEach((rows, index) => this.#fade(index, rows));
  }

  /**
   * Shows `tick`, which may have a fraction and be a little beyond the newest.
   * @param {number} tick
   * @param {number} [passed] milliseconds since the last call
   */
  seek(tick, passed = 0) {
    this.#place(tick);
    const left = Math.exp(-passed / FADE_MS);
    for (const table of this.#off) {
      for (const [id, off] of table) if ((off.part *= left) < NOTHING) table.delete(id);
    }
    return this;
  }

  /** @override @param {string} table */
  all(table) {
    const index = this.index(table);
    return (this.#answers[index] ??= this.#drawn(index));
  }

  /** @override @param {string} table @param {number} id */
  get(table, id) {
    const index = this.index(table);
    const row = this.rows(index).byId.get(id);
    return row ? this.#at(index, row) : null;
  }

  /** @param {number} tick */
  #place(tick) {
    const history = this.#history;
    let at = history.length - 1;
    while (at && /** @type {View} */ (history[at]).tick > tick) at--;
    if (at > BEFORE) history.splice(0, at - BEFORE);
    this.#from = Math.min(at, BEFORE);
    const from = /** @type {View} */ (history[this.#from]);
    const to = history[this.#from + 1] ?? null;
    this.#to = to;
    this.#part = to ? Math.max(0, (tick - from.tick) / (to.tick - from.tick)) : 0;
    this.#beyond = to ? 0 : Math.max(0, tick - from.tick);
    this.#shown = tick;
    this.tick = to ? from.tick + (to.tick - from.tick) * this.#part : from.tick;
    this.tables = from.tables;
    this.#answers.length = 0;
  }

  /** @param {number} index */
  #drawn(index) {
    const { sorted } = this.rows(index);
    // Most are of rows that are gone; the rest are made again.
    if (this.#kept(index).size > 2 * sorted.length + 16) this.#kept(index).clear();
    return sorted.map((row) => this.#at(index, row));
  }

  /** @param {number} index */
  #kept(index) {
    return /** @type {Map<number, Row>} */ (this.#between[index]);
  }

  /**
   * @param {number} index
   * @param {Row} from
   * @returns {Row}
   */
  #at(index, from) {
    const predicted = this.predictions[index]?.drawn(from);
    if (predicted) return predicted;
    const off = this.#off[index]?.get(from.id);
    if (!off && !this.#stirs(index, from)) return from;
    let row = this.#kept(index).get(from.id);
    if (!row) this.#kept(index).set(from.id, (row = { ...from }));
    Object.assign(row, from);
    for (const field of this.#moving[index] ?? []) {
      const value = this.#value(index, field, from);
      row[field.name] = off ? add(field, value, (off.by[field.name] ?? 0) * off.part) : value;
    }
    return row;
  }

  /**
   * Whether the row is elsewhere than its last view has it.
   * @param {number} index
   * @param {Row} from
   */
  #stirs(index, from) {
    if (!this.#to) return this.#beyond > 0;
    const to = this.#to.rows(index).byId.get(from.id);
    return to && to !== from && this.#part > 0;
  }

  /**
   * @param {number} index
   * @param {Field} field
   * @param {Row} from
   * @returns {number}
   */
  #value(index, field, from) {
    const value = from[field.name];
    if (!this.#to) return add(field, value, this.#rate(index, field, from) * this.#beyond);
    const to = this.#to.rows(index).byId.get(from.id);
    return to ? move(field, value, to[field.name], this.#part) : value;
  }

  /**
   * How fast a field moves, if it moves steadily: the smaller of its last two steps, a tick.
   * @param {number} index
   * @param {Field} field
   * @param {Row} newest
   */
  #rate(index, field, newest) {
    const views = this.#history.slice(-BEFORE - 1);
    if (views.length <= BEFORE) return 0;
    const [first, second] = [0, 1].map((i) => {
      const [a, b] = /** @type {[View, View]} */ ([views[i], views[i + 1]]);
      const from = a.rows(index).byId.get(newest.id);
      const to = b.rows(index).byId.get(newest.id);
      const step = from && to ? way(field, from[field.name], to[field.name]) : 0;
      return field.snap !== null && Math.abs(step) > field.snap ? 0 : step / (b.tick - a.tick);
    });
    if (!first || !second || first > 0 !== second > 0) return 0;
    return Math.abs(first) < Math.abs(second) ? first : second;
  }

  /** What is drawn now of every row that moves, by table and id. */
  #drawings() {
    return this.#moving.map((fields, index) => {
      /** @type {Map<number, Row>} */
      const rows = new Map();
      for (const row of fields.length ? this.rows(index).sorted : []) rows.set(row.id, { ...this.#at(index, row) });
      return rows;
    });
  }

  /**
   * @param {number} index
   * @param {Map<number, Row>} drawings
   */
  #fade(index, drawings) {
    const off = /** @type {Map<number, Offset>} */ (this.#off[index]);
    for (const [id, drawn] of drawings) {
      off.delete(id);
      const row = this.rows(index).byId.get(id);
      if (!row) continue;
      const by = gap(this.#moving[index] ?? [], drawn, this.#at(index, row));
      if (by) off.set(id, { by, part: 1 });
    }
  }
}

/** @param {Field} field */
export function moves({ kind }) {
  return kind === "fixed" || kind === "angle";
}

/**
 * @param {Field} field
 * @param {number} from
 * @param {number} to
 * @param {number} part 0 to 1
 */
export function move(field, from, to, part) {
  const by = way(field, from, to);
  if (field.snap !== null && Math.abs(by) > field.snap) return from;
  return field.kind === "angle" ? wrap(from + by * part) : from + by * part;
}

/**
 * What a row's picture is off by; null where it is nothing, or so much that it is a jump.
 * @param {Field[]} fields
 * @param {Row} drawn
 * @param {Row} row where it should be
 */
export function gap(fields, drawn, row) {
  /** @type {Record<string, number>} */
  const by = {};
  let any = false;
  for (const field of fields) {
    const step = way(field, row[field.name], drawn[field.name]);
    if (field.snap !== null && Math.abs(step) > field.snap) return null;
    if (step) any = true;
    by[field.name] = step;
  }
  return any ? by : null;
}

/**
 * A field's value and something more, within its bounds.
 * @param {Field} field
 * @param {number} value
 * @param {number} more
 */
export function add({ kind, lo, hi }, value, more) {
  if (!more) return value;
  if (kind === "angle") return wrap(value + more);
  return Math.max(lo ?? -Infinity, Math.min(hi ?? Infinity, value + more));
}

/**
 * From one value to another: for an angle, the shorter way.
 * @param {Field} field
 * @param {number} from
 * @param {number} to
 */
function way(field, from, to) {
  return field.kind === "angle" ? wrap(to - from) : to - from;
}

/**
 * The same angle in [-pi, pi).
 * @param {number} angle
 */
function wrap(angle) {
  const turn = 2 * Math.PI;
  return angle - turn * Math.floor((angle + Math.PI) / turn);
}
