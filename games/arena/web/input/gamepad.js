/** A gamepad of the standard layout: left stick drives, right stick aims, a trigger fires. */

/** @typedef {import("./controls.js").Wish} Wish */

const DEAD = 0.22;
/** Right trigger, right shoulder, and the lowest of the four buttons. */
const FIRE_BUTTONS = [7, 5, 0];

export class Gamepads {
  /** @type {number | null} */
  #aim = null;

  /** @param {() => void} used called when a gamepad is used to play */
  constructor(used) {
    this.used = used;
  }

  release() {
    this.#aim = null;
  }

  /** @returns {Wish | null} null where no gamepad is held */
  read() {
    const pad = first();
    if (!pad) return null;
    const [x = 0, y = 0, aimX = 0, aimY = 0] = pad.axes;
    const drives = Math.hypot(x, y) > DEAD;
    const aims = Math.hypot(aimX, aimY) > DEAD;
    const fire = FIRE_BUTTONS.some((index) => pad.buttons[index]?.pressed);
    if (aims) this.#aim = Math.atan2(aimY, aimX);
    if (drives || aims || fire) this.used();
    return { x: drives ? x : 0, y: drives ? y : 0, aim: this.#aim, fire };
  }
}

/** The first gamepad that is plugged in; browsers tell only after a button was pressed. */
function first() {
  try {
    return navigator.getGamepads?.().find((pad) => pad?.connected) ?? null;
  } catch {
    // A permissions policy may forbid gamepads altogether.
    return null;
  }
}
