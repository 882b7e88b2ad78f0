/**
 * The part of msgpack that the protocol needs, both ways: smallest forms out, strict about all that
 * comes in.
 */

import { DEPTH_MAX, INTEGER_MAX, MESSAGE_BYTES_MAX } from "./limits.js";
import { demand } from "./errors.js";

/**
 * @typedef {Uint8Array | Int8Array | Int16Array | Uint16Array | Int32Array | Uint32Array |
 *   Float32Array | Float64Array} Typed
 */
/**
 * @typedef {null | boolean | number | string | Uint8Array | Column | Value[] | { [key: string]:
 *   Value }} Value
 */

const TYPED = [
  Uint8Array,
  Int8Array,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
];
const utf8 = new TextEncoder();
// A byte order mark is a character like any other here, so it is kept.
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** An ext 1..8: a typed array, told apart from the bytes of a bin. */
export class Column {
  /** @param {Typed} values */
  constructor(values) {
    this.values = values;
  }
}

/**
 * The bytes of one value. Numbers become integers where they are and are exact (-0 stays a float);
 * `Uint8Array` becomes bin.
 * @param {Value} value
 * @returns {Uint8Array}
 * @throws {RangeError} for what has no wire form
 */
export function encode(value) {
  /** @type {number[]} */
  const out = [];
  write(out, value, 0);
  return Uint8Array.from(out);
}

/**
 * The one value that `bytes` hold, to the last byte.
 * @param {Uint8Array} bytes
 * @returns {Value}
 * @throws {import("./errors.js").RemoteError}
 */
export function decode(bytes) {
  demand(bytes.length <= MESSAGE_BYTES_MAX, `a message of ${bytes.length} bytes is too long`);
  const reader = new Reader(bytes);
  const value = reader.value(0);
  demand(reader.at === bytes.length, `${bytes.length - reader.at} bytes follow the message`);
  return value;
}

/**
 * What goes out is short, so it is gathered byte by byte.
 * @param {number[]} out
 * @param {Value} value
 * @param {number} depth
 */
function write(out, value, depth) {
  if (depth > DEPTH_MAX) throw new RangeError(`nested more than ${DEPTH_MAX} deep`);
  if (value === null) out.push(0xc0);
  else if (typeof value === "boolean") out.push(value ? 0xc3 : 0xc2);
  else if (typeof value === "number") writeNumber(out, value);
  else if (typeof value === "string") {
    const bytes = utf8.encode(value);
    writeLength(out, bytes.length, 0xa0, 31, 0xd9, 0xda);
    for (const byte of bytes) out.push(byte);
  } else if (value instanceof Uint8Array) {
    writeLength(out, value.length, 0, -1, 0xc4, 0xc5);
    for (const byte of value) out.push(byte);
  } else if (Array.isArray(value)) {
    writeLength(out, value.length, 0x90, 15, 0, 0xdc);
    for (const item of value) write(out, item, depth + 1);
  } else if (typeof value === "object" && !(value instanceof Column)) {
    const pairs = Object.entries(value);
    writeLength(out, pairs.length, 0x80, 15, 0, 0xde);
    for (const pair of pairs) for (const item of pair) write(out, item, depth + 1);
  } else throw new RangeError(`${String(value)} has no wire form`);
}

/**
 * @param {number[]} out
 * @param {number} n
 */
function writeNumber(out, n) {
  if (!Number.isInteger(n) || Object.is(n, -0) || Math.abs(n) > INTEGER_MAX) {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setFloat64(0, n);
    out.push(0xcb);
    for (let i = 0; i < 8; i++) out.push(bytes.getUint8(i));
  } else if (n >= -32 && n < 128) out.push(n & 0xff);
  else {
    // The heads of signed integers lie four above those of unsigned ones.
    const least = n < 0 ? -2 * n - 1 : n;
    const power = least < 2 ** 8 ? 0 : least < 2 ** 16 ? 1 : least < 2 ** 32 ? 2 : 3;
    writeInteger(out, (n < 0 ? 0xd0 : 0xcc) + power, 1 << power, n);
  }
}

/**
 * A head byte and `size` bytes of an integer after it, big endian.
 * @param {number[]} out
 * @param {number} head
 * @param {number} size
 * @param {number} n
 */
function writeInteger(out, head, size, n) {
  out.push(head);
  for (let i = size - 1; i >= 0; i--) out.push(Number((BigInt(n) >> BigInt(8 * i)) & 255n));
}

