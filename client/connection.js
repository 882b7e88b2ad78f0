/** The connection: sockets and timers for one session; opens, waits, renews, and hears silence. */

import { Code, RemoteError, TRY_AGAIN } from "./errors.js";
import { JOIN_MS_MAX, SILENCE_MS, TIME_EVERY_MS, backoff } from "./limits.js";
import { Parts } from "./parts.js";
import * as messages from "./messages.js";

/** @typedef {import("./session.js").Session} Session */
/**
 * The outside: what tests replace.
 * @typedef {{
 *   WebSocket: new (url: string, protocol: string) => WebSocket, random: () => number, now: () =>
 *   number,
 *   setTimeout: (then: () => void, ms: number) => any, clearTimeout: (timer: any) => void,
 *   fetch: ((url: string, how: RequestInit) => Promise<Response>) | null,
 *   watch: (hurry: () => void) => () => void,
 * }} World
 * `watch` calls back when the network returns or the page is looked at again, until what it
 * returned is called.
 */
/**
 * A socket, or `polls` in its shape; `said` once JOIN or RESUME went out on it, `framed` once a
 * frame came.
 * @typedef {{ socket: WebSocket, polls: boolean, since: number, said: boolean, framed: boolean,
 *   parts: Parts }} Link
 */

const PULSE_MS = 500;
/** A renewal begins within this, so that a drained process's clients do not all knock at once. */
const RENEW_SPREAD_MS = 1000;
/** After so many sockets in a row on which no frame came, polls are tried. */
const DEAD_MAX = 2;
/** How often a polling session tries a WebSocket again, give or take half. */
const CLIMB_MS = 20_000;

