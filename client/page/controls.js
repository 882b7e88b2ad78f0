/** The controls: keys, a pad, buttons and forms made from a game's input and actions. */

import { control, form } from "./form.js";
import { make, title } from "./dom.js";

/** @typedef {import("../fields.js").Field} Field */
/** @typedef {import("../room.js").Room} Room */
/**
 * An axis: the field it sets, and what its positive side is.
 * @typedef {{ field: Field, sign: number } | null} Axis
 */

const KEYS = {
  left: ["ArrowLeft", "KeyA"],
  right: ["ArrowRight", "KeyD"],
  up: ["ArrowUp", "KeyW"],
  down: ["ArrowDown", "KeyS"],
};
const ACROSS = ["x", "turn", "steer", "strafe"];
/** y grows downwards, as on the stage; going forwards is up. */
const ALONG = { y: 1, drive: -1, thrust: -1, throttle: -1, move: -1, forward: -1 };
/** Integers with no more values than this are a row of buttons. */
const BUTTONS_MAX = 8;

export class Controls {
  #keys = new Set();
  #pad = { x: 0, y: 0 };
  /** @type {[string, () => any][]} */
  #readers = [];
  /** @type {Axis} */
  #across = null;
  /** @type {Axis} */
  #along = null;
  /** The field that the pointer's direction sets. @type {Field | null} */
  #aim = null;
  /** The pointer over the stage, in CSS pixels. @type {{ x: number, y: number } | null} */
  pointer = null;
  #end = new AbortController();

