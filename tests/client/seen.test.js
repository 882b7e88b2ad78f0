/** What a session tells the server of its screen: the tick drawn, and the tick held. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "../../client/session.js";
import { decode } from "../../client/msgpack.js";
import { LIMITS, PEOPLE, frame, welcome } from "./coins.js";

const JOIN = {
  nonce: new Uint8Array(16).fill(9),
  game: "coins",
  options: {},
  name: "Ada",
  role: "player",
  identity: null,
  build: "t",
};

test("the tick on the screen goes with an item where the game looks back", () => {
  const said = (/** @type {number[]} */ limits, /** @type {number | null} */ drawn) => {
    const session = new Session(JOIN);
    session.receive(welcome({ limits }), 0);
    session.sampler = () => ({ x: 1 });
    session.drawn = drawn;
    session.receive(frame(10, 0, { chunks: PEOPLE }), 500);
    session.act("Leap", {}, () => {});
    session.receive(frame(11, 10), 550);
    return session.outbox.map((bytes) => decode(bytes)[2]);
  };
  const plain = [
    [1, [1, 0]],
    [2, [1, 0], [1]],
  ];
  assert.deepEqual(said([...LIMITS, 10], 8), [
    [1, [1, 0], 8],
    [2, [1, 0], 8, [1]],
  ]);
  assert.deepEqual(said([...LIMITS, 10], null), plain, "nothing is drawn late");
  assert.deepEqual(said([...LIMITS, 0], 8), plain, "the game does not look back");
  assert.deepEqual(said(LIMITS, 8), plain, "a server from before");
});

test("a frame that covers many is reported at once", () => {
  const session = new Session(JOIN);
  session.receive(welcome(), 0);
  session.receive(frame(10, 0, { chunks: PEOPLE }), 0);
  session.outbox.length = 0;
  session.receive(frame(14, 10), 0);
  assert.deepEqual(session.outbox, []);
  session.receive(frame(60, 10), 0);
  assert.deepEqual(session.outbox.map(decode), [[3, 60]]);
  session.receive(frame(61, 60), 0);
  assert.equal(session.outbox.length, 1);
});
