/** The stage: a canvas that draws every row with an x and a y, whatever the game is. */

import { fit, labels } from "./name.js";

/** @typedef {import("../view.js").View} View */
/** @typedef {import("../schema.js").Row} Row */
/** @typedef {import("../schema.js").Table} Table */

/**
 * How a table's rows look.
 * @typedef {{ table: Table, color: string, angle: string | null, radius: string | null }} Look
 */

/** Told apart by hue and by lightness, and all readable on the ground. */
const COLORS = [
  "#7fb4ff",
  "#f2b866",
  "#e58fc0",
  "#a6d86b",
  "#c3a4ff",
  "#ff9c7a",
  "#7fdfe6",
  "#d9cf7a",
];
const OWN = "#64d8b4";
const GROUND = "#0c1116";
const GRID = "#18212a";
const INK = "#e8eef3";
/** The camera closes this part of the way to its aim in a second's sixtieth. */
const FOLLOW = 0.12;
/** The fewest world units shown across, so that a lone row is not a wall. */
const SPAN_MIN = 8;

export class Stage {
  /** @type {Look[]} */
  #looks = [];
  /** Players' names by id, made anew when one of them changes. @type {Map<number, string>} */
  #labels = new Map();
  /** Names still to be drawn in this frame. @type {[string, number, number, boolean][]} */
  #names = [];
  #called = "";
  #camera = { x: 0, y: 0, scale: 0 };
  /** When a frame's event was first drawn, by table and id. @type {Map<string, number>} */
  #born = new Map();
  #still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  #size = { width: 0, height: 0, ratio: 1 };

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (
      canvas.getContext("2d", { alpha: false })
    );
    new ResizeObserver(() => this.#measure()).observe(canvas);
    this.#measure();
  }

