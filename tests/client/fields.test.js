/** Fields: rounding, bounds, and errors that say what would be right. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { readColumn, readFields, rounded, toWire } from "../../client/fields.js";
import { readSchema } from "../../client/schema.js";
import { Column } from "../../client/msgpack.js";
import { RemoteError } from "../../client/errors.js";
import { SCHEMA } from "./coins.js";

const FIELDS = readFields([
  [0, "x", 1, 0, 512, 1024, -9, 9, null],
  [1, "aim", 2, 0, 0, 10000],
  [2, "n", 3, 0, 1, -1, 1],
  [3, "say", 6, 0, "hi", 4],
  [4, "fire", 7, 0, 0],
  [5, "at", 8, 0, 0, 2],
  [6, "f", 5, 0, 0.25],
]);
const [x, aim, n, say, fire, at, f] = FIELDS;

test("what is left out takes its default, rounded as the server rounds", () => {
  assert.deepEqual(toWire("input", FIELDS, {}), [512, 0, 1, "hi", 0, 0, 0.25]);
  assert.deepEqual(toWire("input", [x], { x: 0.0005 }), [1]);
  assert.deepEqual(toWire("input", [x], { x: -0.5 / 1024 }), [0]);
  assert.deepEqual(toWire("input", [x], { x: -1.5 / 1024 }), [-1]);
  assert.ok(Object.is(toWire("input", [x], { x: -0 })[0], 0));
  assert.deepEqual(
    toWire("input", [aim, fire, at], { aim: 3.2768, fire: true, at: 12 }),
    [-32768, 1, 12],
  );
  assert.deepEqual(toWire("input", [aim], { aim: -3.2769 }), [32767]);
});

test("a mistake names the field, the value and what would be right", () => {
  const cases = [
    [{ x: 10 }, "input.x must be a finite number from -9 to 9, not 10"],
    [{ x: NaN }, "input.x must be a finite number from -9 to 9, not NaN"],
    [{ x: "1" }, 'input.x must be a finite number from -9 to 9, not "1"'],
    [{ n: 0.5 }, "input.n must be a whole number from -1 to 1, not 0.5"],
    [{ n: true }, "input.n must be a whole number from -1 to 1, not true"],
    [{ say: "hello" }, 'input.say must be a text of at most 4 characters, not "hello"'],
    [{ fire: 2 }, "input.fire must be true or false, not 2"],
    [{ at: -1 }, "input.at must be a row's id or 0, not -1"],
    [{ up: 1 }, 'input has no field "up"; its fields are: x, aim, n, say, fire, at, f'],
    [null, "input takes an object of fields, not null"],
  ];
  for (const [given, message] of cases)
    assert.throws(() => toWire("input", FIELDS, given), { message });
  assert.deepEqual(
    toWire("input", [say], { say: "😀😀😀😀" }),
    ["😀😀😀😀"],
    "characters, not UTF-16 units",
  );
});

test("a fixed value beyond 2^50 on the wire is refused at the call, not sent", () => {
  const [free] = readFields([[0, "x", 1, 0, 0, 1024, null, null, null]]);
  const most = 2 ** 40;
  assert.deepEqual(toWire("input", [free], { x: most }), [2 ** 50]);
  assert.deepEqual(toWire("input", [free], { x: -most }), [-(2 ** 50)]);
  for (const far of [most + 1 / 1024, -most - 1 / 1024, 2 ** 41, 1e300])
    assert.throws(() => toWire("input", [free], { x: far }), {
      name: "RangeError",
      message: `input.x must be a finite number from ${-most} to ${most}, not ${far}`,
    });
  assert.throws(() => readColumn(free, [2 ** 50 + 1], 1), RemoteError, "nor taken from a server");
});

test("a number on a grid ends where the server's arithmetic does", () => {
  const [wide] = readFields([[0, "x", 1, 0, 0, 1024, null, null, null]]);
  assert.deepEqual(toWire("Set", [wide], { x: 2 ** 40 }), [2 ** 50]);
  for (const given of [2 ** 40 + 1, 2 ** 41, -(2 ** 41), 1e300])
    assert.throws(() => toWire("Set", [wide], { x: given }), RangeError);
});

test("what is written beyond its bounds is clamped, wrapped or left, as the field says", () => {
  const made = (/** @type {any[]} */ ...policy) => readFields([[1, "n", 3, 0, 0, 0, 255, ...policy]])[0];
  assert.deepEqual([-1, 256, 600].map((n) => rounded(made(), n)), [0, 255, 255]);
  assert.deepEqual([-1, 256, 600].map((n) => rounded(made("wrap"), n)), [255, 0, 88]);
  assert.deepEqual([-1, 256, 600].map((n) => rounded(made("fail"), n)), [-1, 256, 600]);
  assert.equal(rounded(made("bounce"), 256), 255, "a word of a later version counts as none");
});

test("columns become values, from arrays and typed arrays alike", () => {
  assert.deepEqual([...readColumn(x, [1, -1024], 2)], [1 / 1024, -1]);
  assert.deepEqual([...readColumn(x, new Column(Int16Array.of(1, -1024)), 2)], [1 / 1024, -1]);
  assert.deepEqual([...readColumn(fire, new Column(Uint8Array.of(0, 1)), 2)], [false, true]);
  assert.deepEqual([...readColumn(f, [1, 0.5], 2)], [1, 0.5]);
});

test("values that no server may send are refused", () => {
  const wrong = [
    [x, [0.5], 1],
    [x, ["1"], 1],
    [x, [1], 2],
    [x, null, 1],
    [x, new Column(Float64Array.of(0.5)), 1],
    [aim, [40000], 1],
    [aim, new Column(Uint16Array.of(40000)), 1],
    [n, [null], 1],
    [say, [1], 1],
    [fire, [2], 1],
    [fire, new Column(Uint8Array.of(2)), 1],
    [at, [-1], 1],
    [at, new Column(Int8Array.of(-1)), 1],
    [f, [NaN], 1],
    [f, new Column(Float32Array.of(Infinity)), 1],
    [x, Uint8Array.of(1), 1],
  ];
  for (const [field, column, length] of wrong) {
    assert.throws(() => readColumn(field, column, length), RemoteError, `${field.name} ${column}`);
  }
});

test("a schema is read whole or refused", () => {
  const schema = readSchema(SCHEMA);
  assert.deepEqual(
    schema.tables.map((table) => table.name),
    ["Room", "Player", "Runner", "Blast", "Note"],
  );
  assert.deepEqual(schema.tables[2].blank, {
    id: 0,
    owner: 0,
    x: 0,
    y: 0.5,
    heading: 0,
    coins: 0,
    hand: 7,
  });
  const table = (fields) => [[["T", 0, fields]], [], [], []];
  const wrong = [
    null,
    [[]],
    table([[0, "x", 3, 0, 0]]),
    table([[31, "x", 3, 0, 0]]),
    table([[1, "__proto__", 3, 0, 0]]),
    table([[1, "id", 3, 0, 0]]),
    table([[1, "x", 9, 0, 0]]),
    table([[1, "x", 1, 0, 0, 0]]),
    table([[1, "x", 3, 0, "0"]]),
    table([
      [1, "x", 3, 0, 0],
      [1, "y", 3, 0, 0],
    ]),
    table([
      [1, "x", 3, 0, 0],
      [2, "x", 3, 0, 0],
    ]),
    [[["T", 4, []]], [], [], []],
  ];
  for (const wire of wrong)
    assert.throws(() => readSchema(wire), RemoteError, JSON.stringify(wire));
});
