/**
 * A clock that is moved by hand, and WebSockets in memory: the outside of a connection, for tests.
 */

import { decode } from "../../client/msgpack.js";

export class World {
  time = 1000;
  #timers = new Map();
  #next = 1;
  /** @type {Socket[]} */
  sockets = [];

  constructor() {
    const world = this;
    this.WebSocket = class extends Socket {
      constructor(url, protocol) {
        super(url, protocol);
        world.sockets.push(this);
      }
    };
  }

  /** No polls, unless a test gives some. */
  fetch = null;
  random = () => 0;
  now = () => this.time;
  setTimeout = (then, ms) => {
    this.#timers.set(this.#next, { at: this.time + ms, then });
    return this.#next++;
  };
  clearTimeout = (timer) => this.#timers.delete(timer);

  get waiting() {
    return this.#timers.size;
  }

  /** The socket opened last. */
  get socket() {
    return this.sockets.at(-1);
  }

  /** Lets time pass; timers fire in order, each at its time. */
  pass(ms) {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.#timers]
        .filter(([, t]) => t.at <= end)
        .sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].then();
    }
    this.time = end;
  }
}

class Socket {
  readyState = 0;
  sent = [];
  closedWith = null;

  constructor(url, protocol) {
    this.url = url;
    this.protocol = protocol;
  }

  /** What the client sent, decoded; without its questions for the time. */
  get said() {
    return this.sent.map((bytes) => decode(bytes)).filter(([type]) => type !== 4);
  }

  send(bytes) {
    this.sent.push(new Uint8Array(bytes));
  }

  close(code) {
    this.readyState = 3;
    this.closedWith ??= code;
  }

  open() {
    this.readyState = 1;
    this.onopen?.();
  }

  /** A message from the server. */
  hear(bytes) {
    this.onmessage?.({ data: typeof bytes === "string" ? bytes : bytes.slice().buffer });
  }

  /** The server or the network ends it. */
  lose(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

/** A sessionStorage in memory. */
export class Store {
  #items = new Map();
  getItem = (key) => this.#items.get(key) ?? null;
  setItem = (key, value) => void this.#items.set(key, value);
  removeItem = (key) => void this.#items.delete(key);
}
