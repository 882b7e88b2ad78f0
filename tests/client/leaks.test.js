/** What is left of a room that was left: no listener, no timer, no object. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { join } from "../../client/index.js";
import { PEOPLE, close, frame, welcome } from "./coins.js";
import { Store, World } from "./world.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A window's or document's listeners, counted. */
class Listened extends EventTarget {
  count = 0;
  hidden = false;

  addEventListener(...how) {
    this.count++;
    super.addEventListener(...how);
  }

  removeEventListener(...how) {
    this.count--;
    super.removeEventListener(...how);
  }
}

/** Lends the global object a window's events and a document, for as long as `work` takes. */
async function inPage(work) {
  const [window, document] = [new Listened(), new Listened()];
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.removeEventListener = window.removeEventListener.bind(window);
  globalThis.document = document;
  const { error } = console;
  // A room that cannot read what comes says so there.
  console.error = () => {};
  try {
    await work(window, document);
  } finally {
    console.error = error;
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
    delete globalThis.document;
  }
}

function joining(world, options = {}) {
  const promise = join("coins", { url: "ws://test/play", world, store: new Store(), ...options });
  promise.catch(() => {});
  return promise;
}

function seat(world) {
  world.socket.open();
  world.socket.hear(welcome());
  world.socket.hear(frame(10, 0, { chunks: PEOPLE }));
}

/** The ways out of a room, or of a join. */
const WAYS = {
  async left(world) {
    const promise = joining(world);
    seat(world);
    const room = await promise;
    room.sample(() => ({ x: 1 }));
    room.on("added", "Runner", () => {});
    room.view(world.now());
    room.leave();
    return room;
  },
  async closed(world) {
    const promise = joining(world);
    seat(world);
    const room = await promise;
    world.socket.hear(close(4410, "the room is over", null));
    return room;
  },
  async garbled(world) {
    const promise = joining(world);
    seat(world);
    const room = await promise;
    for (let i = 0; i < 5; i++) {
      world.socket.open();
      world.socket.hear("text");
      world.pass(2600);
    }
    assert.equal(room.state, "gone");
    return room;
  },
  async refused(world) {
    const promise = joining(world);
    world.socket.open();
    world.socket.hear(close(4423, "the room is full", null));
    await assert.rejects(promise, { code: 4423 });
  },
  async aborted(world) {
    const end = new AbortController();
    const promise = joining(world, { signal: end.signal });
    world.socket.open();
    end.abort();
    await assert.rejects(promise, { code: 1000 });
  },
};

for (const [way, leave] of Object.entries(WAYS))
  test(`of a thousand joins that were ${way}, nothing is left`, () =>
    inPage(async (window, document) => {
      const rooms = [];
      for (let i = 0; i < 1000; i++) {
        // Each has a world of its own, which the test lets go of: only the page's could hold a room.
        const world = new World();
        const room = await leave(world);
        assert.equal(world.waiting, 0, "no timer");
        rooms.push(new WeakRef(room ?? world));
      }
      await turn();
      assert.deepEqual([window.count, document.count], [0, 0]);
      for (let i = 0; i < 3; i++, await turn()) collect();
      assert.ok(rooms.filter((room) => room.deref()).length < 5);
    }));

test("a room that is played is kept, and hurried when the network is back", () =>
  inPage(async (window, document) => {
    const world = new World();
    const promise = joining(world);
    seat(world);
    const room = new WeakRef(await promise);
    await turn();
    collect();
    assert.ok(room.deref(), "the control: its listeners hold it");
    assert.deepEqual([window.count, document.count], [1, 1]);
    world.socket.lose();
    const sockets = world.sockets.length;
    window.dispatchEvent(new Event("online"));
    assert.equal(world.sockets.length, sockets + 1, "it does not wait");
    room.deref()?.leave();
  }));
