/** Quiet ticks and frames in parts: what comes seldom is drawn, timed and applied like the rest. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "../../client/session.js";
import { Clock } from "../../client/clock.js";
import { Schedule } from "../../client/schedule.js";
import { Playback } from "../../client/interpolation.js";
import { Parts } from "../../client/parts.js";
import { RemoteError } from "../../client/errors.js";
import { PARTS_MAX, REPORT_FRAMES } from "../../client/limits.js";
import { View, apply } from "../../client/view.js";
import { decode, encode } from "../../client/msgpack.js";
import { readChunks } from "../../client/chunks.js";
import { readSchema } from "../../client/schema.js";
import { PEOPLE, SCHEMA, frame, welcome } from "./coins.js";

const TICK_MS = 50;
const QUIET_TICKS = 4;
const schema = readSchema(SCHEMA);

/** The runner's x at a tick: it stands, walks for a second, stands, and walks back. */
const x = (tick) => 64 * Math.max(0, Math.min(tick - 40, 20) - Math.max(0, tick - 90));

/** The frames of ticks 11 to 140, each one or only those that a server with quiet ticks sends. */
function frames(quiet) {
  const sent = [{ tick: 10, base: 0, still: 0 }];
  for (let tick = 11; tick <= 140; tick++) {
    const base = sent.at(-1).tick;
    const moved = x(tick) !== x(tick - 1);
    const stopped = x(base) !== x(base - 1);
    if (quiet && !moved && !stopped && tick - base < QUIET_TICKS) continue;
    sent.push({ tick, base, still: base < tick - 1 ? tick - 1 : 0 });
  }
  return sent;
}

/** What is drawn at 60 Hz of frames that arrive on time, with a delay each. */
function drawn(sent, delay) {
  const schedule = new Schedule(new Clock(20), 1);
  const waiting = [...sent];
  const shown = [];
  let view = new View(schema, 0);
  let playback = null;
  for (let now = 500; now < 140 * TICK_MS; now += 1000 / 60) {
    while (waiting.length && waiting[0].tick * TICK_MS + delay(waiting[0].tick) <= now) {
      const { tick, base, still } = waiting.shift();
      const row = [2, [], [6, [7], [x(tick)], [0]]];
      view = apply(view, { tick, base }, [], readChunks(schema, base ? [row] : [...PEOPLE, row])).view;
      schedule.clock.arrived(tick, tick * TICK_MS + delay(tick));
      playback ??= new Playback(view);
      playback.push(view, still);
    }
    if (!playback) continue;
    playback.seek(schedule.playback(now, view.tick), 1000 / 60);
    shown.push(playback.get("Runner", 7).x);
  }
  return shown;
}

test("what moves after quiet ticks is drawn as if every tick had brought a frame", () => {
  const dense = frames(false);
  const sparse = frames(true);
  assert.ok(sparse.length < dense.length * 0.6, `${sparse.length} of ${dense.length}`);
  assert.deepEqual(drawn(sparse, () => 0), drawn(dense, () => 0));
  // Without being told that nothing happened meanwhile, the first step would be smeared.
  const untold = sparse.map((one) => ({ ...one, still: 0 }));
  assert.notDeepEqual(drawn(untold, () => 0), drawn(dense, () => 0));
});

test("over a line that jitters, quiet ticks make no step larger and nothing go back", () => {
  const delay = (tick) => [0, 12, 3, 20, 7, 15][tick % 6];
  const steps = (shown) => shown.slice(1).map((at, i) => at - shown[i]);
  const [dense, sparse] = [false, true].map((quiet) => steps(drawn(frames(quiet), delay)));
  const most = (of) => Math.max(...of.map(Math.abs));
  assert.ok(most(sparse) <= most(dense) * 1.35, `${most(sparse)} of ${most(dense)}`);
  const there = sparse.slice(0, 230);
  assert.ok(Math.min(...there) > -0.02, `${Math.min(...there)} on the way there`);
});

