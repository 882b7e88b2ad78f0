/** What the page waits for, over everything else: who waits can see for what, and give it up. */

import { byId } from "./dom.js";

export class Waiting {
  #card = byId("waiting");
  #what = byId("waiting-what");
  #leave = byId("waiting-leave");
  /** Gives up what is waited for. @type {AbortController | null} */
  #end = null;

  constructor() {
    this.#leave.addEventListener("click", () => this.#end?.abort());
  }

  /**
   * Shows that something is waited for; what lies under it takes neither clicks nor keys.
   * @param {string} title
   * @returns {AbortSignal} aborted when the player gives up
   */
  begin(title) {
    this.end();
    this.#end = new AbortController();
    byId("waiting-title").textContent = title;
    this.#leave.hidden = false;
    this.#show(true);
    return this.#end.signal;
  }

  /** @param {string} what in words */
  say(what) {
    // Said aloud when it changes.
    if (this.#what.textContent !== what) this.#what.textContent = what;
  }

  /**
   * Nothing is waited for any more.
   * @param {AbortSignal} [signal] unless another wait than this one's has begun meanwhile
   */
  end(signal = this.#end?.signal) {
    if (signal !== this.#end?.signal) return;
    this.#end?.abort();
    this.#end = null;
    this.#show(false);
  }

  /** @param {boolean} shown */
  #show(shown) {
    this.#card.hidden = !shown;
    byId("lobby").inert = byId("play").inert = shown;
    document.body.setAttribute("aria-busy", String(shown));
  }
}
