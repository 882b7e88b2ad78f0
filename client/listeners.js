/** Listeners: who hears of what; one that throws is told where uncaught errors are, and stops nobody. */

/** @typedef {(what: any, why?: any) => void} Listener */

export class Listeners {
  /** By event, and for rows by event and table. @type {Map<string, Set<Listener>>} */
  #by = new Map();

  /**
   * @param {string} key
   * @param {Listener} listener
   * @returns {() => void} ends it
   */
  add(key, listener) {
    const set = this.#by.get(key) ?? new Set();
    this.#by.set(key, set.add(listener));
    return () => void set.delete(listener);
  }

  /** @param {string} key */
  has(key) {
    return Boolean(this.#by.get(key)?.size);
  }

  /**
   * @param {string} key
   * @param {unknown} about
   * @param {string} [why]
   */
  emit(key, about, why) {
    for (const listener of this.#by.get(key) ?? []) call(listener, about, why);
  }
}

/**
 * @param {Listener} listener
 * @param {unknown} about
 * @param {string} [why]
 */
export function call(listener, about, why) {
  try {
    listener(about, why);
  } catch (error) {
    tell(error);
  }
}

/**
 * A mistake in the page's own function shows where uncaught ones do, and stops nothing here.
 * @param {unknown} error
 */
export function tell(error) {
  if (typeof reportError === "function") reportError(error);
  else console.error(error);
}
