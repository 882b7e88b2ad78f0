/** The parts of a frame that is too long for one message, as one connection brings them. */

import { demand } from "./errors.js";
import { MESSAGE_BYTES_MAX, PARTS_MAX } from "./limits.js";
import { decode } from "./msgpack.js";
import { whole } from "./fields.js";

const PART = 23;

export class Parts {
  /** @type {Uint8Array[]} */
  #held = [];
  #bytes = 0;

  /**
   * The message to take in, null while the rest of a frame is to come. A message that is no PART
   * is returned as it is.
   * @param {Uint8Array} bytes
   * @throws {import("./errors.js").RemoteError} when parts do not follow each other
   */
  take(bytes) {
    // A message to a client is a short array that begins with its type.
    if (bytes[1] !== PART) return bytes;
    const [, index, count, piece] = /** @type {import("./msgpack.js").Value[]} */ (decode(bytes));
    demand(whole(count, 1, PARTS_MAX) && whole(index, 0, count - 1), "a part has no place");
    demand(piece instanceof Uint8Array, "a part holds no bytes");
    if (index === 0) {
      this.#held = [];
      this.#bytes = 0;
    }
    demand(index === this.#held.length, `part ${index} follows ${this.#held.length} parts`);
    this.#held.push(piece);
    this.#bytes += piece.length;
    demand(this.#bytes <= MESSAGE_BYTES_MAX, `a frame of ${this.#bytes} bytes is too long`);
    if (this.#held.length < count) return null;
    const frame = new Uint8Array(this.#bytes);
    let at = 0;
    for (const one of this.#held.splice(0)) {
      frame.set(one, at);
      at += one.length;
    }
    return frame;
  }
}
