/** The stage: the canvas, and what is drawn on it in which order. */

import * as colors from "./colors.js";
import { HEAVY, RAPID, RELOAD_TICKS, REPAIR } from "./balance.js";
import { drawPlate, drawTank } from "./tanks.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./effects.js").Effects} Effects */
/** @typedef {import("./ground.js").Ground} Ground */
/** @typedef {import("./predict.js").Pose} Pose */
/** @typedef {import("../../../client/schema.js").Row} Row */
/** @typedef {import("../../../client/view.js").View} View */
/** @typedef {import("./tanks.js").Look} Look */
/**
 * What there is to draw. `aim` is where the own player points, null without a tank; `reload` goes
 * from 0 to 1.
 * @typedef {{
 *   view: View, looks: Look[], teams: boolean, passed: number, now: number, reload: number,
 *   aim: { x: number, y: number, angle: number, pointer: { x: number, y: number } | null } | null,
 *   hits: { angle: number, left: number }[], marker: number,
 * }} Scene
 */

export class Stage {
  #graphics;
  #ratio = 1;
  /** Whether the canvas has lost what it draws with; it comes back by itself. */
  lost = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Camera} camera
   * @param {Ground} ground
   * @param {Effects} effects
   */
  constructor(canvas, camera, ground, effects) {
    this.canvas = canvas;
    this.camera = camera;
    this.ground = ground;
    this.effects = effects;
    this.#graphics = canvas.getContext("2d", { alpha: false });
    canvas.addEventListener("contextlost", () => {
      // The default is to give a 2d context back; preventDefault would forbid it (unlike WebGL's).
      this.lost = true;
    });
    canvas.addEventListener("contextrestored", () => {
      this.lost = false;
      this.#measure();
    });
    new ResizeObserver(() => this.#measure()).observe(canvas);
    this.#measure();
  }

  /** @param {Scene} scene */
  draw(scene) {
    const g = this.#graphics;
    if (!g || this.lost) return;
    const { camera, ground, effects } = this;
    const [shakeX, shakeY] = camera.tremble;
    const ratio = this.#ratio;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = colors.BEYOND;
    g.fillRect(0, 0, camera.width, camera.height);
    // By whole pixels: walls that adjoin would show a seam.
    g.translate(Math.round((shakeX ?? 0) * camera.scale), Math.round((shakeY ?? 0) * camera.scale));
    ground.drawFloor(g, camera, scene.teams);
    effects.drawGround(g, camera, scene.now);
    ground.drawShadows(g, camera);
    for (const pickup of scene.view.all("Pickup")) this.#pickup(g, pickup, scene.now);
    for (const shell of scene.view.all("Shell")) this.#shell(g, shell);
    for (const look of scene.looks) this.#tank(g, look, scene.now);
    ground.drawWalls(g, camera);
    effects.drawAir(g, camera, scene.passed);
    for (const look of scene.looks) this.#plate(g, look);
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#vignette(g, scene.hits);
    if (scene.aim) this.#sight(g, scene, scene.aim);
    const cursor = scene.aim?.pointer ? "none" : "";
    if (this.canvas.style.cursor !== cursor) this.canvas.style.cursor = cursor;
  }

  /**
   * @param {CanvasRenderingContext2D} g
   * @param {Look} look
   * @param {number} now
   */
  #tank(g, look, now) {
    const { camera } = this;
    const { x, y } = look.pose;
    if (!camera.sees(x, y, 2)) return;
    g.save();
    g.translate(camera.toX(x), camera.toY(y));
    g.scale(camera.scale, camera.scale);
    drawTank(g, look, now);
    g.restore();
  }

  /**
   * @param {CanvasRenderingContext2D} g
   * @param {Look} look
   */
  #plate(g, look) {
    const { camera } = this;
    const { x, y } = look.pose;
    if (camera.sees(x, y, 3)) drawPlate(g, look, camera.toX(x), camera.toY(y), camera.scale);
  }

  /**
   * A shell: a bright head, and a tail as long as a tick's way.
   * @param {CanvasRenderingContext2D} g
   * @param {Row} shell
   */
  #shell(g, { x, y, heading, power, bounces }) {
    const { camera } = this;
    if (!camera.sees(x, y, 2)) return;
    const size = (power > 1 ? 0.34 : 0.22) * camera.scale;
    const [cos, sin] = [Math.cos(heading), Math.sin(heading)];
    const [px, py] = [camera.toX(x), camera.toY(y)];
    const tail = 1.1 * camera.scale;
    g.lineCap = "round";
    g.lineWidth = size * 1.3;
    g.strokeStyle = bounces ? "#ffd98a55" : "#ff8a6b66";
    g.beginPath();
    g.moveTo(px - cos * tail, py - sin * tail);
    g.lineTo(px, py);
    g.stroke();
    g.lineCap = "butt";
    g.fillStyle = colors.DARK;
    g.beginPath();
    g.arc(px, py, size + 1.5, 0, 2 * Math.PI);
    g.fill();
    g.fillStyle = bounces ? "#fff3c9" : "#ffb199";
    g.beginPath();
    g.arc(px, py, size, 0, 2 * Math.PI);
    g.fill();
  }

  /**
   * @param {CanvasRenderingContext2D} g
   * @param {Row} pickup
   * @param {number} now
   */
  #pickup(g, { x, y, kind }, now) {
    const { camera } = this;
    if (!camera.sees(x, y, 2)) return;
    const color = pickupColor(kind);
    g.save();
    g.translate(camera.toX(x), camera.toY(y));
    g.scale(camera.scale, camera.scale);
    g.strokeStyle = color;
    g.globalAlpha = 0.5;
    g.lineWidth = 0.08;
    g.beginPath();
    g.arc(0, 0, 1.25 + 0.08 * Math.sin(now / 260), 0, 2 * Math.PI);
    g.stroke();
    g.globalAlpha = 1;
    g.fillStyle = colors.DARK;
    g.beginPath();
    g.roundRect(-0.8, -0.8, 1.6, 1.6, 0.34);
    g.fill();
    g.lineWidth = 0.12;
    g.stroke();
    g.fillStyle = color;
    glyph(g, kind);
    g.restore();
  }

  /**
   * Red edges on the sides shots came from.
   * @param {CanvasRenderingContext2D} g
   * @param {Scene["hits"]} hits
   */
  #vignette(g, hits) {
    const { width, height } = this.camera;
    const far = Math.min(width, height) * 0.36;
    for (const { angle, left } of hits) {
      g.save();
      g.translate(width / 2, height / 2);
      g.rotate(angle);
      g.globalAlpha = left;
      g.strokeStyle = colors.DANGER;
      g.lineWidth = 10;
      g.lineCap = "round";
      g.beginPath();
      g.arc(0, 0, far, -0.36, 0.36);
      g.stroke();
      g.restore();
    }
  }

  /**
   * The sight: where the player points, how far the gun is loaded, and whether a shot just hit.
   * @param {CanvasRenderingContext2D} g
   * @param {Scene} scene
   * @param {NonNullable<Scene["aim"]>} aim
   */
  #sight(g, { reload, marker }, aim) {
    const { camera } = this;
    const far = 7 * camera.scale;
    const x = aim.pointer?.x ?? camera.toX(aim.x) + Math.cos(aim.angle) * far;
    const y = aim.pointer?.y ?? camera.toY(aim.y) + Math.sin(aim.angle) * far;
    const arcs = /** @type {const} */ ([
      [colors.DARK, 6, 1],
      [reload < 1 ? colors.QUIET : colors.INK, 2.5, reload],
    ]);
    for (const [color, wide, part] of arcs) {
      g.strokeStyle = color;
      g.lineWidth = wide;
      g.beginPath();
      g.arc(x, y, 13, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * part);
      g.stroke();
    }
    g.fillStyle = colors.INK;
    g.beginPath();
    g.arc(x, y, 2.5, 0, 2 * Math.PI);
    g.fill();
    if (marker <= 0) return;
    g.globalAlpha = marker;
    g.strokeStyle = colors.INK;
    g.lineWidth = 3;
    g.beginPath();
    for (const [sx, sy] of [
      [1, 1],
      [1, -1],
      [-1, 1],
      [-1, -1],
    ]) {
      g.moveTo(x + (sx ?? 0) * 9, y + (sy ?? 0) * 9);
      g.lineTo(x + (sx ?? 0) * 19, y + (sy ?? 0) * 19);
    }
    g.stroke();
    g.globalAlpha = 1;
  }

  #measure() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    // Beyond two dots a pixel a phone draws more than anybody sees.
    this.#ratio = Math.min(devicePixelRatio || 1, 2);
    this.canvas.width = Math.max(1, Math.round(width * this.#ratio));
    this.canvas.height = Math.max(1, Math.round(height * this.#ratio));
    this.camera.resize(width, height);
  }
}

/** @param {number} kind */
export function pickupColor(kind) {
  return kind === REPAIR ? colors.GOOD : kind === RAPID ? colors.ACCENT : colors.DANGER;
}

/**
 * A pickup's sign: a cross mends, chevrons fire faster, a thick shell hits harder.
 * @param {CanvasRenderingContext2D} g
 * @param {number} kind
 */
export function glyph(g, kind) {
  if (kind === REPAIR) {
    g.fillRect(-0.14, -0.46, 0.28, 0.92);
    g.fillRect(-0.46, -0.14, 0.92, 0.28);
  } else if (kind === RAPID) {
    for (const x of [-0.4, 0]) {
      g.beginPath();
      g.moveTo(x, -0.42);
      g.lineTo(x + 0.42, 0);
      g.lineTo(x, 0.42);
      g.lineTo(x, 0.16);
      g.lineTo(x + 0.14, 0);
      g.lineTo(x, -0.16);
      g.fill();
    }
  } else if (kind === HEAVY) {
    g.beginPath();
    g.roundRect(-0.2, -0.48, 0.4, 0.7, [0.2, 0.2, 0, 0]);
    g.fill();
    g.fillRect(-0.3, 0.28, 0.6, 0.18);
  }
}

/**
 * How far a gun is loaded, 0 to 1.
 * @param {number} ready the tick at which it is
 * @param {number} tick
 * @param {number} [ticks] how long it takes
 */
export function loaded(ready, tick, ticks = RELOAD_TICKS) {
  return Math.max(0, Math.min(1, 1 - (ready - tick) / ticks));
}
