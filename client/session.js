/**
 * The session: the client's half of docs/SESSION.md as a pure machine; bytes and times in, bytes
 * and news out.
 */

import { Code, TRY_AGAIN, demand } from "./errors.js";
import { MALFORMED_MAX, PART_BYTES, REPORT_FRAMES } from "./limits.js";
import { Clock } from "./clock.js";
import { Counts } from "./counts.js";
import { Events } from "./events.js";
import { Inputs } from "./inputs.js";
import { Sampling, predict } from "./sampling.js";
import { View, apply } from "./view.js";
import { digest } from "./digest.js";
import { readChunks, readDropped } from "./chunks.js";
import { actionToWire, readSchema } from "./schema.js";
import * as messages from "./messages.js";
/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {"connecting" | "live" | "resuming" | "gone"} State */
/** @typedef {"live" | "paused" | "uncommitted"} Status */
/** @typedef {{ code: number, reason: string }} Reason */
/** A seat kept from before: `seq` is one never used. @typedef {{ token: Uint8Array, epoch: number, seq: number }} Kept */
/** @typedef {{ seq: number, action: string | null, reason: string }} Refused */
/**
 * What happened, in order, for whoever watches.
 * @typedef {["state", State] | ["status", Status] | ["refused", Refused] | ["frame"] | ["schema"] |
 *   ["change", import("./view.js").Change] | ["wrong", unknown] | ["diverged", string]} News
 */
/**
 * What a message asks of the connection it came on.
 * @typedef {{ do: "none" | "welcomed" | "framed" | "resume" } | { do: "renew", ms: number } |
 *   import("./messages.js").Close & { do: "close" }} Turn
 */
/** @type {Status[]} */
const STATUSES = ["live", "paused", "uncommitted"];
/** Seqs left to another page that had this seat: 14 hours of inputs at 20 a second. */
const TAKE_BACK_SEQS = 2 ** 20;
/** @type {Turn} */
const NONE = { do: "none" };
export class Session {
  /** @type {State} */
  state = "connecting";
  /** @type {Reason | null} */
  reason = null;
  /** Messages to send on the connection in service. @type {Uint8Array[]} */
  outbox = [];
  /** @type {News[]} */
  news = [];
  /** @type {Status} */
  status = "live";
  /** The part of its tick rate at which the room runs. */
  speed = 1;
  /** Why the state is what it is, where something went wrong. */
  why = "";
  /**
   * Asked once a tick for the player's input.
   * @type {(() => Record<string, unknown> | null) | null}
   */
  sampler = null;
  /** The tick on the screen; null while the page draws no view. @type {number | null} */
  drawn = null;
  /** The newest view. @type {View | null} */
  view = null;
  /** @type {Inputs | null} */
  inputs = null;
  /** @type {Uint8Array | null} */
  token = null;
  room = "";
  player = 0;
  epoch = 0;
  tickRate = 1;
  sendEvery = 1;
  /** The tick reported as held; 0 asks for everything, while the view stands still. */
  held = 0;
  /** The tick up to which the newest frame says that nothing had changed. */
  still = 0;
  stats = new Counts();
  clock = new Clock(1);
  /** Told of inputs as they go, and of frames. @type {import("./prediction.js").Prediction[]} */
  predictions = [];

  #schemaText = "";
  /** The schema's inputs and actions: while they stay, so does what was asked for. */
  #asksText = "";
  #seq = 1;
  #silent = 0;
  #malformed = 0;
  #events = new Events();
  sampling = new Sampling(this.clock);

  /**
   * @param {import("./messages.js").Join} join
   * @param {Kept | null} [kept]
   */
  constructor(join, kept = null) {
    this.join = join;
    if (kept) {
      this.state = "resuming";
      this.token = kept.token;
      this.epoch = kept.epoch;
      this.#seq = kept.seq;
    }
  }

