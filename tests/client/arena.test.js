/**
 * The arena's page: its own tank moves as the server's rules move it, and strangers' names are
 * tamed.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import * as balance from "../../games/arena/web/balance.js";
import { Steering } from "../../games/arena/web/input/steering.js";
import { sent, wrap } from "../../games/arena/web/predict.js";
import { Names, look, tame } from "../../games/arena/web/names.js";
import { anew, problem, read, write } from "../../games/arena/web/address.js";
import { AHEAD, ANGLE, TANK, golden, seen, steer, tick, wire } from "./tanks.js";
import { figure, ordinal, outcome, placeOf } from "../../games/arena/web/standings.js";

test("the page's numbers are the rules' numbers", () => {
  const kinds = ["REPAIR", "RAPID", "HEAVY", "SPARK", "BOUNCE", "HIT", "WRECK"];
  for (const [name, value] of Object.entries(balance)) {
    if (!kinds.includes(name)) assert.equal(value, golden.balance[name], name);
  }
});

/** Where a drive's ticks lead, in wire form, by the page's rule. */
function driven({ start, ticks }, walls) {
  const view = seen(1, start, walls);
  const own = { ...view.get("Tank", TANK) };
  return ticks.map((values) => {
    tick(own, steer(values), view);
    return wire(own);
  });
}

test("every tick of every drive is the server's, to the last bit", () => {
  assert.ok(golden.drives.length >= 5);
  let blocked = 0;
  for (const drive of golden.drives) {
    let before = drive.start;
    for (const [i, place] of driven(drive, golden.walls).entries()) {
      const values = drive.ticks[i];
      assert.deepEqual(place, values.slice(3), `tick ${i}`);
      const free = (Math.abs(values[0]) / 16) * (values[0] > 0 ? 7 : 5) * 0.05 * 1024;
      blocked += Math.hypot(place[0] - before[0], place[1] - before[1]) < free * 0.7;
      before = place;
    }
  }
  assert.ok(blocked > 50, `only ${blocked} ticks met a wall; the drives prove little`);
});

test("walls make the difference: without them most drives end elsewhere", () => {
  const elsewhere = golden.drives.filter(
    (drive) => String(driven(drive, []).at(-1)) !== String(drive.ticks.at(-1).slice(3)),
  );
  assert.ok(elsewhere.length > golden.drives.length / 2);
});

test("wrecks, and tanks of a round that is over, do not drive", () => {
  const view = seen(1, [0, 0, 0, 0], [], { armour: 0 });
  const wreck = { ...view.get("Tank", TANK) };
  tick(wreck, AHEAD, view);
  assert.equal(wreck.x, 0);
  const over = { room: { finished: 9 }, all: () => [] };
  const tank = { ...wreck, armour: 4 };
  tick(tank, AHEAD, over);
  assert.equal(tank.x, 0);
  tick(tank, AHEAD, view);
  assert.ok(tank.x > 0);
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
