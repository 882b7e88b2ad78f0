/** The digest: a view's canonical bytes and their CRC-32, as the server computes them. */

/** @typedef {import("./schema.js").Row} Row */
/** @typedef {import("./fields.js").Field} Field */

const utf8 = new TextEncoder();

/** Reflected CRC-32 (polynomial 0xEDB88320, as in zlib), one entry a byte. */
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/**
 * @param {Uint8Array[]} parts bytes that follow each other
 * @returns {number} unsigned
 */
export function crc32(parts) {
  let crc = -1;
  for (const part of parts) {
    for (const byte of part) crc = Number(TABLE[(crc ^ byte) & 255]) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

/**
 * @param {import("./view.js").View} view
 * @returns {number}
 */
export function digest(view) {
  return crc32(canonical(view));
}

/**
 * The view's canonical bytes (PROTOCOL), in parts: those that all see, then those of the rows that
 * this player owns. Browsers run on little endian machines only, so typed arrays are the wire's.
 * @param {import("./view.js").View} view
 * @returns {Uint8Array[]}
 */
export function canonical({ schema, tables, player }) {
  /** @type {Uint8Array[]} */
  const parts = [];
  for (const owned of [false, true]) {
    schema.tables.forEach(({ index, fields }) => {
      const columns = fields.filter((field) => field.owned === owned);
      let rows = tables[index]?.sorted ?? [];
      if (owned) rows = columns.length && player ? rows.filter((row) => row.owner === player) : [];
      if (!rows.length) return;
      const ids = rows.map((row) => row.id);
      u32(parts, [index, rows.length, ...ids, ...(owned ? [] : rows.map((row) => row.owner))]);
      for (const field of columns) column(parts, field, rows);
    });
  }
  return parts;
}

/**
 * @param {Uint8Array[]} parts
 * @param {number[]} numbers
 */
function u32(parts, numbers) {
  parts.push(new Uint8Array(Uint32Array.from(numbers).buffer));
}

/**
 * @param {Uint8Array[]} parts
 * @param {Field} field
 * @param {Row[]} rows
 */
function column(parts, { name, kind }, rows) {
  if (kind !== "text") {
    parts.push(new Uint8Array(Float64Array.from(rows, (row) => Number(row[name])).buffer));
    return;
  }
  for (const row of rows) {
    const bytes = utf8.encode(row[name]);
    u32(parts, [bytes.length]);
    parts.push(bytes);
  }
}
