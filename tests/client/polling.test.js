/**
 * Long polls, over requests in memory: when a page falls back to them, what it says, and how it
 * climbs back.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "../../client/index.js";
// Loaded before it is asked for, so that a test need not wait for a disk.
import "../../client/polling.js";
import { decode } from "../../client/msgpack.js";
import { PEOPLE, TOKEN, close, frame, welcome } from "./coins.js";
import { Store, World } from "./world.js";

const URL = "ws://test/play?line=bad";

/** Lets promises and dynamic imports come to their ends. */
async function turns() {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** @param {Uint8Array[]} parts */
function bodyOf(parts) {
  const body = [];
  for (const part of parts) body.push(part.length & 255, part.length >> 8, 0, 0, ...part);
  return Uint8Array.from(body).buffer;
}

/** @param {Uint8Array} body */
function messagesOf(body) {
  const found = [];
  for (let at = 0; at < body.length; ) {
    const length = new DataView(body.buffer, body.byteOffset + at).getUint32(0, true);
    found.push(decode(body.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return found;
}

/** A world in which requests wait until the test answers them. */
class Polled extends World {
  requests = [];

  fetch = (url, how) =>
    new Promise((resolve, reject) => {
      const request = { url, how, said: messagesOf(how.body), over: false };
      request.answer = async (...parts) => {
        request.over = true;
        resolve({ ok: true, status: 200, arrayBuffer: async () => bodyOf(parts) });
        await turns();
      };
      request.refuse = async (status, text = "") => {
        request.over = true;
        resolve({ ok: false, status, text: async () => text });
        await turns();
      };
      request.fail = async () => {
        request.over = true;
        reject(new Error("no network"));
        await turns();
      };
      how.signal?.addEventListener("abort", () => {
        request.over = true;
        reject(new Error("aborted"));
      });
      this.requests.push(request);
    });

  get request() {
    return this.requests.at(-1);
  }

  /** The socket opened last cannot be. */
  async block() {
    this.socket.lose();
    this.pass(400);
    await turns();
  }
}

function joining() {
  const world = new Polled();
  const promise = join("coins", { name: "Ada", url: URL, world, store: new Store() });
  promise.catch(() => {});
  return { world, promise };
}

/** A room that polls and holds tick 10; its second poll waits. */
async function polling() {
  const { world, promise } = joining();
  await world.block();
  await world.block();
  await world.request.answer(welcome(), frame(10, 0, { chunks: PEOPLE }));
  return { world, room: await promise };
}

test("two sockets that bring no frame, and the third try is a poll", async () => {
  const { world, promise } = joining();
  await world.block();
  assert.deepEqual([world.sockets.length, world.requests.length], [2, 0]);
  await world.block();
  assert.deepEqual([world.sockets.length, world.requests.length], [2, 1]);
  assert.equal(world.request.url, "http://test/poll?welcome=1");
  assert.equal(world.request.how.method, "POST");
  assert.deepEqual(
    world.request.said.map(([type]) => type),
    [1],
  );
  await world.request.answer(welcome(), frame(10, 0, { chunks: PEOPLE }));
  const room = await promise;
  assert.deepEqual([room.state, room.polling, room.latest.tick], ["polling", true, 10]);
  assert.deepEqual(world.request.said, [[2, TOKEN, 5, 10, 1]]);
  assert.equal(world.request.url, "http://test/poll", "it has its WELCOME");
});

test("each poll repeats what is not acknowledged, and one answer is one frame", async () => {
  const { world, room } = await polling();
  room.sample(() => ({ x: 1 }));
  await world.request.answer(frame(12, 10));
  assert.deepEqual(world.request.said, [
    [2, TOKEN, 5, 12, 1],
    [3, 12, [1, [1, 0]]],
  ]);
  world.pass(50);
  await world.request.answer(frame(14, 12));
  assert.deepEqual(world.request.said, [
    [2, TOKEN, 5, 14, 1],
    [3, 14, [1, [1, 0]], [2, [1, 0]]],
  ]);
  world.pass(50);
  await world.request.answer(frame(15, 14, { ack: 2 }));
  assert.deepEqual(world.request.said, [
    [2, TOKEN, 5, 15, 3],
    [3, 15, [3, [1, 0]]],
  ]);
  assert.equal(room.latest.tick, 15);
});

test("a poll that fails is resumed by another, which loses nothing", async () => {
  const { world, room } = await polling();
  room.sample(() => ({ x: 1 }));
  await world.request.answer(frame(12, 10));
  for (const fail of ["fail", "refuse"]) {
    await world.request[fail](503);
    assert.equal(room.state, "resuming");
    world.pass(400);
    await turns();
    // A WebSocket has the next turn, in case it was the server that was away.
    await world.block();
    assert.equal(world.request.said[0][0], 2);
    await world.request.answer(welcome(), frame(13, 12));
    assert.deepEqual([room.state, room.polling], ["polling", true]);
    assert.equal(world.request.said[1][2][0], 1, "input 1 is in it still");
  }
});

test("an answer without a frame is followed by a pause", async () => {
  const { world } = await polling();
  const before = world.requests.length;
  await world.request.answer();
  assert.equal(world.requests.length, before);
  world.pass(49);
  await turns();
  assert.equal(world.requests.length, before);
  world.pass(1);
  await turns();
  assert.equal(world.requests.length, before + 1);
});

test("a WebSocket is tried from time to time, and taken when frames come on it", async () => {
  const { world, room } = await polling();
  const states = [];
  room.on("state", (state) => states.push(state));
  for (const tick of [12, 14]) {
    world.pass(1000);
    await world.request.answer(frame(tick, tick - 2));
  }
  const dead = world.sockets.length;
  const beat = async (ms) => {
    for (let passed = 0; passed < ms; passed += 1000) {
      world.pass(1000);
      const held = room.latest.tick;
      if (room.polling) await world.request.answer(frame(held + 1, held));
    }
  };
  await beat(10_000);
  assert.equal(world.sockets.length, dead + 1, "tried, without giving up the polls");
  world.socket.lose();
  await beat(11_000);
  assert.equal(world.sockets.length, dead + 2);
  assert.deepEqual([room.state, room.polling], ["polling", true]);
  world.socket.open();
  assert.equal(world.socket.said[0][0], 2);
  world.socket.hear(welcome({ token: Uint8Array.of(8) }));
  assert.equal(room.polling, false);
  const waiting = world.request;
  await turns();
  assert.equal(waiting.over, true, "another poll would take the seat from the socket");
  const polls = world.requests.length;
  const held = room.latest.tick;
  world.socket.hear(frame(held + 1, held));
  await turns();
  await beat(3000);
  assert.equal(world.requests.length, polls);
  assert.deepEqual(states, ["live"]);
  room.leave();
});

test("leaving says so in a last request, and a CLOSE ends the session", async () => {
  const { world, room } = await polling();
  room.leave();
  await turns();
  assert.deepEqual(
    world.request.said.map(([type]) => type),
    [2, 5],
  );
  assert.equal(world.request.how.keepalive, true);
  assert.equal(world.waiting, 0);
  const other = await polling();
  await other.world.request.answer(close(4410, "the room is over"));
  assert.deepEqual([other.room.state, other.room.reason.code], ["gone", 4410]);
  const polls = other.world.requests.length;
  other.world.pass(10_000);
  await turns();
  assert.deepEqual([other.world.requests.length, other.world.waiting], [polls, 0]);
});

test("a server that will not have this page says so at once, in its own words", async () => {
  const { world, promise } = joining();
  const began = world.now();
  await world.block();
  await world.block();
  await world.request.refuse(403, "pages from this origin may not poll\n");
  await assert.rejects(promise, {
    name: "SessionEnded",
    code: 4403,
    reason: "pages from this origin may not poll",
  });
  assert.ok(world.now() - began < 1000);
  assert.equal(world.waiting, 0, "nothing is tried again");
});

test("a server that is full is tried again, and what it said is told meanwhile", async () => {
  const world = new Polled();
  const told = [];
  const promise = join("coins", {
    url: URL,
    world,
    store: new Store(),
    waiting: (what) => told.push(what),
  });
  await world.block();
  await world.block();
  await world.request.refuse(503, "this process takes no more players");
  assert.equal(told.at(-1), "Waiting for a seat: this process takes no more players.");
  world.pass(500);
  seat(world);
  assert.equal((await promise).state, "live");
});

test("a page that a proxy answers with is not taken for the server's words", async () => {
  const { world, promise } = joining();
  await world.block();
  await world.block();
  await world.request.refuse(404, "<html>no such page</html>");
  await assert.rejects(promise, { code: 4403, reason: "the server answered 404" });
});

test("a session that has a seat outlives a proxy that refuses a poll", async () => {
  const { world, room } = await polling();
  await world.request.refuse(404);
  assert.equal(room.state, "resuming");
  world.pass(100);
  assert.equal(world.sockets.length, 3, "a WebSocket has the next turn");
});

function seat(world) {
  world.socket.open();
  world.socket.hear(welcome());
  world.socket.hear(frame(10, 0, { chunks: PEOPLE }));
}
