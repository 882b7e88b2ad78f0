/** The room that a link asked for: an invitation on top of the lobby, or what became of it. */

import { button } from "./card.js";
import { make } from "./dom.js";
import { resultOf } from "./result.js";
import { facts, shortId } from "./rooms.js";

/** @typedef {import("./lobby.js").GameInfo} GameInfo */
/** @typedef {import("./rooms.js").RoomInfo} RoomInfo */
/** @typedef {{ info: RoomInfo | null, result: unknown }} Found */

export class Invited {
  /** The room asked for; null where the address names none. @type {string | null} */
  room = null;
  /** @type {RoomInfo | null} */
  #info = null;
  #title = make("h2", { id: "invited-title" });
  #words = make("p", { className: "quiet" });
  #outcome = make("div");
  #join = button("Join this room", () => this.#enter("player"), "main");
  #watch = button("Watch this room", () => this.#enter("spectator"));
  #buttons = make("div", { className: "row" });

  /**
   * @param {HTMLElement} element
   * @param {import("./rooms.js").Enter} enter
   */
  constructor(element, enter) {
    this.element = element;
    this.enter = enter;
    this.#buttons.append(this.#join, this.#watch);
    element.replaceChildren(this.#title, this.#words, this.#outcome, this.#buttons);
  }

  /**
   * @param {GameInfo | null} game
   * @param {string | null} room
   */
  ask(game, room) {
    this.room = game ? room : null;
    this.element.hidden = this.#words.hidden = true;
    if (!game || !room) return;
    this.#title.replaceChildren(
      `You are invited to ${game.title} `,
      make("code", { title: room }, shortId(room)),
    );
  }

  /**
   * What the server says of the room now.
   * @param {Found} found
   */
  found({ info, result }) {
    this.#info = info;
    this.element.hidden = this.#words.hidden = false;
    const over = !info || info.finished;
    const full = !over && info.free_seats <= 0;
    const { Seats, Bots, Watching, Age } = info ? facts(info) : {};
    const numbers = `${Seats} seats taken, ${Bots} bots, ${Watching} watching, open for ${Age}.`;
    const words = !info
      ? "This room is over. Play a game below to open or find another."
      : `${over ? "The match is finished. " : full ? "The room is full. " : ""}${numbers}`;
    if (this.#words.textContent !== words) this.#words.textContent = words;
    this.#join.disabled = full || over;
    this.#buttons.hidden = !info;
    const shown = JSON.stringify(result);
    if (this.#outcome.dataset.result === shown) return;
    this.#outcome.dataset.result = shown;
    this.#outcome.replaceChildren(...(result === null ? [] : [resultOf(result)]));
  }

  /** @param {"player" | "spectator"} role */
  #enter(role) {
    if (this.#info) this.enter(this.#info, role);
  }
}
