/** What is seen for a moment: muzzle flashes, sparks, wrecks, tracks in the ground, numbers. */

import * as colors from "./colors.js";

/** @typedef {import("./camera.js").Camera} Camera */
/**
 * `shape`: a filled dot, a ring that widens, a spark drawn as a line, or a text.
 * @typedef {{
 *   x: number, y: number, dx: number, dy: number, age: number, life: number, size: number,
 *   color: string, shape: "dot" | "ring" | "spark" | "text", text: string,
 * }} Particle
 */

const PARTICLES_MAX = 420;
const TRACKS_MAX = 360;
const TRACK_LIFE_MS = 9000;
const SCORCH_MAX = 30;
const SCORCH_LIFE_MS = 16_000;

export class Effects {
  /** @type {Particle[]} */
  #particles = [];
  /** @type {{ x: number, y: number, heading: number, at: number }[]} */
  #tracks = [];
  /** @type {{ x: number, y: number, turn: number, at: number }[]} */
  #scorches = [];
  /** Where each tank last left a track, by id. @type {Map<number, { x: number, y: number }>} */
  #left = new Map();
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  clear() {
    this.#particles.length = this.#tracks.length = this.#scorches.length = 0;
    this.#left.clear();
  }

  /**
   * @param {number} x the tank's
   * @param {number} y
   * @param {number} angle
   */
  muzzle(x, y, angle) {
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const at = { x: x + cos * 1.6, y: y + sin * 1.6 };
    this.#add({ ...at, life: 90, size: 0.62, color: "#fff3c9" });
    this.#add({ ...at, life: 140, size: 0.4, color: colors.ACCENT });
    for (let i = 0; i < 4; i++) {
      const spread = angle + (Math.random() - 0.5) * 0.9;
      this.#add({
        ...at,
        dx: Math.cos(spread) * 5,
        dy: Math.sin(spread) * 5,
        life: 300,
        size: 0.26,
        color: "#8d9a91",
      });
    }
  }

  /** @param {number} x @param {number} y @param {string} color */
  spark(x, y, color) {
    this.#add({ x, y, life: 180, size: 0.5, color, shape: "ring" });
    this.#burst(x, y, 6, 9, color, 240);
  }

  /** @param {number} x @param {number} y */
  hit(x, y) {
    this.#add({ x, y, life: 160, size: 0.9, color: "#fff3c9" });
    this.#burst(x, y, 12, 11, colors.ACCENT, 320);
  }

  /** @param {number} x @param {number} y @param {string} color the tank's */
  wreck(x, y, color) {
    this.#add({ x, y, life: 130, size: 2.1, color: "#fff8e2" });
    this.#add({ x, y, life: 480, size: 3.4, color: colors.ACCENT, shape: "ring" });
    this.#burst(x, y, 16, 14, color, 620);
    this.#burst(x, y, 12, 9, colors.DANGER, 520);
    for (let i = 0; i < 9; i++) this.smoke(x + spread(1.2), y + spread(1.2), 1500);
    this.#scorches.push({ x, y, turn: Math.random() * 6, at: performance.now() });
    if (this.#scorches.length > SCORCH_MAX) this.#scorches.shift();
  }

  /** @param {number} x @param {number} y @param {number} [life] */
  smoke(x, y, life = 700) {
    const away = { dx: spread(0.9), dy: -0.7 + spread(0.8) };
    this.#add({ x, y, ...away, life, size: 0.42 + Math.random() * 0.3, color: "#5b6760" });
  }

  /** @param {number} x @param {number} y @param {string} color */
  ripple(x, y, color) {
    this.#add({ x, y, life: 420, size: 2.2, color, shape: "ring" });
    this.#burst(x, y, 8, 5, color, 420);
  }

  /** @param {number} x @param {number} y @param {string} text @param {string} color */
  say(x, y, text, color) {
    this.#add({ x, y: y - 1, dy: -1.6, life: 1300, size: 1, color, shape: "text", text });
  }

  /**
   * Leaves tracks behind a tank that has moved on.
   * @param {number} tank
   * @param {{ x: number, y: number, heading: number }} pose
   */
  roll(tank, { x, y, heading }) {
    const last = this.#left.get(tank);
    const far = last ? Math.hypot(x - last.x, y - last.y) : Infinity;
    if (far < 0.42) return;
    this.#left.set(tank, { x, y });
    if (far > 3) return;
    this.#tracks.push({ x, y, heading, at: performance.now() });
    if (this.#tracks.length > TRACKS_MAX) this.#tracks.shift();
  }

  /**
   * What lies on the ground.
   * @param {CanvasRenderingContext2D} g
   * @param {Camera} camera
   * @param {number} now
   */
  drawGround(g, camera, now) {
    const { scale } = camera;
    for (const { x, y, turn, at } of this.#scorches) {
      const left = 1 - (now - at) / SCORCH_LIFE_MS;
      if (left <= 0 || !camera.sees(x, y, 2)) continue;
      g.globalAlpha = 0.5 * Math.min(1, left * 2);
      g.fillStyle = "#070a09";
      g.beginPath();
      for (let i = 0; i < 12; i++) {
        const far = (i % 2 ? 1.5 : 1.0) * scale;
        const angle = turn + (i * Math.PI) / 6;
        g.lineTo(camera.toX(x) + Math.cos(angle) * far, camera.toY(y) + Math.sin(angle) * far);
      }
      g.fill();
    }
    g.fillStyle = "#0a0f0d";
    for (const { x, y, heading, at } of this.#tracks) {
      const left = 1 - (now - at) / TRACK_LIFE_MS;
      if (left <= 0 || !camera.sees(x, y, 1)) continue;
      g.globalAlpha = 0.34 * left;
      const [cos, sin] = [Math.cos(heading), Math.sin(heading)];
      const [px, py] = [camera.toX(x), camera.toY(y)];
      for (const side of [-0.62, 0.62]) {
        const [cx, cy] = [px - sin * side * scale, py + cos * side * scale];
        const [ax, ay] = [cos * 0.1 * scale, sin * 0.1 * scale];
        const [bx, by] = [-sin * 0.2 * scale, cos * 0.2 * scale];
        g.beginPath();
        g.moveTo(cx - ax - bx, cy - ay - by);
        g.lineTo(cx + ax - bx, cy + ay - by);
        g.lineTo(cx + ax + bx, cy + ay + by);
        g.lineTo(cx - ax + bx, cy - ay + by);
        g.fill();
      }
    }
    g.globalAlpha = 1;
  }

  /**
   * What flies.
   * @param {CanvasRenderingContext2D} g
   * @param {Camera} camera
   * @param {number} passed milliseconds
   */
  drawAir(g, camera, passed) {
    const { scale } = camera;
    let kept = 0;
    for (const one of this.#particles) {
      one.age += passed;
      if (one.age >= one.life) continue;
      this.#particles[kept++] = one;
      const slow = Math.exp(-passed / 260);
      one.x += (one.dx * passed) / 1000;
      one.y += (one.dy * passed) / 1000;
      if (one.shape !== "text") [one.dx, one.dy] = [one.dx * slow, one.dy * slow];
      if (camera.sees(one.x, one.y, 4)) draw(g, one, camera.toX(one.x), camera.toY(one.y), scale);
    }
    this.#particles.length = kept;
    g.globalAlpha = 1;
  }

  /**
   * @param {number} x @param {number} y @param {number} count @param {number} speed
   * @param {string} color @param {number} life
   */
  #burst(x, y, count, speed, color, life) {
    for (let i = 0; i < count; i++) {
      const angle = Math.random() * 2 * Math.PI;
      const fast = speed * (0.4 + Math.random() * 0.6);
      const way = { dx: Math.cos(angle) * fast, dy: Math.sin(angle) * fast };
      this.#add({ x, y, ...way, life: life * (0.6 + Math.random() * 0.4), color, shape: "spark" });
    }
  }

  /** @param {Partial<Particle> & { x: number, y: number }} part */
  #add(part) {
    if (this.#particles.length >= PARTICLES_MAX) return;
    if (this.#calm.matches && part.shape === "spark") return;
    this.#particles.push({
      dx: 0,
      dy: 0,
      age: 0,
      life: 300,
      size: 0.2,
      color: colors.INK,
      shape: "dot",
      text: "",
      ...part,
    });
  }
}

