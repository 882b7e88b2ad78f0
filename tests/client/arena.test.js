/**
 * The arena's page: its own tank moves as the server's rules move it, and strangers' names are
 * tamed.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as balance from "../../games/arena/web/balance.js";
import { Steering } from "../../games/arena/web/input/steering.js";
import { Prediction, sent, tick, wrap } from "../../games/arena/web/predict.js";
import { Names, look, tame } from "../../games/arena/web/names.js";
import { anew, problem, read, write } from "../../games/arena/web/address.js";
import { figure, ordinal, outcome, placeOf } from "../../games/arena/web/standings.js";

const golden = JSON.parse(readFileSync(new URL("../games/arena/ticks.json", import.meta.url)));
const walls = golden.walls.map(([left, top, right, bottom]) => ({ left, top, right, bottom }));
const PLACE = 1024;
const ANGLE = 32768 / Math.PI;

const pose = ([x, y, heading, turret]) => ({
  x: x / PLACE,
  y: y / PLACE,
  heading: heading / ANGLE,
  turret: turret / ANGLE,
});
const wire = ({ x, y, heading, turret }) =>
  [x * PLACE, y * PLACE, heading * ANGLE, turret * ANGLE].map(Math.round);
const steer = ([drive, turn, aim]) => ({
  drive: drive / 16,
  turn: turn / 16,
  aim: aim / ANGLE,
  fire: false,
});

test("the page's numbers are the rules' numbers", () => {
  const kinds = ["REPAIR", "RAPID", "HEAVY", "SPARK", "BOUNCE", "HIT", "WRECK"];
  for (const [name, value] of Object.entries(balance)) {
    if (!kinds.includes(name)) assert.equal(value, golden.balance[name], name);
  }
});

test("every tick of every drive is the server's, to the last bit", () => {
  assert.ok(golden.drives.length >= 5);
  let blocked = 0;
  for (const { start, ticks } of golden.drives) {
    const own = pose(start);
    for (const [i, values] of ticks.entries()) {
      const before = { ...own };
      tick(own, steer(values), walls);
      assert.deepEqual(wire(own), values.slice(3), `tick ${i}`);
      const free = (Math.abs(values[0]) / 16) * (values[0] > 0 ? 7 : 5) * 0.05;
      blocked += Math.hypot(own.x - before.x, own.y - before.y) < free * 0.7;
    }
  }
  assert.ok(blocked > 50, `only ${blocked} ticks met a wall; the drives prove little`);
});

test("walls make the difference: without them most drives end elsewhere", () => {
  const elsewhere = golden.drives.filter(({ start, ticks }) => {
    const own = pose(start);
    for (const values of ticks) tick(own, steer(values), []);
    return String(wire(own)) !== String(ticks.at(-1).slice(3));
  });
  assert.ok(elsewhere.length > golden.drives.length / 2);
});

/** Plays a drive with answers that come `late` ticks after the inputs. */
function race(late, { ticks, start }, lose = () => false) {
  const prediction = new Prediction();
  const server = pose(start);
  const inbox = [];
  let row = { ...server, stamp: 0 };
  const errors = [];
  let held = steer(ticks[0]);
  let stamp = 0;
  ticks.slice(0, 120).forEach((values, i) => {
    const now = i * 50;
    prediction.correct(row, walls, now);
    const input = steer(values);
    inbox.push({ at: i + late, input, stamp: prediction.sample(input, now) });
    const due = !lose(i) && inbox[0].at <= i ? inbox.shift() : null;
    if (due) [held, stamp] = [due.input, due.stamp];
    if (due || i >= late) tick(server, held, walls);
    row = { ...server, stamp };
    const ahead = { ...server };
    for (const { input: pending } of inbox) tick(ahead, pending, walls);
    errors.push(Math.hypot(prediction.pose.x - ahead.x, prediction.pose.y - ahead.y));
  });
  return errors;
}

test("with answers ticks late the prediction is where the server will be", () => {
  for (const late of [0, 1, 3, 8]) {
    assert.deepEqual(new Set(race(late, golden.drives[1])), new Set([0]), `${late} ticks late`);
  }
});

test("an input the server did without is put right by the next answer", () => {
  const errors = race(2, golden.drives[1], (i) => i === 40);
  assert.ok(errors.some((error) => error > 0));
  assert.ok(errors.slice(60).every((error) => error === 0));
});

