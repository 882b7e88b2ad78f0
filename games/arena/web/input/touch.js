/** Two sticks under the thumbs: the left drives, the right aims and fires. */

/** @typedef {import("./controls.js").Wish} Wish */
/** A finger on the stage: where it came down, and how far it went since, -1 to 1. */
/** @typedef {{ startX: number, startY: number, x: number, y: number, stick: HTMLElement }} Finger */

/** A thumb this far from where it came down, in pixels, pulls fully. */
const REACH = 56;
/** The right stick fires from here on; nearer, it only aims. */
const FIRE_FROM = 0.45;
const DEAD = 0.16;

export class Touch {
  /** @type {Map<number, Finger>} */
  #fingers = new Map();
  /** The angle aimed at last. @type {number | null} */
  #aim = null;
  #tapped = false;

  /**
   * @param {HTMLElement} stage
   * @param {HTMLElement} left shows the stick that drives
   * @param {HTMLElement} right shows the stick that aims
   * @param {() => void} used called when a finger comes down
   */
  constructor(stage, left, right, used) {
    this.left = left;
    this.right = right;
    stage.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse") return;
      event.preventDefault();
      this.#press(event, stage.clientWidth);
      used();
    });
    stage.addEventListener("pointermove", (event) => this.#pull(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) {
      stage.addEventListener(end, (event) => this.#lift(event, end === "pointerup"));
    }
  }

  release() {
    for (const { stick } of this.#fingers.values()) stick.hidden = true;
    this.#fingers.clear();
    this.#tapped = false;
  }

  /** What the tap said was sent. */
  sent() {
    this.#tapped = false;
  }

  /** @returns {Wish} */
  read() {
    const drive = this.#finger(this.left);
    const aim = this.#finger(this.right);
    const pull = aim ? Math.hypot(aim.x, aim.y) : 0;
    if (aim && pull > DEAD) this.#aim = Math.atan2(aim.y, aim.x);
    const still = !drive || Math.hypot(drive.x, drive.y) < DEAD;
    return {
      x: still ? 0 : drive.x,
      y: still ? 0 : drive.y,
      aim: this.#aim,
      fire: pull > FIRE_FROM || this.#tapped,
    };
  }

  /**
   * @param {PointerEvent} event
   * @param {number} width
   */
  #press({ pointerId, offsetX, offsetY }, width) {
    const stick = offsetX < width / 2 ? this.left : this.right;
    if (this.#finger(stick)) return;
    this.#fingers.set(pointerId, { startX: offsetX, startY: offsetY, x: 0, y: 0, stick });
    stick.hidden = false;
    stick.style.translate = `${offsetX}px ${offsetY}px`;
    show(stick, 0, 0);
  }

  /** @param {PointerEvent} event */
  #pull({ pointerId, offsetX, offsetY }) {
    const finger = this.#fingers.get(pointerId);
    if (!finger) return;
    const [x, y] = [(offsetX - finger.startX) / REACH, (offsetY - finger.startY) / REACH];
    const long = Math.max(1, Math.hypot(x, y));
    Object.assign(finger, { x: x / long, y: y / long });
    show(finger.stick, finger.x, finger.y);
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} meant
   */
  #lift({ pointerId }, meant) {
    const finger = this.#fingers.get(pointerId);
    if (!finger) return;
    this.#fingers.delete(pointerId);
    finger.stick.hidden = true;
    // A tap on the right fires where the turret points.
    if (meant && finger.stick === this.right && Math.hypot(finger.x, finger.y) < FIRE_FROM) {
      this.#tapped = true;
    }
  }

  /** @param {HTMLElement} stick */
  #finger(stick) {
    for (const finger of this.#fingers.values()) if (finger.stick === stick) return finger;
    return null;
  }
}

/**
 * @param {HTMLElement} stick
 * @param {number} x
 * @param {number} y
 */
function show(stick, x, y) {
  stick.style.setProperty("--x", x.toFixed(3));
  stick.style.setProperty("--y", y.toFixed(3));
}
