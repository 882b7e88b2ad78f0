/** Interpolation: the view between two ticks. */

import { View } from "./view.js";
import { HISTORY_VIEWS_MAX } from "./limits.js";

/** @typedef {import("./schema.js").Row} Row */
/** @typedef {import("./schema.js").Table} Table */
/** @typedef {import("./fields.js").Field} Field */

/**
 * A view at a playback time. Its rows are objects used again by the next call: read them, do not
 * keep them.
 * Rows appear and go with the tick that says so; `fixed` and `angle` fields move between ticks.
 */
export class Playback extends View {
  /** Views by rising tick. @type {View[]} */
  #history = [];
  /** The view after `#from`, null when there is none yet. @type {View | null} */
  #to = null;
  #part = 0;
  /** Rows between ticks, by table and id. @type {Map<number, Row>[]} */
  #between;
  /** What `all` answered since the last seek. @type {(Row[] | undefined)[]} */
  #answers = [];
  /** @type {Field[][]} */
  #moving;

  /** @param {View} view */
  constructor(view) {
    super(view.schema, view.player, view.tick, view.tables);
    this.#history = [view];
    this.#between = view.schema.tables.map(() => new Map());
    this.#moving = view.schema.tables.map(({ fields }) =>
      fields.filter((f) => f.kind === "fixed" || f.kind === "angle"),
    );
  }

  /** The newest tick there is a view of. */
  get newest() {
    return this.#history.at(-1)?.tick ?? 0;
  }

  /** @param {View} view the newest; one whose tick went back forgets those after it */
  push(view) {
    const history = this.#history;
    while (history.length && this.newest >= view.tick) history.pop();
    history.push(view);
    if (history.length > HISTORY_VIEWS_MAX) history.shift();
  }

  /**
   * Shows `tick`, which may have a fraction. Views before it are forgotten.
   * @param {number} tick
   */
  seek(tick) {
    const history = this.#history;
    for (let next; (next = history[1]) && next.tick <= tick;) history.shift();
    const [from, to] = /** @type {[View, View | undefined]} */ (history);
    this.#to = to ?? null;
    this.#part = to ? Math.max(0, Math.min(1, (tick - from.tick) / (to.tick - from.tick))) : 0;
    this.tick = to ? from.tick + (to.tick - from.tick) * this.#part : from.tick;
    this.tables = from.tables;
    this.#answers.length = 0;
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

  /** @param {number} index */
  #drawn(index) {
    const { sorted } = this.rows(index);
    // Most are of rows that are gone; the rest are made again.
    if (this.#kept(index).size > 2 * sorted.length + 16) this.#kept(index).clear();
    return this.#to ? sorted.map((row) => this.#at(index, row)) : sorted;
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
    const to = this.#to?.rows(index).byId.get(from.id);
    if (!to || to === from || !this.#part) return from;
    let row = this.#kept(index).get(from.id);
    if (!row) this.#kept(index).set(from.id, (row = { ...from }));
    Object.assign(row, from);
    for (const field of this.#moving[index] ?? []) {
      row[field.name] = move(field, from[field.name], to[field.name], this.#part);
    }
    return row;
  }
}

/**
 * @param {Field} field
 * @param {number} from
 * @param {number} to
 * @param {number} part 0 to 1
 */
export function move(field, from, to, part) {
  const way = to - from;
  if (field.kind === "angle") return wrap(from + wrap(way) * part);
  return field.snap !== null && Math.abs(way) > field.snap ? from : from + way * part;
}

/**
 * The same angle in [-pi, pi).
 * @param {number} angle
 */
function wrap(angle) {
  const turn = 2 * Math.PI;
  return angle - turn * Math.floor((angle + Math.PI) / turn);
}
