/** The clock, late frames and sleep: what a player sees and sends when the network is bad. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../../client/clock.js";
import { Pace } from "../../client/pace.js";
import { Playback } from "../../client/interpolation.js";
import { Session } from "../../client/session.js";
import { join } from "../../client/index.js";
import { decode } from "../../client/msgpack.js";
import { PEOPLE, frame, room as status, welcome } from "./coins.js";
import { TANK, seen } from "./tanks.js";
import { Store, World } from "./world.js";

const JOIN = { nonce: new Uint8Array(16), game: "coins", options: {}, name: "", role: "player" };

/** Random numbers in [0, 1), the same every time. */
function seeded(state = 1) {
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** A session that samples, and hears frames at these times; [ms] of each input it sent. */
function played(arrivals, every = 12.5) {
  const session = new Session({ ...JOIN, identity: null, build: "t" });
  session.receive(welcome(), 0);
  session.sampler = () => ({ x: 1 });
  const made = [];
  let held = 0;
  const note = (now) => {
    for (const bytes of session.outbox.splice(0)) {
      const [, , ...items] = decode(bytes);
      for (const [seq] of items) made[seq] ??= now;
    }
  };
  for (const { tick, at } of arrivals) {
    for (let now = arrivals.last ?? at; now < at; now += every) {
      session.tick(now);
      note(now);
    }
    arrivals.last = at;
    session.receive(frame(tick, held, { chunks: held ? [] : PEOPLE, ack: made.length - 3 > 0 ? made.length - 3 : 0 }), at);
    held = tick;
    note(at);
  }
  return { session, made: made.filter((at) => at !== undefined) };
}

const even = (from, to, late = () => 0) =>
  Array.from({ length: to - from }, (_, i) => ({ tick: from + i, at: (from + i) * 50 + late(i) }));

test("the clock knows the server's tick through jitter of 50 ms and trips of 300", () => {
  const random = seeded();
  const clock = new Clock(20);
  for (const { tick, at } of even(1, 200, () => 150 + (random() - 0.5) * 100)) {
    clock.arrived(tick, at);
    if (tick % 40 === 0) clock.answered(at - 250 - random() * 100, at);
    if (tick > 100) assert.ok(Math.abs(clock.tick(at) - at / 50) < 0.8, `${clock.tick(at)}`);
  }
  assert.ok(clock.jitter_ms > 50 && clock.jitter_ms < 110, `${clock.jitter_ms}`);
  assert.ok(Math.abs(clock.ping_ms - 300) < 50);
});

test("after the server stood still for 300 ms, or for three seconds, the clock follows", () => {
  for (const halt of [300, 3000]) {
    const clock = new Clock(20);
    const frames = [...even(1, 40), ...even(40, 50, () => halt)];
    for (const { tick, at } of frames) clock.arrived(tick, at);
    assert.equal(Math.round(clock.heard(49 * 50 + halt)), 49, `${halt}`);
  }
});

test("a trip that met a stall is not the ping", () => {
  const clock = new Clock(20);
  for (const trip of [100, 100, 900, 100, 100]) clock.answered(1000, 1000 + trip);
  assert.equal(clock.ping_ms, 100);
});

test("a pace runs a little faster or slower, and jumps only to what is far away", () => {
  const pace = new Pace(50);
  assert.equal(pace.follow(10, 1000), 10);
  assert.ok(Math.abs(pace.follow(13, 1050) - 11.12) < 1e-9);
  assert.ok(Math.abs(pace.follow(9, 1100) - 11.82) < 1e-9);
  assert.equal(pace.follow(40, 1150), 40);
  assert.equal(pace.follow(41, 1200, 40.5), 40.5);
});

test("inputs leave one a tick while frames come in heaps", () => {
  const stalled = even(1, 200).map(({ tick, at }) => {
    const into = at % 5000;
    return { tick, at: into > 3000 && into < 3300 ? at - into + 3300 : at };
  });
  const { made } = played(stalled);
  const gaps = made.slice(1).map((at, i) => at - made[i]);
  assert.ok(Math.abs(made.length - 199) <= 2, `${made.length}`);
  assert.ok(Math.min(...gaps) >= 25 && Math.max(...gaps) <= 75, `${gaps}`);
});

test("without frames for half a second the server is told no more", () => {
  const { session, made } = played(even(1, 21));
  const before = made.length;
  let more = 0;
  for (let now = 1000; now < 5000; now += 25) more += Number(session.tick(now) !== null);
  assert.ok(before >= 19 && more >= 8 && more <= 11, `${before} and ${more}`);
});

test("a laptop that slept takes one sample for all the frames that waited, and none for its sleep", () => {
  const { session } = played(even(1, 40));
  session.outbox.length = 0;
  let held = 39;
  for (let tick = 40; tick < 1240; tick++, held++) session.receive(frame(tick, held), 62_000);
  const sent = session.outbox
    .splice(0)
    .map((bytes) => decode(bytes))
    .flatMap(([, , ...items]) => items);
  const fresh = sent.filter(([seq, input], i) => input && sent.findIndex(([s]) => s === seq) === i);
  assert.ok(fresh.length <= 1, JSON.stringify(fresh));
});

test("what was done before a sleep is not done after it; actions are", () => {
  const { session } = played(even(1, 40));
  const outcomes = [];
  session.act("Leap", {}, (outcome) => outcomes.push(outcome));
  session.receive(frame(40, 39), 2000);
  session.closed(1006, "lost");
  session.outbox.length = 0;
  const { first } = session.inputs;
  session.receive(welcome(), 62_000);
  const items = session.outbox.map((bytes) => decode(bytes)).flatMap(([, , ...rest]) => rest);
  assert.ok(items.length >= 3);
  assert.equal(items[0][0], first, "the seqs are still there");
  assert.ok(items.every(([, input]) => input === null));
  assert.deepEqual(items.at(-1).slice(2), [[1]]);
  assert.deepEqual(session.inputs.pending, []);
  const quick = played(even(1, 40)).session;
  quick.closed(1006, "lost");
  quick.outbox.length = 0;
  quick.receive(welcome(), 2050);
  const [, , ...again] = decode(quick.outbox[0]);
  assert.ok(again.length && again.every(([, input]) => input), "a short outage repeats inputs");
});

/** A tank's places at ticks, 0.35 units apart, as views. */
const driving = (tick, x = tick * 358) => seen(tick, [x, 0, 0, 0], []);

/** Draws at 60 Hz while views come when `arrives` says; the steps of the picture. */
function drawn(arrives, ticks, place = driving) {
  const playback = new Playback(place(1));
  const xs = [];
  let next = 2;
  for (let picture = 0; next < ticks; picture++) {
    const now = picture / 3;
    while (next < ticks && arrives(next) <= now) playback.push(place(next++));
    if (now < 3) continue;
    const tick = Math.min(now - 2, playback.newest + 4);
    xs.push(playback.seek(tick, 50 / 3).get("Tank", TANK).x);
  }
  return xs.slice(1).map((x, i) => x - xs[i]);
}

test("a stall is bridged by going on, and what was guessed wrong fades", () => {
  const late = (tick) => (tick >= 20 && tick < 25 ? 25 : tick);
  const straight = drawn(late, 40);
  assert.ok(Math.max(...straight) < 0.13 && Math.min(...straight) > 0.1, `${straight}`);
  // It turns back while nothing is heard of it.
  const turning = (tick) => driving(tick, (tick < 20 ? tick : 40 - tick) * 358);
  const steps = drawn(late, 40, turning);
  assert.ok(Math.max(...steps.map(Math.abs)) < 0.45, `${steps}`);
  const even = drawn((tick) => tick, 40, turning);
  assert.ok(Math.max(...even.map(Math.abs)) < 0.13, "the control: without a stall nothing is guessed");
});

test("what does not move steadily is not carried on", () => {
  const jerky = (tick) => driving(tick, tick < 18 ? 0 : 1024);
  const steps = drawn((tick) => (tick >= 20 ? 40 : tick), 40, jerky);
  const xs = steps.reduce((sum, step) => [...sum, sum.at(-1) + step], [0]);
  assert.ok(Math.max(...xs) <= 1 + 1e-9, `${xs}`);
});

test("beyond a bound it waits, however long", () => {
  const playback = new Playback(driving(1));
  for (let tick = 2; tick < 10; tick++) playback.push(driving(tick));
  assert.ok(Math.abs(playback.seek(11).get("Tank", TANK).x - (11 * 358) / 1024) < 0.01);
  assert.equal(playback.tick, 9, "no tick is claimed that was not heard");
});

/** A room over a socket in memory, at tick 10. */
async function playing(fetched, schema = FINISHING) {
  const world = new World();
  world.fetch = (url) => (world.asked.push(url), Promise.resolve(fetched));
  world.asked = [];
  const promise = join("coins", { url: "ws://test/play", world, store: new Store() });
  world.socket.open();
  world.socket.hear(welcome({ schema }));
  const room = schema === FINISHING ? [0b10, [9], [0]] : [0b110, [9], [0], [1]];
  world.socket.hear(frame(10, 0, { chunks: [[0, [], room], ...PEOPLE] }));
  return { world, room: await promise };
}
const { SCHEMA } = await import("./coins.js");
const FINISHED = [1, "finished", 3, 0, 0, 0, 9999];
const FINISHING = [
  [["Room", 1, [FINISHED]], ...SCHEMA[0].slice(1)],
  ...SCHEMA.slice(1),
];
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("states are told with why: paused by the server, lost, live again, gone", async () => {
  const { world, room } = await playing();
  const told = [];
  room.on("state", (state, why) => told.push([state, why]));
  world.socket.hear(status(5, 1));
  assert.equal(room.state, "paused");
  world.socket.hear(status(5, 0));
  world.socket.lose(1006, "");
  world.pass(60);
  world.socket.open();
  world.socket.hear(welcome({ schema: FINISHING }));
  world.socket.hear(frame(11, 10));
  room.leave();
  assert.deepEqual(told, [
    ["paused", "the room stands still on the server"],
    ["live", ""],
    ["resuming", "the connection was lost"],
    ["live", ""],
    ["gone", "you left"],
  ]);
});

test("a result is asked for once when the match finishes, and told; null where nobody has it", async () => {
  const finish = (tick, finished) =>
    frame(tick, tick - 1, { chunks: [[0, [], [0b10, [9], [finished]]]] });
  const results = '{"results": [{"match": 1, "tick": 12, "result": {"winner": "Ada"}}]}';
  const answer = { ok: true, text: () => Promise.resolve(results) };
  for (const [fetched, expected] of [
    [answer, { winner: "Ada" }],
    [{ ok: false }, null],
  ]) {
    const { world, room } = await playing(fetched);
    const told = [];
    room.on("result", (result) => told.push(result));
    world.socket.hear(frame(11, 10));
    world.socket.hear(finish(12, 12));
    world.socket.hear(frame(13, 12));
    await turn();
    assert.deepEqual([told, world.asked], [[expected], ["http://test/api/rooms/room-1/results"]]);
  }
});

test("each match's own result is told once, also of one that ended and began anew unseen", async () => {
  const schema = [
    [["Room", 1, [FINISHED, [2, "match_number", 3, 0, 1, 0, 9999]]], ...SCHEMA[0].slice(1)],
    ...SCHEMA.slice(1),
  ];
  const at = (tick, finished, match) =>
    frame(tick, tick - 1, { chunks: [[0, [], [0b110, [9], [finished], [match]]]] });
  const results = [1, 2, 4].map((match) => ({ match, tick: 9 + match, result: { of: match } }));
  const answer = { ok: true, text: () => Promise.resolve(JSON.stringify({ results })) };
  const { world, room } = await playing(answer, schema);
  const told = [];
  room.on("result", (result) => told.push(result?.of ?? null));
  world.socket.hear(at(11, 11, 1));
  world.socket.hear(at(12, 0, 2));
  await turn();
  assert.deepEqual(told, [1]);
  // Match 2 ended, 3 was begun anew without a result, and 4 has ended too.
  world.socket.hear(at(13, 13, 4));
  world.socket.hear(at(14, 13, 4));
  await turn();
  assert.deepEqual(told, [1, 2, 4]);
  world.socket.hear(at(15, 0, 5));
  world.socket.hear(at(16, 16, 5));
  await turn();
  assert.deepEqual(told, [1, 2, 4, null]);
});

test("a row that is predicted before anything was sampled is drawn where the server has it", async () => {
  const { world, room } = await playing();
  room.predict("Runner", (row, input, dt) => (row.x += input.x * 5 * dt));
  world.pass(50);
  world.socket.hear(frame(11, 10));
  assert.equal(room.view(world.now()).get("Runner", 11).x, 1);
  room.leave();
});

test("a prediction lives in the room's view, and a rule that fails leaves the server's rows", async () => {
  const { world, room } = await playing();
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  room.sample(() => ({ x: 1 }));
  assert.throws(() => room.predict("Tank", () => {}), /no table "Tank"/);
  let broken = false;
  room.predict("Runner", (row, input, dt) => {
    if (broken) throw new Error("a rule's mistake");
    row.x += input.x * 5 * dt;
  });
  for (let tick = 11; tick < 20; tick++) {
    world.pass(50);
    world.socket.hear(frame(tick, tick - 1));
  }
  const own = room.view(world.now()).get("Runner", 11);
  assert.ok(own.x > 2.5, `${own.x}`);
  assert.equal(room.latest.get("Runner", 11).x, 1);
  broken = true;
  world.pass(50);
  world.socket.hear(frame(20, 19));
  delete globalThis.reportError;
  assert.deepEqual(reported, ["a rule's mistake"]);
  world.pass(50);
  world.socket.hear(frame(21, 20));
  assert.equal(room.view(world.now()).get("Runner", 11).x, 1);
  assert.equal(room.state, "live");
  room.leave();
  assert.equal(world.waiting, 0, "no timer is left");
});
