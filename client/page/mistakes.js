/** In development: what is wrong with a game's file, over whatever the page shows. */

import { Poll } from "./poll.js";
import { api } from "./api.js";
import { make } from "./dom.js";

/** @typedef {{ file: string | null, rooms: Record<string, string> }} Found as /api/mistakes has it */

export class Mistakes {
  #begun = false;
  #said = "";
  #poll;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    // A server that does not answer reloads, or is away, which the page tells elsewhere.
    this.#poll = new Poll(
      () => api("/api/mistakes"),
      (found) => this.#show(found),
      () => {},
    );
    document.addEventListener("visibilitychange", () => this.#poll.hurry());
  }

  /** Asks from now on; the server tells mistakes. */
  begin() {
    if (!this.#begun) this.#poll.start();
    this.#begun = true;
  }

  /** Asks at once: a room stands still, or goes on. */
  hurry() {
    this.#poll.hurry();
  }

  /** @param {Found} found */
  #show(found) {
    const lines = told(found);
    const said = lines.join("\n");
    // Said aloud when it changes, not every two seconds.
    if (said === this.#said) return;
    this.#said = said;
    this.element.hidden = !said;
    this.element.replaceChildren(...lines.map((line) => make("p", {}, line)));
  }
}

/**
 * What the author is told, a sentence or two a line.
 * @param {Found} found
 */
export function told({ file, rooms }) {
  const lines = file === null ? [] : [`Saved, but matches go on by the rules before: ${file}`];
  const faults = Object.values(rooms);
  for (const fault of new Set(faults)) {
    const many = faults.filter((one) => one === fault).length;
    const whose = many === 1 ? "A room stands still and goes on" : `${many} rooms stand still and go on`;
    lines.push(`${whose} when the file is saved again: ${fault}`);
  }
  return lines;
}
