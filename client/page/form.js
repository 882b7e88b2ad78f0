/** Forms made from a schema's fields: one labelled control a field, and their values. */

import { describe } from "../fields.js";
import { make, title } from "./dom.js";

/** @typedef {import("../fields.js").Field} Field */
/** @typedef {{ element: HTMLElement, read: () => any }} Control */

let made = 0;

/**
 * Labelled controls for fields, and what they say as an object.
 * @param {Field[]} fields
 * @returns {{ element: HTMLElement, read: () => Record<string, any> }}
 */
export function form(fields) {
  const controls = fields.map((field) => ({ field, ...control(field) }));
  return {
    element: make("div", { className: "fields" }, ...controls.map(({ element }) => element)),
    read: () => Object.fromEntries(controls.map(({ field, read }) => [field.name, read()])),
  };
}

/**
 * @param {Field} field
 * @returns {Control}
 */
export function control(field) {
  const id = `field-${++made}`;
  if (field.kind === "flag") {
    const input = make("input", { id, type: "checkbox", checked: field.initial === true });
    return {
      element: make("label", { className: "check", for: id }, input, title(field.name)),
      read: () => input.checked,
    };
  }
  const input = field.kind === "text" ? text(field) : number(field);
  input.id = id;
  input.title = describe(field);
  // A slider's steps may lie beside the default, so it is kept where nobody moved the slider.
  const shown = input.value;
  const label = make("label", { for: id }, title(field.name));
  const element = make("div", {}, label, input);
  if (input.type === "range") {
    const value = make("output", { for: id }, input.value);
    input.addEventListener("input", () => (value.textContent = input.value));
    label.append(" ", value);
  }
  const read = () => {
    if (input.value === shown) return field.initial;
    return field.kind === "text" ? input.value : Number(input.value);
  };
  return { element, read };
}

/** @param {Field} field */
function text({ hi, initial }) {
  const input = make("input", { type: "text", value: String(initial), autocomplete: "off" });
  if (hi !== null) input.maxLength = hi;
  return input;
}

/** @param {Field} field */
function number({ kind, lo, hi, scale, initial }) {
  const angle = kind === "angle";
  const min = angle ? -3.14 : lo;
  const max = angle ? 3.14 : hi;
  const whole = kind === "integer" || kind === "ref";
  const slides = min !== null && max !== null && (!whole || max - min <= 200);
  const step = whole
    ? 1
    : angle
      ? 0.01
      : kind === "fixed"
        ? Math.max(1 / scale, slides ? (max - min) / 1000 : 0)
        : "any";
  const input = make("input", { type: slides ? "range" : "number", step: String(step) });
  if (min !== null) input.min = String(min);
  if (max !== null) input.max = String(max);
  input.value = String(initial);
  return input;
}