  /**
   * The tables of a schema that have an x and a y, in what they look like.
   * @param {import("../schema.js").Schema} schema
   */
  begin(schema) {
    this.#looks = schema.tables.filter(hasPlace).map((table, i) => ({
      table,
      color: COLORS[i % COLORS.length] ?? INK,
      angle: table.fields.find((field) => field.kind === "angle")?.name ?? null,
      radius: ["radius", "r"].find((name) => typeof table.blank[name] === "number") ?? null,
    }));
    this.#camera.scale = 0;
    this.#born.clear();
  }

  /** Whether there is anything this stage could draw. */
  get used() {
    return this.#looks.length > 0;
  }

  /**
   * @param {View} view
   * @param {number} now
   */
  draw(view, now) {
    const { context, canvas } = this;
    const { width, height, ratio } = this.#size;
    this.#follow(view);
    const called = view.players.map(({ id, name }) => `${id} ${name}`).join("\n");
    if (called !== this.#called) {
      this.#called = called;
      this.#labels = labels(view.players.map(({ id, name }) => ({ id, name })));
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = GROUND;
    context.fillRect(0, 0, width, height);
    if (!this.used) {
      this.#label("This game's rows are listed beside.", width / 2, height / 2, false);
      return;
    }
    this.#grid();
    const seen = this.#born.size;
    let drawn = 0;
    for (const look of this.#looks) {
      const rows = view.all(look.table.name);
      drawn += rows.length;
      for (const row of rows)
        if (row.owner !== view.player || !view.player) this.#row(look, row, view, now);
      for (const row of rows)
        if (row.owner === view.player && view.player) this.#row(look, row, view, now);
    }
    // Above all rows, or one in front would cover the name of one behind.
    for (const name of this.#names) this.#label(...name);
    this.#names.length = 0;
    if (seen > 500) this.#forget(view);
    const label = `The room from above: ${drawn} things`;
    if (canvas.ariaLabel !== label) canvas.ariaLabel = label;
  }

  /**
   * The angle from this player's row to a point on the canvas, in radians; 0 where there is none.
   * @param {View} view
   * @param {number} x CSS pixels from the canvas' left
   * @param {number} y CSS pixels from its top
   */
  angleTo(view, x, y) {
    for (const { table } of this.#looks) {
      const row = view.player ? view.one(table.name, { owner: view.player }) : null;
      if (row) return Math.atan2(y - this.#y(row.y), x - this.#x(row.x));
    }
    return 0;
  }

  /** @param {number} x */
  #x(x) {
    return (x - this.#camera.x) * this.#camera.scale + this.#size.width / 2;
  }

  /** @param {number} y grows downwards, as on a screen */
  #y(y) {
    return (y - this.#camera.y) * this.#camera.scale + this.#size.height / 2;
  }

  #measure() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    this.#size = { width, height, ratio };
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
  }

  /** Moves the camera towards fitting all rows. @param {View} view */
  #follow(view) {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const { table } of this.#looks) {
      for (const { x, y } of view.all(table.name)) {
        left = Math.min(left, x);
        right = Math.max(right, x);
        top = Math.min(top, y);
        bottom = Math.max(bottom, y);
      }
    }
    if (left > right) return;
    const { width, height } = this.#size;
    const scale = Math.min(
      Math.max(1, width - 112) / Math.max(SPAN_MIN, right - left),
      Math.max(1, height - 128) / Math.max(SPAN_MIN, bottom - top),
    );
    const camera = this.#camera;
    const part = camera.scale && !this.#still ? FOLLOW : 1;
    camera.x += ((left + right) / 2 - camera.x) * part;
    camera.y += ((top + bottom) / 2 - camera.y) * part;
    camera.scale += (scale - camera.scale) * part;
  }

  /** Lines a round number of units apart, so that movement shows. */
  #grid() {
    const { context } = this;
    const { width, height } = this.#size;
    const { x, y, scale } = this.#camera;
    if (!scale) return;
    const rough = 80 / scale;
    const ten = 10 ** Math.floor(Math.log10(rough));
    const step = ten * ([1, 2, 5, 10].find((n) => n * ten >= rough) ?? 10);
    context.beginPath();
    for (
      let at = Math.ceil((x - width / 2 / scale) / step) * step;
      this.#x(at) < width;
      at += step
    ) {
      context.moveTo(Math.round(this.#x(at)) + 0.5, 0);
      context.lineTo(Math.round(this.#x(at)) + 0.5, height);
    }
    for (
      let at = Math.ceil((y - height / 2 / scale) / step) * step;
      this.#y(at) < height;
      at += step
    ) {
      context.moveTo(0, Math.round(this.#y(at)) + 0.5);
      context.lineTo(width, Math.round(this.#y(at)) + 0.5);
    }
    context.strokeStyle = GRID;
    context.lineWidth = 1;
    context.stroke();
  }

  /**
   * @param {Look} look
   * @param {Row} row
   * @param {View} view
   * @param {number} now
   */
  #row(look, row, view, now) {
    const { context } = this;
    const own = view.player !== 0 && row.owner === view.player;
    const x = this.#x(row.x);
    const y = this.#y(row.y);
    const color = own ? OWN : look.color;
    if (look.table.kind === "event") return this.#ripple(look, row, color, now);
    const given = look.radius ? row[look.radius] * this.#camera.scale : 0;
    const radius = given > 0 ? Math.max(3, given) : row.owner ? 10 : 6;
    context.save();
    context.translate(x, y);
    if (look.angle) context.rotate(row[look.angle]);
    context.beginPath();
    if (look.angle) arrow(context, radius);
    else context.arc(0, 0, radius, 0, 2 * Math.PI);
    context.fillStyle = color;
    context.fill();
    if (own) {
      context.beginPath();
      context.arc(0, 0, radius + 6, 0, 2 * Math.PI);
      context.strokeStyle = color;
      context.lineWidth = 2;
      context.stroke();
    }
    context.restore();
    const label = row.name === undefined ? this.#labels.get(row.owner) : fit(row.name);
    if (label) this.#names.push([label, x, y + radius + 20, own]);
  }

  /**
   * @param {string} text
   * @param {number} x
   * @param {number} y
   * @param {boolean} own
   */
  #label(text, x, y, own) {
    const { context } = this;
    context.font = `${own ? 650 : 500} 13px system-ui, sans-serif`;
    context.textAlign = "center";
    context.lineWidth = 4;
    context.strokeStyle = GROUND;
    context.strokeText(text, x, y);
    context.fillStyle = own ? OWN : INK;
    context.fillText(text, x, y);
  }

  /**
   * An event: a ring that widens and fades.
   * @param {Look} look
   * @param {Row} row
   * @param {string} color
   * @param {number} now
   */
  #ripple(look, row, color, now) {
    const key = `${look.table.name} ${row.id}`;
    const born = this.#born.get(key) ?? now;
    this.#born.set(key, born);
    const age = Math.min(1, (now - born) / 700);
    const { context } = this;
    context.beginPath();
    context.arc(this.#x(row.x), this.#y(row.y), this.#still ? 18 : 6 + 30 * age, 0, 2 * Math.PI);
    context.globalAlpha = 1 - age;
    context.strokeStyle = color;
    context.lineWidth = 3;
    context.stroke();
    context.globalAlpha = 1;
  }

  /** @param {View} view */
  #forget(view) {
    const there = new Set();
    for (const { table } of this.#looks)
      for (const { id } of view.all(table.name)) there.add(`${table.name} ${id}`);
    for (const key of this.#born.keys()) if (!there.has(key)) this.#born.delete(key);
  }
}

/**
 * Whether a table's rows have a place on the stage.
 * @param {Table} table
 */
export function hasPlace({ blank }) {
  return typeof blank.x === "number" && typeof blank.y === "number";
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} radius
 */
function arrow(context, radius) {
  context.moveTo(radius * 1.35, 0);
  context.lineTo(-radius, radius * 0.9);
  context.lineTo(-radius * 0.5, 0);
  context.lineTo(-radius, -radius * 0.9);
  context.closePath();
}
