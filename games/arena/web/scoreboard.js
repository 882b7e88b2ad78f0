/** The scoreboard: the first few in a corner, everybody while Tab is held or the button pressed. */

import { byId, make } from "./dom.js";
import { colorOf, teamName } from "./colors.js";
import { figure, placeOf, ranked } from "./standings.js";

/** @typedef {import("../../../client/schema.js").Row} Row */
/** @typedef {import("../../../client/view.js").View} View */
/** @typedef {import("./names.js").Names} Names */

const SHORT = 5;

export class Scoreboard {
  #short = byId("top");
  #board = byId("board");
  #key = "";
  #open = false;

  constructor() {
    addEventListener("keydown", (event) => {
      const { code, shiftKey, ctrlKey, altKey } = event;
      // With Shift, or once a button has the focus, Tab goes from button to button as anywhere.
      const moves = shiftKey || document.activeElement !== document.body;
      if (code !== "Tab" || moves || ctrlKey || altKey) return;
      event.preventDefault();
      this.show(true);
    });
    addEventListener("keyup", ({ code }) => {
      if (code === "Tab") this.show(false);
    });
    addEventListener("blur", () => this.show(false));
    this.#board.addEventListener("click", () => this.show(false));
  }

  get open() {
    return this.#open;
  }

  /** @param {boolean} open */
  show(open) {
    this.#open = open;
    byId("board-button").ariaExpanded = String(open);
    this.#board.hidden = !open;
    this.#key = "";
  }

  /**
   * @param {View} view
   * @param {Names} names
   */
  draw(view, names) {
    const rows = ranked(view);
    const key = rows
      .map((d) => [d.id, d.team, d.score, d.kills, d.deaths, d.connected, names.of(d.id)].join(" "))
      .join("\n");
    if (key === this.#key) return;
    this.#key = key;
    const own = rows.findIndex(({ id }) => id === view.player);
    const shown = rows.slice(0, SHORT);
    const mine = rows[own];
    if (mine && own >= SHORT) shown[SHORT - 1] = mine;
    this.#short.replaceChildren(...shown.map((row) => entry(row, placeOf(row, rows), view, names)));
    if (this.#open) this.#board.replaceChildren(table(view, names));
  }
}

/**
 * @param {Row} row
 * @param {number} place
 * @param {View} view
 * @param {Names} names
 */
function entry(row, place, view, names) {
  const own = row.id === view.player;
  const item = make(
    "li",
    own ? "own" : "",
    make("span", "place", String(place)),
    swatch(row, own, names),
    make("bdi", "name", names.of(row.id)),
    make("b", "", figure(row.score)),
  );
  return item;
}

/**
 * The whole table: also what the result shows.
 * @param {View} view
 * @param {Names} names
 */
export function table(view, names) {
  const head = make("tr", "");
  for (const title of ["", "Driver", "Score", "Kills", "Deaths"]) {
    const cell = make("th", "", title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = make("tbody");
  const rows = ranked(view);
  for (const row of rows) {
    const own = row.id === view.player;
    const marks = [own ? "you" : "", row.bot ? "bot" : "", row.connected ? "" : "away"];
    const note = marks.filter(Boolean).join(", ");
    const name = make("td", "name", swatch(row, own, names), make("bdi", "", names.of(row.id)));
    if (note) name.append(make("small", "", note));
    const cells = [row.score, row.kills, row.deaths].map((n) => make("td", "", figure(n)));
    const place = make("td", "place", String(placeOf(row, rows)));
    body.append(make("tr", own ? "own" : "", place, name, ...cells));
  }
  return make("table", "scores", make("thead", "", head), body);
}

/**
 * A driver's colour, and a team's sign.
 * @param {Row} row
 * @param {boolean} own
 * @param {Names} names
 */
function swatch(row, own, names) {
  const mark = make("i", "swatch", row.team ? (teamName(row.team)[0] ?? "") : own ? "●" : "■");
  mark.style.color = colorOf(names.number(row.id), row.team, own);
  mark.ariaHidden = "true";
  return mark;
}
