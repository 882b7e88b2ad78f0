/** Colours that people read: every ink of the page against every ground it is written on. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const PAGE = new URL("../../client/page/", import.meta.url);
const read = (name) => readFileSync(new URL(name, PAGE), "utf8");
const sheets = readdirSync(PAGE).filter((name) => name.endsWith(".css"));
const colors = new Map(
  [...read("page.css").matchAll(/--([\w-]+):\s*(#[0-9a-f]{6});/g)].map(([, name, hex]) => [name, hex]),
);

/** Which inks stand on which grounds. */
const WRITTEN = {
  ink: ["ground", "raised", "lifted"],
  quiet: ["ground", "raised", "lifted"],
  accent: ["ground", "raised"],
  warm: ["ground", "raised", "lifted"],
  bad: ["ground", "raised"],
  faint: ["ground"],
  "on-accent": ["accent", "accent-lit"],
  "on-bad": ["bad-ground", "bad-lit"],
};
const TEXT = 4.5;
const GRAPHICS = 3;

/** Relative luminance (WCAG 2.2, definition of the same name). @param {string} hex */
function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {string} one @param {string} two */
function contrast(one, two) {
  const [dark, light] = [luminance(one), luminance(two)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

test("the measure itself: black on white, and a pair that is known to fail", () => {
  assert.equal(contrast("#000000", "#ffffff"), 21);
  assert.equal(contrast("#777777", "#777777"), 1);
  assert.ok(contrast("#777777", "#ffffff") < TEXT);
  assert.ok(contrast("#767676", "#ffffff") >= TEXT);
});

for (const [ink, grounds] of Object.entries(WRITTEN)) {
  for (const ground of grounds) {
    test(`${ink} can be read on ${ground}`, () => {
      const found = contrast(colors.get(ink), colors.get(ground));
      assert.ok(found >= TEXT, `${found.toFixed(2)} to 1`);
    });
  }
}

test("what has no text but must be seen: focus rings, and the edges of fields", () => {
  for (const ground of ["ground", "raised", "lifted"]) {
    assert.ok(contrast(colors.get("accent"), colors.get(ground)) >= GRAPHICS);
  }
  assert.ok(contrast(colors.get("edge"), colors.get("ground")) >= GRAPHICS);
});

test("every colour of text in every sheet is one of those measured here", () => {
  assert.ok(sheets.length >= 3);
  for (const name of sheets) {
    for (const [, value] of read(name).matchAll(/(?<![-\w])color:\s*([^;]+);/g)) {
      const ink = /^var\(--([\w-]+)\)$/.exec(value)?.[1];
      assert.ok(ink ? ink in WRITTEN : value === "inherit", `${name}: color: ${value}`);
    }
  }
});

test("everything on the stage can be told from its ground", () => {
  const source = read("stage.js");
  const ground = /GROUND = "(#\w{6})"/.exec(source)[1];
  assert.equal(ground, colors.get("ground"));
  const rest = source.slice(source.indexOf("COLORS = ["), source.indexOf("const GROUND"));
  const drawn = [...rest.matchAll(/"(#\w{6})"/g)].map(([, hex]) => hex);
  assert.ok(drawn.length >= 9);
  for (const hex of drawn) assert.ok(contrast(hex, ground) >= TEXT, hex);
});
