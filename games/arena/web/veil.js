/** What lies over the stage when nobody plays: joining, paused, reconnecting, over. */

import { byId, make, say } from "./dom.js";

/** @typedef {{ text: string, act: () => void }} Choice */

export class Veil {
  #veil = byId("veil");
  #title = byId("veil-title");
  #text = byId("veil-text");
  #choices = byId("veil-choices");
  #key = "";

  /** Whether it covers the stage. */
  get open() {
    return !this.#veil.hidden;
  }

  /**
   * @param {string} title
   * @param {string} text
   * @param {Choice[]} [choices]
   * @param {boolean} [late] whether it waits a moment, as what it says may be over by then
   */
  show(title, text, choices = [], late = false) {
    const key = [title, text, ...choices.map((choice) => choice.text)].join("\n");
    this.#veil.hidden = false;
    if (key === this.#key) return;
    this.#key = key;
    this.#veil.classList.toggle("late", late);
    say(this.#title, title);
    say(this.#text, text);
    const buttons = choices.map((choice, i) => {
      const button = make("button", i ? "" : "main", choice.text);
      button.type = "button";
      button.addEventListener("click", choice.act);
      return button;
    });
    this.#choices.replaceChildren(...buttons);
    buttons[0]?.focus({ preventScroll: true });
  }

  hide() {
    this.#veil.hidden = true;
    this.#key = "";
  }
}
