/** Chunks: which rows of which tables go, come and change; read whole, or refused whole. */

import { readColumn, readIds, whole } from "./fields.js";
import { demand } from "./errors.js";

/** @typedef {import("./fields.js").FieldValue} FieldValue */
/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {import("./schema.js").Table} Table */
/** @typedef {import("./msgpack.js").Value} Value */
/**
 * One mask's rows. `owners` is null when the mask leaves bit 0 out; columns stand beside their
 * fields.
 * @typedef {{
 *   ids: ArrayLike<number>, owners: ArrayLike<number> | null,
 *   columns: [import("./fields.js").Field, ArrayLike<FieldValue>][],
 * }} Group
 */
/** @typedef {{ table: Table, gone: ArrayLike<number>, groups: Group[] }} Chunk */
/** @typedef {{ table: Table, ids: ArrayLike<number> }} Dropped */

/** The owner's column is read as a reference to a player. */
const OWNER = /** @type {import("./fields.js").Field} */ ({ name: "owner", kind: "ref", scale: 1 });

/**
 * @param {Schema} schema
 * @param {Value[]} wire
 * @returns {Chunk[]}
 * @throws {import("./errors.js").RemoteError}
 */
export function readChunks(schema, wire) {
  return wire.map((chunk) => {
    demand(Array.isArray(chunk) && chunk.length >= 2, "a chunk or group is too short");
    const table = tableAt(schema, chunk[0]);
    return {
      table,
      gone: readIds(chunk[1]),
      groups: chunk.slice(2).map((group) => readGroup(table, group)),
    };
  });
}

/**
 * @param {Schema} schema
 * @param {Value[][]} wire
 * @returns {Dropped[]}
 */
export function readDropped(schema, wire) {
  return wire.map(([index, ids]) => ({ table: tableAt(schema, index), ids: readIds(ids) }));
}

/**
 * @param {Schema} schema
 * @param {Value | undefined} index
 */
function tableAt(schema, index) {
  const table = typeof index === "number" && schema.tables[index];
  demand(table, "a chunk's table is not in the schema");
  return table;
}

/**
 * @param {Table} table
 * @param {Value} wire
 * @returns {Group}
 */
function readGroup(table, wire) {
  demand(Array.isArray(wire) && wire.length >= 2, "a chunk or group is too short");
  const mask = wire[0];
  demand(whole(mask, 0, 0x7fffffff), "a group's mask is out of range");
  const ids = readIds(wire[1]);
  let at = 2;
  const owners = mask & 1 ? readColumn(OWNER, wire[at++], ids.length) : null;
  /** @type {Group["columns"]} */
  const columns = [];
  for (let bit = 1, rest = mask >> 1; rest; bit++, rest >>= 1) {
    if (!(rest & 1)) continue;
    const field = table.byBit[bit];
    demand(field, `bit ${bit} of ${table.name} is not in the schema`);
    columns.push([field, readColumn(field, wire[at++], ids.length)]);
  }
  return { ids, owners: /** @type {ArrayLike<number> | null} */ (owners), columns };
}