/**
 * The head of something with a length: a fix form, an 8 bit form (0: it has none), and two more.
 * @param {number[]} out
 * @param {number} length
 * @param {number} fix
 * @param {number} fixMax
 * @param {number} head8
 * @param {number} head16 the 32 bit form's is the next
 */
function writeLength(out, length, fix, fixMax, head8, head16) {
  if (length <= fixMax) out.push(fix | length);
  else if (length < 256 && head8) writeInteger(out, head8, 1, length);
  else if (length < 65536) writeInteger(out, head16, 2, length);
  else writeInteger(out, head16 + 1, 4, length);
}

class Reader {
  at = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /**
   * Where the next `count` bytes begin; moves past them.
   * @param {number} count
   */
  skip(count) {
    const from = this.at;
    demand(count <= this.bytes.length - from, "the message ends too early");
    this.at = from + count;
    return from;
  }

  /** @param {number} size 1, 2 or 4 bytes */
  unsigned(size) {
    const from = this.skip(size);
    if (size === 1) return this.view.getUint8(from);
    return size === 2 ? this.view.getUint16(from) : this.view.getUint32(from);
  }

  /** @param {boolean} signed */
  long(signed) {
    const from = this.skip(8);
    // Compared before it is rounded, which would bring 2^53 + 1 back to 2^53.
    const n = signed ? this.view.getBigInt64(from) : this.view.getBigUint64(from);
    demand(n <= INTEGER_MAX && n >= -INTEGER_MAX, "an integer is beyond 2^53");
    return Number(n);
  }

  /** @param {number} length */
  string(length) {
    const from = this.skip(length);
    try {
      return text.decode(this.bytes.subarray(from, this.at));
    } catch {
      demand(false, "a text is not UTF-8");
    }
  }

  /** @param {number} length */
  bin(length) {
    const from = this.skip(length);
    return this.bytes.slice(from, this.at);
  }

  /** @param {number} length */
  ext(length) {
    const type = this.unsigned(1);
    const Kind = TYPED[type - 1];
    demand(Kind, `ext ${type} is unknown`);
    demand(length % Kind.BYTES_PER_ELEMENT === 0, `ext ${type} has ${length} bytes`);
    // The copy is aligned, which the message is not.
    return new Column(new Kind(this.bin(length).buffer));
  }

  /**
   * @param {number} length
   * @param {number} depth
   * @returns {Value[]}
   */
  array(length, depth) {
    // Each item takes a byte, so a length that lies is found at once.
    demand(length <= this.bytes.length - this.at, "the message ends too early");
    demand(depth < DEPTH_MAX, `nested more than ${DEPTH_MAX} deep`);
    const items = [];
    for (let i = 0; i < length; i++) items.push(this.value(depth + 1));
    return items;
  }

  /**
   * @param {number} length
   * @param {number} depth
   */
  map(length, depth) {
    const flat = this.array(length * 2, depth);
    /** @type {{ [key: string]: Value }} */
    const map = Object.create(null);
    for (let i = 0; i < flat.length; i += 2) {
      const key = flat[i];
      demand(typeof key === "string", "a map's key is no text");
      map[key] = flat[i + 1] ?? null;
    }
    return map;
  }

  /**
   * @param {number} depth
   * @returns {Value}
   */
  value(depth) {
    const head = this.unsigned(1);
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 15, depth);
    if (head < 0xa0) return this.array(head & 15, depth);
    if (head < 0xc0) return this.string(head & 31);
    if (head >= 0xe0) return head - 256;
    // The heads of one family follow each other, each with a length twice as wide.
    const width = (/** @type {number} */ first) => this.unsigned(1 << (head - first));
    if (head >= 0xde) return this.map(width(0xdd), depth);
    if (head >= 0xdc) return this.array(width(0xdb), depth);
    if (head >= 0xd9) return this.string(width(0xd9));
    if (head >= 0xd4) return this.ext(1 << (head - 0xd4));
    if (head === 0xd3 || head === 0xcf) return this.long(head === 0xd3);
    if (head === 0xd2) return this.view.getInt32(this.skip(4));
    if (head === 0xd1) return this.view.getInt16(this.skip(2));
    if (head === 0xd0) return this.view.getInt8(this.skip(1));
    if (head >= 0xcc) return width(0xcc);
    if (head === 0xcb) return this.view.getFloat64(this.skip(8));
    if (head === 0xca) return this.view.getFloat32(this.skip(4));
    if (head >= 0xc7) return this.ext(width(0xc7));
    if (head >= 0xc4) return this.bin(width(0xc4));
    demand(head !== 0xc1, "byte 0xc1 begins no value");
    return head === 0xc0 ? null : head === 0xc3;
  }
}
