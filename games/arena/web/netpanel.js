/** The connection in numbers, for whoever opens it; and its state, for everybody. */

import { byId, make, say } from "./dom.js";

/** @typedef {import("../../../client/index.js").Room} Room */

const EVERY_MS = 500;
/** @type {Record<string, string>} */
const WORDS = {
  connecting: "Connecting",
  live: "Live",
  resuming: "Reconnecting",
  gone: "Ended",
  polling: "Live, by polling",
  paused: "The server pauses",
  uncommitted: "Live, not yet kept",
};

export class NetPanel {
  #panel = byId("net");
  #badge = byId("state");
  #button = byId("net-button");
  /** @type {Map<string, HTMLElement>} */
  #cells = new Map();
  #drawn = -Infinity;

  constructor() {
    const list = make("dl");
    for (const title of [
      "State",
      "Ping",
      "Jitter",
      "Tick",
      "Skipped",
      "Received",
      "Resumes",
      "Inputs ahead",
    ]) {
      const cell = make("dd");
      this.#cells.set(title, cell);
      list.append(make("dt", "", title), cell);
    }
    this.#panel.append(list);
    this.#button.addEventListener("click", () => this.toggle());
  }

  toggle() {
    this.#panel.hidden = !this.#panel.hidden;
    this.#button.ariaPressed = String(!this.#panel.hidden);
    this.#drawn = -Infinity;
  }

  /**
   * @param {Room} room
   * @param {number} ahead inputs the server has not answered
   * @param {number} now milliseconds
   */
  draw(room, ahead, now) {
    const state = room.state === "live" ? room.status : room.state;
    if (this.#badge.dataset.state !== state) {
      this.#badge.dataset.state = state;
      say(this.#badge, WORDS[state] ?? state);
    }
    if (this.#panel.hidden || now - this.#drawn < EVERY_MS) return;
    this.#drawn = now;
    const { ping_ms, jitter_ms, tick, frames, frames_skipped, bytes_per_s, resumes } = room.stats;
    this.#say("State", `${WORDS[state] ?? state}`);
    this.#say("Ping", `${Math.round(ping_ms)} ms`);
    this.#say("Jitter", `${Math.round(jitter_ms)} ms`);
    this.#say("Tick", String(tick));
    this.#say("Skipped", `${frames_skipped} of ${frames + frames_skipped}`);
    this.#say("Received", `${(bytes_per_s / 1000).toFixed(1)} kB/s`);
    this.#say("Resumes", String(resumes));
    this.#say("Inputs ahead", String(ahead));
  }

  /** @param {string} title @param {string} text */
  #say(title, text) {
    const cell = this.#cells.get(title);
    if (cell) say(cell, text);
  }
}
