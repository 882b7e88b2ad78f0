/**
 * The schedule: which tick the server is at, judged from when frames arrive, and which tick to show
 * now.
 */

/** A frame this late begins a new timeline (the server stood still); it is not jitter. */
const REBASE_MS = 500;
/** The longest delay that jitter may add. */
const JITTER_MS_MAX = 250;
/** Frames that are judged together; what came before them is forgotten, spikes and drift alike. */
const FRAMES = 64;
/** The clock may run this much faster or slower while it settles on a new delay. */
const SLEW = 0.1;

export class Schedule {
  /**
   * For each of the last frames, when tick 0 would have come just as quickly.
   * @type {number[]}
   */
  #starts = [];
  #playback = NaN;
  #shown = 0;
  #now = 0;
  jitterMs = 0;

  /**
   * @param {number} tickRate ticks a second
   * @param {number} sendEvery ticks between frames
   */
  constructor(tickRate, sendEvery) {
    this.tickMs = 1000 / tickRate;
    this.sendEvery = sendEvery;
  }

  /** Begins anew, as after a tick that went back. */
  reset() {
    this.#starts = [];
    this.#playback = NaN;
    this.#shown = 0;
  }

  /**
   * Notes that the frame of `tick` arrived at `now`.
   * @param {number} tick
   * @param {number} now milliseconds
   */
  arrived(tick, now) {
    const start = now - tick * this.tickMs;
    if (start - this.#start > REBASE_MS) this.#starts = [];
    this.#starts.push(start);
    if (this.#starts.length > FRAMES) this.#starts.shift();
    this.jitterMs = Math.min(JITTER_MS_MAX, Math.max(...this.#starts) - this.#start);
  }

  /** By the quickest of the last frames; infinite before the first. */
  get #start() {
    return Math.min(...this.#starts);
  }

  /**
   * The tick the server is at, one way's delay aside.
   * @param {number} now
   */
  tick(now) {
    return (now - this.#start) / this.tickMs;
  }

  /** How far behind the newest tick playback is, in ticks: one frame, and the jitter measured. */
  get delay() {
    return this.sendEvery + this.jitterMs / this.tickMs;
  }

  /**
   * The tick to show, with its fraction: never beyond `newest`, never before what was shown.
   * @param {number} now
   * @param {number} newest the newest tick held
   */
  playback(now, newest) {
    const target = this.tick(now) - this.delay;
    if (!this.#starts.length) return newest;
    const passed = Math.max(0, now - this.#now) / this.tickMs;
    this.#now = now;
    const error = target - (this.#playback + passed);
    if (!(Math.abs(error) * this.tickMs < REBASE_MS)) this.#playback = target;
    else this.#playback += passed + Math.max(-passed * SLEW, Math.min(passed * SLEW, error));
    // Without frames playback waits at the newest, to go on from there when more come.
    this.#playback = Math.min(this.#playback, newest);
    this.#shown = Math.max(this.#shown, this.#playback);
    return this.#shown;
  }
}
