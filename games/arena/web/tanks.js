/** What a tank looks like: hull and turret in its colour, its stripes, its plate, its state. */

import * as colors from "./colors.js";
import { ARMOUR } from "./balance.js";
import { isolated } from "./names.js";

/** @typedef {import("./predict.js").Pose} Pose */
/**
 * `mate` is a team mate's or the own; `flash` and `recoil` fade from 1 to 0; `roll` is how far the
 * tracks have turned, in units.
 * @typedef {{
 *   pose: Pose, color: string, team: number, number: number, own: boolean, mate: boolean,
 *   armour: number, heavy: boolean, rapid: boolean, safe: boolean, flash: number, recoil: number,
 *   roll: number, name: string, away: boolean,
 * }} Look
 */

const FONT = '"Avenir Next Condensed", Bahnschrift, "Roboto Condensed", "Arial Narrow", sans-serif';

/**
 * A tank around (0, 0), a unit being one.
 * @param {CanvasRenderingContext2D} g
 * @param {Look} look
 * @param {number} now milliseconds
 */
export function drawTank(g, look, now) {
  const { pose, own, flash } = look;
  if (own) ring(g, now);
  g.save();
  g.fillStyle = colors.SHADOW;
  g.beginPath();
  g.ellipse(0.18, 0.24, 1.02, 0.95, pose.heading, 0, 2 * Math.PI);
  g.fill();
  g.rotate(pose.heading);
  tracks(g, look.roll);
  hull(g, look);
  g.restore();
  g.save();
  g.rotate(pose.turret);
  turret(g, look);
  g.restore();
  if (flash > 0) {
    g.globalAlpha = 0.75 * flash;
    g.fillStyle = "#fff";
    g.beginPath();
    g.arc(0, 0, 1, 0, 2 * Math.PI);
    g.fill();
    g.globalAlpha = 1;
  }
  if (look.safe) shield(g, now);
}

/**
 * The own tank's ring: it is found at a glance, whatever its colour.
 * @param {CanvasRenderingContext2D} g
 * @param {number} now
 */
function ring(g, now) {
  g.strokeStyle = colors.INK;
  g.globalAlpha = 0.5;
  g.lineWidth = 0.09;
  g.setLineDash([0.5, 0.32]);
  g.lineDashOffset = now / 900;
  g.beginPath();
  g.arc(0, 0, 1.42, 0, 2 * Math.PI);
  g.stroke();
  g.setLineDash([]);
  g.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} g
 * @param {number} roll
 */
function tracks(g, roll) {
  for (const side of [-1, 1]) {
    g.fillStyle = colors.DARK;
    g.beginPath();
    g.roundRect(-0.95, side * 0.62 - 0.24, 1.9, 0.48, 0.16);
    g.fill();
    g.strokeStyle = "#46544c";
    g.lineWidth = 0.08;
    g.beginPath();
    for (let x = -0.8 + (((roll % 0.4) + 0.4) % 0.4); x < 0.85; x += 0.4) {
      g.moveTo(x, side * 0.62 - 0.18);
      g.lineTo(x, side * 0.62 + 0.18);
    }
    g.stroke();
  }
}

/**
 * Red hulls have a wedge for a bow and blue ones a flat one, so that teams differ in shape.
 * @param {CanvasRenderingContext2D} g
 * @param {Look} look
 */
function hull(g, { color, team, number }) {
  g.beginPath();
  if (team === 1) {
    g.moveTo(1.08, 0);
    g.lineTo(0.5, 0.6);
    g.lineTo(-0.82, 0.6);
    g.lineTo(-0.82, -0.6);
    g.lineTo(0.5, -0.6);
    g.closePath();
  } else if (team === 2) {
    g.rect(-0.85, -0.6, 1.75, 1.2);
  } else {
    g.roundRect(-0.86, -0.58, 1.76, 1.16, [0.14, 0.42, 0.42, 0.14]);
  }
  g.fillStyle = color;
  g.fill();
  g.lineWidth = 0.1;
  g.strokeStyle = colors.DARK;
  g.stroke();
  // Stripes across the stern, and from the ninth player on a dot on the turret: signs that need
  // no colour.
  g.fillStyle = colors.DARK;
  g.globalAlpha = 0.55;
  for (let i = 0; i <= number % 4; i++) g.fillRect(-0.78 + i * 0.16, -0.5, 0.08, 1);
  g.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} g
 * @param {Look} look
 */
