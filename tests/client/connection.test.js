/**
 * Connections and rooms over sockets in memory and a clock moved by hand: joining, losing,
 * resuming, renewing.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SessionEnded, join, resume } from "../../client/index.js";
import { decode, encode } from "../../client/msgpack.js";
import { PEOPLE, TOKEN, close, digestOf, frame, welcome } from "./coins.js";
import { Store, World } from "./world.js";

const URL = "ws://test/play";
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A world, and a join under way in it. */
function joining(options = {}) {
  const world = new World();
  const store = new Store();
  const promise = join("coins", { name: "Ada", url: URL, world, store, ...options });
  promise.catch(() => {});
  return { world, store, promise };
}

/** A room that is live on `world.socket` and holds tick 10. */
async function playing(options) {
  const { world, store, promise } = joining(options);
  seat(world, 10);
  return { world, store, room: await promise };
}

function seat(world, tick, but = {}) {
  world.socket.open();
  world.socket.hear(welcome(but));
  world.socket.hear(frame(tick, 0, { chunks: PEOPLE }));
}

test("join says JOIN, and resolves with the first frame", async () => {
  const { world, promise } = joining({ options: { bots: 2 }, room: "abc" });
  let room = null;
  promise.then((joined) => (room = joined));
  assert.deepEqual(
    [world.socket.url, world.socket.protocol, world.socket.binaryType],
    [URL, "holdfast.1", "arraybuffer"],
  );
  world.socket.open();
  const [type, nonce, game, options, name] = world.socket.said[0];
  assert.deepEqual(
    [type, nonce.length, game, { ...options }, name],
    [1, 16, "coins", { bots: 2, room: "abc" }, "Ada"],
  );
  world.socket.hear(welcome());
  await turn();
  assert.equal(room, null);
  world.socket.hear(frame(10, 0, { chunks: PEOPLE }));
  await turn();
  assert.deepEqual(
    [room.state, room.id, room.player, room.tickRate, room.latest.count("Runner")],
    ["live", "room-1", 1, 20, 2],
  );
  assert.equal(room.view(world.now()).get("Runner", 11).x, 1);
  assert.equal(room.stats.tick, 10);
});

test("the tick that was drawn goes with what the player does, where it is asked for", async () => {
  const { world, promise } = joining();
  world.socket.open();
  world.socket.hear(welcome({ limits: [16384, 64, 8, 128, 10] }));
  world.socket.hear(frame(10, 0, { chunks: PEOPLE }));
  const room = await promise;
  room.sample(() => ({ x: 1 }));
  const next = (/** @type {number} */ tick) => {
    world.pass(50);
    world.socket.hear(frame(tick, tick - 1));
    return world.socket.said.at(-1)[2].slice(1);
  };
  assert.deepEqual(next(11), [[1, 0]], "nothing is drawn yet");
  for (let tick = 12; tick < 20; tick++) {
    room.view(world.now());
    next(tick);
  }
  const drawn = Math.round(room.view(world.now()).tick);
  assert.ok(drawn < 19, "the screen is behind");
  assert.deepEqual(next(20), [[1, 0], drawn]);
});

test("a refused join rejects with code and reason, and no socket or timer is left", async () => {
  const { world, store, promise } = joining();
  world.socket.open();
  world.socket.hear(close(4404, "there is no game coins"));
  await assert.rejects(
    promise,
    (error) =>
      error instanceof SessionEnded &&
      error.code === 4404 &&
      error.reason === "there is no game coins",
  );
  assert.equal(world.socket.closedWith, 1000);
  assert.equal(world.waiting, 0);
  assert.equal(store.getItem("holdfast:coins"), null);
});

test("a join that is lost is repeated with the same nonce, for a minute", async () => {
  const { world, promise } = joining();
  world.socket.open();
  const [, nonce] = world.socket.said[0];
  world.socket.lose();
  world.pass(60);
  assert.equal(world.sockets.length, 2);
  world.socket.open();
  assert.deepEqual(world.socket.said[0][1], nonce);
  for (let i = 0; i < 100; i++) {
    if (world.socket.readyState < 3) world.socket.lose();
    world.pass(1000);
  }
  await assert.rejects(promise, { code: 4408 });
  assert.equal(world.waiting, 0);
});

test("waits double from 100 ms to 5 s, halved at random, and anew after a frame", async () => {
  const { world } = await playing();
  const waits = [];
  for (let i = 0; i < 8; i++) {
    const before = world.sockets.length;
    const from = world.time;
    world.socket.lose();
    while (world.sockets.length === before) world.pass(1);
    waits.push(world.time - from);
  }
  assert.deepEqual(waits, [50, 100, 200, 400, 800, 1600, 2500, 2500]);
  seat(world, 20);
  world.socket.lose();
  const before = world.sockets.length;
  world.pass(50);
  assert.equal(world.sockets.length, before + 1);
});