  /**
   * @param {Room} room
   * @param {{ dock: HTMLElement, card: HTMLElement, canvas: HTMLElement, angle: (x: number, y:
   *   number) => number }} page
   */
  constructor(room, page) {
    this.room = room;
    this.page = page;
    page.dock.replaceChildren();
    page.card.replaceChildren(make("h2", {}, "Controls"));
    this.#inputs();
    for (const action of room.schema.actions) page.card.append(this.#action(action));
    page.card.hidden = room.player === 0 || page.card.childElementCount === 1;
    page.dock.hidden = room.player === 0;
    this.#listen();
  }

  /** What the player does now, for `room.sample`. */
  read() {
    /** @type {Record<string, any>} */
    const input = Object.fromEntries(this.#readers.map(([name, read]) => [name, read()]));
    if (this.#across)
      input[this.#across.field.name] = this.#across.sign * this.#way("left", "right", this.#pad.x);
    if (this.#along)
      input[this.#along.field.name] = this.#along.sign * this.#way("up", "down", this.#pad.y);
    if (this.#aim && this.pointer)
      input[this.#aim.name] = this.page.angle(this.pointer.x, this.pointer.y);
    return input;
  }

  /** Takes its ears off the page. */
  stop() {
    this.#end.abort();
  }

  /**
   * @param {"left" | "up"} less
   * @param {"right" | "down"} more
   * @param {number} pad
   */
  #way(less, more, pad) {
    const held = (/** @type {keyof typeof KEYS} */ way) =>
      Number(KEYS[way].some((key) => this.#keys.has(key)));
    // A zero with a sign would look like another value.
    return held(more) - held(less) || pad || 0;
  }

  #inputs() {
    const fields = this.room.schema.input;
    const axis = fields.filter((f) => f.kind === "integer" && f.lo === -1 && f.hi === 1);
    const across = axis.find((f) => ACROSS.includes(f.name));
    const along = axis.find((f) => f.name in ALONG);
    if (across) this.#across = { field: across, sign: 1 };
    if (along) this.#along = { field: along, sign: Reflect.get(ALONG, along.name) };
    this.#aim = fields.find((f) => f.kind === "angle") ?? null;
    const keys = make("div", { className: "keys" });
    if (across || along) {
      this.page.dock.append(this.#makePad());
      keys.append(hint("Move", "WASD or arrows"));
    }
    if (this.#aim) keys.append(hint(title(this.#aim.name), "pointer"));
    const holds = make("div", { className: "holds" });
    const flags = fields.filter((f) => f.kind === "flag");
    flags.forEach((field, i) => {
      const key = i === 0 ? "Space" : i < 10 ? `Digit${i}` : "";
      holds.append(this.#hold(field, key));
      if (key) keys.append(hint(title(field.name), i === 0 ? "Space" : String(i)));
    });
    if (flags.length) this.page.dock.append(holds);
    if (keys.childElementCount) this.page.card.append(keys);
    for (const field of fields) {
      if (field === across || field === along || field === this.#aim || field.kind === "flag")
        continue;
      const values = field.kind === "integer" ? Number(field.hi) - Number(field.lo) + 1 : Infinity;
      const { element, read } = values <= BUTTONS_MAX ? choice(field, values) : control(field);
      this.page.card.append(element);
      this.#readers.push([field.name, read]);
    }
  }

  /**
   * A button that is true while it is held.
   * @param {Field} field
   * @param {string} key
   */
  #hold(field, key) {
    const button = make("button", { type: "button", "aria-pressed": "false" }, title(field.name));
    let held = false;
    const set = (/** @type {boolean} */ on) => {
      held = on;
      button.setAttribute("aria-pressed", String(on));
    };
    button.addEventListener("pointerdown", (event) => {
      button.setPointerCapture(event.pointerId);
      set(true);
    });
    for (const end of ["pointerup", "pointercancel", "blur"])
      button.addEventListener(end, () => set(false));
    button.addEventListener(
      "keydown",
      ({ code }) => ["Space", "Enter"].includes(code) && set(true),
    );
    button.addEventListener("keyup", () => set(false));
    this.#readers.push([field.name, () => held || this.#keys.has(key)]);
    return button;
  }

  #makePad() {
    const pad = make("div", { className: "pad", "aria-hidden": "true" }, make("i"));
    const set = (/** @type {number} */ x, /** @type {number} */ y) => {
      this.#pad = { x: Math.round(x), y: Math.round(y) };
      pad.style.setProperty("--x", String(x));
      pad.style.setProperty("--y", String(y));
    };
    const move = (/** @type {PointerEvent} */ event) => {
      const box = pad.getBoundingClientRect();
      const x = event.clientX - box.x - box.width / 2;
      const y = event.clientY - box.y - box.height / 2;
      const far = Math.max(Math.hypot(x, y), box.width / 2.6);
      set(x / far, y / far);
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      move(event);
    });
    pad.addEventListener(
      "pointermove",
      (event) => pad.hasPointerCapture(event.pointerId) && move(event),
    );
    for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => set(0, 0));
    return pad;
  }

  /** @param {import("../schema.js").Action} action */
  #action({ name, fields }) {
    const { element, read } = form(fields);
    const answer = make("output");
    const button = make("button", {}, title(name));
    const action = make("form", { className: "action", "aria-label": title(name) });
    if (fields.length) action.append(element);
    action.append(button, answer);
    action.addEventListener("submit", async (event) => {
      event.preventDefault();
      answer.dataset.applied = "true";
      try {
        const outcome = await this.room.act(name, read());
        answer.dataset.applied = String(outcome.applied);
        answer.textContent = outcome.applied ? "Done" : outcome.reason;
        if (outcome.applied)
          for (const input of action.querySelectorAll("input[type=text]"))
            Reflect.set(input, "value", "");
      } catch (error) {
        answer.dataset.applied = "false";
        answer.textContent = error instanceof Error ? error.message : String(error);
      }
    });
    return action;
  }

  #listen() {
    const { signal } = this.#end;
    const steers = new Set([...Object.values(KEYS).flat(), "Space"]);
    addEventListener(
      "keydown",
      (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || takesKeys(event.target)) return;
        this.#keys.add(event.code);
        // Steering should not scroll the page.
        if (steers.has(event.code)) event.preventDefault();
      },
      { signal },
    );
    addEventListener("keyup", (event) => this.#keys.delete(event.code), { signal });
    addEventListener("blur", () => this.#keys.clear(), { signal });
    const { canvas } = this.page;
    canvas.addEventListener(
      "pointermove",
      (event) => {
        this.pointer = { x: event.offsetX, y: event.offsetY };
      },
      { signal },
    );
  }
}

/**
 * Whether an element uses keys itself, as fields and buttons do.
 * @param {EventTarget | null} target
 */
function takesKeys(target) {
  return (
    target instanceof HTMLElement && target.matches("input, select, textarea, button, a, summary")
  );
}

/**
 * A row of buttons for an integer with few values.
 * @param {Field} field
 * @param {number} count
 */
function choice(field, count) {
  let value = Number(field.initial);
  const buttons = Array.from({ length: count }, (_, i) => {
    const own = Number(field.lo) + i;
    const button = make("button", { type: "button", "aria-pressed": own === value }, String(own));
    button.addEventListener("click", () => {
      value = own;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    });
    return button;
  });
  const group = make(
    "div",
    { className: "row", role: "group", "aria-label": title(field.name) },
    ...buttons,
  );
  return {
    element: make("div", {}, make("p", { className: "label" }, title(field.name)), group),
    read: () => value,
  };
}

/**
 * @param {string} what
 * @param {string} key
 */
function hint(what, key) {
  return make("div", {}, what, make("kbd", {}, key));
}
