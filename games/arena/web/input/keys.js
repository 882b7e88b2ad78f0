/** Keyboard and mouse: which way, which angle, and whether to fire. */

/** @typedef {import("./controls.js").Wish} Wish */

/** @type {Record<string, [number, number]>} */
const WAYS = {
  KeyW: [0, -1],
  ArrowUp: [0, -1],
  KeyS: [0, 1],
  ArrowDown: [0, 1],
  KeyA: [-1, 0],
  ArrowLeft: [-1, 0],
  KeyD: [1, 0],
  ArrowRight: [1, 0],
};
const FIRE = "Space";

export class Keys {
  /** @type {Set<string>} */
  #down = new Set();
  /** A shot asked for and released again before it was read. */
  #tapped = false;
  #button = false;
  /** Where the mouse is, once it moved. @type {{ x: number, y: number } | null} */
  pointer = null;

  /**
   * @param {HTMLElement} stage
   * @param {() => void} used called when a key or the mouse is used to play
   */
  constructor(stage, used) {
    addEventListener("keydown", (event) => {
      if (!isPlay(event)) return;
      event.preventDefault();
      this.#down.add(event.code);
      if (event.code === FIRE) this.#tapped = true;
      used();
    });
    addEventListener("keyup", ({ code }) => void this.#down.delete(code));
    // Keys released while another window has the keyboard are never heard of.
    addEventListener("blur", () => this.release());
    stage.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") this.pointer = { x: event.offsetX, y: event.offsetY };
    });
    stage.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      stage.setPointerCapture(event.pointerId);
      this.pointer = { x: event.offsetX, y: event.offsetY };
      this.#button = this.#tapped = true;
      used();
    });
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) {
      stage.addEventListener(end, (event) => {
        if (event.pointerType === "mouse") this.#button = false;
      });
    }
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  release() {
    this.#down.clear();
    this.#button = this.#tapped = false;
  }

  /** What the tap said was sent. */
  sent() {
    this.#tapped = false;
  }

  /**
   * @param {(x: number, y: number) => number} angleTo from the tank to a point of the stage
   * @returns {Wish}
   */
  read(angleTo) {
    let [x, y] = [0, 0];
    for (const code of this.#down) {
      const way = WAYS[code];
      if (way) [x, y] = [x + way[0], y + way[1]];
    }
    const length = Math.hypot(Math.sign(x), Math.sign(y)) || 1;
    return {
      x: Math.sign(x) / length,
      y: Math.sign(y) / length,
      aim: this.pointer && angleTo(this.pointer.x, this.pointer.y),
      fire: this.#button || this.#tapped || this.#down.has(FIRE),
    };
  }
}

/** Whether a key belongs to the game and not to a form or the browser. @param {KeyboardEvent} e */
function isPlay({ code, target, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey || !(code in WAYS || code === FIRE)) return false;
  // A button or a link has no use for these keys but Space.
  const theirs = code === FIRE ? "input, select, button, a" : "input, select";
  return !(target instanceof Element && target.closest(theirs));
}