/** @type {World} */
const BROWSER = {
  WebSocket: globalThis.WebSocket,
  random: () => Math.random(),
  now: () => performance.now(),
  // Timers of a browser refuse to be called as another object's methods.
  setTimeout: (then, ms) => setTimeout(then, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  fetch: (url, how) => fetch(url, how),
  watch,
};

export class Connection {
  /** Welcomed: what goes out goes here. @type {Link | null} */
  #serving = null;
  /** A socket renewed by the one in service, heard until that one's first frame. @type {Link | null} */
  #retiring = null;
  /** Not yet welcomed. @type {Link | null} */
  #opening = null;
  #tries = 0;
  #dead = 0;
  #heard = 0;
  #asked = 0;
  #began = 0;
  /** @type {any} */
  #retry = null;
  /** @type {any} */
  #pulse = null;
  /** Ends what `world.watch` began. @type {(() => void) | null} */
  #unwatch = null;

  /**
   * @param {Session} session
   * @param {string} url of the server's /play
   * @param {() => void} settled called after anything happened to the session
   * @param {Partial<World>} [world]
   */
  constructor(session, url, settled, world = {}) {
    this.session = session;
    this.url = url;
    this.settled = settled;
    this.world = { ...BROWSER, ...world };
  }

  /** Opens the first socket. */
  start() {
    this.#began = this.world.now();
    this.#unwatch ??= this.world.watch(() => this.hurry());
    this.#open();
    this.#beat();
  }

  /** Ends waiting: the network is back, or the page is looked at again. */
  hurry() {
    if (this.session.state === "gone") return;
    if (this.#retry !== null) this.#open();
    else this.#look();
  }

  /**
   * Sends a last message where it can, and closes.
   * @param {Uint8Array} [last]
   */
  stop(last) {
    if (last && this.#serving) send(this.#serving, last);
    this.#dropAll(Code.NORMAL);
    this.#cancelRetry();
    this.world.clearTimeout(this.#pulse);
    this.#unwatch?.();
    this.#unwatch = null;
  }

  /** Whether the session travels by long polls, as no WebSocket gets through. */
  get polling() {
    return !!this.#serving?.polls;
  }

  #open() {
    this.#cancelRetry();
    const { url, session, world } = this;
    if (this.#dead < DEAD_MAX || this.#serving || !world.fetch)
      return this.#begin(new world.WebSocket(url, "holdfast.1"), false);
    const tries = ++this.#tries;
    import("./polling.js").then(
      ({ Polling }) => {
        // Unless something else was begun, or the session ended, meanwhile.
        if (tries === this.#tries && session.state !== "gone")
          this.#begin(/** @type {any} */ (new Polling(url, session, world)), true);
      },
      () => {
        this.#dead = 1;
        this.#again();
      },
    );
  }

  /**
   * @param {WebSocket} socket
   * @param {boolean} polls
   */
  #begin(socket, polls) {
    const { session, world } = this;
    const parts = new Parts();
    const link = { socket, polls, since: world.now(), said: false, framed: false, parts };
    this.#opening = link;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      link.said = true;
      send(link, session.hello());
    };
    socket.onmessage = ({ data }) => this.#message(link, data);
    socket.onclose = ({ code, reason }) => {
      // 1005 is a close that named no code: nothing was said about the session.
      const lost = link.said ? "the connection was lost" : "the server cannot be reached";
      this.#closed(link, code === 1005 ? Code.LOST : code, reason || lost);
      this.settled();
    };
  }

  /**
   * @param {Link} link
   * @param {unknown} data
   */
  #message(link, data) {
    const now = this.world.now();
    this.#heard = now;
    try {
      if (!(data instanceof ArrayBuffer))
        throw new RemoteError("a text message came; messages are binary");
      const bytes = link.parts.take(new Uint8Array(data));
      if (bytes) this.#turn(link, this.session.receive(bytes, now, !!this.#retiring));
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      this.#dropAll(Code.BAD_MESSAGE);
      if (this.session.malformed(error)) this.#again();
      else this.stop();
    }
    this.flush();
    this.settled();
  }

  /**
   * @param {Link} link
   * @param {import("./session.js").Turn} turn
   */
  #turn(link, turn) {
    if (turn.do === "welcomed" && link === this.#opening) {
      this.#drop(this.#retiring);
      this.#retiring = this.#serving;
      if (this.#retiring?.polls) {
        // A poll after this would name the new token, and take the seat from the socket.
        this.#drop(this.#retiring);
        this.#retiring = null;
      }
      this.#serving = link;
      this.#opening = null;
    } else if (turn.do === "framed" && link === this.#serving) {
      this.#tries = 0;
      link.framed = true;
      if (!link.polls) this.#dead = 0;
      else if (!this.#opening && this.#retry === null) this.#climb();
      this.#drop(this.#retiring);
      this.#retiring = null;
    } else if (turn.do === "renew" && link === this.#serving && !this.#opening) {
      this.#wait(this.world.random() * Math.min(RENEW_SPREAD_MS, turn.ms / 10));
    } else if (turn.do === "close") {
      this.#closed(link, turn.code, turn.reason, turn.retry);
    } else if (turn.do === "resume") {
      this.#dropAll(Code.NORMAL);
      if (this.session.closed(Code.LOST, "the view is resumed")) this.#again();
    }
  }

  /**
   * A link ended: by a CLOSE (then `retry` is a number or null), or its socket did.
   * @param {Link} link
   * @param {number} code
   * @param {string} reason
   * @param {number | null} [retry]
   */
  #closed(link, code, reason, retry) {
    const { session } = this;
    const again = TRY_AGAIN.has(code) && retry !== null;
    const renewing = this.#opening?.said;
    this.#drop(link);
    // Where polls fail as well, a WebSocket has the next turn.
    if (link.polls) this.#dead = 1;
    else if (!link.framed && !this.polling) this.#dead++;
    if (link === this.#retiring) this.#retiring = null;
    else if (link === this.#opening) {
      this.#opening = null;
      // A renewal that failed; the link in service goes on meanwhile.
      if (this.#serving) return again && this.#again(retry);
      if (session.closed(code, reason, retry)) this.#again(retry);
    } else if (link === this.#serving) {
      this.#serving = this.#retiring;
      this.#retiring = null;
      if (this.#serving) this.#again(retry);
      // Our own RESUME on the other link may be what retired this one.
      else if (renewing && code === Code.REPLACED) session.closed(Code.LOST, reason);
      else if (session.closed(code, reason, retry) && !this.#opening) this.#again(retry);
    }
    if (session.state === "gone") this.stop();
  }

  /** @param {number | null} [least] milliseconds that the server asks to wait */
  #again(least = 0) {
    if (this.session.state === "gone") return;
    if (this.polling) return this.#climb();
    this.#wait(Math.max(least ?? 0, backoff(this.#tries++, this.world.random)));
  }

  /** Tries a WebSocket again after a while; polls serve meanwhile. */
  #climb() {
    this.#wait(CLIMB_MS * (0.5 + this.world.random()));
  }

  /** @param {number} ms */
  #wait(ms) {
    this.#cancelRetry();
    this.#retry = this.world.setTimeout(() => {
      this.#open();
      this.settled();
    }, ms);
  }

  #beat() {
    this.#pulse = this.world.setTimeout(() => {
      this.#beat();
      this.#look();
      this.settled();
    }, PULSE_MS);
  }

  /**
   * What only time tells: silence, a JOIN that leads nowhere, and when to ask for the server's
   * clock.
   */
  #look() {
    const { session, world } = this;
    const now = world.now();
    const opening = this.#opening;
    if (!session.token && now - this.#began > JOIN_MS_MAX) {
      const why = session.why && `: ${session.why}`;
      session.end(Code.TIMED_OUT, `the JOIN was not answered with a seat within a minute${why}`);
      return this.stop();
    }
    if (opening && now - opening.since > SILENCE_MS)
      this.#closed(opening, Code.LOST, "the server did not answer");
    if (!this.#serving) return;
    if (now - this.#heard > SILENCE_MS) {
      this.#drop(this.#retiring);
      this.#retiring = null;
      this.#closed(this.#serving, Code.LOST, "the server fell silent");
    } else if (now - this.#asked >= TIME_EVERY_MS) {
      this.#asked = now;
      send(this.#serving, messages.time(now));
    }
  }

  /** Sends what the session has to say. */
  flush() {
    const { outbox } = this.session;
    if (!this.#serving) return;
    for (const bytes of outbox.splice(0)) send(this.#serving, bytes);
  }

  /** @param {number} code */
  #dropAll(code) {
    for (const link of [this.#serving, this.#retiring, this.#opening]) this.#drop(link, code);
    this.#serving = this.#retiring = this.#opening = null;
    this.session.outbox.length = 0;
  }

  /**
   * Closes a socket and hears it no more.
   * @param {Link | null} link
   * @param {number} [code]
   */
  #drop(link, code = Code.NORMAL) {
    if (!link) return;
    link.socket.onopen = link.socket.onmessage = link.socket.onclose = null;
    link.socket.close(code);
  }

  #cancelRetry() {
    if (this.#retry !== null) this.world.clearTimeout(this.#retry);
    this.#retry = null;
  }
}

/**
 * Calls `hurry` when the network is back or the page is looked at again.
 * @param {() => void} hurry
 * @returns {() => void} ends it
 */
function watch(hurry) {
  const { document } = globalThis;
  const awake = () => document?.hidden || hurry();
  globalThis.addEventListener?.("online", awake);
  document?.addEventListener("visibilitychange", awake);
  return () => {
    globalThis.removeEventListener?.("online", awake);
    document?.removeEventListener("visibilitychange", awake);
  };
}

/**
 * @param {Link} link
 * @param {Uint8Array} bytes
 */
function send({ socket }, bytes) {
  if (socket.readyState === 1) socket.send(/** @type {Uint8Array<ArrayBuffer>} */ (bytes));
}
