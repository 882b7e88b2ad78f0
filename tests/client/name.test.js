/** Names of any script, length and trick: what is kept, what is refused, and what is shown. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { clean, fit, labels, marks, problem, shown, skeleton } from "../../client/page/name.js";

const RLO = "\u202e";
const ZALGO = `Z${"\u0301\u0322\u0353".repeat(8)}algo`;

test("names of any script are kept as they are", () => {
  for (const name of ["Ada", "Łukasz", "Иван", "שלום", "محمد", "नमस्ते", "สมชาย", "王小明", "🦊", "O'Neil-Ñ"]) {
    assert.equal(clean(name), name.normalize("NFC"));
    assert.equal(problem(name), "");
    assert.equal(shown(name, 1), name.normalize("NFC"));
  }
});

test("what acts on the text around it is taken out, as the server does", () => {
  assert.equal(clean(`${RLO}evil\u2066`), "evil");
  assert.equal(clean("a\u0000b\u0007c\u001b[31m"), "abc[31m");
  assert.equal(clean("  two\n\t words\u2028here "), "two words here");
  assert.equal(clean("a \u200b b"), "a b");
  assert.equal(clean("a\u001db\u0085c"), "a b c");
  assert.equal(clean("a\ufeffb"), "ab");
  assert.equal(clean("e\u0301"), "é");
});

test("markup is text like any other", () => {
  assert.equal(shown("<b>Ada</b> & \"co\"", 1), "<b>Ada</b> & \"co\"");
});

test("an empty name will do, one that cannot be seen or does not fit will not", () => {
  assert.equal(problem(""), "");
  assert.equal(problem("   "), "");
  for (const unseen of ["\u200b", RLO, "\u3164", "\u2800 \u115f", "\u0301\u0301", "\u00ad"]) {
    assert.match(problem(unseen), /can be seen/);
  }
  assert.equal(problem("x".repeat(24)), "");
  assert.match(problem("x".repeat(25)), /^25 characters .* 24 fit/);
  assert.equal(problem("🦊".repeat(24)), "");
  assert.match(problem("🦊".repeat(25)), /^25 /);
});

test("somebody else's name is never nothing, and never grows over other lines", () => {
  assert.equal(shown("\u3164\u200d", 7), "player 7");
  assert.equal(shown("", 7), "player 7");
  assert.equal(shown(undefined, 7), "undefined");
  assert.equal([...shown(ZALGO, 1).normalize("NFD")].filter((c) => /\p{M}/u.test(c)).length <= 5, true);
  assert.ok(shown(ZALGO, 1).endsWith("algo"));
  assert.equal(fit("one\ntwo"), "one two");
});

test("names that look alike are told apart by number, others are left alone", () => {
  const players = [
    { id: 1, name: "Ada" },
    { id: 2, name: "Аdа" },
    { id: 3, name: "Bob" },
    { id: 4, name: "ADA" },
    { id: 5, name: "\u200bAda" },
    { id: 6, name: "player 7" },
    { id: 7, name: "\u3164" },
  ];
  assert.deepEqual([...marks(players).keys()].sort(), [1, 2, 4, 5, 6, 7]);
  assert.equal(marks(players).get(2), "#2");
  assert.equal(labels(players).get(2), "Аdа #2");
  assert.equal(labels(players).get(3), "Bob");
});

test("look-alikes have one skeleton, and different names do not", () => {
  for (const [one, two] of [
    ["paypal", "раураӏ"],
    ["HOPE", "НОРЕ"],
    ["Zoe", "Ζοe"],
    ["Bill", "BiII"],
    ["mom", "rnorn"],
    ["Ａｄａ", "Ada"],
    ["Zoë", "Zoe"],
    ["l0l", "1o|"],
    ["Ada Lovelace", "AdaLovelace"],
  ]) {
    assert.equal(skeleton(one), skeleton(two), `${one} ${two}`);
  }
  for (const [one, two] of [
    ["Ada", "Ida"],
    ["Иван", "Иваи"],
    ["王", "玉"],
    ["שלום", "שלומ"],
  ]) {
    assert.notEqual(skeleton(one), skeleton(two), `${one} ${two}`);
  }
});
