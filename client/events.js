/** Events: rows of kind event are told once each, and those that were old at the join never. */

/** @typedef {import("./view.js").Change} Change */
/** @typedef {import("./view.js").View} View */

export class Events {
  /** The highest id told, by table; null before the first frame. @type {number[] | null} */
  #told = null;

  /** Forgets all, as when the tables are others. */
  reset() {
    this.#told = null;
  }

  /**
   * The changes worth telling: an event's coming only where it was not told before.
   * @param {View} view the view after them
   * @param {Change[]} changes
   * @returns {Change[]}
   */
  news(view, changes) {
    // Ids only rise, so one number a table remembers all that were told.
    const highest = view.tables.map((rows) => rows.sorted.at(-1)?.id ?? 0);
    const told = this.#told ?? highest;
    this.#told = told.map((id, i) => Math.max(id, highest[i] ?? 0));
    return changes.filter(
      ({ what, table, row }) =>
        table.kind !== "event" || what !== "added" || row.id > (told[table.index] ?? 0),
    );
  }
}