test("retry after is the least wait", async () => {
  const { world } = await playing();
  world.socket.hear(close(4503, "full", 3000));
  world.pass(2999);
  assert.equal(world.sockets.length, 1);
  world.pass(1);
  assert.equal(world.sockets.length, 2);
});

test("a lost socket resumes from the tick held, and repeats what is not acked", async () => {
  const { world, room } = await playing();
  const states = [];
  room.on("state", (state) => states.push(state));
  room.sample(() => ({ x: 1 }));
  assert.deepEqual(world.socket.said.at(-1), [3, 10, [1, [1, 0]]]);
  world.socket.hear(frame(11, 10));
  const outcome = room.act("Say", { text: "hi" });
  world.socket.lose();
  assert.equal(room.state, "resuming");
  assert.equal(room.latest.tick, 11, "the view stands still");
  world.pass(50);
  world.socket.open();
  assert.deepEqual(world.socket.said, [[2, TOKEN, 5, 11, 1]]);
  world.socket.hear(welcome({ token: Uint8Array.of(8) }));
  assert.deepEqual(world.socket.said.at(-1), [3, 11, [1, [1, 0]]]);
  world.socket.hear(frame(15, 11, { ack: 1 }));
  world.socket.hear(frame(16, 15, { ack: 2 }));
  assert.deepEqual(await outcome, { applied: true });
  assert.deepEqual(states, ["resuming", "live"]);
  assert.deepEqual([room.stats.resumes, room.latest.tick], [1, 16]);
});

test("five seconds of silence count as lost; any message breaks the silence", async () => {
  const { world, room } = await playing();
  world.pass(4000);
  world.socket.hear(encode([19, 0, 0, 10]));
  world.pass(4900);
  assert.equal(room.state, "live");
  const first = world.socket;
  world.pass(700);
  assert.equal(room.state, "resuming");
  assert.equal(first.closedWith, 1000);
  world.pass(60);
  assert.equal(world.sockets.length, 2);
  world.pass(6000);
  assert.ok(world.sockets.length > 2, "a socket that never opens is given up too");
});

test("the clock is asked for at most twice a second", async () => {
  const { world } = await playing();
  const before = world.socket.sent.length;
  for (let i = 0; i < 10; i++) {
    world.pass(1000);
    world.socket.hear(encode([19, world.time - 25, 0, 10]));
  }
  const asked = world.socket.sent.slice(before).filter((bytes) => decode(bytes)[0] === 4).length;
  assert.ok(asked >= 4 && asked <= 20, `${asked}`);
});

test("hurry ends the wait", async () => {
  const { world, room } = await playing();
  for (let i = 0; i < 6; i++) {
    world.socket.lose();
    if (i < 5) world.pass(3000);
  }
  const before = world.sockets.length;
  room.hurry();
  assert.equal(world.sockets.length, before + 1);
  room.hurry();
  assert.equal(world.sockets.length, before + 1, "one at a time");
});

test("RENEW opens a second socket first; its first frame retires the old", async () => {
  const { world, room } = await playing();
  const old = world.socket;
  const states = [];
  room.on("state", (state) => states.push(state));
  old.hear(encode([18, 20000]));
  world.pass(0);
  assert.equal(world.sockets.length, 2);
  world.socket.open();
  assert.deepEqual(world.socket.said, [[2, TOKEN, 5, 10, 1]]);
  old.hear(frame(11, 10));
  world.socket.hear(welcome({ token: Uint8Array.of(4) }));
  old.hear(frame(12, 11));
  assert.equal(old.closedWith, null, "still heard");
  world.socket.hear(frame(12, 10));
  world.socket.hear(frame(13, 12));
  assert.equal(old.closedWith, 1000);
  assert.deepEqual([room.latest.tick, states], [13, []]);
});

test("the CLOSE(4409) that our own RESUME brings on the old socket is no end", async () => {
  const { world, room } = await playing();
  const old = world.socket;
  old.hear(encode([18, 20000]));
  world.pass(0);
  world.socket.open();
  old.hear(close(4409, "replaced"));
  assert.equal(room.state, "resuming");
  world.socket.hear(welcome());
  world.socket.hear(frame(11, 10));
  assert.equal(room.state, "live");
  assert.equal(world.sockets.length, 2);
});

