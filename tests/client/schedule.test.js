/** The schedule and interpolation: what is shown between ticks, and that it runs smoothly. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../../client/clock.js";
import { Schedule } from "../../client/schedule.js";
import { Playback, move } from "../../client/interpolation.js";
import { View, apply } from "../../client/view.js";
import { readChunks } from "../../client/chunks.js";
import { readSchema } from "../../client/schema.js";
import { PEOPLE, SCHEMA } from "./coins.js";

const schema = readSchema(SCHEMA);
const by = (view, tick, chunks) =>
  apply(view, { tick, base: view.tick }, [], readChunks(schema, chunks)).view;

/** Plays frames that arrive with a delay each, drawing at 60 Hz; returns what was shown. */
function play(schedule, arrivals, until) {
  const shown = [];
  let newest = 0;
  for (let now = 0; now < until; now += 1000 / 60) {
    for (; arrivals.length && arrivals[0].at <= now; arrivals.shift()) {
      newest = arrivals[0].tick;
      schedule.clock.arrived(newest, arrivals[0].at);
    }
    if (newest) shown.push({ now, tick: schedule.playback(now, newest), newest });
  }
  return shown;
}

const even = (from, to, delay = () => 0) =>
  Array.from({ length: to - from }, (_, i) => ({ tick: from + i, at: (from + i) * 50 + delay(i) }));

test("even frames play at the server's pace, one frame behind", () => {
  const shown = play(new Schedule(new Clock(20), 1), even(1, 60), 2900).slice(30);
  for (let i = 1; i < shown.length; i++) {
    assert.ok(
      Math.abs(shown[i].tick - shown[i - 1].tick - 1 / 3) < 0.01,
      `${shown[i].tick - shown[i - 1].tick}`,
    );
    assert.ok(shown[i].newest - shown[i].tick < 1.5);
  }
});

test("jitter widens the delay until playback no longer halts, and no further", () => {
  const jitter = (i) => [0, 30, 5, 45, 10, 40][i % 6];
  const schedule = new Schedule(new Clock(20), 1);
  const shown = play(schedule, even(1, 200, jitter), 9000).slice(120);
  assert.equal(shown.filter((s, i) => i && s.tick === shown[i - 1].tick).length, 0, "it halted");
  for (let i = 1; i < shown.length; i++) assert.ok(shown[i].tick - shown[i - 1].tick < 0.4);
  assert.ok(schedule.clock.jitter_ms >= 30 && schedule.clock.jitter_ms <= 50, `${schedule.clock.jitter_ms}`);
});

test("playback never goes back nor far beyond the newest tick, through a halt of three seconds", () => {
  const shown = play(new Schedule(new Clock(20), 1), [...even(1, 40), ...even(40, 120, () => 3000)], 8000);
  for (let i = 1; i < shown.length; i++) {
    assert.ok(shown[i].tick >= shown[i - 1].tick);
    assert.ok(shown[i].tick <= shown[i].newest + 4);
  }
  const end = shown.filter((s) => s.now > 7000);
  assert.ok(
    end.every((s) => s.newest - s.tick < 1.5),
    "the outage is over, not caught up with",
  );
});

test("a tick that went back begins anew", () => {
  const schedule = new Schedule(new Clock(20), 1);
  play(schedule, even(1, 40), 2000);
  schedule.reset();
  schedule.clock.arrived(5, 2100);
  assert.ok(schedule.playback(2100, 5) <= 5);
});

test("fixed moves straight, angle the short way, and what snaps jumps", () => {
  const [x, y, heading, coins] = schema.tables[2].fields;
  assert.equal(move(y, 0, 10, 0.25), 2.5);
  assert.equal(move(x, 0, 4, 0.5), 2);
  assert.equal(move(x, 0, 4.5, 0.5), 0);
  const turned = move(heading, 3, -3, 0.75);
  assert.ok(Math.abs(turned - (3 + 0.75 * (2 * Math.PI - 6) - 2 * Math.PI)) < 1e-9, `${turned}`);
  assert.ok(move(heading, 3, -3, 0.1) > 3);
  assert.equal(coins.kind, "integer");
});

test("a view between two ticks", () => {
  const first = by(new View(schema, 1), 10, PEOPLE);
  const second = by(first, 12, [[2, [12], [0b10010, [11], [3072], [9]], [0, [13]]]]);
  const playback = new Playback(first);
  playback.push(second);
  const half = playback.seek(11);
  assert.equal(half.tick, 11);
  const own = half.get("Runner", 11);
  assert.deepEqual(
    [own.x, own.y, own.coins],
    [2, 2, 3],
    "own rows move too; coins wait for their tick",
  );
  assert.deepEqual(
    half.all("Runner").map((row) => row.id),
    [11, 12],
    "rows go and come with their tick",
  );
  assert.equal(half.all("Runner"), half.all("Runner"));
  assert.equal(half.one("Runner", { owner: 1 }), own);
  assert.equal(playback.seek(11.5).get("Runner", 11), own, "the object is used again");
  assert.equal(own.x, 2.5);
  assert.equal(half.me.name, "Ada");
  const end = playback.seek(12);
  assert.deepEqual(
    end.all("Runner").map((row) => row.id),
    [11, 13],
  );
  assert.equal(end.get("Runner", 11).coins, 9);
  assert.equal(first.get("Runner", 11).x, 1, "the views themselves never change");
});

test("a tick before what is held shows the oldest, one after it the newest", () => {
  const first = by(new View(schema, 1), 10, PEOPLE);
  const playback = new Playback(first);
  playback.push(by(first, 11, [[2, [], [0b10, [11], [2048]]]]));
  assert.equal(playback.seek(3).get("Runner", 11).x, 1);
  assert.equal(playback.seek(99).get("Runner", 11).x, 2);
  playback.push(by(first, 11, [[2, [], [0b10, [11], [4096]]]]));
  assert.equal(
    playback.seek(99).get("Runner", 11).x,
    4,
    "a tick told again replaces what was held of it",
  );
});

test("a halt of a quarter second is forgotten by the jitter, and nothing jumps meanwhile", () => {
  const schedule = new Schedule(new Clock(20), 1);
  const shown = play(schedule, [...even(1, 80), ...even(80, 200, () => 250)], 9500);
  for (let i = 60; i < shown.length; i++) {
    const step = shown[i].tick - shown[i - 1].tick;
    assert.ok(step >= 0 && step < 0.4, `${step}`);
  }
  assert.ok(schedule.clock.jitter_ms < 1, `${schedule.clock.jitter_ms}`);
});
