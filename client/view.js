/** The view: the rows a player may see at one tick, and the next view made of it and a frame. */

import { demand } from "./errors.js";
import { ROWS_MAX } from "./limits.js";

/** @typedef {import("./chunks.js").Chunk} Chunk */
/** @typedef {import("./chunks.js").Dropped} Dropped */
/** @typedef {import("./schema.js").Row} Row */
/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {import("./schema.js").Table} Table */
/**
 * What a frame did to one row. `row` is the newest known; a hidden row left the view without
 * being despawned.
 * @typedef {{ what: "added" | "changed" | "removed" | "hidden", table: Table, row: Row }} Change
 */

/** Rows of one table in id order. A view never changes, so neither does this. */
class Rows {
  /** @type {Row[] | null} */
  #sorted = null;

  /** @param {Map<number, Row>} byId */
  constructor(byId) {
    this.byId = byId;
  }

  get sorted() {
    return (this.#sorted ??= [...this.byId.values()].sort((a, b) => a.id - b.id));
  }
}

export class View {
  /**
   * @param {Schema} schema
   * @param {number} player this player's id, 0 for a spectator
   * @param {number} tick 0 before the first frame
   * @param {Rows[]} [tables]
   */
  constructor(schema, player, tick = 0, tables = schema.tables.map(() => new Rows(new Map()))) {
    this.schema = schema;
    this.player = player;
    this.tick = tick;
    this.tables = tables;
  }

  /**
   * Every row of a table, in id order.
   * @param {string} table
   * @returns {readonly Row[]}
   */
  all(table) {
    return this.rows(this.index(table)).sorted;
  }

  /**
   * The row with this id, null when there is none.
   * @param {string} table
   * @param {number} id
   * @returns {Row | null}
   */
  get(table, id) {
    return this.rows(this.index(table)).byId.get(id) ?? null;
  }

  /** @param {string} table */
  count(table) {
    return this.rows(this.index(table)).byId.size;
  }

  /**
   * The first row, or the first that `owner` owns; null when there is none.
   * @param {string} table
   * @param {{ owner?: number }} [where]
   * @returns {Row | null}
   */
  one(table, { owner } = {}) {
    for (const row of this.all(table)) if (owner === undefined || row.owner === owner) return row;
    return null;
  }

  get room() {
    return this.one(this.#name(0));
  }

  get players() {
    return this.all(this.#name(1));
  }

  /** This player's own row; null for a spectator. */
  get me() {
    return this.player ? this.get(this.#name(1), this.player) : null;
  }

  /**
   * The rows of the table with this index; a schema has it, so a view does.
   * @param {number} index
   */
  rows(index) {
    return /** @type {Rows} */ (this.tables[index]);
  }

  /** @param {number} index */
  #name(index) {
    return /** @type {Table} */ (this.schema.tables[index]).name;
  }

  /**
   * @param {string} name
   * @returns {number}
   */
  index(name) {
    const index = this.schema.tables.findIndex((table) => table.name === name);
    if (index >= 0) return index;
    const names = this.schema.tables.map((table) => table.name).join(", ");
    throw new TypeError(`this game has no table "${name}"; its tables are: ${names}`);
  }
}

/**
 * The view after a frame, and what changed. The given view stays as it was, so a refusal leaves
 * no trace.
 * @param {View} view
 * @param {{ tick: number, base: number }} frame
 * @param {Dropped[]} dropped
 * @param {Chunk[]} chunks
 * @returns {{ view: View, changes: Change[] }}
 * @throws {import("./errors.js").RemoteError}
 */
export function apply(view, frame, dropped, chunks) {
  const drafts = new Drafts(view, frame.base === 0);
  for (const { table, ids } of dropped) drafts.at(table).remove(ids, true);
  for (const { table, gone, groups } of chunks) {
    const draft = drafts.at(table);
    draft.remove(gone, false);
    for (const group of groups) draft.store(group, view.player);
  }
  return drafts.finish(frame.tick);
}

/** The tables a frame touches, copied when first touched. */
class Drafts {
  /** @type {(Draft | undefined)[]} */
  #drafts = [];

  /**
   * @param {View} view
   * @param {boolean} anew whether all rows are forgotten first
   */
  constructor(view, anew) {
    /** @type {View} */
    this.view = view;
    /** @type {boolean} */
    this.anew = anew;
    if (anew) for (const table of view.schema.tables) this.at(table);
  }

  /** @param {Table} table */
  at(table) {
    return (this.#drafts[table.index] ??= new Draft(
      table,
      this.view.rows(table.index).byId,
      this.anew,
    ));
  }

  /** @param {number} tick */
  finish(tick) {
    /** @type {Change[]} */
    const changes = [];
    const tables = this.view.tables.map((rows, i) => {
      const draft = this.#drafts[i];
      if (!draft) return rows;
      draft.changes(changes);
      return new Rows(draft.rows);
    });
    const rows = tables.reduce((sum, table) => sum + table.byId.size, 0);
    demand(rows <= ROWS_MAX, `a view of ${rows} rows is too large`);
    return { view: new View(this.view.schema, this.view.player, tick, tables), changes };
  }
}

class Draft {
  /**
   * Rows touched: the ids, and whether a row that is gone is merely hidden.
   * @type {Map<number, boolean>}
   */
  #touched = new Map();
  /** Rows made or copied for this frame, which may still be written. @type {Set<Row>} */
  #own = new Set();

  /**
   * @param {Table} table
   * @param {Map<number, Row>} before
   * @param {boolean} anew
   */
  constructor(table, before, anew) {
    this.table = table;
    this.before = before;
    this.rows = new Map(anew ? [] : before);
    if (anew) for (const id of before.keys()) this.#touched.set(id, false);
  }

  /**
   * @param {ArrayLike<number>} ids
   * @param {boolean} hidden
   */
  remove(ids, hidden) {
    for (const id of Array.from(ids)) if (this.rows.delete(id)) this.#touched.set(id, hidden);
  }

  /**
   * @param {import("./chunks.js").Group} group
   * @param {number} player
   */
  store({ ids, owners, columns }, player) {
    for (let i = 0; i < ids.length; i++) {
      const row = this.#writable(Number(ids[i]));
      if (owners) {
        row.owner = Number(owners[i]);
        if (row.owner !== player) {
          for (const field of this.table.fields) if (field.owned) row[field.name] = field.initial;
        }
      }
      for (const [field, values] of columns) row[field.name] = values[i];
    }
  }

  /**
   * @param {number} id
   * @returns {Row}
   */
  #writable(id) {
    const known = this.rows.get(id);
    if (known && this.#own.has(known)) return known;
    const row = { ...(known ?? this.table.blank), id };
    this.#own.add(row);
    this.rows.set(id, row);
    if (!this.#touched.has(id)) this.#touched.set(id, false);
    return row;
  }

  /** @param {Change[]} into */
  changes(into) {
    for (const [id, hidden] of this.#touched) {
      const was = this.before.get(id);
      const row = this.rows.get(id);
      if (was && row && same(was, row)) this.rows.set(id, was);
      else if (row) into.push({ what: was ? "changed" : "added", table: this.table, row });
      else if (was) into.push({ what: hidden ? "hidden" : "removed", table: this.table, row: was });
    }
  }
}

/**
 * @param {Row} a
 * @param {Row} b
 */
function same(a, b) {
  for (const name in a) if (!Object.is(a[name], b[name])) return false;
  return true;
}
