/** Views: what a frame does to rows, whole or not at all, and the digest over them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { View, apply } from "../../client/view.js";
import { readChunks, readDropped } from "../../client/chunks.js";
import { canonical, crc32, digest } from "../../client/digest.js";
import { readSchema } from "../../client/schema.js";
import { RemoteError } from "../../client/errors.js";
import { PEOPLE, SCHEMA } from "./coins.js";

const schema = readSchema(SCHEMA);

function step(view, tick, base, chunks, dropped = []) {
  const next = apply(
    view,
    { tick, base },
    readDropped(schema, dropped),
    readChunks(schema, chunks),
  );
  return {
    view: next.view,
    told: next.changes.map(({ what, table, row }) => `${what} ${table.name} ${row.id}`),
  };
}

const first = () => step(new View(schema, 1), 7, 0, PEOPLE).view;

test("an unknown id creates a row of defaults; columns store values", () => {
  const view = first();
  assert.equal(view.tick, 7);
  assert.deepEqual(view.get("Runner", 11), {
    id: 11,
    owner: 1,
    x: 1,
    y: 2,
    heading: 0,
    coins: 3,
    hand: 42,
  });
  assert.deepEqual(
    { ...view.get("Runner", 12), heading: 0 },
    { id: 12, owner: 2, x: -1, y: 0, heading: 0, coins: 0, hand: 7 },
  );
  assert.equal(view.me.name, "Ada");
  assert.equal(view.one("Runner", { owner: 2 }).id, 12);
  assert.equal(view.one("Runner", { owner: 3 }), null);
  assert.equal(view.room, null);
  assert.deepEqual(
    view.players.map((row) => row.connected),
    [true, true],
  );
  assert.equal(step(view, 8, 7, [[4, [], [0, [5]]]]).view.get("Note", 5).text, "");
  assert.throws(() => view.all("Tank"), {
    message: 'this game has no table "Tank"; its tables are: Room, Player, Runner, Blast, Note',
  });
});

test("rows stay in id order, whatever order they come in", () => {
  const { view } = step(first(), 8, 7, [[2, [], [0, [30, 3, 20]]]]);
  assert.deepEqual(
    view.all("Runner").map((row) => row.id),
    [3, 11, 12, 20, 30],
  );
});

test("an older view is not touched, and unchanged rows are the same objects", () => {
  const before = first();
  const { view, told } = step(before, 8, 7, [[2, [12, 99], [0b10, [11], [2048]]]]);
  assert.deepEqual(told, ["removed Runner 12", "changed Runner 11"]);
  assert.equal(before.get("Runner", 11).x, 1);
  assert.equal(before.count("Runner"), 2);
  assert.equal(view.get("Runner", 11).x, 2);
  assert.equal(view.get("Player", 1), before.get("Player", 1));
  const again = step(view, 9, 8, [[2, [], [0b10, [11], [2048]]]]);
  assert.deepEqual(again.told, []);
  assert.equal(again.view.get("Runner", 11), view.get("Runner", 11));
});

test("a row that left the view is hidden, one despawned is removed", () => {
  const { view, told } = step(first(), 8, 7, [[1, [2]]], [[2, [12, 77]]]);
  assert.deepEqual(told, ["removed Player 2", "hidden Runner 12"]);
  assert.equal(view.count("Runner"), 1);
});

test("a frame from nothing forgets first, and tells only what differs", () => {
  const before = first();
  const { view, told } = step(before, 9, 0, [
    PEOPLE[0],
    [2, [], [0b111111, [11], [1], [1024], [2048], [0], [4], [42]]],
  ]);
  assert.deepEqual(told, ["changed Runner 11", "removed Runner 12"]);
  assert.equal(view.count("Runner"), 1);
  assert.equal(view.get("Player", 1), before.get("Player", 1));
});

test("a row that changes hands forgets what only its owner may see", () => {
  const lost = step(first(), 8, 7, [[2, [], [0b1, [11], [2]]]]).view;
  assert.deepEqual(
    [lost.get("Runner", 11).owner, lost.get("Runner", 11).hand, lost.get("Runner", 11).coins],
    [2, 7, 3],
  );
  const got = step(lost, 9, 8, [[2, [], [0b100001, [12], [1], [9]]]]).view;
  assert.equal(got.get("Runner", 12).hand, 9);
});

test("a frame that cannot be read to its end is applied not at all", () => {
  const view = first();
  const good = [0b10, [11], [0]];
  const wrong = [
    [[9, []]],
    [[2]],
    [[2, [0]]],
    [[2, [], good, [0b10, [11]]]],
    [[2, [], good, [0b10, [11], [1, 2]]]],
    [[2, [], [1 << 9, [11], [1]]]],
    [[2, [], [2 ** 31, [11], [1]]]],
    [[2, [], [0b10, [1.5], [1]]]],
    [[2, [], [0b1, [11], [-1]]]],
    [["2", []]],
    ["x"],
  ];
  for (const chunks of wrong)
    assert.throws(() => step(view, 8, 7, [[2, [], good], ...chunks]), RemoteError);
  const many = Array.from({ length: 70_000 }, (_, i) => i + 1);
  assert.throws(() => step(view, 8, 7, [[4, [], [0, many]]]), RemoteError);
  assert.equal(view.get("Runner", 11).x, 1);
  assert.equal(view.count("Note"), 0);
});

const bytes = (view) => canonical(view).flatMap((part) => [...part]);

test("CRC-32 is zlib's", () => {
  assert.equal(
    crc32([new TextEncoder().encode("1234"), new TextEncoder().encode("56789")]),
    0xcbf43926,
  );
  assert.equal(crc32([]), 0);
});

test("canonical bytes, by hand", () => {
  const { view } = step(new View(schema, 2), 3, 0, [
    [4, [], [0b11111, [6, 5], [0, 2], ["é", ""], [1, 0], [11, 0], [0.5, 2]]],
    [2, [], [0b100001, [11], [2], [8]]],
  ]);
  const u32 = (...all) => all.flatMap((n) => [n, 0, 0, 0]);
  const f64 = (...all) => all.flatMap((n) => [...new Uint8Array(Float64Array.of(n).buffer)]);
  const expected = [
    ...u32(2, 1, 11, 2),
    ...f64(0, 0.5, 0, 0),
    ...u32(4, 2, 5, 6, 2, 0),
    ...u32(0),
    ...u32(2),
    0xc3,
    0xa9,
    ...f64(0, 1),
    ...f64(0, 11),
    ...f64(2, 0.5),
    ...u32(2, 1, 11),
    ...f64(8),
  ];
  assert.deepEqual(bytes(view), expected);
  const other = new View(schema, 1, view.tick, view.tables);
  assert.notEqual(digest(other), digest(view));
  assert.equal(
    bytes(new View(schema, 0, 3, first().tables)).length,
    bytes(new View(schema, 9, 3, first().tables)).length,
  );
});