test("a renewal that fails leaves the old socket in service and is tried again", async () => {
  const { world, room } = await playing();
  const old = world.socket;
  old.hear(encode([18, 20000]));
  world.pass(0);
  world.socket.open();
  world.socket.hear(close(1012, "leaving too", 0));
  old.hear(frame(11, 10));
  assert.deepEqual([room.state, room.latest.tick], ["live", 11]);
  world.pass(60);
  assert.equal(world.sockets.length, 3);
  world.socket.open();
  world.socket.hear(welcome());
  world.socket.lose();
  old.hear(frame(12, 11));
  assert.deepEqual([room.state, room.latest.tick], ["live", 12], "lost before its first frame");
});

test("a seat that another page took: told, not fought over, taken back on request", async () => {
  const { world, store, room } = await playing();
  let closed = null;
  room.on("closed", (why) => (closed = why));
  assert.throws(() => room.takeBack(), TypeError);
  world.socket.hear(close(4409, "another page plays on this seat"));
  assert.deepEqual([room.state, room.reason.code, closed.code], ["gone", 4409, 4409]);
  world.pass(60_000);
  assert.equal(world.sockets.length, 1);
  assert.notEqual(store.getItem("holdfast:coins"), null);
  room.takeBack();
  assert.equal(room.state, "resuming");
  world.socket.open();
  assert.equal(world.socket.said[0][0], 2);
  world.socket.hear(welcome());
  world.socket.hear(frame(30, 10));
  assert.deepEqual([room.state, room.latest.tick], ["live", 30]);
});

test("a reload resumes the seat with a seq above all used; leaving gives it up", async () => {
  const { world, store, room } = await playing();
  room.sample(() => ({ x: 1 }));
  for (let tick = 11; tick < 600; tick++) {
    world.pass(50);
    world.socket.hear(frame(tick, tick - 1, { ack: tick - 11 }));
  }
  const used = Math.max(
    ...world.socket.said.filter(([type]) => type === 3).map(([, , item]) => item[0]),
  );
  const again = new World();
  const resumed = resume("coins", { url: URL, world: again, store });
  seat(again, 700);
  const [type, token, epoch, held, first] = again.socket.said[0];
  assert.deepEqual([type, token, epoch, held], [2, TOKEN, 5, 0]);
  assert.ok(first > used, `${first} > ${used}`);
  const back = await resumed;
  assert.equal(back.latest.tick, 700);
  back.leave();
  assert.deepEqual(
    [again.socket.said.at(-1), again.socket.closedWith, back.reason.code],
    [[5], 1000, 1000],
  );
  assert.equal(await resume("coins", { url: URL, world: again, store }), null);
});

test("a join that a reload cut off finds its seat again, where it asks for the same", async () => {
  const options = { name: "Ada", url: URL, fresh: true, options: { bots: 2 } };
  const { world, store } = joining(options);
  world.socket.open();
  const [, nonce] = world.socket.said[0];
  const nonceOf = (/** @type {object} */ other) => {
    const reloaded = new World();
    const kept = new Store();
    kept.setItem("holdfast:coins", store.getItem("holdfast:coins"));
    joinIn(reloaded, kept, { ...options, ...other });
    reloaded.socket.open();
    return reloaded.socket.said[0][1];
  };
  assert.deepEqual(nonceOf({}), nonce);
  for (const other of [{ options: {} }, { room: "another" }, { name: "Eve" }, { role: "spectator" }])
    assert.notDeepEqual(nonceOf(other), nonce, JSON.stringify(other));
  seat(world, 10);
  await turn();
  assert.notDeepEqual(nonceOf({}), nonce, "once seated, a fresh join takes another seat");
});

function joinIn(world, store, options) {
  join("coins", { world, store, ...options }).catch(() => {});
}

test("until the first frame is here, what is awaited is told in words", async () => {
  const told = [];
  const { world, promise } = joining({ waiting: (what) => told.push(what) });
  assert.deepEqual(told, ["Waiting for a seat…"]);
  world.socket.lose();
  world.pass(60);
  world.socket.open();
  world.socket.hear(close(4503, "the room stands still", 1000));
  world.pass(1000);
  world.socket.open();
  world.socket.hear(welcome());
  world.socket.hear(encode([20, 5, 9, 1]));
  world.socket.hear(frame(10, 0, { chunks: PEOPLE }));
  const room = await promise;
  world.socket.hear(encode([20, 5, 10, 0]));
  world.socket.lose();
  assert.equal(room.state, "resuming");
  assert.deepEqual(told, [
    "Waiting for a seat…",
    "Waiting for a seat: the server cannot be reached.",
    "Waiting for a seat: the room stands still.",
    "Waiting for the first frame…",
    "Waiting for the room: the room stands still on the server.",
  ]);
});

