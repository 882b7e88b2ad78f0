/** The card one starts from: a name, the room's options, and why the last try failed. */

import { byId, recall, remember, say } from "./dom.js";

/** @typedef {import("./address.js").Asked} Asked */

const NAME = "name";

export class Start {
  #card = byId("start");
  #name = input("start-name");
  #bots = input("start-bots");
  #minutes = input("start-minutes");
  #teams = input("start-teams");
  #level = /** @type {HTMLSelectElement} */ (byId("start-level"));
  #notice = byId("start-notice");
  #room = "";

  /** @param {(asked: Asked) => void} enter */
  constructor(enter) {
    byId("start-form").addEventListener("submit", (event) => {
      event.preventDefault();
      enter(this.#asked("player"));
    });
    byId("start-watch").addEventListener("click", () => enter(this.#asked("spectator")));
  }

  /**
   * @param {Asked} asked
   * @param {string} [notice]
   */
  show(asked, notice = "") {
    const { options } = asked;
    this.#room = asked.room;
    this.#name.value = asked.name || recall(NAME) || "";
    if ("bots" in options) this.#bots.value = String(options.bots);
    if ("minutes" in options) this.#minutes.value = String(options.minutes);
    if ("level" in options) this.#level.value = String(options.level);
    if ("teams" in options) this.#teams.checked = Boolean(options.teams);
    byId("start-options").hidden = Boolean(asked.room);
    say(this.#notice, notice);
    this.#notice.hidden = !notice;
    this.#card.hidden = false;
    this.#name.focus();
  }

  hide() {
    this.#card.hidden = true;
  }

  /**
   * @param {Asked["role"]} role
   * @returns {Asked}
   */
  #asked(role) {
    const name = this.#name.value.trim();
    remember(NAME, name);
    const options = {
      bots: Number(this.#bots.value),
      minutes: Number(this.#minutes.value),
      level: Number(this.#level.value),
      teams: this.#teams.checked,
    };
    return { name, role, room: this.#room, options: this.#room ? {} : options, complete: true };
  }
}

/** @param {string} id */
function input(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}