  /** The first message on a new socket. */
  hello() {
    if (!this.token) return messages.join(this.join);
    return messages.resume(this.token, this.epoch, this.held, this.inputs?.first ?? this.#seq);
  }

  /**
   * @param {Uint8Array} bytes one message
   * @param {number} now milliseconds, of any clock that only rises
   * @param {boolean} [twice] whether two connections are heard, so that frames may come twice
   * @returns {Turn}
   * @throws {import("./errors.js").RemoteError} when it breaks the protocol; nothing of it was
   *   taken
   */
  receive(bytes, now, twice = false) {
    if (this.state === "gone") return NONE;
    const message = messages.read(bytes);
    this.stats.bytes += bytes.length;
    switch (message?.type) {
      case "welcome":
        return this.#welcome(message, now);
      case "frame":
        return this.#frame(message, now, twice, bytes.length > PART_BYTES);
      case "room":
        return this.#room(message, now);
      case "digest":
        return this.#digest(message);
      case "renew":
        return { do: "renew", ms: message.ms };
      case "close":
        return { do: "close", ...message };
      case "time":
        this.clock.answered(message.sent, now);
    }
    return NONE;
  }

  /**
   * The connection in service ended. True when another should be opened.
   * @param {number} code
   * @param {string} reason
   * @param {number | null} [retry] CLOSE's retry after; undefined where no CLOSE came
   */
  closed(code, reason, retry) {
    if (this.state === "gone") return false;
    this.why = reason;
    if (!TRY_AGAIN.has(code) || retry === null) this.end(code, reason);
    else if (this.token) this.#to("resuming");
    return this.reason === null;
  }

  /** A message broke the protocol: ask for everything, and give up after several in a row. */
  malformed(/** @type {Error} */ error) {
    this.held = 0;
    this.#diverged(`a message from the server was malformed: ${error.message}`);
    return ++this.#malformed < MALFORMED_MAX
      ? this.closed(Code.LOST, error.message)
      : this.end(Code.BAD_MESSAGE, `the server's messages cannot be read: ${error.message}`);
  }

  /**
   * The session is over.
   * @param {number} code
   * @param {string} reason
   */
  end(code, reason) {
    if (this.state === "gone") return false;
    this.reason = { code, reason };
    this.why = reason;
    this.inputs?.drop(`the session ended before the answer came: ${reason}`);
    this.#to("gone");
    return false;
  }

  /** Resumes a seat that another page took. */
  takeBack() {
    this.reason = null;
    this.inputs?.drop("another page had the seat", TAKE_BACK_SEQS);
    this.#seq += TAKE_BACK_SEQS;
    this.#to("resuming");
  }

  /**
   * Asks for an action; the outcome comes with a frame.
   * @param {string} name
   * @param {Record<string, unknown>} fields
   * @param {(outcome: import("./inputs.js").Outcome) => void} settle
   */
  act(name, fields, settle) {
    const { schema, inputs } = this;
    if (!schema || !inputs)
      throw new TypeError("actions can be asked for once the session is live");
    const wire = actionToWire(schema, name, fields);
    if (this.reason) settle({ applied: false, reason: `the session ended: ${this.reason.reason}` });
    else if (!this.player) settle({ applied: false, reason: "a spectator cannot act" });
    else inputs.ask({ wire, settle });
  }

  get schema() {
    return this.view?.schema ?? null;
  }

  /** Sends a sample if one is due. @param {number} now */
  tick(now) {
    const item = this.sampling.take(this, now);
    if (item) this.#send([item]);
    return item;
  }

  /** @param {import("./messages.js").Welcome} w @param {number} now */
  #welcome(w, now) {
    const again = this.inputs !== null || this.state === "resuming";
    this.#adopt(w.schema, w.player);
    if (this.tickRate !== w.tickRate || !again)
      this.sampling = new Sampling((this.clock = new Clock(w.tickRate)));
    const { token, room, epoch, tickRate, sendEvery } = w;
    Object.assign(this, { token, room, epoch, tickRate, sendEvery });
    this.inputs ??= new Inputs(w.limits, this.#seq);
    this.inputs.limits = w.limits;
    if (again) this.stats.resumes++;
    this.why = "";
    // It goes on, until a ROOM says otherwise.
    this.#room({ epoch, status: 0, schema: null, speed: 1 }, now);
    this.#to("live");
    this.#send(this.inputs.repeat(now));
    return { do: /** @type {const} */ ("welcomed") };
  }

  /**
   * Takes a schema; one that differs makes what was assembled and queued meaningless.
   * @param {import("./msgpack.js").Value} wire
   * @param {number} player
   */
  #adopt(wire, player) {
    const text = JSON.stringify(wire);
    if (text === this.#schemaText && player === this.player) return;
    const schema = readSchema(wire);
    demand(schema.tables.length >= 2, "a schema lacks the room's and the players' tables");
    const asks = JSON.stringify(/** @type {import("./msgpack.js").Value[]} */ (wire).slice(1, 3));
    this.#schemaText = text;
    this.view = new View(schema, player);
    this.player = player;
    this.held = 0;
    this.#events.reset();
    if (asks !== this.#asksText) this.inputs?.blank("the game changed");
    this.#asksText = asks;
    this.news.push(["schema"]);
  }

  /**
   * @param {import("./messages.js").Frame} frame
   * @param {number} now
   * @param {boolean} twice
   * @param {boolean} long whether it came in parts
   * @returns {Turn}
   */
  #frame(frame, now, twice, long) {
    demand(this.view && this.inputs, "a FRAME came before WELCOME");
    if (frame.base > this.held) return { do: "resume" };
    if ((frame.base || twice) && frame.tick <= this.held) return NONE;
    const { schema } = this.view;
    const dropped = readDropped(schema, frame.dropped);
    const { view, changes } = apply(this.view, frame, dropped, readChunks(schema, frame.chunks));
    const { held, sendEvery } = this;
    // Ticks in which nothing happened needed no frame.
    const still = frame.base ? Math.max(held, Math.min(frame.still ?? 0, frame.tick - 1)) : 0;
    const sent = held && still ? Math.round((frame.tick - still) / sendEvery) : 1;
    const missed = Math.max(0, sent - 1);
    this.stats.frame(missed, now, held && still ? (still - held) * this.clock.tickMs : 0);
    this.still = still;
    if (frame.tick < this.view.tick) this.clock.reset();
    this.clock.arrived(frame.tick, now);
    this.view = view;
    this.held = frame.tick;
    this.#malformed = 0;
    for (const { seq, action, reason } of this.inputs.answered(
      frame.ack,
      frame.refusals,
      (frame.tick - held) / sendEvery,
    )) {
      const name = action === null ? null : (schema.actions[action]?.name ?? null);
      this.news.push(["refused", { seq, action: name, reason }]);
    }
    const { pending } = this.inputs;
    predict(this, (prediction) => prediction.framed(view, pending));
    for (const change of this.#events.news(view, changes)) this.news.push(["change", change]);
    this.news.push(["frame"]);
    // One from nothing, or in parts, is reported at once: to the edge its reader was behind.
    const anew = frame.base === 0 && held > 0;
    this.#report(long || anew ? REPORT_FRAMES : missed, now);
    return { do: "framed" };
  }

  /**
   * Says what the player does, and which tick is held; repeats what seems lost.
   * @param {number} missed frames skipped before this one
   * @param {number} now
   */
  #report(missed, now) {
    const inputs = /** @type {Inputs} */ (this.inputs);
    const item = this.tick(now);
    if (inputs.stalled) this.#send(inputs.repeat(now));
    else if (!item && (this.#silent += 1 + missed) >= REPORT_FRAMES) {
      this.#silent = 0;
      this.outbox.push(messages.input(this.held, []));
    }
  }

  /** @param {import("./inputs.js").Item[]} items */
  #send(items) {
    if (items.length) this.#silent = 0;
    const batches = /** @type {Inputs} */ (this.inputs).messages(items);
    for (const batch of batches) this.outbox.push(messages.input(this.held, batch));
  }

  /**
   * @param {Pick<import("./messages.js").RoomStatus, "epoch" | "status" | "schema" | "speed">} room
   * @param {number} now
   * @returns {Turn}
   */
  #room({ epoch, status, schema, speed }, now) {
    demand(this.inputs, "a ROOM came before WELCOME");
    this.speed = speed;
    if (schema !== null) this.#adopt(schema, this.player);
    if (STATUSES[status] && STATUSES[status] !== this.status) {
      this.status = STATUSES[status];
      this.news.push(["status", this.status]);
    }
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.#send(this.inputs.repeat(now));
    }
    return NONE;
  }

  /**
   * @param {import("./messages.js").Digest} message
   * @returns {Turn}
   */
  #digest({ tick, crc }) {
    if (!this.view || tick !== this.held) return NONE;
    const own = digest(this.view);
    if (own === crc) return NONE;
    this.held = 0;
    this.#diverged(`at tick ${tick} the view's digest is ${own}, and the server's ${crc}`);
    return { do: "resume" };
  }

  /** @param {string} text */
  #diverged(text) {
    this.stats.divergence++;
    this.news.push(["diverged", text]);
  }

  /** @param {State} state */
  #to(state) {
    if (this.state === state) return;
    this.state = state;
    this.news.push(["state", state]);
  }
}
