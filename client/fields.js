/** A field: its kind, its bounds, and its way to the wire and back. */

import { BIT_MAX, FIXED_WIRE_MAX, ID_MAX, INTEGER_MAX } from "./limits.js";
import { Column } from "./msgpack.js";
import { demand } from "./errors.js";

/** @typedef {import("./msgpack.js").Value} Value */
/** @typedef {number | string | boolean} FieldValue */
/** @typedef {"fixed" | "angle" | "integer" | "f32" | "f64" | "text" | "flag" | "ref"} Kind */
/**
 * `initial` is the default as a value. `scale` is 1 where the kind has none; `lo` and `hi` bound
 * the value, and `overflow` says what the server makes of one beyond them: it clamps ("") or does
 * what the word says.
 * @typedef {{
 *   bit: number, name: string, kind: Kind, owned: boolean, initial: FieldValue,
 *   scale: number, lo: number | null, hi: number | null, snap: number | null, table: number,
 *   overflow: string,
 * }} Field
 */

/** @type {Kind[]} */
const KINDS = ["fixed", "angle", "integer", "f32", "f64", "text", "flag", "ref"];
/** How many parameters behind the scale are numbers. @type {Partial<Record<Kind, number>>} */
const BOUNDS = { fixed: 3, integer: 2, text: 1, ref: 1 };
// Every row has these two; the last would reach a row's prototype.
const RESERVED = ["id", "owner", "__proto__"];

/**
 * Fields as a schema lists them, checked.
 * @param {Value | undefined} wire
 * @returns {Field[]}
 */
export function readFields(wire) {
  demand(Array.isArray(wire), "a schema's part is no array");
  const fields = wire.map(readField);
  demand(new Set(fields.map((f) => f.name)).size === fields.length, "two fields share a name");
  demand(new Set(fields.map((f) => f.bit)).size === fields.length, "two fields share a bit");
  return fields;
}

/**
 * @param {Value} wire
 * @returns {Field}
 */
function readField(wire) {
  demand(Array.isArray(wire) && wire.length >= 5, "a schema's part is no array");
  const [bit, name, number, audience, initial, ...parameters] = wire;
  demand(whole(bit, 0, BIT_MAX), "a field's bit is out of range");
  demand(typeof name === "string" && !RESERVED.includes(name), "a field's name is none");
  const kind = KINDS[Number(number) - 1];
  demand(kind, `${name} is of an unknown kind`);
  const scaled = kind === "fixed" || kind === "angle";
  const bounds = scaled ? parameters.slice(1) : parameters;
  const [lo, hi, snap] = bounds.slice(0, BOUNDS[kind] ?? 0).map(numberOrNull);
  const policy = bounds[BOUNDS[kind] ?? 0];
  /** @type {Field} */
  const field = {
    bit,
    name,
    kind,
    owned: audience === 1,
    initial: 0,
    table: 0,
    lo: null,
    hi: null,
    scale: scaled ? (numberOrNull(parameters[0]) ?? 0) : 1,
    snap: null,
    overflow: policy === "wrap" || policy === "fail" ? policy : "",
  };
  demand(field.scale > 0, `${name} has no scale`);
  if (kind === "fixed" || kind === "integer") {
    field.lo = lo ?? null;
    field.hi = hi ?? null;
  }
  if (kind === "fixed") field.snap = snap ?? null;
  if (kind === "text") field.hi = lo ?? null;
  if (kind === "ref") field.table = lo ?? 0;
  const [value] = Array.from(readColumn(field, [initial ?? null], 1));
  return { ...field, initial: value ?? 0 };
}

/**
 * A column's values, every one checked against the field's kind.
 * @param {Field} field
 * @param {Value | undefined} wire
 * @param {number} length how many there must be
 * @returns {ArrayLike<FieldValue>}
 */
export function readColumn(field, wire, length) {
  const column = items(wire);
  demand(column.length === length, `${field.name}: ${column.length} values, ${length} rows`);
  const fits = FITS[field.kind];
  for (let i = 0; i < length; i++) {
    if (!fits(column[i])) demand(false, `${field.name} cannot be ${String(column[i])}`);
  }
  if (field.kind === "flag")
    return Array.from(/** @type {ArrayLike<Value>} */ (column), (q) => q === 1);
  if (field.scale === 1) return /** @type {ArrayLike<FieldValue>} */ (column);
  const values = new Float64Array(length);
  for (let i = 0; i < length; i++) values[i] = /** @type {number} */ (column[i]) / field.scale;
  return values;
}

/**
 * A column of ids.
 * @param {Value | undefined} wire
 * @returns {ArrayLike<number>}
 */
export function readIds(wire) {
  const ids = items(wire);
  for (let i = 0; i < ids.length; i++) demand(whole(ids[i], 1, ID_MAX), "an id is out of range");
  return /** @type {ArrayLike<number>} */ (ids);
}

/**
 * The values of an input or an action in declared order, in wire form; what is missing takes its
 * default.
 * @param {string} of what these are the fields of, for the error
 * @param {Field[]} fields
 * @param {Record<string, unknown>} given
 * @returns {Value[]}
 * @throws {TypeError | RangeError} naming the field, the value and what would be right
 */
