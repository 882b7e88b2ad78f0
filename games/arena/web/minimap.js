/** The mini-map: the whole arena in a corner, each kind of thing with a shape of its own. */

import * as colors from "./colors.js";
import { byId } from "./dom.js";

/** @typedef {import("./ground.js").Ground} Ground */
/** @typedef {import("./tanks.js").Look} Look */
/** @typedef {import("../../../client/view.js").View} View */

export class Minimap {
  #canvas = /** @type {HTMLCanvasElement} */ (byId("minimap"));
  #graphics = this.#canvas.getContext("2d");

  /**
   * @param {View} view
   * @param {Look[]} looks
   * @param {Ground} ground
   */
  draw(view, looks, ground) {
    const g = this.#graphics;
    const canvas = this.#canvas;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!g || !width) return;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
    }
    const scale = Math.min(wide / (ground.width + 2), high / (ground.height + 2));
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, wide, high);
    g.setTransform(scale, 0, 0, scale, wide / 2, high / 2);
    g.fillStyle = colors.WALL_TOP;
    for (const { left, top, right, bottom } of ground.walls) {
      g.fillRect(left, top, right - left, bottom - top);
    }
    g.fillStyle = colors.INK;
    for (const { x, y } of view.all("Pickup")) {
      g.fillRect(x - 0.35, y - 1.2, 0.7, 2.4);
      g.fillRect(x - 1.2, y - 0.35, 2.4, 0.7);
    }
    for (const look of looks) dot(g, look);
  }
}

/**
 * The own tank is an arrow, team mates are rings, all others squares.
 * @param {CanvasRenderingContext2D} g
 * @param {Look} look
 */
function dot(g, { pose, own, mate, color }) {
  g.save();
  g.translate(pose.x, pose.y);
  g.fillStyle = g.strokeStyle = color;
  g.beginPath();
  if (own) {
    g.rotate(pose.heading);
    g.moveTo(2.6, 0);
    g.lineTo(-1.7, 1.8);
    g.lineTo(-0.9, 0);
    g.lineTo(-1.7, -1.8);
    g.fill();
  } else if (mate) {
    g.lineWidth = 0.7;
    g.arc(0, 0, 1.1, 0, 2 * Math.PI);
    g.stroke();
  } else {
    g.fillRect(-1, -1, 2, 2);
  }
  g.restore();
}
