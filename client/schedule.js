/** The schedule: which tick to show now, so far in the past that the next one is mostly there. */

import { Pace } from "./pace.js";

/** How far beyond the newest tick what moves steadily is carried on. */
const BEYOND_MS_MAX = 200;

export class Schedule {
  #pace;
  #shown = 0;

  /**
   * @param {import("./clock.js").Clock} clock
   * @param {number} sendEvery ticks between frames
   */
  constructor(clock, sendEvery) {
    this.clock = clock;
    this.sendEvery = sendEvery;
    this.#pace = new Pace(clock.tickMs);
  }

  /** Begins anew, as after a tick that went back. */
  reset() {
    this.#pace = new Pace(this.clock.tickMs);
    this.#shown = 0;
  }

  /** How far behind the newest tick playback is, in ticks: one frame, and the jitter measured. */
  get delay() {
    return this.sendEvery + this.clock.jitter_ms / this.clock.tickMs;
  }

  /**
   * The tick to show, with its fraction: never before what was shown, and beyond `newest` only by
   * a little.
   * @param {number} now
   * @param {number} newest the newest tick held
   */
  playback(now, newest) {
    const { clock } = this;
    if (!clock.running) return newest;
    const most = newest + BEYOND_MS_MAX / clock.tickMs;
    const target = clock.heard(now) - this.delay;
    this.#shown = Math.max(this.#shown, this.#pace.follow(target, now, most));
    return this.#shown;
  }
}
