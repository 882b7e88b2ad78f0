/** JSON without rounding: what JavaScript's numbers hold is a number, what they do not is its digits. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExact } from "../../client/exact.js";

test("whole numbers beyond 2^53 are equal or a text of their digits, and nothing else changes", () => {
  const text = `{"far": [9007199254740991, 9007199254740992, 9007199254740993, -9007199254740993],
    "1${"0".repeat(30)}": 1${"0".repeat(30)}, "says": "9007199254740993 \\" 9007199254740993",
    "float": 9007199254740993.5, "small": 5e-324, "zero": -0, "huge": ${"9".repeat(400)}}`;
  const found = parseExact(text);
  const far = [2 ** 53 - 1, 2 ** 53, "9007199254740993", "-9007199254740993"];
  assert.deepEqual(found.far, far);
  assert.equal(found[`1${"0".repeat(30)}`], `1${"0".repeat(30)}`);
  assert.equal(found.says, '9007199254740993 " 9007199254740993');
  assert.deepEqual([found.float, found.small, found.huge], [9007199254740994, 5e-324, "9".repeat(400)]);
  assert.ok(Object.is(found.zero, -0));
  assert.notDeepEqual(JSON.parse(text).far, far, "the control: JSON.parse rounds");
});

test("what is no JSON is none here either", () => {
  for (const text of ["", "<p>Bad gateway</p>", "{", "9007199254740993x"])
    assert.throws(() => parseExact(text), SyntaxError);
});