/** A session that holds tick 10. */
function live() {
  const session = new Session({
    nonce: new Uint8Array(16),
    game: "coins",
    options: {},
    name: "Ada",
    role: "player",
    identity: null,
    build: "t",
  });
  session.receive(welcome(), 0);
  session.receive(frame(10, 0, { chunks: PEOPLE }), 500);
  session.news.length = session.outbox.length = 0;
  return session;
}

/** A FRAME that names the last quiet tick. */
const after = (tick, base, still) => encode([...decode(frame(tick, base)), still]);

test("quiet ticks are neither skipped frames, nor a gap, nor late", () => {
  const session = live();
  for (let tick = 14; tick <= 410; tick += 4)
    session.receive(after(tick, tick - 4, tick - 1), tick * TICK_MS);
  const { frames_skipped, gap_ms_max } = session.stats;
  assert.deepEqual([session.held, frames_skipped, gap_ms_max], [410, 0, TICK_MS]);
  assert.ok(session.clock.jitter_ms < 1e-6, `${session.clock.jitter_ms}`);
  assert.equal(Math.round(session.clock.heard(410 * TICK_MS)), 410);
  // Every eighth frame is reported, however many ticks it stands for.
  const reports = session.outbox.map((bytes) => decode(bytes)).filter(([type]) => type === 3);
  assert.equal(reports.length, Math.floor(100 / REPORT_FRAMES));
});

test("a frame from nothing is reported at once", () => {
  const session = live();
  session.outbox.length = 0;
  session.receive(frame(600, 0), 600 * TICK_MS);
  const held = session.outbox.map((bytes) => decode(bytes)).filter(([type]) => type === 3);
  assert.deepEqual(held.map(([, tick]) => tick), [600]);
});

test("what waits is repeated after a second, however few frames come", () => {
  const session = live();
  session.sampler = () => ({ x: 1 });
  session.tick(600);
  session.sampler = null;
  session.outbox.length = 0;
  const repeated = () => session.outbox.splice(0).some((bytes) => decode(bytes).length > 2);
  const again = [];
  for (let tick = 14; tick <= 34; tick += 4) {
    session.receive(after(tick, tick - 4, tick - 1), tick * TICK_MS);
    if (repeated()) again.push(tick);
  }
  assert.deepEqual(again, [30], "after five frames, which cover twenty ticks");
});

const part = (index, count, piece) => encode([23, index, count, piece]);

test("a frame in parts is the frame, when all are there", () => {
  const whole = frame(11, 10);
  const pieces = [whole.slice(0, 5), whole.slice(5, 6), whole.slice(6)];
  const parts = new Parts();
  assert.equal(parts.take(part(0, 3, pieces[0])), null);
  const other = encode([19, 1, 2, 3]);
  assert.equal(parts.take(other), other, "what comes between is itself");
  assert.equal(parts.take(part(1, 3, pieces[1])), null);
  assert.deepEqual(parts.take(part(2, 3, pieces[2])), whole);
  assert.equal(parts.take(part(0, 2, pieces[0])), null);
  assert.equal(parts.take(part(0, 3, pieces[0])), null, "the first begins anew");
  assert.equal(parts.take(part(1, 3, pieces[1])), null);
  assert.deepEqual(parts.take(part(2, 3, pieces[2])), whole);
});

test("parts that do not follow each other, or are too many, are malformed", () => {
  const parts = new Parts();
  parts.take(part(0, 3, new Uint8Array(2)));
  for (const wrong of [
    part(2, 3, new Uint8Array(1)),
    part(3, 3, new Uint8Array(1)),
    part(0, PARTS_MAX + 1, new Uint8Array(1)),
    part(-1, 3, new Uint8Array(1)),
    encode([23, 1, 3, "text"]),
    encode([23]),
  ])
    assert.throws(() => parts.take(wrong), RemoteError);
});
