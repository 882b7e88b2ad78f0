/**
 * The schema: which tables, input, actions and options a game has, as WELCOME and ROOM bring it.
 */

import { readFields, toWire } from "./fields.js";
import { demand } from "./errors.js";
import { ACTIONS_MAX, TABLES_MAX } from "./limits.js";

/** @typedef {import("./fields.js").Field} Field */
/** @typedef {import("./msgpack.js").Value} Value */
/** @typedef {"entity" | "room" | "player" | "event"} TableKind */
/**
 * `blank` is a new row with every default; `byBit` finds a mask's fields.
 * @typedef {{
 *   index: number, name: string, kind: TableKind, fields: Field[], byBit: (Field | undefined)[],
 *   blank: Row,
 * }} Table
 */
/** @typedef {{ name: string, fields: Field[] }} Action */
/** @typedef {{ tables: Table[], input: Field[], actions: Action[], options: Field[] }} Schema */
/**
 * A row: its id, its owner (a player id, 0 for nobody) and its fields. Rows are shared: read
 * them, do not write.
 * @typedef {{ id: number, owner: number, [field: string]: any }} Row
 */

/** @type {TableKind[]} */
const KINDS = ["entity", "room", "player", "event"];

/**
 * @param {Value | undefined} wire
 * @returns {Schema}
 */
export function readSchema(wire) {
  demand(Array.isArray(wire) && wire.length >= 4, "a schema's part is no array");
  const [tables, input, actions, options] = wire;
  demand(Array.isArray(tables) && Array.isArray(actions), "a schema's part is no array");
  demand(tables.length <= TABLES_MAX && actions.length <= ACTIONS_MAX, "a schema is too long");
  return {
    tables: tables.map(readTable),
    input: readFields(input),
    actions: actions.map((action) => {
      demand(Array.isArray(action) && typeof action[0] === "string", "an action has no name");
      return { name: action[0], fields: readFields(action[1]) };
    }),
    options: readFields(options),
  };
}

/**
 * An action as an item carries it.
 * @param {Schema} schema
 * @param {string} name
 * @param {Record<string, unknown>} fields
 * @returns {Value[]}
 * @throws {TypeError | RangeError} naming what is wrong, and what would be right
 */
export function actionToWire(schema, name, fields) {
  const index = schema.actions.findIndex((action) => action.name === name);
  const action = schema.actions[index];
  if (!action) {
    const names = schema.actions.map((action) => action.name).join(", ") || "none";
    throw new TypeError(`this game has no action "${name}"; its actions are: ${names}`);
  }
  return [index, ...toWire(name, action.fields, fields)];
}

/**
 * @param {Value} wire
 * @param {number} index
 * @returns {Table}
 */
function readTable(wire, index) {
  demand(Array.isArray(wire) && typeof wire[0] === "string", "a table has no name");
  const kind = KINDS[Number(wire[1])];
  demand(kind, `${wire[0]} is of an unknown kind`);
  const fields = readFields(wire[2]).sort((a, b) => a.bit - b.bit);
  /** @type {Row} */
  const blank = { id: 0, owner: 0 };
  /** @type {Table["byBit"]} */
  const byBit = [];
  for (const field of fields) {
    demand(field.bit, "bit 0 is the owner's");
    blank[field.name] = field.initial;
    byBit[field.bit] = field;
  }
  return { index, name: wire[0], kind, fields, byBit, blank };
}