export function toWire(of, fields, given) {
  if (typeof given !== "object" || given === null) {
    throw new TypeError(`${of} takes an object of fields, not ${String(given)}`);
  }
  for (const name of Object.keys(given)) {
    if (fields.some((f) => f.name === name)) continue;
    const names = fields.map((f) => f.name).join(", ") || "none";
    throw new TypeError(`${of} has no field "${name}"; its fields are: ${names}`);
  }
  return fields.map((field) => one(of, field, given[field.name] ?? field.initial));
}

/**
 * @param {string} of
 * @param {Field} field
 * @param {unknown} value
 * @returns {Value}
 */
function one(of, field, value) {
  const { kind, lo, hi } = field;
  const right = describe(field);
  const given = typeof value === "string" ? `"${value}"` : String(value);
  const wrong = `${of}.${field.name} must be ${right}, not ${given}`;
  if (kind === "text") {
    if (typeof value !== "string") throw new TypeError(wrong);
    if (hi !== null && [...value].length > hi) throw new RangeError(wrong);
    return value;
  }
  if (kind === "flag" && typeof value === "boolean") return value ? 1 : 0;
  if (typeof value !== "number") throw new TypeError(wrong);
  if (!Number.isFinite(value)) throw new RangeError(wrong);
  if ((lo !== null && value < lo) || (hi !== null && value > hi)) throw new RangeError(wrong);
  const q = quantum(field, value);
  if (!FITS[kind](q)) throw new RangeError(wrong);
  return q;
}

/**
 * A number in wire form, as a commit on the server rounds it.
 * @param {Field} field
 * @param {number} value
 */
function quantum({ kind, scale }, value) {
  if (kind === "f32") return Math.fround(value);
  if (kind !== "fixed" && kind !== "angle") return value;
  const q = Math.floor(value * scale + 0.5);
  return kind === "angle" ? ((((q + 32768) % 65536) + 65536) % 65536) - 32768 : q;
}

/**
 * A row's value as the server has it once its tick is committed: rounded, and brought within its
 * bounds.
 * @param {Field} field
 * @param {any} value
 */
export function rounded(field, value) {
  return typeof value === "number" ? within(field, quantum(field, value)) / field.scale : value;
}

/**
 * A number in wire form, clamped or wrapped as the field's policy says.
 * @param {Field} field
 * @param {number} q
 */
function within({ kind, lo, hi, scale, overflow }, q) {
  if ((kind !== "fixed" && kind !== "integer") || !Number.isFinite(q)) return q;
  const first = lo === null ? -FIXED_WIRE_MAX : Math.round(lo * scale);
  const last = hi === null ? FIXED_WIRE_MAX : Math.round(hi * scale);
  if ((q >= first && q <= last) || overflow === "fail") return q;
  if (overflow !== "wrap") return Math.min(Math.max(q, first), last);
  const count = last - first + (kind === "integer" ? 1 : 0);
  // Each alone, since their difference may have more bits than a number.
  return first + ((((q % count) - (first % count)) % count) + count) % count;
}

/**
 * What the server reads of an input in wire form.
 * @param {Field[]} fields
 * @param {Value[]} wire
 * @returns {Record<string, any>}
 */
export function fromWire(fields, wire) {
  return Object.fromEntries(
    fields.map(({ name, kind, scale }, i) => {
      const q = /** @type {any} */ (wire[i]);
      return [name, kind === "flag" ? q === 1 : typeof q === "number" ? q / scale : q];
    }),
  );
}

/**
 * What a field takes, in words.
 * @param {Field} field
 * @returns {string}
 */
export function describe({ kind, lo, hi, scale }) {
  if (kind === "text") return `a text of at most ${hi} characters`;
  if (kind === "flag") return "true or false";
  if (kind === "ref") return "a row's id or 0";
  const what = kind === "integer" ? "a whole number" : "a finite number";
  const most = kind === "fixed" ? FIXED_WIRE_MAX / scale : null;
  const [from, to] = [lo ?? (most && -most), hi ?? most];
  if (from === null && to === null) return what;
  return `${what} from ${from ?? "anything"} to ${to ?? "anything"}`;
}

/**
 * @param {unknown} n
 * @param {number} lo
 * @param {number} hi
 * @returns {n is number}
 */
export function whole(n, lo, hi) {
  return Number.isInteger(n) && Number(n) >= lo && Number(n) <= hi;
}

/** @param {unknown} n */
function integer(n) {
  return whole(n, -INTEGER_MAX, INTEGER_MAX);
}

/** @type {Record<Kind, (q: unknown) => boolean>} */
const FITS = {
  fixed: (q) => whole(q, -FIXED_WIRE_MAX, FIXED_WIRE_MAX),
  angle: (q) => whole(q, -32768, 32767),
  integer,
  f32: Number.isFinite,
  f64: Number.isFinite,
  text: (q) => typeof q === "string",
  flag: (q) => q === 0 || q === 1,
  ref: (q) => whole(q, 0, ID_MAX),
};

/**
 * @param {Value | undefined} wire
 * @returns {ArrayLike<Value>}
 */
function items(wire) {
  if (wire instanceof Column) return wire.values;
  demand(Array.isArray(wire), "a column is no array");
  return wire;
}

/**
 * @param {Value | undefined} value
 * @returns {number | null}
 */
function numberOrNull(value) {
  demand(value == null || typeof value === "number", "a field's parameter is no number");
  return value ?? null;
}
