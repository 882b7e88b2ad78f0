/** The end of a round: who won, the whole table, and the way to the next. */

import { byId, say } from "./dom.js";
import { RESULT_TICKS } from "./balance.js";
import { outcome } from "./standings.js";
import { table } from "./scoreboard.js";

/** @typedef {import("../../../client/view.js").View} View */
/** @typedef {import("./names.js").Names} Names */

export class Result {
  #panel = byId("result");
  #title = byId("result-title");
  #next = byId("result-next");
  #again = /** @type {HTMLButtonElement} */ (byId("again"));
  #shown = 0;

  /**
   * @param {() => void} again called when the player is ready for the next round
   * @param {() => void} ended called when a round ends under the player's eyes
   */
  constructor(again, ended) {
    this.ended = ended;
    this.#again.addEventListener("click", () => {
      this.#again.disabled = true;
      again();
    });
    // The button has no focus of its own: whoever still holds Space would press it unseen.
    addEventListener("keydown", ({ code }) => {
      if (code === "Enter" && this.open && !this.#again.hidden) this.#again.click();
    });
  }

  /** Whether a result stands. */
  get open() {
    return this.#shown > 0;
  }

  /**
   * @param {View} view
   * @param {Names} names
   * @param {number} rate ticks a second
   */
  draw(view, names, rate) {
    const { room } = view;
    const finished = room?.finished ?? 0;
    if (finished !== this.#shown) {
      this.#shown = finished;
      this.#panel.hidden = !finished;
      if (finished) this.#show(view, names);
    }
    if (!finished || !room) return;
    const left = Math.max(0, Math.ceil((finished + RESULT_TICKS - view.tick) / rate));
    const present = view.players.filter((d) => d.connected && !d.bot);
    const ready = present.filter((d) => d.again).length;
    const others = present.length > 1 ? `${ready} of ${present.length} ready` : "";
    say(this.#next, [`Round ${room.round + 1} in ${left} s`, others].filter(Boolean).join(" · "));
  }

  /**
   * @param {View} view
   * @param {Names} names
   */
  #show(view, names) {
    const { title, own } = outcome(view, names);
    say(this.#title, title);
    this.#title.classList.toggle("won", own);
    byId("result-table").replaceChildren(table(view, names));
    this.#again.disabled = false;
    this.#again.hidden = view.player === 0;
    this.ended();
  }
}
