/** The knobs of this tab's line, in development: a bad network where there is none. */

import { api } from "./api.js";
import { make } from "./dom.js";

const LINE_KEY = "holdfast:line";
/** @type {{ name: string, text: string, max: number, step: number, scale?: number }[]} */
const KNOBS = [
  { name: "latency_ms", text: "Latency each way, ms", max: 2000, step: 10 },
  { name: "jitter_ms", text: "Jitter, up to ms", max: 2000, step: 10 },
  { name: "loss_percent", text: "Lost segments, %", max: 90, step: 1 },
  { name: "stall_ms", text: "Stall for each, ms", max: 5000, step: 50 },
  { name: "bytes_per_s", text: "Bandwidth, kB/s (0: no bound)", max: 100_000, step: 1, scale: 1000 },
  { name: "cut_after_s", text: "Cut after, s (0: never)", max: 3600, step: 1 },
];

/** Where this tab connects to: its own line, whose knobs it may turn. */
export function ownLine() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.host}/play?line=${line()}`;
}

export class Network {
  /** @type {Map<string, HTMLInputElement>} */
  #inputs = new Map();
  #dark = make("input", { type: "checkbox", id: "knob-dark" });
  #said = make("p", { className: "quiet", role: "status" });

  /** @param {HTMLElement} element the card that holds the knobs */
  constructor(element) {
    const fields = KNOBS.map(({ name, text, max, step }) => {
      const id = `knob-${name}`;
      const input = make("input", { type: "number", id, min: "0", max: String(max) });
      input.step = String(step);
      input.addEventListener("change", () => void this.#turn({}));
      this.#inputs.set(name, input);
      return make("div", {}, make("label", { for: id }, text), input);
    });
    this.#dark.addEventListener("change", () => void this.#turn({}));
    const button = (/** @type {string} */ text, /** @type {Record<string, boolean>} */ asked) => {
      const made = make("button", { type: "button" }, text);
      made.addEventListener("click", () => void this.#turn(asked));
      return made;
    };
    element.append(
      make("div", { className: "fields" }, ...fields),
      make("label", { className: "check", for: "knob-dark" }, this.#dark, "Half open: nothing arrives"),
      make(
        "div",
        { className: "row" },
        button("Cut the connection", { cut: true }),
        button("Good network", { reset: true }),
      ),
      this.#said,
    );
  }

  /** Shows how the knobs stand, as another page or a command may have turned them. */
  async begin() {
    await this.#show(() => api(`/api/network?line=${line()}`));
  }

  /** @param {Record<string, boolean>} asked */
  async #turn(asked) {
    const knobs = KNOBS.map(({ name, scale = 1 }) => {
      const input = /** @type {HTMLInputElement} */ (this.#inputs.get(name));
      return [name, Number(input.value) * scale];
    });
    const wishes = asked.reset ? {} : { ...Object.fromEntries(knobs), dark: this.#dark.checked };
    const body = JSON.stringify({ line: line(), ...wishes, ...asked });
    await this.#show(() => api("/api/network", { method: "POST", body }));
  }

  /** @param {() => Promise<any>} ask */
  async #show(ask) {
    try {
      const { connections, up } = await ask();
      for (const { name, scale = 1 } of KNOBS) {
        const input = /** @type {HTMLInputElement} */ (this.#inputs.get(name));
        input.value = String(up[name] / scale);
      }
      this.#dark.checked = up.dark > 0;
      const whose = connections === 1 ? "this tab's connection" : `${connections} connections`;
      this.#said.textContent = `These are the knobs of ${whose}, both ways.`;
    } catch (error) {
      this.#said.textContent = error instanceof Error ? error.message : String(error);
    }
  }
}

/** This tab's line, the same after a reload. */
function line() {
  try {
    const kept = sessionStorage.getItem(LINE_KEY);
    if (kept) return kept;
    const [chance] = crypto.getRandomValues(new Uint32Array(1));
    const made = `tab-${(chance ?? 0).toString(36)}`;
    sessionStorage.setItem(LINE_KEY, made);
    return made;
  } catch {
    // Where storage is forbidden, every tab has the same line.
    return "tabs";
  }
}
