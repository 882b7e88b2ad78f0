/** Prediction: own rows where the player already is, put right by every frame, and never jumping. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Playback } from "../../client/interpolation.js";
import { AHEAD, STILL, TANK, golden, predicting, race, seen, wire } from "./tanks.js";

const ORIGIN = [0, 0, 0, 0];
const open = (tick, tank = ORIGIN, but = {}) => seen(tick, tank, [], but);

/** What a prediction shows of the own tank. */
const shown = (prediction, view) => prediction.drawn(view.get("Tank", TANK));

test("with answers ticks late the prediction is where the server will be, to the last bit", () => {
  for (const late of [0, 1, 3, 8]) {
    for (const drive of golden.drives)
      assert.deepEqual(new Set(race(late, drive)), new Set([0]), `${late} ticks late`);
  }
});

test("an input the server did without is put right by the next answers", () => {
  const errors = race(2, golden.drives[1], (i) => i === 40);
  assert.ok(errors.some((error) => error > 0));
  assert.ok(errors.slice(60).every((error) => error === 0));
});

test("a page that predicts its walls away is pulled back by the server's row", () => {
  const prediction = predicting();
  prediction.framed(open(1), []);
  for (let i = 0; i < 20; i++) prediction.sampled(AHEAD);
  assert.ok(prediction.row.x > 5);
  assert.equal(prediction.ahead, 20);
  prediction.framed(open(2), []);
  assert.deepEqual([prediction.row.x, prediction.ahead], [0, 0]);
});

test("only the own rows are predicted, and other fields keep the time of what is drawn", () => {
  const prediction = predicting();
  const view = open(1, ORIGIN, { other: [2048, 0, 0, 0] });
  prediction.framed(view, [AHEAD]);
  assert.equal(prediction.drawn(view.get("Tank", TANK + 1)), null);
  const hit = open(2, ORIGIN, { armour: 3 });
  prediction.framed(hit, [AHEAD]);
  const drawn = shown(prediction, view);
  assert.equal(drawn.armour, 4, "the drawn view does not know of the hit yet");
  assert.equal(hit.get("Tank", TANK).x, 0, "views never change");
  const playback = new Playback(view);
  playback.predictions[3] = prediction;
  assert.ok(playback.seek(1).get("Tank", TANK).x > 0);
  assert.equal(playback.get("Tank", TANK + 1).x, 2);
  assert.equal(playback.one("Tank", { owner: 2 }), playback.all("Tank")[0]);
});

test("a key moves the picture with the next animation frame, and nothing jumps", () => {
  let controls = STILL;
  const prediction = predicting({ peek: () => controls });
  const view = open(1);
  prediction.framed(view, []);
  prediction.sampled(STILL);
  prediction.seek(0.3, 16);
  assert.equal(shown(prediction, view).x, 0);
  controls = AHEAD;
  const xs = [];
  for (let now = 32; now < 240; now += 16) {
    if (now % 48 === 0) prediction.sampled(controls);
    prediction.seek((now % 48) / 48, 16);
    xs.push(shown(prediction, view).x);
  }
  assert.ok(xs[1] > 0.05, `after one more frame: ${xs}`);
  xs.reduce((before, x) => {
    assert.ok(x >= before && x - before < 0.2, `no frame may go back or leap: ${xs}`);
    return x;
  }, 0);
});

test("steady driving is drawn steadily: a sample is no seam", () => {
  const prediction = predicting();
  const view = open(1);
  prediction.framed(view, []);
  const xs = [];
  for (let i = 0; i < 120; i++) {
    if (i % 3 === 0) prediction.sampled(AHEAD);
    prediction.seek((i % 3) / 3, 50 / 3);
    xs.push(shown(prediction, view).x);
  }
  const steps = xs.slice(6).map((x, i) => x - xs[i + 5]);
  assert.ok(Math.max(...steps) - Math.min(...steps) < 0.002, `${steps.slice(0, 9)}`);
});

test("a correction fades; without smoothing it shows at once", () => {
  const step = (smooth_ms) => {
    const prediction = predicting({ smooth_ms });
    const view = open(1);
    prediction.framed(view, []);
    prediction.sampled(STILL);
    prediction.seek(0, 16);
    const before = shown(prediction, view).x;
    prediction.framed(open(2, [1024, 0, 0, 0]), []);
    prediction.seek(0, 16);
    const first = shown(prediction, view).x - before;
    for (let i = 0; i < 60; i++) prediction.seek(0, 16);
    assert.ok(Math.abs(shown(prediction, view).x - 1) < 0.001, "it ends where the server has it");
    assert.equal(prediction.error.x, -1);
    return first;
  };
  assert.equal(step(0), 1);
  assert.ok(step(100) < 0.2);
});

test("a respawn is a jump, not a slide", () => {
  const prediction = predicting();
  const view = open(1);
  prediction.framed(view, []);
  prediction.sampled(STILL);
  prediction.seek(0, 16);
  const there = open(2, [20 * 1024, 9 * 1024, 0, 0]);
  prediction.framed(there, []);
  prediction.seek(0.2, 16);
  assert.deepEqual(wire(shown(prediction, there)), [20 * 1024, 9 * 1024, 0, 0]);
});

test("a row that is gone, or somebody else's, is predicted no more", () => {
  const prediction = predicting();
  const view = open(1);
  prediction.framed(view, [AHEAD]);
  assert.ok(prediction.row);
  const spectator = open(2);
  spectator.player = 0;
  prediction.framed(spectator, []);
  assert.deepEqual([prediction.row, prediction.drawn(view.get("Tank", TANK))], [null, null]);
});
