/** The lobby's words and links: what needs no page to be judged. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { isLocal, sharedOrigin } from "../../client/page/api.js";
import { description } from "../../client/page/card.js";
import { columnsOf } from "../../client/page/result.js";
import { age, facts } from "../../client/page/rooms.js";
import { roomPath } from "../../client/page/share.js";

test("a room's numbers in words", () => {
  const info = { players: 3, seats: 16, bots: 2, spectators: 1, tick: 12345, tick_ms: 0.214, age_s: 250 };
  assert.deepEqual(facts(info), {
    Seats: "3 of 16",
    Bots: "2",
    Watching: "1",
    Tick: "12,345",
    "Tick time": "0.21 ms",
    Age: "4 min",
  });
  assert.equal(facts({ ...info, tick_ms: 41.6 })["Tick time"], "42 ms");
});

test("ages in their largest unit", () => {
  const said = [0, 59, 60, 3599, 3600, 172_799, 172_800].map(age);
  assert.deepEqual(said, ["0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 days"]);
});

test("which names mean the machine that asks", () => {
  for (const name of ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
    assert.ok(isLocal(name), name);
  for (const name of ["localhost.example.org", "192.168.1.7", "play.example.org", "[2001:db8::1]"])
    assert.ok(!isLocal(name), name);
});

test("links lead to where others reach the server", () => {
  const here = (hostname) => ({ hostname, origin: `http://${hostname}:8080` });
  assert.equal(sharedOrigin(["http://10.0.0.7:8080"], here("localhost")), "http://10.0.0.7:8080");
  assert.equal(sharedOrigin([], here("localhost")), null);
  assert.equal(sharedOrigin(["http://10.0.0.7:8080"], here("a.org")), "http://a.org:8080");
});

test("a room's path, with whatever the names hold", () => {
  assert.equal(roomPath("coins", "abc"), "/?game=coins&room=abc");
  assert.equal(roomPath("coins", "abc", "spectator"), "/?game=coins&room=abc&role=spectator");
  assert.equal(roomPath("a&b=c", "#"), "/?game=a%26b%3Dc&room=%23");
});

test("a description does not repeat the title", () => {
  assert.equal(description({ title: "Coins", description: "Coins: run about." }), "Run about.");
  assert.equal(description({ title: "Coins", description: "Run about." }), "Run about.");
  assert.equal(description({ title: "Coins", description: "" }), "");
});

test("only objects alike make a table", () => {
  assert.deepEqual(columnsOf([{ name: "Ada", score: 3 }, { name: "Bob", score: 1 }]), ["name", "score"]);
  for (const rows of [[], [1, 2], [{}], [{ a: 1 }, { b: 1 }], [[1], [2]], [null], [{ a: 1 }, null]])
    assert.equal(columnsOf(rows), null, JSON.stringify(rows));
});