test("a page that predicts its walls away is pulled back by the server's row", () => {
  const prediction = new Prediction();
  const row = { x: 0, y: 0, heading: 0, turret: 0, stamp: 0 };
  prediction.correct(row, [], 0);
  const ahead = { drive: 1, turn: 0, aim: 0, fire: false };
  let stamp = 0;
  for (let i = 0; i < 20; i++) stamp = prediction.sample(ahead, i * 50);
  assert.ok(prediction.pose.x > 5);
  prediction.correct({ ...row, stamp }, [], 1000);
  assert.equal(prediction.pose.x, 0);
});

test("a key moves the picture with the next animation frame, and nothing jumps", () => {
  const prediction = new Prediction();
  prediction.correct({ x: 0, y: 0, heading: 0, turret: 0, stamp: 0 }, [], 0);
  const still = { drive: 0, turn: 0, aim: 0, fire: false };
  prediction.sample(still, 0);
  assert.equal(prediction.draw(still, 16).x, 0);
  // Pressed between two samples.
  const ahead = { ...still, drive: 1 };
  const xs = [32, 48].map((now) => prediction.draw(ahead, now).x);
  prediction.sample(ahead, 50);
  for (let now = 64; now < 100; now += 16) xs.push(prediction.draw(ahead, now).x);
  assert.ok(xs[1] > 0.05, `after one more frame: ${xs}`);
  xs.reduce((before, x) => {
    assert.ok(x >= before && x - before < 0.35, `no frame may go back or leap: ${xs}`);
    return x;
  }, 0);
});

test("a respawn is a jump, not a slide", () => {
  const prediction = new Prediction();
  prediction.correct({ x: 0, y: 0, heading: 0, turret: 0, stamp: 0 }, [], 0);
  const still = { drive: 0, turn: 0, aim: 0, fire: false };
  prediction.sample(still, 0);
  prediction.draw(still, 10);
  prediction.correct({ x: 20, y: 9, heading: 0, turret: 0, stamp: 0 }, [], 20);
  assert.equal(prediction.draw(still, 30).x, 20);
});

test("what is sent fits the input's fields", () => {
  assert.deepEqual(sent({ drive: 7, turn: -9, aim: 4, fire: true }), {
    drive: 1,
    turn: -1,
    aim: Math.floor((4 - 2 * Math.PI) * ANGLE + 0.5) / ANGLE,
    fire: true,
  });
  assert.ok(sent({ drive: 0, turn: 0, aim: Math.PI, fire: false }).aim < Math.PI);
});

test("a direction turns the hull the shorter way, and backs up to what lies behind", () => {
  const steering = new Steering();
  assert.deepEqual(steering.towards(0, 0, 1), { drive: 0, turn: 0 });
  assert.deepEqual(steering.towards(1, 0, 0), { drive: 1, turn: 0 });
  assert.equal(steering.towards(0, 1, 0).turn, 1);
  const back = steering.towards(-1, 0, 0.1);
  assert.ok(back.drive < -0.9 && back.turn < 0);
  // Which end leads is not given up at once, or the tank would dither.
  const across = wrap(Math.PI - 1.9);
  assert.ok(steering.towards(-1, 0, across).drive < 0);
  assert.equal(new Steering().towards(-1, 0, across).drive, 0);
});

test("names are tamed", () => {
  assert.equal(tame("A\u0000d\u202Ea\u200B"), "Ada");
  assert.equal(tame(""), "player");
  assert.equal(tame(undefined), "player");
  assert.equal(tame("\u2066\u2069 \u00AD"), "player");
  assert.equal([...tame("💥".repeat(40))].length, 24);
  assert.equal(tame(`Z${"\u0338".repeat(30)}o`), "Z\u0338\u0338o");
  assert.equal(tame("<img src=x>"), "<img src=x>");
  assert.equal(tame("مرحبا 你好"), "مرحبا 你好");
});

test("names that look alike are told apart, and keep what they were given", () => {
  assert.equal(look("Ada"), look("Аdа"));
  assert.equal(look("l0ki"), look("Loki"));
  assert.notEqual(look("Ada"), look("Bob"));
  const names = new Names();
  const players = ["Ada", "Аda", "ＡＤＡ", "Bob"].map((name, i) => ({ id: 5 + i, owner: 0, name }));
  names.update(players);
  assert.deepEqual(
    players.map(({ id }) => names.of(id)),
    ["Ada", "Аda (2)", "ＡＤＡ (3)", "Bob"],
  );
  names.update(players.slice(1));
  assert.equal(names.of(5), "Ada", "of a player who has left");
});

