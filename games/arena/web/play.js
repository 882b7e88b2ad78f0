/** A room being played: each frame what is seen, each input what is sent, and what the room says. */

import { colorOf } from "./colors.js";
import { Feed } from "./feed.js";
import { Happenings } from "./happenings.js";
import { Hud } from "./hud.js";
import { Minimap } from "./minimap.js";
import { Names } from "./names.js";
import { NetPanel } from "./netpanel.js";
import { RAPID_RELOAD_TICKS, RELOAD_TICKS } from "./balance.js";
import { Result } from "./result.js";
import { Scoreboard } from "./scoreboard.js";
import { drive } from "./predict.js";
import { loaded } from "./stage.js";

/** @typedef {import("../../../client/index.js").Room} Room */
/** @typedef {import("../../../client/schema.js").Row} Row */
/** @typedef {import("../../../client/view.js").View} View */
/** @typedef {import("./predict.js").Pose} Pose */
/** @typedef {import("./predict.js").Steer} Steer */
/** @typedef {import("./tanks.js").Look} Look */
/**
 * What a page has whether or not a room is played on it.
 * @typedef {{
 *   stage: import("./stage.js").Stage, camera: import("./camera.js").Camera,
 *   ground: import("./ground.js").Ground, effects: import("./effects.js").Effects,
 *   sound: import("./sound.js").Sound, controls: import("./input/controls.js").Controls,
 * }} Page
 */

const SMOKE_EVERY_MS = 130;
const STILL = { drive: 0, turn: 0, aim: 0, fire: false };

export class Play {
  /**
   * The own tank ahead of the server; null for a spectator.
   * @type {import("../../../client/index.js").Prediction | null}
   */
  prediction = null;
  names = new Names();
  board = new Scoreboard();
  net = new NetPanel();
  /** The player a spectator follows, 0 for the whole arena. */
  followed = 0;

  #minimap = new Minimap();
  #feed = new Feed(this.names);
  #hud;
  #result;
  #happenings;
  /** @type {Look[]} */
  #looks = [];
  /** How far each tank's tracks have rolled, by id. @type {Map<number, number>} */
  #rolled = new Map();
  /** The tick at which the own gun may fire again, by what was sent. */
  #ready = 0;
  #passed = 0;
  #before = 0;
  #smoked = 0;
  /** @type {{ x: number, y: number }} */
  #place = { x: 0, y: 0 };

