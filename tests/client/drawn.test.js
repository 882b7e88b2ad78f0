/**
 * What the Python client drew and sent, moment for moment: this one draws and sends the same. The
 * server, its network and the controls are those of tests/vectors/drawn.py.
 */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { join } from "../../client/index.js";
import { World } from "./world.js";

const FOLDER = new URL("../vectors/drawn/", import.meta.url);
const NEAR = 1e-9;
const EDGE = 6;
const raw = (hex) => new Uint8Array(Buffer.from(hex, "hex"));
const vector = (name) => JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));

/** One tick of one duck, as tests/vectors/pond.py has it. */
function paddle(duck, pull, dt) {
  duck.heading += pull.turn * 3 * dt;
  duck.x = Math.max(-EDGE, Math.min(EDGE, duck.x + pull.go * 4 * dt));
  duck.y += pull.go * 0.7 * dt;
  duck.dives = (duck.dives + (pull.turn !== 0 ? 1 : 0)) % 200;
}

/** Plays a vector by a rule; what was drawn and sent at each of its steps. */
async function play({ began_ms, welcome, first, controls, fields, steps }, rule = paddle) {
  const world = new World();
  world.time = began_ms;
  // Time is told; nobody's wait ends by it.
  world.setTimeout = () => 1;
  const pull = () => {
    const [, go, turn] = controls.findLast(([from]) => from <= world.time);
    return { go, turn };
  };
  const sent = () => world.socket.sent.splice(0).map((bytes) => Buffer.from(bytes).toString("hex"));
  const joining = join("pond", { url: "ws://pond/play", name: "Ada", store: null, world });
  world.socket.open();
  world.socket.hear(raw(welcome));
  sent();
  world.socket.hear(raw(first));
  const room = await joining;
  if (controls) {
    room.predict("Duck", rule, { peek: pull });
    room.sample(pull);
  }
  const played = [{ sent: sent() }];
  for (const { ms, frame } of steps) {
    world.time = ms;
    if (frame) {
      world.socket.hear(raw(frame));
      played.push({ sent: sent() });
      continue;
    }
    const view = room.view(ms);
    const rows = {};
    for (const [table, names] of Object.entries(fields))
      rows[table] = view.all(table).map((row) => names.map((name) => row[name]));
    played.push({ tick: view.tick, rows, sent: sent() });
  }
  room.leave();
  return played;
}

/** How far two numbers are apart at most, anywhere in what was drawn; infinite where rows differ. */
function apart(drawn, wanted) {
  let most = Math.abs(drawn.tick - wanted.tick);
  for (const [table, rows] of Object.entries(wanted.rows)) {
    if (rows.length !== drawn.rows[table].length) return Infinity;
    rows.forEach((row, i) =>
      row.forEach((value, j) => (most = Math.max(most, Math.abs(value - drawn.rows[table][i][j])))),
    );
  }
  return Number.isNaN(most) ? Infinity : most;
}

test("there are vectors", () => assert.deepEqual(readdirSync(FOLDER), ["predicted.json", "watched.json"]));

for (const name of readdirSync(FOLDER)) {
  test(`${name}: the rows drawn and the bytes sent are those of the Python client`, async () => {
    const wanted = vector(name);
    const [began, ...played] = await play(wanted);
    assert.deepEqual(began.sent, wanted.sent);
    played.forEach((step, i) => {
      const at = wanted.steps[i];
      if (at.rows) assert.ok(apart(step, at) <= NEAR, `at ${at.ms} ms: ${JSON.stringify(step)}`);
      assert.deepEqual(step.sent, at.sent, `sent at ${at.ms} ms`);
    });
  });
}

test("a rule that is another by little is drawn elsewhere", async () => {
  const wanted = vector("predicted.json");
  const [, ...played] = await play(wanted, (duck, pull, dt) => paddle(duck, pull, dt * 1.01));
  assert.ok(played.some((step, i) => step.rows && apart(step, wanted.steps[i]) > NEAR));
});
