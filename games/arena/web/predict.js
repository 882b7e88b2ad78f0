/** The own tank before the server has answered: physics.py's movement a second time. */

import {
  HULL_TURN,
  TANK_RADIUS,
  TANK_REVERSE_SPEED,
  TANK_SPEED,
  TICK_RATE,
  TURRET_TURN,
  WALL_SKIN,
} from "./balance.js";

/** @typedef {import("../../../client/schema.js").Row} Row */
/** @typedef {{ left: number, top: number, right: number, bottom: number }} Wall */
/** @typedef {{ x: number, y: number, heading: number, turret: number }} Pose */
/** @typedef {{ drive: number, turn: number, aim: number, fire: boolean }} Steer */

const ANGLE_SCALE = 32768 / Math.PI;
const PULL_SCALE = 16;

/**
 * The same angle in [-pi, pi).
 * @param {number} angle
 */
export function wrap(angle) {
  return angle - 2 * Math.PI * Math.floor((angle + Math.PI) / (2 * Math.PI));
}

/**
 * A tank's tick, as game.py's `steer` makes it: what the SDK plays ahead of the server.
 * @type {import("../../../client/index.js").Rule}
 */
export function drive(tank, { drive, turn, aim }, _dt, view) {
  if (!tank.armour || view.room?.finished) return;
  const most = TURRET_TURN / TICK_RATE;
  tank.turret += Math.max(-most, Math.min(most, wrap(aim - tank.turret)));
  if (!drive && !turn) return;
  tank.heading += (turn * HULL_TURN) / TICK_RATE;
  const step = (drive * (drive > 0 ? TANK_SPEED : TANK_REVERSE_SPEED)) / TICK_RATE;
  const place = pushOut(
    tank.x + Math.cos(tank.heading) * step,
    tank.y + Math.sin(tank.heading) * step,
    view.all("Wall"),
  );
  if (place) [tank.x, tank.y] = place;
}

/**
 * An input as it arrives: a page that predicts with finer numbers than it sends drifts.
 * @param {Steer} steer
 * @returns {Steer}
 */
export function sent({ drive, turn, aim, fire }) {
  return { drive: roundPull(drive), turn: roundPull(turn), aim: roundAngle(aim), fire };
}

/** @param {number} pull */
function roundPull(pull) {
  return Math.floor(Math.max(-1, Math.min(1, pull)) * PULL_SCALE + 0.5) / PULL_SCALE;
}

/** @param {number} angle */
function roundAngle(angle) {
  const q = Math.floor(angle * ANGLE_SCALE + 0.5) + 32768;
  return (q - 65536 * Math.floor(q / 65536) - 32768) / ANGLE_SCALE;
}

/**
 * The place nearest to (x, y) where a tank stands clear of the walls; null if none is near.
 * @param {number} x
 * @param {number} y
 * @param {readonly Row[]} walls
 * @returns {[number, number] | null}
 */
function pushOut(x, y, walls) {
  const near = TANK_RADIUS + WALL_SKIN / 2;
  const clear = TANK_RADIUS + WALL_SKIN;
  for (let round = 0; round < 3; round++) {
    let pushed = false;
    for (const { left, top, right, bottom } of walls) {
      if (x <= left - near || x >= right + near || y <= top - near || y >= bottom + near) continue;
      const edgeX = x < left ? left : Math.min(x, right);
      const edgeY = y < top ? top : Math.min(y, bottom);
      const awayX = x - edgeX;
      const awayY = y - edgeY;
      const distance = Math.sqrt(awayX * awayX + awayY * awayY);
      if (distance >= near) continue;
      if (distance === 0) return null;
      x = edgeX + (awayX * clear) / distance;
      y = edgeY + (awayY * clear) / distance;
      pushed = true;
    }
    if (!pushed) return [x, y];
  }
  return null;
}
