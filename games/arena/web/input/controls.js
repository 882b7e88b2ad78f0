/** The controls: whichever of keyboard, touch and gamepad was used last says what the tank does. */

import { Gamepads } from "./gamepad.js";
import { Keys } from "./keys.js";
import { Steering } from "./steering.js";
import { Touch } from "./touch.js";
import { sent } from "../predict.js";

/**
 * What a player wants: a way to go (-1 to 1), an angle to aim at or null for straight ahead, fire.
 * @typedef {{ x: number, y: number, aim: number | null, fire: boolean }} Wish
 */
/** @typedef {import("../predict.js").Pose} Pose */
/** @typedef {import("../predict.js").Steer} Steer */
/** @typedef {"keys" | "touch" | "gamepad"} Device */

export class Controls {
  /** @type {Device} */
  device = matchMedia("(pointer: coarse)").matches ? "touch" : "keys";
  /** While held, the tank stands still: the page is hidden, or a dialog is open. */
  held = false;

  #steering = new Steering();
  #keys;
  #touch;
  #gamepad;

  /**
   * @param {HTMLElement} stage
   * @param {HTMLElement} left
   * @param {HTMLElement} right
   * @param {() => void} used called whenever the player does something
   */
  constructor(stage, left, right, used) {
    const by = (/** @type {Device} */ device) => () => {
      this.device = device;
      used();
    };
    this.#keys = new Keys(stage, by("keys"));
    this.#touch = new Touch(stage, left, right, by("touch"));
    this.#gamepad = new Gamepads(by("gamepad"));
  }

  /** Where the mouse is on the stage; null where none is used. */
  get pointer() {
    return this.device === "keys" ? this.#keys.pointer : null;
  }

  /** Lets go of everything. */
  release() {
    this.#keys.release();
    this.#touch.release();
    this.#gamepad.release();
  }

  /** The last read went to the server: taps are done with. */
  sent() {
    this.#keys.sent();
    this.#touch.sent();
  }

  /**
   * What to send, as it will arrive.
   * @param {Pose} pose the tank the input will be applied to
   * @param {(x: number, y: number) => number} angleTo from the tank to a point of the stage
   * @returns {Steer}
   */
  read(pose, angleTo) {
    const pad = this.#gamepad.read();
    if (this.held) return sent({ drive: 0, turn: 0, aim: pose.turret, fire: false });
    const wish =
      this.device === "gamepad" && pad
        ? pad
        : this.device === "touch"
          ? this.#touch.read()
          : this.#keys.read(angleTo);
    const { drive, turn } = this.#steering.towards(wish.x, wish.y, pose.heading);
    return sent({ drive, turn, aim: wish.aim ?? pose.heading, fire: wish.fire });
  }
}