test("numbers that choose colours are small, and nobody here shares one", () => {
  const names = new Names();
  const rows = (...ids) => ids.map((id) => ({ id, owner: id, name: `p${id}` }));
  names.update(rows(40, 42, 44));
  names.update(rows(40, 44, 50, 51));
  const numbers = [40, 44, 50, 51].map((id) => names.number(id));
  assert.deepEqual(numbers, [0, 2, 1, 3]);
});

test("the address gives name, room, role and options, and bad ones stay for the server to judge", () => {
  const asked = read("?name=Ada&room=r1&role=spectator&bots=3&level=9&minutes=x&teams");
  assert.deepEqual(asked, {
    name: "Ada",
    room: "r1",
    role: "spectator",
    options: { bots: 3, level: 9, minutes: "x", teams: true },
    complete: true,
  });
  assert.deepEqual(read("?options=[1").options, {});
  assert.deepEqual(read('?options={"teams":true,"bots":2}').options, { teams: true, bots: 2 });
  assert.equal(read("?room=r1").complete, false);
  assert.equal(read(write(asked, "r2")).room, "r2");
  assert.deepEqual(read(anew(asked)).options, asked.options);
});

test("what cannot even be asked of the server is said, and what would be right", () => {
  for (const fine of ["", "?room=r1", "?teams", "?teams=no&private=1", "?role=player&bots=x"]) {
    assert.equal(problem(fine), "", fine);
  }
  assert.match(problem("?role=boss"), /role=boss.*player or spectator/);
  assert.match(problem("?teams=maybe"), /teams=maybe.*yes or no/);
  for (const odd of ["{bad", "[1]", "3", "null", ""]) {
    assert.match(problem(`?options=${encodeURIComponent(odd)}`), /no JSON object such as/, odd);
  }
});

test("the end of a round names who won, and whom a draw is between", () => {
  const end = (...scores) => {
    const players = scores.map((score, i) => ({ id: i + 1, name: `P${i + 1}`, score, deaths: i }));
    const names = new Names();
    names.update(players);
    return outcome({ room: { teams: false }, me: players[0], player: 1, players }, names);
  };
  assert.deepEqual(end(3, 2, 2), { title: "You win", own: true });
  assert.deepEqual(end(-1, 2, 1), { title: "P2 wins", own: false });
  assert.deepEqual(end(0, 2, 2), { title: "A draw: P2 and P3", own: false });
  assert.deepEqual(end(2, 2, 2), { title: "A draw of 3", own: false });
  const rows = [4, 2, 2, 0].map((score) => ({ score }));
  assert.deepEqual(rows.map((row) => placeOf(row, rows)), [1, 2, 2, 4]);
  assert.deepEqual([figure(-1), figure(10), ordinal(11), ordinal(22)], ["−1", "10", "11th", "22nd"]);
});

test("in the arena's corners the own tank stays clear of the panels, on a laptop and on phones", async () => {
  globalThis.matchMedia = () => ({ matches: false });
  const { Camera } = await import("../../games/arena/web/camera.js");
  const ground = { width: 64, height: 40 };
  // The widths and heights of feed, and of map and table together, as the sheet lays them out.
  const screens = [
    { width: 1280, height: 800, feed: [200, 201], corner: [236, 295] },
    { width: 844, height: 390, feed: [181, 134], corner: [148, 185] },
    { width: 667, height: 375, feed: [182, 195], corner: [148, 231] },
    { width: 390, height: 844, feed: [16, 230], corner: [148, 235] },
  ];
  for (const { width, height, feed, corner } of screens) {
    const camera = new Camera();
    camera.resize(width, height);
    for (const [side, panel] of [
      [-1, feed],
      [1, corner],
    ]) {
      const place = { x: side * 31, y: -19 };
      for (let i = 0; i < 50; i++) camera.follow(place, null, ground, 50);
      const across = side < 0 ? camera.toX(place.x) : width - camera.toX(place.x);
      const clear = across > panel[0] || camera.toY(place.y) > panel[1];
      assert.ok(clear, `${width}: ${across}, ${camera.toY(place.y)}`);
    }
  }
});