test("a join that is not waited for any longer gives its seat up", async () => {
  const end = new AbortController();
  const { world, store, promise } = joining({ signal: end.signal });
  world.socket.open();
  world.socket.hear(welcome());
  end.abort();
  await assert.rejects(promise, { code: 1000, reason: "you left" });
  assert.deepEqual(world.socket.said.at(-1), [5], "LEAVE");
  assert.deepEqual([world.waiting, store.getItem("holdfast:coins")], [0, null]);
  const over = joining({ signal: AbortSignal.abort() });
  await assert.rejects(over.promise, { code: 1000 });
  const later = new AbortController();
  const played = joining({ signal: later.signal });
  seat(played.world, 10);
  const room = await played.promise;
  later.abort();
  assert.equal(room.state, "live", "a room that is there is left by its own leave()");
});

test("an address without a path, or of the page, leads to /play", async () => {
  for (const [url, opened] of [
    ["ws://localhost:8080", "ws://localhost:8080/play"],
    ["wss://example.org/", "wss://example.org/play"],
    ["http://localhost:8080", "ws://localhost:8080/play"],
    ["https://example.org/game/play?line=bad", "wss://example.org/game/play?line=bad"],
  ])
    assert.equal(joining({ url }).world.socket.url, opened);
  for (const url of ["localhost:8080", "ftp://example.org", ""])
    await assert.rejects(joining({ url }).promise, TypeError);
});

test("a kept seat that is no more gives way to a new one; one that misfits stays", async () => {
  const { store } = await playing();
  const world = new World();
  const joined = join("coins", { url: URL, world, store });
  world.socket.open();
  assert.equal(world.socket.said[0][0], 2);
  world.socket.hear(close(4410, "the grace ran out"));
  await turn();
  world.socket.open();
  assert.equal(world.socket.said[0][0], 1);
  world.socket.hear(welcome());
  world.socket.hear(frame(1, 0, { chunks: PEOPLE }));
  assert.equal((await joined).state, "live");
  for (const other of [{ fresh: true }, { role: "spectator" }, { room: "another" }]) {
    const elsewhere = new World();
    join("coins", { url: URL, world: elsewhere, store: { ...store }, ...other }).catch(() => {});
    elsewhere.socket.open();
    assert.equal(elsewhere.socket.said[0][0], 1, JSON.stringify(other));
  }
});

test("malformed messages, text, gaps and digests that differ make the client resume", async () => {
  for (const [bytes, held] of [
    ["text", 0],
    [Uint8Array.of(0xc1), 0],
    [frame(20, 19), 10],
    [encode([21, 10, 1]), 0],
  ]) {
    const error = console.error;
    const told = [];
    console.error = (text) => told.push(text);
    try {
      const { world, room } = await playing();
      world.socket.hear(bytes);
      assert.equal(room.state, "resuming");
      world.pass(60);
      world.socket.open();
      assert.equal(world.socket.said[0][3], held);
      seat(world, 21);
      world.socket.hear(digestOf(room.latest));
      assert.deepEqual([room.state, room.stats.divergence], ["live", held ? 0 : 1]);
      assert.equal(told.length, held ? 0 : 1);
    } finally {
      console.error = error;
    }
  }
});

test("listeners hear rows, and one that throws stops nobody", async () => {
  const { world, room } = await playing();
  const heard = [];
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  room.on("added", "Runner", () => {
    throw new Error("oops");
  });
  room.on("added", "Runner", (row) => heard.push(`added ${row.id}`));
  const off = room.on("changed", "Runner", (row) => heard.push(`changed ${row.id} ${row.coins}`));
  room.on("hidden", "Runner", (row) => heard.push(`hidden ${row.id}`));
  assert.deepEqual(heard, ["added 11", "added 12"], "those already there");
  world.socket.hear(
    frame(11, 10, { dropped: [[2, [12]]], chunks: [[2, [], [0b10000, [11], [9]], [0, [13]]]] }),
  );
  off();
  world.socket.hear(frame(12, 11, { chunks: [[2, [], [0b10000, [11], [10]]]] }));
  delete globalThis.reportError;
  assert.deepEqual(heard.slice(2), ["hidden 12", "changed 11 9", "added 13"]);
  assert.deepEqual(reported, ["oops", "oops", "oops"]);
  assert.throws(() => room.on("added", "Tank", () => {}), /no table "Tank"/);
  assert.throws(() => room.on("added", () => {}), TypeError);
  assert.throws(() => room.on("gone", "Runner", () => {}), TypeError);
  assert.throws(() => room.on("gone", () => {}), TypeError);
  assert.throws(
    () => room.sample(() => ({ x: 3 })),
    /input\.x must be a whole number from -1 to 1, not 3/,
  );
  await assert.rejects(room.act("Say", { text: 5 }), TypeError);
});
