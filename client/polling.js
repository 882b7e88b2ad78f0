/**
 * Long polling, in the shape of a WebSocket, for where none gets through: one request after the
 * other, each of which says all that a new connection would. Loaded only when it is needed.
 */

import { Code } from "./errors.js";
import { REASON_CHARS_MAX } from "./limits.js";
import * as messages from "./messages.js";

/** @typedef {import("./connection.js").World} World */
/** @typedef {import("./session.js").Session} Session */

/** Between an answer without a frame and the next poll. */
const PAUSE_MS = 100;
/** What is not acknowledged fits in so many messages, and with the RESUME in a request's body. */
const INPUTS_MAX = 2;
const [INPUT, LEAVE, FRAME] = [3, 5, 17];
/** Statuses below 500 that a later try may not meet: the server is slow, or asked too often. */
const PASSING = [408, 425, 429];

/** The server's HTTP side will not have this client: a session that has no seat yet ends. */
class Refused extends Error {}

export class Polling {
  readyState = 1;
  binaryType = "arraybuffer";
  /** @type {(() => void) | null} */
  onopen = null;
  /** @type {((event: { data: ArrayBuffer }) => void) | null} */
  onmessage = null;
  /** @type {((event: { code: number, reason: string }) => void) | null} */
  onclose = null;

  #abort = new AbortController();
  #welcomed = false;
  /** @type {Uint8Array[]} */
  #more = [];

  /**
   * @param {string} url of the server's /play
   * @param {Session} session
   * @param {World} world
   */
  constructor(url, session, world) {
    this.url = url.replace(/^ws/, "http").replace(/\/[^/]*$/, "/poll");
    this.session = session;
    this.world = world;
    queueMicrotask(() => this.#run());
  }

  /**
   * Puts a message into the next poll; a RESUME and the inputs are in it anyway.
   * @param {Uint8Array} bytes
   */
  send(bytes) {
    if ((bytes[1] ?? 0) > INPUT) this.#more.push(bytes);
  }

  close() {
    if (this.readyState > 1) return;
    this.readyState = 3;
    this.#abort.abort();
    const leave = this.#more.find((bytes) => bytes[1] === LEAVE);
    if (leave) this.#post([this.session.hello(), leave], { keepalive: true }).catch(() => {});
  }

  async #run() {
    this.onopen?.();
    try {
      while (this.readyState === 1) {
        const answer = await this.#post([...this.#asked(), ...this.#more.splice(0)], {
          signal: this.#abort.signal,
        });
        let framed = false;
        for (const message of split(answer)) {
          this.#welcomed = true;
          framed ||= message[1] === FRAME;
          this.onmessage?.({ data: message.slice().buffer });
        }
        if (!framed) await this.#pause();
      }
    } catch (error) {
      const code = error instanceof Refused && !this.session.token ? Code.REFUSED : Code.LOST;
      const reason = error instanceof Error ? error.message : String(error);
      if (this.readyState === 1) this.onclose?.({ code, reason });
    }
  }

  /** JOIN, or RESUME and what is not acknowledged. */
  #asked() {
    const { session } = this;
    session.outbox.length = 0;
    const { inputs, token } = session;
    const kept = token && inputs ? inputs.messages(inputs.repeat(this.world.now())) : [];
    const said = kept.slice(0, INPUTS_MAX).map((items) => messages.input(session.held, items));
    return [session.hello(), ...said];
  }

  /**
   * @param {Uint8Array[]} parts
   * @param {RequestInit} but
   */
  async #post(parts, but) {
    const { fetch } = /** @type {World & { fetch: typeof globalThis.fetch }} */ (this.world);
    const response = await fetch(this.url + (this.#welcomed ? "" : "?welcome=1"), {
      method: "POST",
      cache: "no-store",
      body: /** @type {Uint8Array<ArrayBuffer>} */ (join(parts)),
      ...but,
    });
    if (!response.ok) throw await refusal(response);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** @returns {Promise<void>} */
  #pause() {
    const { random, setTimeout } = this.world;
    return new Promise((then) => setTimeout(then, PAUSE_MS * (0.5 + random() / 2)));
  }
}

/**
 * What the answer to a poll says that brings no messages.
 * @param {Response} response
 */
async function refusal(response) {
  const { status } = response;
  const text = (await response.text().catch(() => "")).trim().slice(0, REASON_CHARS_MAX);
  // A proxy answers with a page of its own.
  const sentence = text.startsWith("<") ? "" : text;
  const final = status >= 400 && status < 500 && !PASSING.includes(status);
  return new (final ? Refused : Error)(sentence || `the server answered ${status}`);
}

/**
 * A body: each message behind its length, 4 bytes, little endian.
 * @param {Uint8Array[]} parts
 */
function join(parts) {
  const body = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(body.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    body.set(part, at + 4);
    at += 4 + part.length;
  }
  return body;
}

/**
 * The messages of a body.
 * @param {Uint8Array} body
 * @returns {Uint8Array[]}
 */
function split(body) {
  const view = new DataView(body.buffer);
  const parts = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 4 + view.getUint32(at, true);
    parts.push(body.subarray(at + 4, end));
    at = end;
  }
  return parts;
}
