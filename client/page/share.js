/** The invitation to a room: its link, to be copied, and as a code for a phone's camera. */

import { isLocal, sharedOrigin } from "./api.js";
import { byId, copy } from "./dom.js";

/**
 * `path` leads to the room from the server's root; `secret` says whether the room is private, once
 * that is known.
 * @typedef {{ title: string, path: string, secret: Promise<boolean> }} Invitation
 */

export class Share {
  #dialog = /** @type {HTMLDialogElement} */ (byId("share-dialog"));
  #link = /** @type {HTMLInputElement} */ (byId("share-link"));
  #code = /** @type {HTMLImageElement} */ (byId("share-code"));
  /** Raised by each opening, so that what is learnt of another room is not told of this one. */
  #shown = 0;

  constructor() {
    byId("share-copy").addEventListener("click", () => copy(this.#link, byId("share-copy")));
    byId("share-close").addEventListener("click", () => this.#dialog.close());
    // A click beside the dialog hits the dialog itself, since its content fills it.
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    this.#link.addEventListener("focus", () => this.#link.select());
  }

  /**
   * @param {Invitation} invitation
   * @param {string[]} lan where the server is in the local network
   */
  show(invitation, lan) {
    const origin = sharedOrigin(lan);
    this.#link.value = (origin ?? location.origin) + invitation.path;
    byId("share-title").textContent = `Invite to ${invitation.title}`;
    byId("share-note").textContent = "Whoever opens the link is invited into this room.";
    const shown = ++this.#shown;
    void invitation.secret.then((secret) => {
      if (!secret || shown !== this.#shown) return;
      byId("share-note").textContent = "This room is private: only who has the link finds it.";
    });
    byId("share-phone").hidden = origin === null;
    if (origin !== null) {
      this.#code.src = `/api/qr?path=${encodeURIComponent(invitation.path)}`;
      byId("share-where").textContent = isLocal(location.hostname)
        ? "For a phone in the same network: point its camera here."
        : "For a phone: point its camera here.";
    }
    this.#dialog.showModal();
    byId("share-copy").focus();
  }
}

/**
 * The path of a room's link.
 * @param {string} game
 * @param {string} room
 * @param {"player" | "spectator"} [role]
 */
export function roomPath(game, room, role = "player") {
  const query = new URLSearchParams({ game, room, ...(role === "spectator" ? { role } : {}) });
  return `/?${query}`;
}
