/**
 * The room as a page sees it: the newest view, the view to draw, what the player does, and what
 * happens.
 */

import { Code, SessionEnded } from "./errors.js";
import { Connection } from "./connection.js";
import { Listeners, call, tell } from "./listeners.js";
import { Playback } from "./interpolation.js";
import { Prediction } from "./prediction.js";
import { Schedule } from "./schedule.js";
import { parseExact } from "./exact.js";
import { toWire } from "./fields.js";
import * as messages from "./messages.js";

/** @typedef {import("./schema.js").Row} Row */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./view.js").View} View */
/** @typedef {"added" | "changed" | "removed" | "hidden"} RowEvent */
/** @typedef {"state" | "status" | "refused" | "frame" | "schema" | "result" | "closed"} RoomEvent */
/** @typedef {import("./listeners.js").Listener} Listener */
/** @typedef {import("./session.js").State | "paused" | "polling"} State */

/** @type {string[]} */
const ROW_EVENTS = ["added", "changed", "removed", "hidden"];
/** @type {string[]} */
const ROOM_EVENTS = ["state", "status", "refused", "frame", "schema", "result", "closed"];
/** Input seqs reserved at a time in the kept seat, so that it is written once in so many inputs. */
const SEQS_RESERVED = 256;

export class Room {
  #session;
  #connection;
  #keep;
  /** @type {Schedule | null} */
  #schedule = null;
  /** @type {Playback | null} */
  #playback = null;
  #listeners = new Listeners();
  #kept = { token: /** @type {Uint8Array | null} */ (null), seq: 0 };
  #told = false;
  /** The state that was told last, and why it was. @type {[State, string]} */
  #said = ["connecting", ""];
  /** The last match of the room whose end is told, or need not be. */
  #ended = 0;
  /** What was asked for and is not told yet, so that results are told in the order of their matches. */
  #telling = Promise.resolve();
  #viewed = 0;
  /** @type {any} */
  #timer = null;

  /**
   * @param {Session} session
   * @param {string} url
   * @param {(seat: { token: Uint8Array, room: string, epoch: number, seq: number } | null) =>
   *   void} keep
   *   called when the seat to keep changed, with null when there is none any more
   * @param {Partial<import("./connection.js").World>} [world]
   */
  constructor(session, url, keep, world) {
    this.#session = session;
    this.#keep = keep;
    this.#connection = new Connection(session, url, () => this.#settle(), world);
  }

  /** Opens the connection; to be called once. */
  start() {
    this.#connection.start();
    return this;
  }

  get id() {
    return this.#session.room;
  }

  /** This player's id; 0 for a spectator. */
  get player() {
    return this.#session.player;
  }

  get tickRate() {
    return this.#session.tickRate;
  }

  /** @returns {State} */
  get state() {
    const { state, status } = this.#session;
    if (state !== "live") return state;
    if (status === "paused") return status;
    return this.#connection.polling ? "polling" : state;
  }

  /** Why the state is what it is, in words; empty where all is well. */
  get why() {
    return this.state === "paused" ? "the room stands still on the server" : this.#session.why;
  }

  /** Which tick the server is at, `clock.tick(now)`, and how evenly its frames come. */
  get clock() {
    return this.#session.clock;
  }

  /** How long a message takes there and back, in milliseconds; 0 before it was measured. */
  get ping() {
    return this.clock.ping_ms;
  }

  /** Why the session ended; null while it has not. */
  get reason() {
    return this.#session.reason;
  }

  /** What the server says of the room: live, paused or uncommitted. */
  get status() {
    return this.#session.status;
  }

  /** The part of its tick rate at which the room runs: less than 1 in slow motion. */
  get speed() {
    return this.#session.speed;
  }

  /** Whether the session travels by long polls, as no WebSocket gets through. */
  get polling() {
    return this.#connection.polling;
  }

  get schema() {
    return this.latest.schema;
  }

