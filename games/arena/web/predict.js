/**
 * The own tank before the server has answered: physics.py's movement a second time, and the
 * inputs still on their way played on top of the newest row.
 *
 * What it says is only drawn. The server moves the tank by the inputs alone, so a page that
 * predicts its walls away sees its tank pulled back.
 */

import {
  HULL_TURN,
  TANK_RADIUS,
  TANK_REVERSE_SPEED,
  TANK_SPEED,
  TICK_RATE,
  TURRET_TURN,
  WALL_SKIN,
} from "./balance.js";

/** @typedef {{ left: number, top: number, right: number, bottom: number }} Wall */
/** @typedef {{ x: number, y: number, heading: number, turret: number }} Pose */
/** @typedef {{ drive: number, turn: number, aim: number, fire: boolean }} Steer */

const ANGLE_SCALE = 32768 / Math.PI;
const PLACE_SCALE = 1024;
const PULL_SCALE = 16;
/** Inputs kept: three seconds' worth; what is older the server has long answered. */
const PENDING_MAX = 64;
/** A correction fades by 63 % in this time. */
const SMOOTH_MS = 70;
/** Corrections longer than this are a jump: a respawn. */
const JUMP = 4;
/** How far a pose is carried on when the next sample is late, in ticks. */
const AHEAD_TICKS_MAX = 1.5;

/**
 * The same angle in [-pi, pi).
 * @param {number} angle
 */
export function wrap(angle) {
  return angle - 2 * Math.PI * Math.floor((angle + Math.PI) / (2 * Math.PI));
}

/**
 * Moves a pose by one input for a tick, or a part of one, unrounded.
 * @param {Pose} pose is changed
 * @param {Steer} steer
 * @param {readonly Wall[]} walls
 * @param {number} [part] 0 to 1 and a little more
 */
export function move(pose, { drive, turn, aim }, walls, part = 1) {
  const most = (TURRET_TURN / TICK_RATE) * part;
  pose.turret += Math.max(-most, Math.min(most, wrap(aim - pose.turret)));
  if (!drive && !turn) return;
  pose.heading += ((turn * HULL_TURN) / TICK_RATE) * part;
  const speed = drive > 0 ? TANK_SPEED : TANK_REVERSE_SPEED;
  const step = ((drive * speed) / TICK_RATE) * part;
  const place = pushOut(
    pose.x + Math.cos(pose.heading) * step,
    pose.y + Math.sin(pose.heading) * step,
    walls,
  );
  if (place) [pose.x, pose.y] = place;
}

/**
 * One whole tick, rounded as the server rounds what it commits.
 * @param {Pose} pose is changed
 * @param {Steer} steer
 * @param {readonly Wall[]} walls
 */
