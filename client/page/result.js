/** What a match finished with: any JSON, shown as lists and tables of text. */

import { make, title } from "./dom.js";
import { fit } from "./name.js";

/** A game may put much into a result; a page shows what one reads. */
const ROWS_MAX = 16;
const DEPTH_MAX = 3;

/**
 * @param {unknown} value
 * @param {number} [depth]
 * @returns {HTMLElement}
 */
export function resultOf(value, depth = 0) {
  if (value === null || typeof value !== "object") return make("bdi", {}, say(value));
  if (depth >= DEPTH_MAX) return make("span", { className: "quiet" }, "…");
  if (Array.isArray(value)) return list(value, depth);
  const entries = Object.entries(value).filter(([, inner]) => inner !== null);
  return make(
    "dl",
    { className: "result" },
    ...entries
      .slice(0, ROWS_MAX)
      .flatMap(([name, inner]) => [
        make("dt", {}, fit(title(name))),
        make("dd", {}, resultOf(inner, depth + 1)),
      ]),
  );
}

/**
 * Objects with the same keys are a table; anything else in a list, a list.
 * @param {unknown[]} values
 * @param {number} depth
 */
function list(values, depth) {
  const more = values.length > ROWS_MAX ? [`and ${values.length - ROWS_MAX} more`] : [];
  const rows = values.slice(0, ROWS_MAX);
  const columns = columnsOf(rows);
  if (!columns) {
    const items = [...rows.map((row) => resultOf(row, depth + 1)), ...more];
    return make("ol", { className: "result" }, ...items.map((item) => make("li", {}, item)));
  }
  const head = columns.map((name) => make("th", { scope: "col" }, fit(title(name))));
  const body = rows.map((row) =>
    make(
      "tr",
      {},
      ...columns.map((name) => make("td", {}, resultOf(Reflect.get(Object(row), name), DEPTH_MAX))),
    ),
  );
  const table = make(
    "table",
    { className: "result" },
    make("thead", {}, make("tr", {}, ...head)),
    make("tbody", {}, ...body),
  );
  return make("div", { className: "scroll" }, table, ...more);
}

/**
 * The keys that all rows share; null where they are not alike.
 * @param {unknown[]} rows
 * @returns {string[] | null}
 */
export function columnsOf(rows) {
  const keys = rows.map((row) =>
    row !== null && typeof row === "object" && !Array.isArray(row) ? Object.keys(row) : [],
  );
  const [first] = keys;
  if (!first?.length) return null;
  return keys.every((some) => some.join("\n") === first.join("\n")) ? first : null;
}

/** @param {unknown} value */
function say(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number" && !Number.isInteger(value)) return value.toFixed(2);
  return value === null || value === undefined ? "–" : fit(value);
}
