/**
 * Colours that people read in the arena: every ink of its sheet against every ground it is written
 * on, through which the stage may shine.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as stage from "../../games/arena/web/colors.js";

const WEB = new URL("../../games/arena/web/", import.meta.url);
const css = readFileSync(new URL("arena.css", WEB), "utf8");
const html = readFileSync(new URL("index.html", WEB), "utf8");
const colors = new Map(
  [...css.matchAll(/--([\w-]+):\s*(#(?:[0-9a-f]{8}|[0-9a-f]{6}));/g)].map(([, name, hex]) => [name, hex]),
);
const TEXT = 4.5;
const GRAPHICS = 3;

/** Panels let the stage through: its lightest and its darkest large areas lie below them. */
const BELOW = [stage.WALL_TOP, stage.WALL_RIM, stage.GROUND, stage.BEYOND];
const HUD = "#0f1815d9";
const OWN_LINE = "#2a2411d9";
const OWN_ENTRY = "#2a2411e6";
const OVER = "#0f1815f2";
const OWN_ROW = "#2a2411";
const CROWD = Array.from({ length: 8 }, (_, number) => stage.colorOf(number, 0, false));
const NAMES = [...CROWD, stage.RED, stage.BLUE, stage.ACCENT];

/** Which inks stand on which grounds: a name of the sheet's, or a colour of its own. */
const WRITTEN = {
  ink: [HUD, OVER, "panel", "raised", "beyond"],
  quiet: [HUD, OVER, OWN_LINE, OWN_ENTRY, OWN_ROW, "panel"],
  accent: [OWN_ENTRY, OWN_ROW, OVER, "panel"],
  danger: [HUD, "panel"],
  good: ["panel"],
  "on-accent": ["accent", "#ffd782"],
  "#ffd9d1": ["#2d1713"],
};

/** @param {string} hex @param {string} below what shines through it */
function over(hex, below) {
  const alpha = hex.length > 7 ? parseInt(hex.slice(7), 16) / 255 : 1;
  return [1, 3, 5].map((at) => {
    const [top, under] = [hex, below].map((color) => parseInt(color.slice(at, at + 2), 16));
    return top * alpha + under * (1 - alpha);
  });
}

/** Relative luminance (WCAG 2.2, definition of the same name). @param {number[]} rgb */
function luminance(rgb) {
  const [r, g, b] = rgb.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The least contrast of an ink on a ground, whatever lies below it. */
function contrast(ink, ground) {
  const [top, panel] = [ink, ground].map((color) => colors.get(color) ?? color);
  return Math.min(
    ...BELOW.map((below) => {
      const [dark, light] = [luminance(over(top, below)), luminance(over(panel, below))].sort(
        (a, b) => a - b,
      );
      return (light + 0.05) / (dark + 0.05);
    }),
  );
}

test("the measure itself: black on white, a pair known to fail, and what shines through", () => {
  assert.equal(contrast("#000000", "#ffffff"), 21);
  assert.ok(contrast("#777777", "#ffffff") < TEXT);
  assert.ok(contrast("#f4efe2", "#0f181500") < TEXT, "no panel at all: the wall's rim is light");
});

for (const [ink, grounds] of Object.entries(WRITTEN)) {
  for (const ground of grounds) {
    test(`${ink} can be read on ${ground}`, () => {
      const found = contrast(ink, ground);
      assert.ok(found >= TEXT, `${found.toFixed(2)} to 1`);
    });
  }
}

test("every driver's name can be read in the feed, own lines included", () => {
  assert.equal(new Set(CROWD).size, 8);
  for (const ink of NAMES) {
    for (const ground of [HUD, OWN_LINE]) {
      const found = contrast(ink, ground);
      assert.ok(found >= TEXT, `${ink} on ${ground}: ${found.toFixed(2)} to 1`);
    }
  }
});

test("tanks can be told from ground and walls' shadows, rings of focus and fields from theirs", () => {
  for (const ink of NAMES) assert.ok(contrast(ink, stage.GROUND) >= TEXT, ink);
  for (const ground of ["panel", "raised", "beyond"]) {
    assert.ok(contrast("accent", ground) >= GRAPHICS, ground);
  }
  assert.ok(contrast("edge", "beyond") >= GRAPHICS);
});

test("every colour of text in the sheet is one of those measured here", () => {
  for (const [, value] of css.matchAll(/(?<![-\w])color:\s*([^;]+);/g)) {
    const ink = /^var\(--([\w-]+)\)$/.exec(value)?.[1] ?? value;
    assert.ok(ink in WRITTEN, `color: ${value}`);
  }
});

test("every ground that text may stand on is one of those measured here", () => {
  const measured = new Set(Object.values(WRITTEN).flat());
  const bare = ["#f4efe214", "#f4efe2aa", "#ffc857cc", "currentcolor"];
  for (const [, value] of css.matchAll(/(?<![-\w])background:\s*([^;]+);/g)) {
    const ground = /^var\(--([\w-]+)\)$/.exec(value)?.[1] ?? value;
    if (value.includes("gradient")) continue;
    assert.ok(measured.has(ground) || bare.includes(ground), `background: ${value}`);
  }
});

test("nothing moves by itself for whoever asks for less motion", () => {
  assert.match(css, /prefers-reduced-motion: reduce\) \{\s*\* \{\s*animation: none !important;/);
  assert.doesNotMatch(css, /transition/);
});

test("whatever can be pressed or filled in has a name", () => {
  for (const [, attributes, text] of html.matchAll(/<button([^>]*)>([^<]*)<\/button>/g)) {
    assert.ok(text.trim() || attributes.includes("aria-label"), attributes);
  }
  for (const [, id] of html.matchAll(/<(?:input|select)[^>]*?id="([\w-]+)"/g)) {
    assert.ok(html.includes(`for="${id}"`), id);
  }
  for (const [tag] of html.matchAll(/<(?:canvas|section|aside)[^>]*>/g)) {
    assert.ok(/aria-label|class="corner"/.test(tag), tag);
  }
});
