/** Sampling: asks for the player's input once for each tick the server begins, and predicts by it. */

import { fromWire, toWire } from "./fields.js";
import { BRIDGED_MS_MAX } from "./limits.js";
import { Pace } from "./pace.js";

/** @typedef {import("./session.js").Session} Session */

/** A tick counts as begun this much earlier: clocks and frames agree to within rounding. */
const EARLY_TICKS = 0.01;

export class Sampling {
  #pace;
  #paced = NaN;
  /** The tick that the last sample was taken for, and when. */
  #tick = NaN;
  #at = -Infinity;

  /** @param {import("./clock.js").Clock} clock */
  constructor(clock) {
    this.clock = clock;
    this.#pace = new Pace(clock.tickMs);
  }

  /**
   * Takes a sample if a tick of the server began since the last: as many as the server applies,
   * whether frames come evenly, in a heap, or for a moment not at all.
   * @param {Session} session
   * @param {number} now milliseconds
   * @returns {import("./inputs.js").Item | null} what is to be sent
   */
  take(session, now) {
    const { view, inputs, player, state, sampler } = session;
    if (!view || !inputs || !player || state !== "live" || !this.#due(view.tick, now)) return null;
    const wire = sample(session);
    const item = inputs.queue(wire, session.drawn);
    // Nobody was asked: the first sample need not wait for the next tick.
    if (!item && !sampler) return null;
    this.#tick = this.#follow(now);
    this.#at = now;
    if (!item) return null;
    item.made = now;
    if (wire) {
      const values = (item.values = fromWire(view.schema.input, wire));
      predict(session, (prediction) => prediction.sampled(values));
    }
    return item;
  }

  /** How much of the last sample's tick has passed; 0 where none was taken. @param {number} now */
  part(now) {
    this.#follow(now);
    return this.#paced - this.#tick || 0;
  }

  /** The server's tick by the clock, without the clock's jumps. @param {number} now */
  #follow(now) {
    if (this.clock.running) this.#paced = this.#pace.follow(this.clock.heard(now), now);
    return Math.floor(this.#paced + EARLY_TICKS);
  }
  /**
   * Whether to take one now: not twice for a tick, nor twice at once, nor long without a frame.
   * @param {number} newest the newest tick held
   * @param {number} now
   */
  #due(newest, now) {
    const { clock } = this;
    if (!clock.running) return false;
    const tick = this.#follow(now);
    if (tick < this.#tick) this.#tick = tick;
    if (tick === this.#tick || now - this.#at < clock.tickMs / 2) return false;
    return (clock.heard(now) - newest) * clock.tickMs <= BRIDGED_MS_MAX;
  }
}

/** @param {Session} session */
function sample({ sampler, schema, news }) {
  try {
    const fields = sampler?.();
    return fields ? toWire("input", schema?.input ?? [], fields) : null;
  } catch (error) {
    news.push(["wrong", error]);
    return null;
  }
}

/**
 * Tells every prediction something; one whose rule fails is told no more.
 * @param {Session} session
 * @param {(prediction: import("./prediction.js").Prediction) => void} tell
 */
export function predict({ predictions, news }, tell) {
  for (const prediction of [...predictions]) {
    try {
      tell(prediction);
    } catch (error) {
      // It would fail at every tick; the rows are the server's from here on.
      predictions.splice(predictions.indexOf(prediction), 1);
      news.push(["wrong", error]);
    }
  }
}