  /** The newest view, not interpolated. It never changes: the next frame makes another. */
  get latest() {
    return /** @type {View} */ (this.#session.view);
  }

  get stats() {
    const { frames, frames_skipped, bytes_per_s, resumes, divergence, gap_ms_max } =
      this.#session.stats;
    return {
      ping_ms: this.ping,
      jitter_ms: this.clock.jitter_ms,
      tick: this.latest?.tick ?? 0,
      frames,
      frames_skipped,
      bytes_per_s,
      resumes,
      divergence,
      gap_ms_max,
    };
  }

  /**
   * The view to draw: a little in the past, between two ticks. It and its rows are used again by
   * the next call.
   * @param {number} now as `performance.now()` and `requestAnimationFrame` tell it
   * @returns {View}
   */
  view(now) {
    if (!this.#playback || !this.#schedule) return this.latest;
    const passed = Math.max(0, now - this.#viewed);
    this.#viewed = now;
    const { predictions } = this.#session;
    if (predictions.length) {
      this.#session.tick(now);
      this.#connection.flush();
      for (const prediction of predictions) prediction.seek(this.#session.sampling.part(now), passed);
    }
    const view = this.#playback.seek(this.#schedule.playback(now, this.latest.tick), passed);
    this.#session.drawn = Math.round(view.tick);
    return view;
  }

  /**
   * Draws this player's rows of a table ahead of the server: `rule` is the game's own step for one
   * row, played again on every frame with the inputs the server has not answered. From now on
   * `view` has these rows where the player already is.
   * @param {string} table
   * @param {import("./prediction.js").Rule} rule
   * @param {import("./prediction.js").Options} [options]
   * @throws {TypeError} for a table this game has not
   */
  predict(table, rule, options) {
    const index = this.latest.index(table);
    const prediction = new Prediction(table, rule, 1 / this.tickRate, options);
    const { predictions, inputs } = this.#session;
    prediction.framed(this.latest, inputs?.pending ?? []);
    const same = predictions.findIndex((other) => other.table === table);
    if (same >= 0) predictions.splice(same, 1);
    predictions.push(prediction);
    if (this.#playback) this.#playback.predictions[index] = prediction;
    return prediction;
  }

  /**
   * Says what the player does: `read` is asked once a tick, and at once, so that a mistake shows
   * here.
   * @param {(() => Record<string, unknown> | null) | null} read null to stop; fields left out
   *   take their defaults
   * @throws {TypeError | RangeError} naming the field that is wrong
   */
  sample(read) {
    const fields = read?.();
    if (fields) toWire("input", this.schema.input, fields);
    this.#session.sampler = read;
    if (this.#timer === null && this.player) this.#beat();
  }

  /**
   * Asks for an action, which goes with the next frame's input.
   * @param {string} name
   * @param {Record<string, unknown>} [fields]
   * @returns {Promise<import("./inputs.js").Outcome>} rejected only when the action is not as the
   *   game declares it
   */
  act(name, fields = {}) {
    return new Promise((resolve) => this.#session.act(name, fields, resolve));
  }

  /**
   * Hears of rows (`on("added", "Runner", row => …)`; those already there are told at once, old
   * events never) or of
   * the room: `state` (and why), `status`, `refused`, `frame`, `schema`, `result`, `closed`.
   * @param {RowEvent | RoomEvent} what
   * @param {string | Listener} table a table's name, or the listener of a room's event
   * @param {Listener} [listener]
   * @returns {() => void} ends it
   */
  on(what, table, listener) {
    const rows = typeof table === "string";
    const hear = rows ? listener : table;
    const known = rows ? ROW_EVENTS : ROOM_EVENTS;
    if (!hear || !known.includes(what)) {
      throw new TypeError(`on takes ${ROW_EVENTS} with a table, ${ROOM_EVENTS} without`);
    }
    const index = rows ? this.latest.index(table) : -1;
    const off = this.#listeners.add(rows ? `${what} ${table}` : what, hear);
    if (what === "added" && this.schema.tables[index]?.kind !== "event") {
      for (const row of this.latest.rows(index).sorted) call(hear, row);
    }
    return off;
  }

  /** Gives the seat up and ends the session. */
  leave() {
    if (this.state === "gone") return;
    this.#connection.stop(messages.leave());
    this.#session.end(Code.NORMAL, "you left");
    this.#settle();
  }

  /** Takes the seat back from the page that took it (state gone, code 4409). */
  takeBack() {
    if (this.reason?.code !== Code.REPLACED) throw new TypeError("no other page has this seat");
    this.#session.takeBack();
    this.start().#settle();
  }

  /** Tries at once instead of waiting: the network is back, or the page is looked at again. */
  hurry() {
    this.#connection.hurry();
  }

  /** Tells what happened since the last time. */
  #settle() {
    const session = this.#session;
    for (const news of session.news.splice(0)) {
      const [what, about] = news;
      if (what === "wrong") tell(about);
      else if (what === "diverged") {
        if (!this.#told) console.error(`holdfast: ${about}; asking for everything anew`);
        this.#told = true;
      } else if (what === "schema") this.#begin();
      else if (what === "frame") this.#frame();
      if (what === "change") this.#listeners.emit(`${about.what} ${about.table.name}`, about.row);
      else if (what !== "state") this.#listeners.emit(what, about);
      this.#changed();
    }
    this.#changed();
    if (session.token && session.inputs && session.state !== "gone")
      this.#remember(session.token, session.inputs.next);
  }

  /** Tells a state that is another than the one told before, or has another reason. */
  #changed() {
    const { state, why } = this;
    const [before, because] = this.#said;
    if (state === before && why === because) return;
    this.#said = [state, why];
    this.#listeners.emit("state", state, why);
    if (state === "gone" && before !== state) this.#gone();
  }

  #begin() {
    this.#playback = null;
    this.#schedule = null;
    this.#session.drawn = null;
  }

  /** Takes samples also when no frame comes, for as long as somebody gives them. */
  #beat() {
    const { world } = this.#connection;
    const session = this.#session;
    session.tick(world.now());
    this.#connection.flush();
    // Twice a tick, so that none is missed for long by timers that are late.
    const on = session.sampler && session.state !== "gone";
    this.#timer = on ? world.setTimeout(() => this.#beat(), session.clock.tickMs / 2) : null;
  }

  #frame() {
    const { clock, sendEvery, predictions } = this.#session;
    const view = this.latest;
    if (this.#schedule?.clock !== clock) this.#schedule = new Schedule(clock, sendEvery);
    if (!this.#playback) {
      this.#playback = new Playback(view);
      this.#ended = lastEnded(view.room);
    }
    view.schema.tables.forEach(({ name }, i, _, own = this.#playback) => {
      if (own) own.predictions[i] = predictions.find(({ table }) => table === name);
    });
    if (view.tick < this.#playback.newest) this.#schedule.reset();
    this.#playback.push(view, this.#session.still);
    this.#results(view.room);
  }

  /**
   * Tells the result of each match that ended since the last view, once: also of one whose end
   * and new beginning lay between two views.
   * @param {Row | null} room
   */
  #results(room) {
    const from = this.#ended;
    const ended = lastEnded(room);
    if (ended <= from) return;
    this.#ended = ended;
    if (!this.#listeners.has("result")) return;
    this.#telling = this.#telling.then(() => this.#tell(from, ended, Boolean(room?.finished)));
  }

  /**
   * Asks for the results of matches after `from`, up to `ended`, and tells them; null for that of
   * the last, where it has `finished` and nobody has its result.
   * @param {number} from
   * @param {number} ended
   * @param {boolean} finished
   */
  async #tell(from, ended, finished) {
    const { url, world } = this.#connection;
    const at = new URL(`/api/rooms/${this.id}/results`, url.replace(/^ws/, "http"));
    const answer = await world.fetch?.(String(at), {}).catch(() => null);
    const told = answer?.ok ? await answer.text().then(parseExact).catch(() => null) : null;
    const found = /** @type {{match: number, result: unknown}[]} */ (told?.results ?? []);
    const fresh = found.filter(({ match }) => match > from && match <= ended);
    for (const { result } of fresh) this.#listeners.emit("result", result);
    if (finished && fresh.at(-1)?.match !== ended) this.#listeners.emit("result", null);
  }

  #gone() {
    this.#connection.world.clearTimeout(this.#timer);
    this.#timer = null;
    const reason = /** @type {import("./session.js").Reason} */ (this.reason);
    // The page that took the seat has its own copy; this one may want it back.
    if (reason.code !== Code.REPLACED) this.#keep(null);
    this.#listeners.emit("closed", new SessionEnded(reason.code, reason.reason));
  }

  /**
   * @param {Uint8Array} token
   * @param {number} next
   */
  #remember(token, next) {
    if (token === this.#kept.token && next < this.#kept.seq) return;
    this.#kept = { token, seq: next + SEQS_RESERVED };
    this.#keep({ token, room: this.id, epoch: this.#session.epoch, seq: this.#kept.seq });
  }
}

/**
 * The last match of a room that has ended, by its number.
 * @param {Row | null} room
 */
function lastEnded(room) {
  const match = room?.match_number ?? 1;
  return room?.finished ? match : match - 1;
}
