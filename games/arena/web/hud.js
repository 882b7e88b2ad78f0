/** The head-up display: clock, standing, what the tank carries, and the line in the middle. */

import { HEAVY_SHELLS, RAPID_TICKS } from "./balance.js";
import { byId, make, say } from "./dom.js";
import { clock, figure, ordinal, placeOf } from "./standings.js";
import { isolated } from "./names.js";
import { teamName } from "./colors.js";

/** @typedef {import("../../../client/schema.js").Row} Row */
/** @typedef {import("../../../client/view.js").View} View */

const LAST_SECONDS = 10;

export class Hud {
  #time = byId("time");
  #standing = byId("standing");
  #carried = byId("carried");
  #middle = byId("middle");
  #counted = -1;
  #key = "";

  /** @param {import("./sound.js").Sound} sound */
  constructor(sound) {
    this.sound = sound;
  }

  /**
   * @param {View} view
   * @param {Row | null} tank
   * @param {number} rate ticks a second
   * @param {string} followed whom a spectator follows, empty for nobody
   */
  draw(view, tank, rate, followed) {
    const { room, me } = view;
    if (!room) return;
    const left = room.finished ? 0 : room.ends - view.tick;
    say(this.#time, clock(left, rate));
    this.#count(Math.ceil(left / rate), Boolean(room.finished));
    say(this.#standing, standing(view, me, followed));
    this.#draw(view, tank);
    const wait = tank && !tank.armour ? tank.back - view.tick : 0;
    say(this.#middle, wait > 0 && !room.finished ? `Back in ${Math.ceil(wait / rate)}` : "");
  }

  /**
   * The last seconds are heard.
   * @param {number} seconds
   * @param {boolean} finished
   */
  #count(seconds, finished) {
    this.#time.classList.toggle("last", seconds <= LAST_SECONDS && !finished);
    if (seconds === this.#counted) return;
    if (this.#counted > seconds && seconds > 0 && seconds <= LAST_SECONDS) this.sound.play("count");
    this.#counted = seconds;
  }

  /**
   * What the tank carries, each with what is left of it.
   * @param {View} view
   * @param {Row | null} tank
   */
  #draw({ tick }, tank) {
    /** @type {[string, string, number][]} */
    const chips = [];
    if (tank && tick < tank.rapid)
      chips.push(["rapid", "Rapid fire", (tank.rapid - tick) / RAPID_TICKS]);
    if (tank?.heavy) chips.push(["heavy", `Heavy ×${tank.heavy}`, tank.heavy / HEAVY_SHELLS]);
    if (tank?.armour && tick < tank.safe) chips.push(["safe", "Protected until you fire", 1]);
    const key = chips.map(([kind, text]) => kind + text).join();
    if (key !== this.#key) {
      this.#key = key;
      this.#carried.replaceChildren(...chips.map(([kind, text]) => make("li", kind, text)));
    }
    chips.forEach(([, , part], i) => {
      const chip = this.#carried.children[i];
      if (chip instanceof HTMLElement) chip.style.setProperty("--left", part.toFixed(2));
    });
  }
}

/**
 * @param {View} view
 * @param {Row | null} me
 * @param {string} followed
 */
function standing(view, me, followed) {
  const { room } = view;
  const watching = followed ? `Watching ${isolated(followed)}` : "Watching";
  if (room?.teams) {
    const own = me ? `You are ${teamName(me.team)}` : watching;
    return `▲ ${figure(room.red)} : ${figure(room.blue)} ■ · ${own}`;
  }
  if (!me) return `${watching} · round ${room?.round ?? 1}`;
  const place = `${ordinal(placeOf(me, view.players))} of ${view.players.length}`;
  return `${place} · ${figure(me.score)} ${me.score === 1 ? "point" : "points"}`;
}
