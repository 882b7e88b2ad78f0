/** What a page imports: `join` a game, or `resume` the seat this tab still has. */

import { Code, SessionEnded } from "./errors.js";
import { Prediction } from "./prediction.js";
import { Room } from "./room.js";
import { Session } from "./session.js";
import * as seats from "./seat.js";

export { Prediction, Room, SessionEnded };

/** @typedef {import("./seat.js").Seat} Seat */
/** @typedef {import("./prediction.js").Rule} Rule */
/**
 * `options` are the game's own and `bots` and `private`; `room` joins exactly that room; `fresh`
 * leaves a seat this tab still has alone and takes another; `url` is the server's address, by
 * default this page's. `waiting` is told what is awaited until the first frame is here, in
 * words: at once, and whenever it changes; aborting `signal` waits no longer.
 * @typedef {{
 *   name?: string, options?: { [name: string]: any }, room?: string, role?: "player" | "spectator",
 *   identity?: string | null, url?: string, fresh?: boolean,
 *   waiting?: (what: string) => void, signal?: AbortSignal,
 *   world?: Partial<import("./connection.js").World>,
 *   store?: import("./seat.js").Store | null,
 * }} Options
 */

const BUILD = "browser/0.1.0";
/** The seat is no more; another may be taken. @type {number[]} */
const NO_SEAT = [Code.BAD_TOKEN, Code.NOT_FOUND, Code.ROOM_CLOSED];

/**
 * Joins a game: on the seat this tab still has where it fits (a reload), else on a new one.
 * @param {string} game
 * @param {Options} [options]
 * @returns {Promise<Room>} once the first frame is here
 * @throws {SessionEnded} with `.code` and `.reason`
 */
export async function join(game, options = {}) {
  const found = fitting(game, options);
  // A join that a reload cut off may have its seat already, which its nonce finds.
  const kept = options.fresh && (found?.token || found?.asked !== asked(options)) ? null : found;
  try {
    return await enter(game, options, kept);
  } catch (error) {
    if (!kept?.token || !(error instanceof SessionEnded) || !NO_SEAT.includes(error.code))
      throw error;
    return enter(game, options, null);
  }
}

/**
 * Takes up the seat this tab still has.
 * @param {string} game
 * @param {Options} [options]
 * @returns {Promise<Room | null>} null where there is none
 * @throws {SessionEnded}
 */
export async function resume(game, options = {}) {
  const kept = fitting(game, options);
  return kept?.token ? enter(game, options, kept) : null;
}

/**
 * @param {string} game
 * @param {Options} options
 * @returns {Seat | null}
 */
function fitting(game, { store = seats.tabStore(), url, role = "player", room }) {
  const seat = seats.load(store, game);
  const fits = seat && seat.url === playUrl(url) && seat.role === role && (!room || seat.room === room);
  return fits ? seat : null;
}

/**
 * @param {string} game
 * @param {Options} options
 * @param {Seat | null} kept
 * @returns {Promise<Room>}
 */
function enter(game, options, kept) {
  const {
    store = seats.tabStore(),
    role = "player",
    name = "",
    identity = null,
    waiting,
    signal,
    world,
  } = options;
  const url = playUrl(options.url);
  const nonce = kept?.nonce ?? crypto.getRandomValues(new Uint8Array(16));
  const wanted = { ...options.options, ...(options.room ? { room: options.room } : {}) };
  const session = new Session(
    { nonce, game, options: wanted, name, role, identity, build: BUILD },
    kept?.token ? { token: kept.token, epoch: kept.epoch, seq: kept.seq } : null,
  );
  /** @type {Seat} */
  const seat = kept ?? {
    url,
    role,
    nonce,
    token: null,
    room: options.room ?? "",
    epoch: 0,
    seq: 1,
    asked: asked(options),
  };
  seats.save(store, game, seat);
  const room = new Room(
    session,
    url,
    (now) => {
      if (now) seats.save(store, game, { ...seat, ...now });
      else seats.forget(store, game);
    },
    world,
  );
  return new Promise((resolve, reject) => {
    let told = "";
    const tell = () => {
      const what = awaited(room);
      if (what !== told) waiting?.((told = what));
    };
    const leave = () => room.leave();
    const offs = [
      room.on("state", tell),
      room.on("frame", () => {
        for (const off of offs) off();
        signal?.removeEventListener("abort", leave);
        resolve(room);
      }),
    ];
    room.on("closed", reject);
    signal?.addEventListener("abort", leave);
    tell();
    room.start();
    if (signal?.aborted) leave();
  });
}

/**
 * What a room that has no frame yet waits for, in words.
 * @param {Room} room
 */
function awaited({ state, why }) {
  if (state === "paused") return `Waiting for the room: ${why}.`;
  const what = { connecting: "Waiting for a seat", resuming: "Taking up your seat" };
  const doing = Reflect.get(what, state) ?? "Waiting for the first frame";
  return why ? `${doing}: ${why}.` : `${doing}…`;
}

/**
 * What a join asks for, to tell whether another asks for the same.
 * @param {Options} options
 */
function asked({ options = {}, room = "", name = "", identity = null }) {
  return JSON.stringify([options, room, name, identity]);
}

/**
 * Where the server's WebSockets are: `/play` is added where an address has no path; a page's own
 * address, http or https, will do.
 * @param {string} [url] by default this page's server
 * @returns {string}
 * @throws {TypeError} for an address that is none
 */
function playUrl(url) {
  if (url === undefined && !globalThis.location)
    throw new TypeError("outside a page, join needs a url such as ws://localhost:8080");
  const at = URL.canParse(url ?? location.origin) ? new URL(url ?? location.origin) : null;
  const protocol = at && { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }[at.protocol];
  if (!at || !protocol) throw new TypeError(`${url} is no address; expected ws://HOST:PORT`);
  return `${protocol}//${at.host}${at.pathname === "/" ? "/play" : at.pathname}${at.search}`;
}