/**
 * @param {CanvasRenderingContext2D} g
 * @param {Particle} one
 * @param {number} x pixels
 * @param {number} y
 * @param {number} scale
 */
function draw(g, one, x, y, scale) {
  const part = one.age / one.life;
  g.globalAlpha = 1 - part * part;
  g.fillStyle = g.strokeStyle = one.color;
  if (one.shape === "text") {
    g.font = `800 ${Math.max(16, 0.7 * scale)}px system-ui, sans-serif`;
    g.textAlign = "center";
    g.textBaseline = "middle";
    g.lineWidth = 4;
    g.strokeStyle = colors.DARK;
    g.strokeText(one.text, x, y);
    g.fillText(one.text, x, y);
    return;
  }
  g.beginPath();
  if (one.shape === "spark") {
    g.lineWidth = 0.11 * scale * (1 - part);
    g.moveTo(x, y);
    g.lineTo(x - one.dx * 0.05 * scale, y - one.dy * 0.05 * scale);
    g.stroke();
  } else if (one.shape === "ring") {
    g.lineWidth = 0.2 * scale * (1 - part);
    g.arc(x, y, one.size * scale * (0.25 + 0.75 * Math.sqrt(part)), 0, 2 * Math.PI);
    g.stroke();
  } else {
    g.arc(x, y, one.size * scale * (1 - 0.4 * part), 0, 2 * Math.PI);
    g.fill();
  }
}

/** @param {number} far */
function spread(far) {
  return (Math.random() - 0.5) * far;
}
