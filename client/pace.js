/** A pace: a tick that follows another and never jumps to it, unless it is far away. */

/** Off by more than this, there is nothing to follow: the pace begins anew. */
const JUMP_MS = 500;
/** How much faster or slower it may run to catch up or to wait. */
const FASTER = 0.12;
const SLOWER = 0.3;

export class Pace {
  #tick = NaN;
  #now = -Infinity;

  /** @param {number} tickMs */
  constructor(tickMs) {
    this.tickMs = tickMs;
  }

  /**
   * The tick at `now`.
   * @param {number} target where it should be
   * @param {number} now milliseconds; an earlier one than before counts as the same
   * @param {number} [most] where it waits, to go on from there
   */
  follow(target, now, most = Infinity) {
    const passed = Math.max(0, now - this.#now) / this.tickMs;
    this.#now = Math.max(now, this.#now);
    const error = target - (this.#tick + passed);
    if (!(Math.abs(error) * this.tickMs < JUMP_MS)) this.#tick = target;
    else this.#tick += passed + Math.max(-passed * SLOWER, Math.min(passed * FASTER, error));
    return (this.#tick = Math.min(this.#tick, most));
  }
}
