/** From the direction a player wants to go to what a tank's driver pulls. */

import { HULL_TURN, TICK_RATE } from "../balance.js";
import { wrap } from "../predict.js";

/** Beyond this angle a tank gets there sooner in reverse; back under the other, it turns about. */
const REVERSE_FROM = 2.0;
const REVERSE_UNTIL = 1.3;
/** A tank sets off once it heads there roughly. */
const GO_WITHIN = 1.25;

export class Steering {
  #reverse = false;

  /**
   * @param {number} x how far to the right, -1 to 1
   * @param {number} y how far down, -1 to 1
   * @param {number} heading where the hull points
   * @returns {{ drive: number, turn: number }}
   */
  towards(x, y, heading) {
    const pull = Math.min(1, Math.hypot(x, y));
    if (!pull) return { drive: 0, turn: 0 };
    let off = wrap(Math.atan2(y, x) - heading);
    this.#reverse = Math.abs(off) > (this.#reverse ? REVERSE_UNTIL : REVERSE_FROM);
    if (this.#reverse) off = wrap(off + Math.PI);
    const turn = Math.max(-1, Math.min(1, (off * TICK_RATE) / HULL_TURN));
    const pace = Math.abs(off) < GO_WITHIN ? pull * Math.cos(off) : 0;
    return { drive: this.#reverse ? -pace : pace, turn };
  }
}