export function tick(pose, steer, walls) {
  move(pose, steer, walls);
  pose.x = Math.floor(pose.x * PLACE_SCALE + 0.5) / PLACE_SCALE;
  pose.y = Math.floor(pose.y * PLACE_SCALE + 0.5) / PLACE_SCALE;
  pose.heading = roundAngle(pose.heading);
  pose.turret = roundAngle(pose.turret);
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
 * @param {readonly Wall[]} walls
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

/** The own tank, ahead of the server by the inputs it has not answered. */
export class Prediction {
  /** Inputs sent and not yet in the newest row. @type {(Steer & { stamp: number })[]} */
  #pending = [];
  /** The pose after all of them. @type {Pose | null} */
  #pose = null;
  #since = 0;
  #stamp = 0;
  /** What the picture is off by, fading. @type {Pose} */
  #off = { x: 0, y: 0, heading: 0, turret: 0 };
  /** @type {Steer | null} */
  #steer = null;
  #drawnAt = 0;
  /** @type {Pose} */
  #drawn = { x: 0, y: 0, heading: 0, turret: 0 };
  /** @type {readonly Wall[]} */
  #walls = [];

  /** Whether there is a tank to predict. */
  get active() {
    return this.#pose !== null;
  }

  /** The pose that the next input will be applied to; null without a tank. */
  get pose() {
    return this.#pose;
  }

  /** How many inputs the server has not answered. */
  get ahead() {
    return this.#pending.length;
  }

  /** Forgets the tank: it is wrecked, or the round is over. */
  reset() {
    this.#pending.length = 0;
    this.#pose = this.#steer = null;
    this.#off = { x: 0, y: 0, heading: 0, turret: 0 };
  }

  /**
   * Takes the newest row of the tank, and plays what it does not include on top.
   * @param {Pose & { stamp: number }} row
   * @param {readonly Wall[]} walls
   * @param {number} now milliseconds
   */
  correct(row, walls, now) {
    const before = this.#pose && this.#at(this.#steer, now);
    this.#walls = walls;
    const answered = this.#pending.findIndex(({ stamp }) => stamp === row.stamp);
    this.#pending.splice(0, answered + 1);
    this.#pose = { x: row.x, y: row.y, heading: row.heading, turret: row.turret };
    for (const steer of this.#pending) tick(this.#pose, steer, walls);
    if (before) this.#absorb(before, this.#at(this.#steer, now));
    else this.#since = now;
  }

  /**
   * Takes the input that is being sent now; its stamp.
   * @param {Steer} steer as `sent` rounds it
   * @param {number} now milliseconds
   */
  sample(steer, now) {
    this.#stamp = (this.#stamp + 1) % 256;
    if (!this.#pose) return this.#stamp;
    const before = this.#at(this.#steer, now);
    this.#pending.push({ ...steer, stamp: this.#stamp });
    if (this.#pending.length > PENDING_MAX) this.#pending.shift();
    tick(this.#pose, steer, this.#walls);
    this.#since = now;
    this.#steer = steer;
    this.#absorb(before, this.#at(steer, now));
    return this.#stamp;
  }

  /**
   * The pose to draw: what the next sample would make of the controls as they are now. The object
   * is used again by the next call.
   * @param {Steer} steer
   * @param {number} now milliseconds
   * @returns {Pose}
   */
  draw(steer, now) {
    const changed = this.#steer && differs(this.#steer, steer);
    if (changed) this.#absorb(this.#at(this.#steer, now), this.#at(steer, now));
    this.#steer = steer;
    const fade = Math.exp(-Math.max(0, now - this.#drawnAt) / SMOOTH_MS);
    this.#drawnAt = now;
    const pose = this.#at(steer, now);
    for (const key of /** @type {const} */ (["x", "y", "heading", "turret"])) {
      this.#off[key] *= fade;
      this.#drawn[key] = pose[key] + this.#off[key];
    }
    return this.#drawn;
  }

  /**
   * The pose carried on from the last sample to `now`.
   * @param {Steer | null} steer
   * @param {number} now
   * @returns {Pose}
   */
  #at(steer, now) {
    const pose = { .../** @type {Pose} */ (this.#pose) };
    const part = Math.max(0, ((now - this.#since) / 1000) * TICK_RATE);
    if (steer) move(pose, steer, this.#walls, Math.min(AHEAD_TICKS_MAX, part));
    return pose;
  }

  /**
   * Keeps the picture where it was, to fade into where it should be.
   * @param {Pose} before
   * @param {Pose} after
   */
  #absorb(before, after) {
    const off = this.#off;
    off.x += before.x - after.x;
    off.y += before.y - after.y;
    off.heading += wrap(before.heading - after.heading);
    off.turret += wrap(before.turret - after.turret);
    if (Math.hypot(off.x, off.y) > JUMP) this.#off = { x: 0, y: 0, heading: 0, turret: 0 };
  }
}

/**
 * @param {Steer} a
 * @param {Steer} b
 */
function differs(a, b) {
  return a.drive !== b.drive || a.turn !== b.turn || a.aim !== b.aim;
}
