/** The list of open rooms: one line a room, kept in place while its numbers change. */

import { make } from "./dom.js";
import { resultOf } from "./result.js";

/** @typedef {import("./lobby.js").GameInfo} GameInfo */
/**
 * @typedef {{ room: string, game: string, players: number, bots: number, spectators: number,
 *   seats: number, free_seats: number, tick: number, tick_rate: number, tick_ms: number,
 *   age_s: number, private: boolean, status: string, finished: boolean }} RoomInfo
 */
/** @typedef {(room: RoomInfo, role: "player" | "spectator") => void} Enter */

/** Enough of a room's id to tell it from those beside it. */
const SHORT = 6;

export class RoomList {
  /** @type {Map<string, Line>} */
  #lines = new Map();

  /**
   * @param {HTMLElement} element a list
   * @param {{ enter: Enter, share: (room: RoomInfo) => void, result: (room: string) =>
   *   Promise<unknown> }} page
   */
  constructor(element, page) {
    this.element = element;
    this.page = page;
  }

  /**
   * @param {RoomInfo[]} rooms
   * @param {Map<string, GameInfo>} games
   */
  update(rooms, games) {
    const there = new Set(rooms.map(({ room }) => room));
    for (const [room, line] of this.#lines) {
      if (there.has(room)) continue;
      line.element.remove();
      this.#lines.delete(room);
    }
    for (const info of rooms) {
      let line = this.#lines.get(info.room);
      if (!line) {
        line = new Line(info, games.get(info.game)?.title ?? info.game, this.page);
        this.#lines.set(info.room, line);
        this.element.append(line.element);
      }
      line.update(info);
    }
  }
}

/** One room. */
class Line {
  #facts = new Map(
    ["Seats", "Bots", "Watching", "Tick", "Tick time", "Age"].map((name) => [name, make("dd")]),
  );
  #tags = make("span", { className: "tags" });
  #meter = make("span", { className: "meter", "aria-hidden": "true" });
  #result = make("details", { hidden: true }, make("summary", {}, "Result"), make("div"));
  #finished = false;

  /**
   * @param {RoomInfo} info
   * @param {string} game
   * @param {RoomList["page"]} page
   */
  constructor(info, game, page) {
    this.info = info;
    this.page = page;
    const { room } = info;
    const button = (/** @type {string} */ text, /** @type {() => void} */ act) => {
      const made = make("button", { type: "button", "aria-label": `${text} ${room}` }, text);
      made.addEventListener("click", act);
      return made;
    };
    this.join = button("Join", () => page.enter(this.info, "player"));
    const watch = button("Watch", () => page.enter(this.info, "spectator"));
    const share = button("Share", () => page.share(this.info));
    const id = make("code", { title: room }, shortId(room));
    this.element = make(
      "li",
      { className: "room", "data-room": room },
      make("p", { className: "called" }, game, id, this.#tags),
      make("dl", { className: "figures" }, ...this.#pairs()),
      make("div", { className: "row" }, this.join, watch, share),
      this.#result,
    );
  }

  /** @param {RoomInfo} info */
  update(info) {
    this.info = info;
    const words = facts(info);
    for (const [name, element] of this.#facts) {
      const text = words[name] ?? "";
      if (element.textContent !== text) element.textContent = text;
    }
    this.#meter.style.setProperty("--people", String(info.players / info.seats));
    this.#meter.style.setProperty("--bots", String(info.bots / info.seats));
    const full = info.free_seats <= 0;
    this.join.disabled = full || info.finished;
    this.join.textContent = full ? "Full" : "Join";
    const tags = [
      ...(info.finished ? ["finished"] : []),
      ...(info.status === "live" ? [] : [info.status]),
    ];
    if (this.#tags.textContent !== tags.join("")) {
      this.#tags.replaceChildren(...tags.map((tag) => make("span", { className: "tag" }, tag)));
    }
    if (info.finished !== this.#finished) void this.#settle(info);
  }

  *#pairs() {
    for (const [name, value] of this.#facts) {
      const meter = name === "Seats" ? [this.#meter] : [];
      yield make("div", {}, make("dt", {}, name), value, ...meter);
    }
  }

  /**
   * The match has a result, or begins anew.
   * @param {RoomInfo} info
   */
  async #settle({ room, finished }) {
    this.#finished = finished;
    this.#result.hidden = true;
    if (!finished) return;
    const result = await this.page.result(room).catch(() => null);
    if (result === null || !this.#finished) return;
    this.#result.lastElementChild?.replaceChildren(resultOf(result));
    this.#result.hidden = false;
  }
}

/** @param {string} room */
export function shortId(room) {
  return room.slice(0, SHORT);
}

/**
 * A room's numbers in words.
 * @param {RoomInfo} info
 * @returns {Record<string, string>}
 */
export function facts({ players, seats, bots, spectators, tick, tick_ms, age_s }) {
  return {
    Seats: `${players} of ${seats}`,
    Bots: String(bots),
    Watching: String(spectators),
    Tick: tick.toLocaleString("en"),
    "Tick time": `${tick_ms < 10 ? tick_ms.toFixed(2) : Math.round(tick_ms)} ms`,
    Age: age(age_s),
  };
}

/**
 * A time that passed, in its largest unit.
 * @param {number} seconds
 */
export function age(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}
