/**
 * What happened between the last picture and this one, turned into flashes and sounds: at the tick
 * that is drawn, so that a shell bursts where it is seen to.
 */

import * as colors from "./colors.js";
import { BOUNCE, HIT, SPARK, WRECK } from "./balance.js";

/** @typedef {import("../../../client/schema.js").Row} Row */
/** @typedef {import("../../../client/view.js").View} View */
/** @typedef {import("./sound.js").Effect} Effect */

const FLASH_MS = 160;
const RECOIL_MS = 180;
const MARKER_MS = 240;
const HURT_MS = 900;
/** Farther from the middle of the view than this, nothing is heard. */
const EARSHOT = 34;

export class Happenings {
  /** When each tank was last hit and last fired, by id. @type {Map<number, number>} */
  #flashed = new Map();
  /** @type {Map<number, number>} */
  #fired = new Map();
  /** @type {{ angle: number, at: number }[]} */
  #hurts = [];
  #marked = -Infinity;
  #blast = -1;
  #shell = -1;
  /** @type {Map<number, Row>} */
  #pickups = new Map();
  /** @type {Map<number, number>} */
  #armour = new Map();

  /**
   * @param {import("./effects.js").Effects} effects
   * @param {import("./sound.js").Sound} sound
   * @param {import("./camera.js").Camera} camera
   * @param {import("./names.js").Names} names
   */
  constructor(effects, sound, camera, names) {
    this.names = names;
    this.effects = effects;
    this.sound = sound;
    this.camera = camera;
  }

  /** Forgets what was there: a new round, or a new schema. */
  reset() {
    this.#blast = this.#shell = -1;
    this.#pickups.clear();
    this.#armour.clear();
    this.#flashed.clear();
    this.#fired.clear();
    this.#hurts.length = 0;
  }

  /**
   * Looks at a view, and makes seen and heard what is new in it.
   * @param {View} view
   * @param {number} own the id of the own tank, 0 for none
   * @param {number} now milliseconds
   */
  look(view, own, now) {
    this.#shell = this.#fresh(view.all("Shell"), this.#shell, (shell) => {
      if (shell.owner !== view.player || !own) this.shot(view, shell, now);
    });
    this.#blast = this.#fresh(view.all("Blast"), this.#blast, (blast) => {
      this.#burst(view, blast, own, now);
    });
    this.#collected(view);
    for (const tank of view.all("Tank")) {
      const before = this.#armour.get(tank.id);
      this.#armour.set(tank.id, tank.armour);
      if (before === 0 && tank.armour) this.#back(tank, own);
    }
  }

  /**
   * The own gun, fired before the server says so.
   * @param {Row} tank
   * @param {import("./predict.js").Pose} pose
   * @param {number} now
   */
  fire(tank, pose, now) {
    this.#fired.set(tank.id, now);
    this.effects.muzzle(pose.x, pose.y, pose.turret);
    this.sound.play(tank.heavy ? "heavy" : "shot", 0.8);
    this.camera.shake(0.06);
  }

  /** Somebody's shell set out. @param {View} view @param {Row} shell @param {number} now */
  shot(view, shell, now) {
    const tank = view.one("Tank", { owner: shell.owner });
    if (tank) this.#fired.set(tank.id, now);
    this.effects.muzzle(tank?.x ?? shell.x, tank?.y ?? shell.y, shell.heading);
    this.#hear(shell.power > 1 ? "heavy" : "shot", shell, 0.6);
  }

  /** How brightly a tank flashes, 0 to 1. @param {number} tank @param {number} now */
  flash(tank, now) {
    return fading(this.#flashed.get(tank), now, FLASH_MS);
  }

  /** How far a gun is thrown back, 0 to 1. @param {number} tank @param {number} now */
  recoil(tank, now) {
    return fading(this.#fired.get(tank), now, RECOIL_MS);
  }

  /** How strongly the sight says that a shot hit, 0 to 1. @param {number} now */
  marker(now) {
    return fading(this.#marked, now, MARKER_MS);
  }

  /** Where shots that hurt came from. @param {number} now */
  hits(now) {
    this.#hurts = this.#hurts.filter(({ at }) => now - at < HURT_MS);
    return this.#hurts.map(({ angle, at }) => ({ angle, left: fading(at, now, HURT_MS) }));
  }

  /**
   * Calls for rows whose ids are new; those of the first look are old.
   * @param {readonly Row[]} rows in id order
   * @param {number} last
   * @param {(row: Row) => void} hear
   */
  #fresh(rows, last, hear) {
    const newest = rows.at(-1)?.id ?? 0;
    if (last >= 0) for (const row of rows) if (row.id > last) hear(row);
    return Math.max(last, newest);
  }

  /**
   * @param {View} view
   * @param {Row} blast
   * @param {number} own
   * @param {number} now
   */
  #burst(view, blast, own, now) {
    const { x, y, kind, tank } = blast;
    const mine = blast.owner === view.player && view.player !== 0;
    if (kind === BOUNCE) {
      this.effects.spark(x, y, colors.QUIET);
      this.#hear("bounce", blast, 0.5);
    } else if (kind === SPARK) {
      this.effects.spark(x, y, tank ? colors.GOOD : colors.QUIET);
      this.#hear("spark", blast, 0.5);
    } else if (kind === HIT) {
      this.effects.hit(x, y);
      this.#hear(tank === own ? "hurt" : "hit", blast, 0.9);
    } else if (kind === WRECK) {
      const row = view.get("Tank", tank);
      const number = this.names.number(row?.owner ?? 0);
      this.effects.wreck(x, y, colors.colorOf(number, row?.team ?? 0, tank === own));
      this.#hear("wreck", blast, 1);
      const far = Math.hypot(x - this.camera.x, y - this.camera.y);
      this.camera.shake(Math.max(0, 0.45 - far / 40));
      if (mine && tank !== own) {
        this.effects.say(x, y, "+1", colors.ACCENT);
        this.sound.play("kill", 0.8);
      }
    }
    if (kind < HIT) return;
    this.#flashed.set(tank, now);
    if (mine && tank !== own) this.#marked = now;
    if (tank !== own) return;
    this.camera.shake(0.3);
    const from = view.one("Tank", { owner: blast.owner });
    if (from && !mine) this.#hurts.push({ angle: Math.atan2(from.y - y, from.x - x), at: now });
  }

  /** Pickups that are gone were taken. @param {View} view */
  #collected(view) {
    const there = new Map(view.all("Pickup").map((row) => [row.id, { ...row }]));
    for (const [id, pickup] of this.#pickups) {
      if (there.has(id)) continue;
      this.effects.ripple(pickup.x, pickup.y, colors.INK);
      this.#hear("pickup", pickup, 0.6);
    }
    this.#pickups = there;
  }

  /** @param {Row} tank @param {number} own */
  #back({ id, x, y }, own) {
    this.effects.ripple(x, y, colors.GOOD);
    if (id === own) this.sound.play("spawn", 0.6);
  }

  /**
   * @param {Effect} effect
   * @param {Row} at
   * @param {number} loud
   */
  #hear(effect, { x, y }, loud) {
    const [dx, dy] = [x - this.camera.x, y - this.camera.y];
    const near = Math.max(0, 1 - Math.hypot(dx, dy) / EARSHOT);
    this.sound.play(effect, loud * near * near, dx / 24);
  }
}

/**
 * @param {number | undefined} at
 * @param {number} now
 * @param {number} length
 */
function fading(at, now, length) {
  return at === undefined ? 0 : Math.max(0, 1 - (now - at) / length);
}
