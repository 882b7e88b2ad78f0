/**
 * The room on the page: stage, controls and panel around one session, and how its connection fares.
 */

import { Controls } from "./controls.js";
import { Panel } from "./panel.js";
import { Stage } from "./stage.js";
import { api } from "./api.js";
import { byId, make } from "./dom.js";
import { Network } from "./network.js";
import { find } from "./lobby.js";
import { resultOf } from "./result.js";

/** @typedef {import("../room.js").Room} Room */

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  resuming: "Resuming",
  gone: "Ended",
  polling: "Live, by polling",
  paused: "Paused",
  uncommitted: "Uncommitted",
};
const NUMBERS_EVERY_MS = 500;
const ROOM_CLOSED = 4410;

export class Play {
  #stage = new Stage(/** @type {HTMLCanvasElement} */ (byId("stage")));
  /** @type {Room | null} */
  #room = null;
  /** @type {Controls | null} */
  #controls = null;
  /** @type {Panel | null} */
  #panel = null;
  #numbers = 0;
  /** In development only. @type {Network | null} */
  #network = null;
  /**
   * A kill that was asked for and not yet survived: when and at which tick the socket was lost.
   * @type {{ tick: number, at: number, lost: boolean } | null}
   */
  #killed = null;

  /**
   * @param {{ leave: () => void, again: () => void, share: (room: string) => void, changed: () =>
   *   void }} page what the buttons lead to; `changed` is called when the room's state changes
   */
  constructor(page) {
    this.page = page;
    byId("leave").addEventListener("click", page.leave);
    byId("to-lobby").addEventListener("click", page.leave);
    byId("again").addEventListener("click", page.again);
    byId("take-back").addEventListener("click", () => {
      this.#room?.takeBack();
    });
    byId("kill").addEventListener("click", () => this.#kill());
    byId("share").addEventListener("click", () => this.#room && page.share(this.#room.id));
  }

  /**
   * @param {Room} room
   * @param {string} title
   * @param {boolean} development
   */
  show(room, title, development) {
    this.stop();
    this.#room = room;
    byId("title").textContent = room.player ? title : `${title}, watching`;
    byId("development").hidden = byId("network").hidden = !development;
    if (development) void (this.#network ??= new Network(byId("network"))).begin();
    this.#kills(false);
    for (const what of /** @type {const} */ (["state", "status"]))
      room.on(what, () => this.#changed());
    room.on("frame", () => this.#survived());
    room.on("schema", () => this.#begin());
    this.#begin();
    this.#badge();
    requestAnimationFrame((now) => this.#draw(room, now));
  }

  /**
   * Shows which game is waited for, before there is a room of it.
   * @param {string} title
   */
  announce(title) {
    byId("title").textContent = title;
    byId("state").textContent = WORDS.connecting;
    byId("state").dataset.state = byId("play").dataset.state = "connecting";
    for (const id of ["ended", "development", "network"]) byId(id).hidden = true;
    for (const id of ["numbers", "dock", "controls", "panel"]) byId(id).replaceChildren();
  }

  /** Leaves the room, if there is one. */
  stop() {
    this.#controls?.stop();
    const room = this.#room;
    this.#room = this.#controls = this.#panel = this.#killed = null;
    room?.leave();
  }

  /** Makes stage, controls and panel for the room's schema. */
  #begin() {
    const room = /** @type {Room} */ (this.#room);
    this.#stage.begin(room.schema);
    this.#panel = new Panel(room, byId("panel"));
    this.#controls?.stop();
    const controls = new Controls(room, {
      dock: byId("dock"),
      card: byId("controls"),
      canvas: byId("stage"),
      angle: (x, y) => this.#stage.angleTo(room.latest, x, y),
    });
    this.#controls = controls;
    if (room.player) room.sample(() => controls.read());
  }

  /**
   * @param {Room} room
   * @param {number} now
   */
  #draw(room, now) {
    if (room !== this.#room) return;
    this.#stage.draw(room.view(now), now);
    this.#panel?.draw(now);
    if (now - this.#numbers > NUMBERS_EVERY_MS) {
      this.#numbers = now;
      const { ping_ms, jitter_ms, tick, bytes_per_s } = room.stats;
      const rate =
        bytes_per_s < 1000 ? `${bytes_per_s} B/s` : `${(bytes_per_s / 1000).toFixed(1)} kB/s`;
      byId("numbers").textContent =
        `tick ${tick} · ping ${Math.round(ping_ms)} ms · ` +
        `jitter ${Math.round(jitter_ms)} ms · ${rate}`;
    }
    requestAnimationFrame((next) => this.#draw(room, next));
  }

  #changed() {
    this.#lost();
    // The process that answers now may be another, which knows of no knobs.
    if (["live", "polling"].includes(this.#room?.state ?? "")) void this.#network?.begin();
    this.#badge();
    this.page.changed();
  }

  #badge() {
    const room = this.#room;
    if (!room) return;
    const state = room.state === "live" ? room.status : room.state;
    const badge = byId("state");
    badge.textContent = WORDS[state];
    badge.dataset.state = byId("play").dataset.state = state;
    const { reason } = room;
    byId("ended").hidden = !reason;
    if (!reason) return;
    const taken = reason.code === 4409;
    byId("ended-title").textContent = taken
      ? "Another tab plays on this seat"
      : "The session ended";
    byId("ended-reason").textContent = taken
      ? "Another page took it, often a duplicate of this tab. You can take it back."
      : `${sentence(reason.reason)} (${reason.code})`;
    byId("ended-result").replaceChildren();
    if (reason.code === ROOM_CLOSED) void this.#result(room.id);
    byId("take-back").hidden = !taken;
    byId("again").hidden = taken;
    byId(taken ? "take-back" : "again").focus();
  }

  /**
   * What the match finished with, where it did.
   * @param {string} room
   */
  async #result(room) {
    const { result } = await find(room).catch(() => ({ result: null }));
    if (result !== null && room === this.#room?.id) {
      byId("ended-result").replaceChildren(resultOf(result));
    }
  }

  async #kill() {
    const room = /** @type {Room} */ (this.#room);
    this.#kills(true, "Killing…");
    this.#killed = { tick: 0, at: 0, lost: false };
    try {
      const { pid } = await api("/api/kill", { method: "POST" });
      if (room === this.#room && this.#killed && !this.#killed.lost) {
        byId("killed").textContent = `Process ${pid} is being killed…`;
      }
    } catch (error) {
      this.#killed = null;
      this.#kills(false, error instanceof Error ? error.message : String(error));
    }
  }

  /** The connection was lost: what is held now is the last that the killed process sent. */
  #lost() {
    const room = this.#room;
    if (!this.#killed || this.#killed.lost || room?.state !== "resuming") return;
    this.#killed = { tick: room.stats.tick, at: performance.now(), lost: true };
    this.#kills(true, "Dead at tick ", make("b", {}, String(this.#killed.tick)), ". Resuming…");
  }

  /** A frame came; the first after the loss is the new process's. */
  #survived() {
    const { stats } = /** @type {Room} */ (this.#room);
    if (!this.#killed?.lost) return;
    const { tick, at } = this.#killed;
    const after = make("b", {}, String(stats.tick));
    const ms = Math.round(performance.now() - at);
    this.#kills(false, "Tick before ", make("b", {}, String(tick)), ", tick after ", after);
    byId("killed").append(`; ${ms} ms between.`);
    this.#killed = null;
  }

  /**
   * @param {boolean} busy
   * @param {...(string | Node)} text
   */
  #kills(busy, ...text) {
    Reflect.set(byId("kill"), "disabled", busy);
    byId("killed").replaceChildren(...text);
  }
}

/** @param {string} text */
function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