function turret(g, { color, team, own, heavy, rapid, recoil, number }) {
  const back = -0.22 * recoil;
  const thick = heavy ? 0.44 : 0.3;
  g.fillStyle = colors.DARK;
  g.beginPath();
  g.roundRect(back + 0.2, -thick / 2 - 0.05, 1.26, thick + 0.1, 0.08);
  g.fill();
  g.fillStyle = color;
  g.fillRect(back + 0.3, -thick / 2 + 0.03, 1.08, thick - 0.06);
  g.fillStyle = colors.DARK;
  g.fillRect(back + 1.22, -thick / 2 - 0.05, 0.26, thick + 0.1);
  g.beginPath();
  g.arc(0, 0, 0.52, 0, 2 * Math.PI);
  g.fillStyle = own && team ? colors.ACCENT : color;
  g.fill();
  g.lineWidth = 0.1;
  g.strokeStyle = colors.DARK;
  g.stroke();
  g.fillStyle = "#ffffff55";
  g.beginPath();
  g.arc(-0.1, -0.12, 0.26, 0, 2 * Math.PI);
  g.fill();
  if (number >= 8) {
    g.fillStyle = colors.DARK;
    g.beginPath();
    g.arc(0, 0, 0.14, 0, 2 * Math.PI);
    g.fill();
  }
  if (!rapid) return;
  g.strokeStyle = colors.INK;
  g.lineWidth = 0.1;
  g.beginPath();
  for (const x of [-0.22, 0.04]) {
    g.moveTo(x, -0.2);
    g.lineTo(x + 0.18, 0);
    g.lineTo(x, 0.2);
  }
  g.stroke();
}

/**
 * @param {CanvasRenderingContext2D} g
 * @param {number} now
 */
function shield(g, now) {
  g.strokeStyle = colors.GOOD;
  g.lineWidth = 0.1;
  g.globalAlpha = 0.6 + 0.3 * Math.sin(now / 140);
  g.beginPath();
  for (let i = 0; i <= 6; i++) {
    const angle = (i * Math.PI) / 3 + now / 1400;
    const [x, y] = [1.5 * Math.cos(angle), 1.5 * Math.sin(angle)];
    if (i) g.lineTo(x, y);
    else g.moveTo(x, y);
  }
  g.stroke();
  g.globalAlpha = 1;
}

/**
 * The plate under a tank: its name and its armour, in pixels and upright.
 * @param {CanvasRenderingContext2D} g
 * @param {Look} look
 * @param {number} x pixels
 * @param {number} y
 * @param {number} scale pixels of a unit
 */
export function drawPlate(g, look, x, y, scale) {
  const size = Math.max(11, Math.min(15, 0.38 * scale));
  const top = y + 1.35 * scale;
  pips(g, look, x, top, size);
  if (look.own) return;
  g.font = `600 ${size}px ${FONT}`;
  g.textAlign = "center";
  g.textBaseline = "top";
  g.direction = "ltr";
  const sign = look.mate ? "✚ " : "";
  const text = sign + isolated(look.name) + (look.away ? " (away)" : "");
  g.lineWidth = 3.5;
  g.lineJoin = "round";
  g.strokeStyle = "#0c1210d0";
  g.strokeText(text, x, top + size * 0.7, 9 * scale);
  g.fillStyle = look.mate ? colors.GOOD : colors.INK;
  g.fillText(text, x, top + size * 0.7, 9 * scale);
}

/**
 * @param {CanvasRenderingContext2D} g
 * @param {Look} look
 * @param {number} x
 * @param {number} y
 * @param {number} size
 */
function pips(g, { armour, own }, x, y, size) {
  const wide = size * (own ? 0.95 : 0.7);
  const high = size * (own ? 0.5 : 0.34);
  const left = x - (ARMOUR * (wide + 2) - 2) / 2;
  for (let i = 0; i < ARMOUR; i++) {
    g.fillStyle = "#0c1210d0";
    g.fillRect(left + i * (wide + 2) - 1, y - 1, wide + 2, high + 2);
    g.fillStyle = armour <= 1 ? colors.DANGER : colors.INK;
    if (i < armour) g.fillRect(left + i * (wide + 2), y, wide, high);
  }
}
