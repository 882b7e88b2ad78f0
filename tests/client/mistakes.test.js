/** What the author of a game is told in the page, in development. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { told } from "../../client/page/mistakes.js";

test("nothing is told where nothing is wrong", () => {
  assert.deepEqual(told({ file: null, rooms: {} }), []);
});

test("a file that does not load, and that the old rules go on", () => {
  assert.deepEqual(told({ file: "SyntaxError: invalid syntax (walk.py:3)", rooms: {} }), [
    "Saved, but matches go on by the rules before: SyntaxError: invalid syntax (walk.py:3)",
  ]);
});

test("rooms that stand still for one reason are told together", () => {
  const [ours, theirs] = ["NameError (walk.py:3)", "ValueError (walk.py:9)"];
  assert.deepEqual(told({ file: null, rooms: { a: ours, b: theirs, c: ours } }), [
    `2 rooms stand still and go on when the file is saved again: ${ours}`,
    `A room stands still and goes on when the file is saved again: ${theirs}`,
  ]);
});
