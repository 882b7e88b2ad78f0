/** Asks again and again while the page is looked at, and tells whether the server answers. */

const EVERY_MS = 2000;

/**
 * The outside of a poll, as arguments.
 * @typedef {{ setTimeout: (then: () => void, ms: number) => any, clearTimeout: (timer: any) =>
 *   void, hidden: () => boolean }} Outside
 */
/** @type {Outside} */
const PAGE = {
  setTimeout: (then, ms) => setTimeout(then, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  hidden: () => document.hidden,
};

/** @template T */
export class Poll {
  /** @type {any} */
  #timer = null;
  /** Raised by start and stop, so that an answer to an earlier question is not heard. */
  #round = 0;
  #running = false;
  #asking = false;

  /**
   * @param {() => Promise<T>} ask
   * @param {(answer: T) => void} answered
   * @param {(error: Error) => void} failed it is asked again all the same
   * @param {Outside} [outside]
   */
  constructor(ask, answered, failed, outside = PAGE) {
    this.ask = ask;
    this.answered = answered;
    this.failed = failed;
    this.outside = outside;
  }

  /** Asks now, and every two seconds from then on. */
  start() {
    this.stop();
    this.#running = true;
    void this.#once(this.#round);
  }

  /** Asks no more; an answer under way is not heard. */
  stop() {
    this.#round++;
    this.#running = this.#asking = false;
    this.outside.clearTimeout(this.#timer);
  }

  /** Asks at once if the poll runs: the page is looked at again, or the network is back. */
  hurry() {
    if (this.#running && !this.#asking) this.start();
  }

  /** @param {number} round */
  async #once(round) {
    if (!this.outside.hidden()) {
      this.#asking = true;
      try {
        const answer = await this.ask();
        if (round === this.#round) this.answered(answer);
      } catch (error) {
        if (round === this.#round) this.failed(/** @type {Error} */ (error));
      }
      if (round !== this.#round) return;
      this.#asking = false;
    }
    this.#timer = this.outside.setTimeout(() => void this.#once(round), EVERY_MS);
  }
}
