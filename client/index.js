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
 * leaves a seat this
 * tab still has alone and takes another; `url` is the server's /play, by default this page's
 * server.
 * @typedef {{
 *   name?: string, options?: { [name: string]: any }, room?: string, role?: "player" | "spectator",
 *   identity?: string | null, url?: string, fresh?: boolean, world?:
 *   Partial<import("./connection.js").World>,
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
  const kept = options.fresh ? null : fitting(game, options);
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
function fitting(game, { store = seats.tabStore(), url = here(), role = "player", room }) {
  const seat = seats.load(store, game);
  const fits = seat && seat.url === url && seat.role === role && (!room || seat.room === room);
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
    url = here(),
    role = "player",
    name = "",
    identity = null,
    world,
  } = options;
  const nonce = kept?.nonce ?? crypto.getRandomValues(new Uint8Array(16));
  const asked = { ...options.options, ...(options.room ? { room: options.room } : {}) };
  const session = new Session(
    { nonce, game, options: asked, name, role, identity, build: BUILD },
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
  const awake = () => globalThis.document?.hidden || room.hurry();
  globalThis.addEventListener?.("online", awake);
  globalThis.document?.addEventListener("visibilitychange", awake);
  return new Promise((resolve, reject) => {
    const off = room.on("frame", () => {
      off();
      resolve(room);
    });
    room.on("closed", reject);
    room.start();
  });
}

/** This page's server. */
function here() {
  if (!globalThis.location)
    throw new TypeError("outside a page, join needs a url such as ws://localhost:8080/play");
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/play`;
}
