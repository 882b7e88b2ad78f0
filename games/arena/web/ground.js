/** The ground and the walls on it, drawn with a little height. */

import * as colors from "./colors.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./predict.js").Wall} Wall */
/** @typedef {{ left: number, right: number, y: number }} Edge */

/** How high walls look, in units: their tops are drawn that much farther up. */
const HEIGHT = 0.3;
const TILE = 4;
const PEBBLES = 420;

export class Ground {
  /** The border's inner rectangle. */
  width = 64;
  height = 40;
  /** @type {Wall[]} */
  walls = [];
  /** Upper edges of tops that no other wall continues. @type {Edge[]} */
  #rims = [];
  /** Pebbles: x, y and size, that driving past shows as movement. @type {number[][]} */
  #pebbles = [];
  #key = "";

  /**
   * Takes the walls of a view; they change only with a new round.
   * @param {import("../../../client/view.js").View} view
   */
  update(view) {
    const rows = view.all("Wall");
    const key = `${rows[0]?.id} ${rows.length}`;
    if (key === this.#key) return;
    this.#key = key;
    this.walls = rows
      .map(({ left, top, right, bottom }) => ({ left, top, right, bottom }))
      .sort((a, b) => a.top - b.top || a.left - b.left);
    this.#rims = this.walls.flatMap((wall) => rims(wall, this.walls));
    this.width = 2 * Math.max(...this.walls.map(({ left }) => left));
    this.height = 2 * Math.max(...this.walls.map(({ top }) => top));
    this.#pebbles = Array.from({ length: PEBBLES }, (_, i) => [
      (fraction(i * 0.754877) - 0.5) * this.width,
      (fraction(i * 0.569841) - 0.5) * this.height,
      0.05 + 0.09 * fraction(i * 0.3819),
    ]);
  }

  /**
   * @param {CanvasRenderingContext2D} g
   * @param {Camera} camera
   * @param {boolean} teams
   */
  drawFloor(g, camera, teams) {
    const { scale } = camera;
    const [halfX, halfY] = [this.width / 2, this.height / 2];
    const [left, top] = [camera.toX(-halfX), camera.toY(-halfY)];
    g.fillStyle = colors.GROUND;
    g.fillRect(left, top, this.width * scale, this.height * scale);
    g.save();
    g.translate(camera.toX(0), camera.toY(0));
    g.scale(scale, scale);
    g.lineWidth = 0.06;
    g.strokeStyle = colors.GROUND_LINE;
    g.beginPath();
    for (let x = -halfX + TILE; x < halfX; x += TILE) line(g, x, -halfY, x, halfY);
    for (let y = -halfY + TILE; y < halfY; y += TILE) line(g, -halfX, y, halfX, y);
    g.stroke();
    g.fillStyle = colors.PAINT;
    for (const [x = 0, y = 0, size = 0] of this.#pebbles) {
      if (camera.sees(x, y, 1)) g.fillRect(x, y, size * 1.6, size);
    }
    this.#paint(g, halfX, halfY, teams);
    g.restore();
  }

  /**
   * Markings as on a parade ground: a circle in the middle, and the teams' ends.
   * @param {CanvasRenderingContext2D} g
   * @param {number} halfX
   * @param {number} halfY
   * @param {boolean} teams
   */
  #paint(g, halfX, halfY, teams) {
    g.strokeStyle = colors.PAINT;
    g.lineWidth = 0.22;
    g.beginPath();
    g.arc(0, 0, 3.4, 0, 2 * Math.PI);
    g.moveTo(0, -halfY);
    g.lineTo(0, -3.4);
    g.moveTo(0, 3.4);
    g.lineTo(0, halfY);
    g.stroke();
    if (!teams) return;
    for (const team of [1, 2]) {
      g.fillStyle = team === 1 ? colors.RED : colors.BLUE;
      g.globalAlpha = 0.09;
      g.fillRect(team === 1 ? -halfX : halfX - 6, -halfY, 6, 2 * halfY);
      g.globalAlpha = 0.3;
      g.font = "700 3px system-ui, sans-serif";
      g.textAlign = "center";
      g.textBaseline = "middle";
      g.fillText(team === 1 ? "▲" : "■", team === 1 ? -halfX + 3 : halfX - 3, 0);
    }
    g.globalAlpha = 1;
  }

  /**
   * The shadows walls throw; drawn before what stands on the ground.
   * @param {CanvasRenderingContext2D} g
   * @param {Camera} camera
   */
  drawShadows(g, camera) {
    g.fillStyle = colors.SHADOW;
    for (const { left, top, right, bottom } of this.walls) {
      const [x, y] = [camera.toX(left + 0.35), camera.toY(top + 0.35)];
      g.fillRect(x, y, (right - left) * camera.scale, (bottom - top) * camera.scale);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} g
   * @param {Camera} camera
   */
  drawWalls(g, camera) {
    const { scale } = camera;
    for (const { left, top, right, bottom } of this.walls) {
      const [x, y] = [Math.floor(camera.toX(left)), Math.floor(camera.toY(top - HEIGHT))];
      const wide = Math.ceil(camera.toX(right)) - x;
      const low = Math.floor(camera.toY(bottom - HEIGHT));
      g.fillStyle = colors.WALL_SIDE;
      g.fillRect(x, low, wide, Math.ceil(HEIGHT * scale) + 1);
      g.fillStyle = colors.WALL_TOP;
      g.fillRect(x, y, wide, low - y);
    }
    g.fillStyle = colors.WALL_RIM;
    for (const { left, right, y } of this.#rims) {
      const x = camera.toX(left);
      const at = Math.floor(camera.toY(y - HEIGHT));
      g.fillRect(x, at, camera.toX(right) - x, Math.max(1, 0.09 * scale));
    }
  }
}

/** What follows the point. @param {number} number */
function fraction(number) {
  return number - Math.floor(number);
}

/**
 * The parts of a wall's upper edge above which there is no other wall.
 * @param {Wall} wall
 * @param {Wall[]} walls
 * @returns {Edge[]}
 */
function rims({ left, top, right }, walls) {
  /** @type {Edge[]} */
  const found = [];
  for (let x = left; x < right; x += 2) {
    const covered = walls.some((w) => w.bottom === top && w.left <= x && x < w.right);
    const last = found.at(-1);
    if (covered) continue;
    if (last && last.right === x) last.right = Math.min(right, x + 2);
    else found.push({ left: x, right: Math.min(right, x + 2), y: top });
  }
  return found;
}

/**
 * @param {CanvasRenderingContext2D} g
 * @param {number} x
 * @param {number} y
 * @param {number} toX
 * @param {number} toY
 */
function line(g, x, y, toX, toY) {
  g.moveTo(x, y);
  g.lineTo(toX, toY);
}
