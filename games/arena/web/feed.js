/** The kill feed: who wrecked whom, the last few lines. */

import { byId, make } from "./dom.js";
import { colorOf } from "./colors.js";

/** @typedef {import("../../../client/schema.js").Row} Row */
/** @typedef {import("../../../client/view.js").View} View */

const LINES_MAX = 5;
const LINE_MS = 7000;

export class Feed {
  #list = byId("feed");

  /** @param {import("./names.js").Names} names */
  constructor(names) {
    this.names = names;
  }

  /**
   * @param {Row} kill
   * @param {View} view
   */
  kill({ killer, victim }, view) {
    const own = [killer, victim].includes(view.player);
    const parts =
      killer === victim
        ? [this.#who(victim, view), make("span", "how", own ? "hit yourself" : "hit itself")]
        : [this.#who(killer, view), make("span", "how", "wrecked"), this.#who(victim, view)];
    this.#say(own ? "own" : "", ...parts);
  }

  /** @param {string} text */
  note(text) {
    this.#say("note", text);
  }

  /**
   * @param {string} classes
   * @param {...(Node | string)} parts
   */
  #say(classes, ...parts) {
    const line = make("li", classes, ...parts);
    this.#list.append(line);
    while (this.#list.childElementCount > LINES_MAX) this.#list.firstElementChild?.remove();
    setTimeout(() => line.remove(), LINE_MS);
  }

  /**
   * @param {number} player
   * @param {View} view
   */
  #who(player, view) {
    const own = player === view.player;
    const name = make("bdi", "", own ? "You" : this.names.of(player));
    const team = view.players.find(({ id }) => id === player)?.team ?? 0;
    name.style.color = colorOf(this.names.number(player), team, own);
    return name;
  }
}
