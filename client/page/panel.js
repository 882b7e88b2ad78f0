/**
 * The panel: the room's row, its players, and every table that has no place on the stage, as live
 * lists.
 */

import { hasPlace } from "./stage.js";
import { make, title } from "./dom.js";
import { fit, marks, shown } from "./name.js";

/** @typedef {import("../room.js").Room} Room */
/** @typedef {import("../schema.js").Row} Row */
/** @typedef {import("../schema.js").Table} Table */

/** Lists are for reading, which nobody does faster. */
const EVERY_MS = 200;
const ROWS_MAX = 50;
const EVENTS_MAX = 8;

export class Panel {
  /** What redraws each section. @type {(() => void)[]} */
  #parts = [];
  #drawn = 0;

  /**
   * @param {Room} room
   * @param {HTMLElement} element
   */
  constructor(room, element) {
    element.replaceChildren();
    for (const table of room.schema.tables) {
      if (table.kind === "event") {
        if (!hasPlace(table)) element.append(this.#feed(room, table));
      } else if (table.kind === "room") element.append(this.#facts(room, table));
      else if (table.kind === "player" || !hasPlace(table) || shows(table).length)
        element.append(this.#list(room, table));
    }
  }

  /** @param {number} now */
  draw(now) {
    if (now - this.#drawn < EVERY_MS) return;
    this.#drawn = now;
    for (const part of this.#parts) part();
  }

  /**
   * The room's own row.
   * @param {Room} room
   * @param {Table} table
   */
  #facts(room, table) {
    const list = make("dl");
    const section = make("section", {}, make("h2", {}, title(table.name)), list);
    this.#parts.push(() => {
      const row = room.latest.room;
      section.hidden = !row;
      if (!row) return;
      // Every room has this tick; while it is 0, there is nothing to say of it.
      const told = table.fields.filter(({ name }) => name !== "finished" || row.finished);
      section.hidden = told.length === 0;
      list.replaceChildren(
        ...told.flatMap(({ name }) => [
          make("dt", {}, title(name)),
          make("dd", {}, make("bdi", {}, say(row[name]))),
        ]),
      );
    });
    return section;
  }

  /**
   * @param {Room} room
   * @param {Table} table
   */
  #list(room, table) {
    const fields =
      table.kind === "player"
        ? table.fields.filter((f) => !["connected", "bot"].includes(f.name))
        : shows(table);
    const names = fields.map((field) => field.name);
    const owned = table.kind !== "player";
    const head = make("tr");
    const heading = make("h2");
    const body = make("tbody");
    const more = make("p", { className: "quiet" });
    const section = make(
      "section",
      {},
      heading,
      make(
        "div",
        { className: "scroll" },
        make("table", {}, make("thead", {}, head), body),
      ),
      more,
    );
    this.#parts.push(() => {
      const rows = room.latest.all(table.name);
      section.hidden = rows.length === 0;
      // The class of a player's row may be called anything; what is counted is players.
      const whose = owned ? title(table.name) : "Players";
      heading.textContent = `${whose} (${rows.length})`;
      more.hidden = rows.length <= ROWS_MAX;
      more.textContent = `and ${rows.length - ROWS_MAX} more`;
      // Every player has a team; while nobody is in one, there is nothing to say of it.
      const told = names.filter((name) => owned || name !== "team" || rows.some((r) => r.team));
      const titles = [...(owned ? ["Whose"] : []), ...told.map(title)];
      if (head.childElementCount !== titles.length)
        head.replaceChildren(...titles.map((text) => make("th", { scope: "col" }, text)));
      const alike = marks(room.latest.players.map(seat));
      const called = (/** @type {number} */ id) => nameOf(room, id, alike);
      body.replaceChildren(
        ...rows.slice(0, ROWS_MAX).map((row) => line(room, row, told, owned, called)),
      );
    });
    return section;
  }

  /**
   * The last events of a table.
   * @param {Room} room
   * @param {Table} table
   */
  #feed(room, table) {
    const list = make("ul", { className: "feed", "aria-live": "polite" });
    const section = make("section", { hidden: true }, make("h2", {}, title(table.name)), list);
    room.on("added", table.name, (row) => {
      const words = table.fields.map(({ name }) => say(row[name])).join(" · ");
      const who = nameOf(room, row.owner, marks(room.latest.players.map(seat)));
      const said = make("bdi", {}, words || title(table.name));
      list.append(who ? make("li", {}, ...who, words ? ": " : " · ", said) : make("li", {}, said));
      while (list.childElementCount > EVENTS_MAX) list.firstElementChild?.remove();
      section.hidden = false;
    });
    return section;
  }
}

/**
 * What a list shows of a table: all that the stage does not.
 * @param {Table} table
 */
function shows(table) {
  if (!hasPlace(table)) return table.fields;
  return table.fields.filter(({ name, kind }) => name !== "x" && name !== "y" && kind !== "angle");
}

/**
 * @param {Room} room
 * @param {Row} row
 * @param {string[]} names
 * @param {boolean} owned
 * @param {(player: number) => HTMLElement[] | null} called
 */
function line(room, row, names, owned, called) {
  const own = room.player !== 0 && row.owner === room.player;
  const away = row.connected === false && row.bot !== true;
  const cells = names.map((name) => {
    const seated = name === "name" && !owned;
    return make("td", {}, ...((seated && called(row.id)) || [make("bdi", {}, say(row[name]))]));
  });
  // What the page says of a player looks unlike anything a name could say.
  const tags = [...(own ? ["you"] : []), ...(row.bot ? ["bot"] : []), ...(away ? ["away"] : [])];
  if (!owned) {
    for (const tag of tags) cells[0]?.append(" ", make("span", { className: "tag" }, tag));
  }
  if (owned) cells.unshift(make("td", {}, ...(called(row.owner) ?? ["–"])));
  return make("tr", { "data-own": own, "data-away": away }, ...cells);
}

/**
 * A player's name, and what tells it from one that looks alike; null where there is no such player.
 * @param {Room} room
 * @param {number} player
 * @param {Map<number, string>} alike
 * @returns {HTMLElement[] | null}
 */
function nameOf(room, player, alike) {
  const row = room.latest.players.find(({ id }) => id === player);
  if (!row) return null;
  const mark = alike.get(player);
  return [
    make("bdi", {}, shown(row.name, player)),
    ...(mark ? [make("span", { className: "mark-alike" }, mark)] : []),
  ];
}

/**
 * @param {Row} row a player's
 * @returns {{ id: number, name: unknown }}
 */
function seat({ id, name }) {
  return { id, name };
}

/** @param {number | string | boolean} value */
function say(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : fit(value);
}
