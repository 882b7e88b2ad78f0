/**
 * The clock: which tick the server is at, judged from when frames arrive; how long a message takes
 * there and back, and how unevenly frames come.
 */

/** Frames that are judged together; what came before them is forgotten, spikes and drift alike. */
const FRAMES = 64;
/** So many late frames running, and the server stood still: they are not jitter. */
const LATE_FRAMES = 6;
/** A single frame as late as this says the same. */
const LATE_MS_MAX = 500;
/** The share of frames that jitter covers: a stall now and then is bridged, not waited for. */
const COVERED = 0.9;
/** The longest delay that jitter may add. */
const JITTER_MS_MAX = 250;
/** Round trips that are kept: the middle one is the ping, so that one that met a stall is not. */
const TRIPS = 9;

export class Clock {
  /** For each of the last frames, when tick 0 would have come just as quickly. @type {number[]} */
  #starts = [];
  /** How much later than the quickest each of them came. @type {number[]} */
  #late = [];
  /** @type {number[]} */
  #trips = [];

  /** @param {number} tickRate ticks a second */
  constructor(tickRate) {
    this.tickMs = 1000 / tickRate;
  }

  /** Begins anew, as after a tick that went back. */
  reset() {
    this.#starts = [];
    this.#late = [];
  }

  /**
   * Notes that the frame of `tick` arrived at `now`.
   * @param {number} tick
   * @param {number} now milliseconds
   */
  arrived(tick, now) {
    const start = now - tick * this.tickMs;
    if (start - this.#start > LATE_MS_MAX) this.reset();
    this.#starts.push(start);
    const last = this.#starts.slice(-LATE_FRAMES);
    const moved = Math.min(...last) - this.#start;
    if (last.length === LATE_FRAMES && moved > Math.max(this.tickMs, this.jitter_ms))
      this.#starts = last;
    this.#late.push(start - this.#start);
    for (const kept of [this.#starts, this.#late]) if (kept.length > FRAMES) kept.shift();
  }

  /**
   * Notes a TIME that was answered.
   * @param {number} sent when it was asked, milliseconds
   * @param {number} now
   */
  answered(sent, now) {
    this.#trips.push(Math.max(0, now - sent));
    if (this.#trips.length > TRIPS) this.#trips.shift();
  }

  /** By the quickest of the last frames; infinite before the first. */
  get #start() {
    return Math.min(...this.#starts);
  }

  /** Whether there is anything to judge by. */
  get running() {
    return this.#starts.length > 0;
  }

  /** There and back, the middle one of the last few; 0 before the first. */
  get ping_ms() {
    return ranked(this.#trips, 0.5);
  }

  /** How late frames come behind the quickest, all but the latest few. */
  get jitter_ms() {
    return Math.min(JITTER_MS_MAX, ranked(this.#late, COVERED));
  }

  /**
   * The tick of the frame that would come now if it came as quickly as any.
   * @param {number} now milliseconds
   */
  heard(now) {
    return (now - this.#start) / this.tickMs;
  }

  /**
   * The tick the server is at, with its fraction; -Infinity before the first frame.
   * @param {number} now as `performance.now()` tells it
   */
  tick(now) {
    // Half a usual trip is how long a usual frame takes, and the quickest so much less.
    const way = Math.max(0, this.ping_ms / 2 - ranked(this.#late, 0.5));
    return this.heard(now) + way / this.tickMs;
  }
}

/**
 * The value below which this share of them lies.
 * @param {number[]} values
 * @param {number} share
 */
function ranked(values, share) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;
}
