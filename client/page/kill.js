/** The lobby's kill button, in development: every room's tick before the kill, and after it. */

import { api } from "./api.js";
import { byId, make } from "./dom.js";
import { shortId } from "./rooms.js";

/** Until then the process is surely dead: a question under way would break with it. */
const DEAD_MS = 500;
const TRIES_MAX = 50;
const AGAIN_MS = 200;

export class Kill {
  #button = /** @type {HTMLButtonElement} */ (byId("lobby-kill"));

  /** @param {{ pause: () => void, goOn: () => void }} lobby which must not ask meanwhile */
  constructor(lobby) {
    this.lobby = lobby;
    this.#button.addEventListener("click", () => this.#kill());
  }

  async #kill() {
    this.#button.disabled = true;
    this.lobby.pause();
    try {
      const began = performance.now();
      const { pid, rooms } = await api("/api/kill", { method: "POST" });
      this.#say(`Process ${pid} is being killed…`);
      await wait(DEAD_MS);
      const next = await successor(pid);
      const ms = Math.round(performance.now() - began);
      const after = await ticks(Object.keys(rooms));
      this.#say(`Process ${pid} was killed; ${next} answered ${ms} ms after the click.`);
      byId("lobby-killed").append(table(rooms, after));
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
    } finally {
      this.#button.disabled = false;
      this.lobby.goOn();
    }
  }

  /** @param {string} text */
  #say(text) {
    byId("lobby-killed").replaceChildren(make("p", {}, text));
  }
}

/**
 * The process that answers instead of a dead one.
 * @param {number} dead
 * @returns {Promise<number>}
 */
async function successor(dead) {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const status = await api("/api/status").catch(() => null);
    if (status && status.pid !== dead) return status.pid;
    await wait(AGAIN_MS);
  }
  throw new Error("No other process took over.");
}

/**
 * Where rooms stand; undefined for one that is no more.
 * @param {string[]} ids
 * @returns {Promise<Map<string, number | undefined>>}
 */
async function ticks(ids) {
  const answers = ids.map(async (id) => {
    const { rooms } = await api(`/api/rooms?room=${encodeURIComponent(id)}`);
    return /** @type {[string, number | undefined]} */ ([id, rooms[0]?.tick]);
  });
  return new Map(await Promise.all(answers));
}

/**
 * @param {Record<string, number>} before
 * @param {Map<string, number | undefined>} after
 */
function table(before, after) {
  const row = (/** @type {string} */ room, /** @type {number} */ tick) => {
    const now = after.get(room);
    return make(
      "tr",
      {},
      make("td", {}, make("code", { title: room }, shortId(room))),
      make("td", {}, tick.toLocaleString("en")),
      make("td", {}, now === undefined ? "gone" : now.toLocaleString("en")),
    );
  };
  const titles = ["Room", "Tick before", "Tick after"];
  const head = titles.map((text) => make("th", { scope: "col" }, text));
  const rows = Object.entries(before).map(([room, tick]) => row(room, tick));
  return make(
    "table",
    { className: "result" },
    make("thead", {}, make("tr", {}, ...head)),
    make("tbody", {}, ...rows),
  );
}

/** @param {number} ms */
function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
