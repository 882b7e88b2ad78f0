/** The page: from its address to the lobby or into a room, and back. */

import { SessionEnded, join, resume } from "../index.js";
import { Lobby, find } from "./lobby.js";
import { Play } from "./play.js";
import { Share, roomPath } from "./share.js";
import { Mistakes } from "./mistakes.js";
import { Waiting } from "./waiting.js";
import { byId } from "./dom.js";
import { ownLine } from "./network.js";
import { clean, problem } from "./name.js";

/** @typedef {import("./lobby.js").Choice} Choice */
/** @typedef {import("../room.js").Room} Room */

const NAME_KEY = "holdfast:name";
const name = /** @type {HTMLInputElement} */ (byId("name"));

class Page {
  /** The last choice, for joining again. @type {Choice | null} */
  #choice = null;
  #waiting = new Waiting();
  #share = new Share();
  #mistakes = new Mistakes(byId("mistakes"));

  constructor() {
    this.lobby = new Lobby({
      play: (choice) => void this.#enter(choice),
      share: ({ room, game }) => this.#invite(game, room),
      began: () => void this.open(),
      away: () => this.#waiting.end(),
    });
    this.play = new Play({
      leave: () => this.#toLobby(),
      again: () => this.#choice && this.#enter(this.#choice),
      share: (room) => this.#choice && this.#invite(this.#choice.game.name, room),
      changed: () => this.#mistakes.hurry(),
    });
    addEventListener("popstate", () => this.open());
    name.addEventListener("input", () => judge());
  }

  /**
   * Shows what the address asks for: a seat this tab still has, a room to be joined, or the lobby.
   * That can be told only when the server has said which games it has, which the lobby asks it.
   */
  async open() {
    const { game: asked, room, role, plain } = address();
    this.play.stop();
    if (!this.lobby.status) return this.lobby.show(null, null);
    this.#waiting.end();
    if (this.lobby.status.development) this.#mistakes.begin();
    const game = this.lobby.game(asked);
    if (game && room && (plain || !game.web)) {
      this.#choice = { game, role, plain: true, room, options: {} };
      this.play.announce(game.title);
      show("play");
      const seated = await this.#seated(game.title, (waited) =>
        resume(game.name, { room, role, url: this.#url, ...waited }),
      );
      if (seated) return this.#show(seated, this.#choice);
    }
    show("lobby");
    this.lobby.show(asked, room);
    if (asked && !game) notice(`This server has no game "${asked}".`);
  }

  #toLobby() {
    history.pushState(null, "", "/");
    notice("");
    void this.open();
  }

  /** @param {Choice} choice */
  async #enter(choice) {
    const { game, role, plain, room, options } = choice;
    if (!judge()) return name.focus();
    const player = clean(name.value);
    remember(player);
    if (!plain && game.page) return location.assign(ownPage(game.page, choice, player));
    notice("");
    const joined = await this.#seated(game.title, (waited) =>
      join(game.name, { name: player, role, room, options, fresh: true, url: this.#url, ...waited }),
    );
    if (joined) return this.#show(joined, choice);
    show("lobby");
    this.lobby.show(game.name, room ?? null);
  }

  /** Where to connect to, if not simply to this page's server. */
  get #url() {
    return this.lobby.status?.development ? ownLine() : undefined;
  }

  /**
   * What `take` resolves to; meanwhile the page says what is waited for, and by its button one
   * waits no longer. Null, and a notice that says why, when the server refused.
   * @template T
   * @param {string} title
   * @param {(waited: { waiting: (what: string) => void, signal: AbortSignal }) => Promise<T>} take
   * @returns {Promise<T | null>}
   */
  async #seated(title, take) {
    const signal = this.#waiting.begin(title);
    try {
      return await take({ waiting: (what) => this.#waiting.say(what), signal });
    } catch (error) {
      if (!signal.aborted) notice(explain(error));
      return null;
    } finally {
      this.#waiting.end(signal);
    }
  }

  /**
   * @param {Room} room
   * @param {Choice} choice
   */
  #show(room, { game, role }) {
    this.#choice = { game, role, plain: true, room: room.id, options: {} };
    this.lobby.hide();
    const path = roomPath(game.name, room.id, role) + (game.web ? "&view=plain" : "");
    if (location.pathname + location.search !== path) history.pushState(null, "", path);
    document.title = `${game.title} – Holdfast`;
    show("play");
    const { lobby } = this;
    this.play.show(room, game.title, lobby.status?.development ?? false);
  }

  /**
   * @param {string} game
   * @param {string} room
   */
  #invite(game, room) {
    const title = this.lobby.game(game)?.title ?? game;
    const secret = find(room).then(
      ({ info }) => info?.private === true,
      () => false,
    );
    const invitation = { title, path: roomPath(game, room), secret };
    this.#share.show(invitation, this.lobby.status?.lan ?? []);
  }
}

/**
 * A game's own page, told who plays what in its query; options as JSON.
 * @param {string} page
 * @param {Choice} choice
 * @param {string} player
 */
function ownPage(page, { role, room, options }, player) {
  const query = new URLSearchParams({ name: player, role, options: JSON.stringify(options) });
  if (room) query.set("room", room);
  return `${page}?${query}`;
}

/** What the address asks for. */
function address() {
  const query = new URLSearchParams(location.search);
  /** @type {"player" | "spectator"} */
  const role = query.get("role") === "spectator" ? "spectator" : "player";
  const plain = query.get("view") === "plain";
  return { game: query.get("game"), room: query.get("room"), role, plain };
}

/**
 * Why there is no seat, in words.
 * @param {unknown} error
 */
function explain(error) {
  const ended = error instanceof SessionEnded;
  return ended ? `The server said: ${error.reason} (${error.code})` : String(error);
}

/** @param {"lobby" | "play"} which */
function show(which) {
  byId("lobby").hidden = which !== "lobby";
  byId("play").hidden = which !== "play";
  if (which === "lobby") document.title = "Holdfast";
}

/** @param {string} text */
function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
  if (text) byId("notice").scrollIntoView({ block: "nearest" });
}

/** Whether the name will do; if not, the page says what is wrong with it. */
function judge() {
  const wrong = problem(name.value);
  byId("name-wrong").textContent = wrong;
  name.setAttribute("aria-invalid", String(wrong !== ""));
  return wrong === "";
}

/** @param {string} player */
function remember(player) {
  try {
    localStorage.setItem(NAME_KEY, player);
  } catch {
    // Where storage is forbidden, the name is typed again next time.
  }
}

/** The name used last, if this browser keeps it. */
function remembered() {
  try {
    return localStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return "";
  }
}

name.value = remembered();
void new Page().open();
