/** The lobby: what this server plays, which rooms are open, and whether the server answers. */

import { api, sharedOrigin } from "./api.js";
import { gameCard } from "./card.js";
import { byId, make } from "./dom.js";
import { Invited } from "./invited.js";
import { Kill } from "./kill.js";
import { Poll } from "./poll.js";
import { RoomList } from "./rooms.js";

/** @typedef {import("./rooms.js").RoomInfo} RoomInfo */
/**
 * @typedef {{ name: string, title: string, description: string, web: boolean, page: string | null,
 *   seats: number, bots: number, tick_rate: number, options: any[] }} GameInfo
 */
/**
 * @typedef {{ name: string, version: string, development: boolean, lan: string[], games:
 *   GameInfo[] }} Status
 */
/**
 * `plain` asks for this page where the game has its own.
 * @typedef {{ game: GameInfo, role: "player" | "spectator", plain: boolean, room?: string,
 *   options: Record<string, any> }} Choice
 */
/**
 * What one round of questions brought; `room` is the one that a link asked for.
 * @typedef {{ status: Status | null, rooms: RoomInfo[], room:
 *   import("./invited.js").Found | null }} Answer
 */

const LIVE = "Live";
const AWAY = "Server away, trying again";

export class Lobby {
  /** What the server said of itself; null until it answered. @type {Status | null} */
  status = null;
  /** Whether the status may be an old one's: the server was away meanwhile. */
  #stale = true;
  #cards = "";
  #poll = new Poll(
    () => this.#ask(),
    (answer) => this.#answered(answer),
    (error) => this.#away(error),
  );
  #rooms;
  #invited;

  /**
   * @param {{ play: (choice: Choice) => void, share: (room: RoomInfo) => void, began: () => void,
   *   away: () => void }} page `began` is called when the server answers for the first time, and
   *   `away` when it does not
   */
  constructor(page) {
    this.page = page;
    const enter = (/** @type {RoomInfo} */ info, /** @type {"player" | "spectator"} */ role) => {
      const game = this.game(info.game);
      if (game) page.play({ game, role, plain: !game.web, room: info.room, options: {} });
    };
    const result = async (/** @type {string} */ room) => (await find(room)).result;
    this.#rooms = new RoomList(byId("rooms"), { enter, share: page.share, result });
    this.#invited = new Invited(byId("invited"), enter);
    new Kill({ pause: () => this.#poll.stop(), goOn: () => this.#poll.start() });
    document.addEventListener("visibilitychange", () => this.#poll.hurry());
    addEventListener("online", () => this.#poll.hurry());
  }

  /**
   * @param {string | null} name
   * @returns {GameInfo | undefined}
   */
  game(name) {
    return this.status?.games.find((game) => game.name === name);
  }

  /**
   * @param {string | null} game the game a link asked for
   * @param {string | null} room the room it asked for
   */
  show(game, room) {
    this.#invited.ask(this.game(game) ?? null, room);
    if (this.status) this.#describe(this.status);
    this.#poll.start();
  }

  /** Asks for no more rooms. */
  hide() {
    this.#poll.stop();
  }

  /** @returns {Promise<Answer>} */
  async #ask() {
    const { room } = this.#invited;
    // What the page is to show does not wait for the rooms, which a store that is away keeps back.
    if (!this.status) return { status: await api("/api/status"), rooms: [], room: null };
    const [status, { rooms }, found] = await Promise.all([
      this.#stale ? api("/api/status") : null,
      api("/api/rooms"),
      room ? find(room) : null,
    ]);
    return { status, rooms, room: found };
  }

  /** @param {Answer} answer */
  #answered({ status, rooms, room }) {
    this.#state("live", LIVE);
    if (status) {
      const first = !this.status;
      this.status = status;
      this.#stale = false;
      this.#describe(status);
      if (first) return this.page.began();
    }
    const games = new Map(this.status?.games.map((game) => [game.name, game]));
    this.#rooms.update(rooms, games);
    byId("rooms-empty").hidden = rooms.length > 0;
    if (room) this.#invited.found(room);
  }

  /** @param {Error} error */
  #away(error) {
    this.#stale = true;
    this.#state("away", AWAY);
    byId("away").textContent = `${error.message}. It is asked again every two seconds.`;
    if (this.status) return;
    // Before the first answer it may be a room that is to be shown, and not the lobby.
    this.page.away();
    byId("lobby").hidden = false;
  }

  /**
   * @param {"live" | "away"} state
   * @param {string} words
   */
  #state(state, words) {
    const badge = byId("lobby-state");
    byId("lobby").dataset.state = badge.dataset.state = state;
    // Said aloud when it changes, not every two seconds.
    if (badge.textContent !== words) badge.textContent = words;
    byId("away").hidden = state === "live";
  }

  /** @param {Status} status */
  #describe({ name, version, lan, games, development }) {
    byId("version").textContent = `${name} ${version}`;
    byId("lobby-development").hidden = !development;
    const origin = sharedOrigin(lan);
    byId("lan").replaceChildren(
      ...(origin && origin !== location.origin
        ? ["On another device: ", make("code", {}, origin)]
        : []),
    );
    // Forms keep what is typed into them unless the games themselves changed.
    const cards = JSON.stringify(games);
    if (cards === this.#cards) return;
    this.#cards = cards;
    byId("games").replaceChildren(
      ...games.map((game) => gameCard(game, this.page.play)),
      ...(games.length ? [] : [make("p", {}, "This server has no games.")]),
    );
  }
}

/**
 * A room by its id, private or not, and what it ended with.
 * @param {string} room
 * @returns {Promise<import("./invited.js").Found>}
 */
export async function find(room) {
  const { rooms, result } = await api(`/api/rooms?room=${encodeURIComponent(room)}`);
  return { info: rooms[0] ?? null, result };
}