  /**
   * @param {Room} room
   * @param {Page} page
   */
  constructor(room, page) {
    this.room = room;
    this.page = page;
    const { effects, sound, camera } = page;
    this.#happenings = new Happenings(effects, sound, camera, this.names);
    this.#hud = new Hud(sound);
    this.#result = new Result(
      () => void room.act("Again"),
      () => sound.play("end"),
    );
    room.on("added", "Kill", (kill) => this.#feed.kill(kill, room.latest));
    room.on("added", "Driver", (driver) => this.#came(driver));
    room.on("removed", "Driver", (driver) => this.#feed.note(`${this.names.of(driver.id)} left`));
    room.on("schema", () => this.#begin());
    if (!room.player) return;
    this.prediction = room.predict("Tank", drive, { peek: () => this.#steer() });
    room.sample(() => this.#sample());
  }

  /**
   * One animation frame.
   * @param {number} now
   */
  draw(now) {
    const { room, page } = this;
    this.#passed = Math.min(100, Math.max(0, now - this.#before));
    this.#before = now;
    const view = room.view(now);
    page.ground.update(view);
    this.names.update(view.players);
    const own = room.player ? view.one("Tank", { owner: room.player }) : null;
    const steer = this.#steer();
    const pose = this.driving && own ? /** @type {Row & Pose} */ (own) : null;
    this.#dress(view, own, now);
    this.#look(view, own, pose);
    this.#happenings.look(view, own?.id ?? 0, now);
    page.stage.draw({
      view,
      looks: this.#looks,
      teams: Boolean(view.room?.teams),
      passed: this.#passed,
      now,
      reload: own ? this.#reload(own, view) : 1,
      aim: pose && { x: pose.x, y: pose.y, angle: steer.aim, pointer: page.controls.pointer },
      hits: this.#happenings.hits(now),
      marker: this.#happenings.marker(now),
    });
    this.#panels(view, own, now);
    if (pose) page.sound.drive(Math.abs(steer.drive));
    else page.sound.hush();
  }

  /** Follows the next player, or the whole arena after the last. @param {number} step */
  follow(step) {
    const ids = [0, ...this.room.latest.players.map(({ id }) => id)];
    const at = ids.indexOf(this.followed) + step;
    this.followed = ids[(at + ids.length) % ids.length] ?? 0;
  }

  /** The player is looked at again, or everything is new. */
  #begin() {
    this.#happenings.reset();
    this.page.effects.clear();
  }

  /** @param {Row} driver */
  #came(driver) {
    this.names.update(this.room.latest.players);
    if (driver.id !== this.room.player && this.#before) {
      this.#feed.note(`${this.names.of(driver.id)} joined`);
    }
  }

  /**
   * The own tank as the next input will find it; null where there is none that can drive.
   * @returns {Row & Pose | null}
   */
  get driving() {
    const { room } = this.room.latest;
    const tank = room?.finished ? null : this.prediction?.row;
    return tank?.armour ? /** @type {Row & Pose} */ (tank) : null;
  }

  /** What to send now: asked for once a tick. */
  #sample() {
    const tank = this.driving;
    if (!tank) return STILL;
    const steer = this.#steer();
    if (steer.fire) this.#fire(tank, this.#tick + 1, performance.now());
    this.page.controls.sent();
    return steer;
  }

  /** The controls as they are now. */
  #steer() {
    const { camera, controls } = this.page;
    const pose = this.driving;
    if (!pose) return STILL;
    return controls.read(pose, (x, y) => camera.angle(this.#place, x, y));
  }

  /** The tick at which the last input sent will be applied. */
  get #tick() {
    return this.room.latest.tick + (this.prediction?.ahead ?? 0);
  }

  /**
   * Shows a shot that the server will grant.
   * @param {Row & Pose} tank
   * @param {number} tick at which the input will be applied
   * @param {number} now
   */
  #fire(tank, tick, now) {
    if (tick < Math.max(tank.ready, this.#ready)) return;
    this.#ready = tick + (tick < tank.rapid ? RAPID_RELOAD_TICKS : RELOAD_TICKS);
    this.#happenings.fire(tank, tank, now);
  }

  /**
   * @param {Row} own
   * @param {View} view
   */
  #reload(own, view) {
    const tick = this.#tick;
    const ticks = view.tick < own.rapid ? RAPID_RELOAD_TICKS : RELOAD_TICKS;
    return loaded(Math.max(own.ready, this.#ready > tick + ticks ? 0 : this.#ready), tick, ticks);
  }

  /**
   * What every tank looks like now; the own one last, so that it lies on top.
   * @param {View} view
   * @param {Row | null} own
   * @param {number} now
   */
  #dress(view, own, now) {
    const smoke = now - this.#smoked > SMOKE_EVERY_MS;
    if (smoke) this.#smoked = now;
    const team = view.me?.team ?? 0;
    this.#looks.length = 0;
    for (const tank of view.all("Tank")) {
      if (!tank.armour) continue;
      const mine = tank.id === own?.id;
      const driver = view.get("Driver", tank.owner);
      const at = /** @type {Row & Pose} */ ({ ...tank });
      this.#looks.push({
        pose: at,
        color: colorOf(this.names.number(tank.owner), tank.team, mine),
        team: tank.team,
        number: this.names.number(tank.owner),
        own: mine,
        mate: !mine && tank.team > 0 && tank.team === team,
        armour: tank.armour,
        heavy: tank.heavy > 0,
        rapid: view.tick < tank.rapid,
        safe: view.tick < tank.safe,
        flash: this.#happenings.flash(tank.id, now),
        recoil: this.#happenings.recoil(tank.id, now),
        roll: this.#roll(tank),
        name: this.names.of(tank.owner),
        away: driver?.connected === false,
      });
      this.page.effects.roll(tank.id, at);
      if (smoke && tank.armour === 1) this.page.effects.smoke(at.x, at.y);
    }
    this.#looks.sort((a, b) => Number(a.own) - Number(b.own));
  }

  /** @param {Row} tank */
  #roll({ id, pace }) {
    const far = ((this.#rolled.get(id) ?? 0) + pace * this.#passed * 0.007) % 1000;
    this.#rolled.set(id, far);
    return far;
  }

  /**
   * Points the camera.
   * @param {View} view
   * @param {Row | null} own
   * @param {Pose | null} pose
   */
  #look(view, own, pose) {
    const { camera, controls, ground } = this.page;
    const followed = this.followed ? view.one("Tank", { owner: this.followed }) : null;
    const place = pose ?? (own?.armour ? own : null) ?? followed;
    // A wreck's driver looks at where it happened until there is a new tank.
    if (place) this.#place = { x: Number(place.x), y: Number(place.y) };
    if (own || followed) camera.follow(this.#place, controls.pointer, ground, this.#passed);
    else camera.whole(ground, this.#passed);
  }

  /**
   * @param {View} view
   * @param {Row | null} own
   * @param {number} now
   */
  #panels(view, own, now) {
    const { room } = this;
    const followed = this.followed && view.get("Driver", this.followed);
    this.#hud.draw(view, own, room.tickRate, followed ? this.names.of(followed.id) : "");
    this.#minimap.draw(view, this.#looks, this.page.ground);
    this.board.draw(view, this.names);
    this.#result.draw(view, this.names, room.tickRate);
    this.net.draw(room, this.prediction?.ahead ?? 0, now);
  }
}
