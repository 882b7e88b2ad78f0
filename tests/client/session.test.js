/** The session machine, without sockets or timers: bytes and times in, bytes and news out. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Session } from "../../client/session.js";
import { RemoteError } from "../../client/errors.js";
import { ACTIONS_WAITING_MAX } from "../../client/limits.js";
import { decode, encode } from "../../client/msgpack.js";
import { LIMITS, PEOPLE, SCHEMA, TOKEN, close, digestOf, frame, room, welcome } from "./coins.js";

const NONCE = new Uint8Array(16).fill(9);
const JOIN = {
  nonce: NONCE,
  game: "coins",
  options: { bots: 2 },
  name: "Ada",
  role: "player",
  identity: null,
  build: "t",
};

/** A session that was welcomed and holds tick 10. */
function live(but = {}) {
  const session = new Session({ ...JOIN, ...but.join });
  session.receive(welcome(but), 0);
  session.receive(frame(10, 0, { chunks: PEOPLE }), 500);
  session.news.length = session.outbox.length = 0;
  return session;
}

const sent = (session) => session.outbox.splice(0).map((bytes) => decode(bytes));
const news = (session) =>
  session.news
    .splice(0)
    .map(([what, about]) =>
      what === "change"
        ? `${about.what} ${about.table.name} ${about.row.id}`
        : what === "state"
          ? about
          : what,
    );

test("the first message is JOIN, and the same JOIN until there is a WELCOME", () => {
  const session = new Session(JOIN);
  assert.deepEqual(
    JSON.stringify(decode(session.hello())),
    JSON.stringify([1, NONCE, "coins", { bots: 2 }, "Ada", 0, null, "t"]),
  );
  assert.equal(session.closed(1006, "lost"), true);
  assert.equal(session.state, "connecting");
  assert.deepEqual(session.hello(), session.hello());
  session.receive(welcome(), 0);
  assert.equal(session.state, "live");
  assert.deepEqual([session.room, session.player, session.tickRate], ["room-1", 1, 20]);
  assert.deepEqual(decode(session.hello()), [2, TOKEN, 5, 0, 1]);
  assert.equal(decode(new Session({ ...JOIN, role: "spectator" }).hello())[5], 1);
});

test("surplus items and unknown messages are ignored", () => {
  const session = new Session(JOIN);
  session.receive(encode([99, "?"]), 0);
  const longer = [...decode(welcome()), "later"];
  longer[8] = [...LIMITS, 1];
  longer[7] = [...SCHEMA, []];
  session.receive(encode(longer), 0);
  assert.equal(session.state, "live");
});

test("frames apply by base and tick", () => {
  const session = live();
  const x = (q) => [[2, [], [0b10, [11], [q]]]];
  assert.equal(session.receive(frame(11, 10, { chunks: x(0) }), 550).do, "framed");
  assert.equal(session.receive(frame(11, 10, { chunks: x(1024) }), 550).do, "none", "heard before");
  assert.equal(session.view.get("Runner", 11).x, 0);
  assert.equal(
    session.receive(frame(13, 9, { chunks: x(2048) }), 650).do,
    "framed",
    "a base below what is held",
  );
  assert.equal(session.receive(frame(15, 14), 750).do, "resume", "a base above what is held");
  assert.equal(session.held, 13);
  assert.equal(
    session.receive(frame(12, 0, { chunks: PEOPLE }), 600).do,
    "framed",
    "from nothing, even back",
  );
  assert.equal(session.view.tick, 12);
});

test("what breaks the protocol is refused and leaves no trace", () => {
  const session = live();
  const before = session.view;
  const wrong = [
    encode(5),
    encode([]),
    encode(["17"]),
    encode([17, 11, 10]),
    frame(11, 10, { ack: -1 }),
    frame(11, 10, { refusals: [[1]] }),
    frame(11, 10, { dropped: [[9, []]] }),
    frame(11, 10, { chunks: [[2, [], [0b10, [11]]]] }),
    frame(1.5, 0),
    encode([16, "token"]),
    welcome({ schema: [[], [], [], []], rate: 20 }),
    welcome({ limits: [16384, 64, 8] }),
    welcome({ limits: [0, 1, 1, 1] }),
    Uint8Array.of(0xc1),
    encode([22, "x"]),
    encode([21, 1, null]),
    encode([18, null]),
  ];
  for (const bytes of wrong)
    assert.throws(() => session.receive(bytes, 0), RemoteError, JSON.stringify([...bytes]));
  assert.equal(session.view, before);
  assert.equal(session.held, 10);
  assert.throws(() => new Session(JOIN).receive(frame(1, 0), 0), RemoteError);
});

test("malformed messages resume from nothing, and after five in a row the session ends", () => {
  const session = live();
  const error = new RemoteError("bad");
  assert.equal(session.malformed(error), true);
  assert.deepEqual([session.state, decode(session.hello())[3]], ["resuming", 0]);
  session.receive(welcome(), 0);
  session.receive(frame(11, 0), 550);
  for (let i = 0; i < 4; i++) assert.equal(session.malformed(error), true);
  assert.equal(session.malformed(error), false);
  assert.deepEqual([session.state, session.reason.code], ["gone", 4400]);
  assert.equal(session.stats.divergence, 6);
});

test("one sample a frame, with the next seq and the tick held", () => {
  const session = live();
  let x = 0;
  session.sampler = () => ({ x: x++ % 2 });
  session.receive(frame(11, 10), 550);
  session.receive(frame(11, 10), 550);
  session.receive(frame(12, 11), 600);
  assert.deepEqual(sent(session), [
    [3, 11, [1, [0, 0]]],
    [3, 12, [2, [1, 0]]],
  ]);
});

test("a sample that throws or is out of range is told and sent as none", () => {
  const session = live();
  session.sampler = () => ({ x: 2 });
  session.receive(frame(11, 10), 550);
  session.sampler = () => null;
  session.receive(frame(12, 11), 600);
  assert.deepEqual(sent(session), []);
  const [, error] = session.news.find(([what]) => what === "wrong");
  assert.equal(error.message, "input.x must be a whole number from -1 to 1, not 2");
});

test("with nothing to send, the tick held is reported every eighth frame", () => {
  for (const join of [{}, { role: "spectator" }]) {
    const session = live({ join, player: join.role ? 0 : 1 });
    if (join.role) session.sampler = () => ({ x: 1 });
    for (let tick = 11; tick < 26; tick++) session.receive(frame(tick, tick - 1), tick * 50);
    assert.equal(sent(session).length, 2, "reports");
  }
});

test("actions go with the next item, and the ack of their seq applies them", () => {
  const session = live();
  const heard = [];
  session.act("Say", { text: "hi" }, (outcome) => heard.push(["say", outcome]));
  session.act("Leap", {}, (outcome) => heard.push(["leap", outcome]));
  assert.deepEqual(sent(session), []);
  session.receive(frame(11, 10), 550);
  assert.deepEqual(sent(session), [[3, 11, [1, null, [0, "hi"], [1]]]]);
  session.receive(frame(12, 11, { refusals: [[1, 2, "too tired"]] }), 600);
  assert.deepEqual(heard, []);
  session.receive(frame(13, 12, { ack: 1, refusals: [[1, 2, "too tired"]] }), 650);
  assert.deepEqual(heard, [
    ["say", { applied: true }],
    ["leap", { applied: false, reason: "too tired" }],
  ]);
  const refused = session.news.filter(([what]) => what === "refused").map(([, about]) => about);
  assert.deepEqual(refused, [{ seq: 1, action: "Leap", reason: "too tired" }], "told once");
});

test("a skipped input does not refuse the actions it carried", () => {
  const session = live();
  const heard = [];
  session.sampler = () => ({ x: 1 });
  session.act("Leap", {}, (outcome) => heard.push(outcome));
  session.receive(frame(11, 10), 550);
  session.receive(frame(12, 11, { ack: 1, refusals: [[1, 0, "skipped"]] }), 600);
  assert.deepEqual(heard, [{ applied: true }]);
  assert.deepEqual(session.news.find(([what]) => what === "refused")[1], {
    seq: 1,
    action: null,
    reason: "skipped",
  });
});

test("mistakes in an action are thrown at the caller", () => {
  const session = live();
  const none = () => assert.fail();
  assert.throws(() => session.act("Sing", {}, none), {
    message: 'this game has no action "Sing"; its actions are: Say, Leap',
  });
  assert.throws(
    () => session.act("Say", { text: "x".repeat(17) }, none),
    /Say\.text must be a text of at most 16 characters/,
  );
  assert.throws(() => session.act("Say", { words: "x" }, none), /Say has no field "words"/);
  assert.throws(() => new Session(JOIN).act("Say", {}, none), TypeError);
  const spectator = live({ player: 0 });
  spectator.act("Leap", {}, (outcome) =>
    assert.deepEqual(outcome, { applied: false, reason: "a spectator cannot act" }),
  );
});

test("of 2,000 actions asked for at once some go with each item, and the rest is refused", () => {
  const session = live();
  const refused = [];
  const applied = [];
  for (let i = 0; i < 2000; i++)
    session.act("Say", { text: `${i}` }, (outcome) => (outcome.applied ? applied : refused).push(i));
  assert.equal(refused.length, 2000 - ACTIONS_WAITING_MAX, "at once, with a reason");
  let ticks = 10;
  for (let ack = 0; applied.length + refused.length < 2000 && ticks < 100; ticks++) {
    session.receive(frame(ticks + 1, ticks, { ack }), (ticks + 1) * 50);
    ack = session.inputs.next - 1;
  }
  assert.deepEqual(
    applied,
    Array.from({ length: ACTIONS_WAITING_MAX }, (_, i) => i),
  );
  assert.ok(ticks - 10 <= ACTIONS_WAITING_MAX / 8 + 2, `${ticks - 10} ticks`);
  session.act("Leap", {}, () => assert.fail("it waits for its answer"));
});

test("limits of items, actions and unacknowledged inputs hold", () => {
  const session = live({ limits: [200, 4, 2, 10] });
  for (let i = 0; i < 5; i++) session.act("Leap", {}, () => {});
  session.receive(frame(11, 10), 550);
  assert.deepEqual(sent(session), [[3, 11, [1, null, [1], [1]]]]);
  session.sampler = () => ({ x: 1 });
  for (let tick = 12; tick < 30; tick++) session.receive(frame(tick, tick - 1), tick * 50);
  const seqs = new Set(sent(session).flatMap(([, , ...items]) => items.map(([seq]) => seq)));
  assert.equal(Math.max(...seqs), 10);
  session.closed(1006, "");
  session.receive(welcome({ limits: [200, 4, 2, 10] }), 0);
  const repeats = session.outbox.splice(0);
  assert.deepEqual(
    repeats.map((bytes) => decode(bytes).length - 2),
    [4, 4, 2],
  );
  const small = live({ limits: [64, 64, 8, 128] });
  for (let i = 0; i < 12; i++) small.act("Say", { text: "0123456789" }, () => {});
  for (let tick = 11; tick < 18; tick++) small.receive(frame(tick, tick - 1), tick * 50);
  small.closed(1006, "");
  small.receive(welcome({ limits: [64, 64, 8, 128] }), 0);
  const bytes = small.outbox.splice(0);
  assert.ok(
    bytes.length > 3 && bytes.every((message) => message.length <= 64),
    `${bytes.map((b) => b.length)}`,
  );
});

test("items not acked are repeated: after a resume, on a new epoch, when acks stand still", () => {
  const session = live();
  session.sampler = () => ({ y: 1 });
  session.receive(frame(11, 10), 550);
  session.receive(frame(12, 11), 600);
  sent(session);
  session.receive(room(6), 0);
  const items = [
    [1, [0, 1]],
    [2, [0, 1]],
  ];
  assert.deepEqual(sent(session), [[3, 12, ...items]]);
  session.receive(room(6, 1), 0);
  assert.deepEqual(sent(session), [], "the same epoch repeats nothing");
  assert.equal(session.status, "paused");
  assert.equal(session.closed(1006, "lost"), true);
  assert.deepEqual(decode(session.hello()), [2, TOKEN, 6, 12, 1]);
  session.receive(welcome({ token: Uint8Array.of(7), epoch: 7 }), 0);
  assert.equal(session.status, "live", "who takes the room over says if it stands still");
  assert.deepEqual(sent(session), [[3, 12, ...items]]);
  assert.deepEqual([...session.token], [7]);
  session.sampler = null;
  session.receive(frame(13, 12, { ack: 1 }), 650);
  sent(session);
  for (let tick = 14; tick < 33; tick++) session.receive(frame(tick, tick - 1, { ack: 1 }), tick * 50);
  assert.ok(
    sent(session).every((message) => message.length === 2),
    "only reports yet",
  );
  session.receive(frame(33, 32, { ack: 1 }), 1650);
  assert.deepEqual(sent(session), [[3, 33, [2, null]]], "what was done a second ago is not done now");
  session.receive(frame(34, 33, { ack: 2 }), 1700);
  assert.equal(decode(session.hello())[4], 3);
});

test("CLOSE and lost sockets: who resumes and who is gone", () => {
  for (const code of [1001, 1006, 1011, 1012, 4408, 4431, 4503]) {
    assert.equal(live().closed(code, "", 0), true, `${code}`);
    assert.equal(live().closed(code, ""), true, `${code} without CLOSE`);
    assert.equal(live().closed(code, "", null), false, `${code} and do not retry`);
  }
  for (const code of [
    1000, 1003, 1008, 1009, 4400, 4401, 4403, 4404, 4409, 4410, 4422, 4423, 4429, 4500,
  ]) {
    const session = live();
    session.act("Leap", {}, (outcome) => assert.equal(outcome.applied, false));
    assert.equal(session.closed(code, "why", null), false, `${code}`);
    assert.deepEqual([session.state, session.reason], ["gone", { code, reason: "why" }]);
  }
  const turn = live().receive(close(4503, "full", 2000), 0);
  assert.deepEqual(turn, { do: "close", type: "close", code: 4503, reason: "full", retry: 2000 });
});

test("after the end nothing more happens", () => {
  const session = live();
  session.end(4410, "over");
  assert.equal(session.receive(frame(11, 10), 550).do, "none");
  assert.equal(session.closed(1006, ""), false);
  session.act("Leap", {}, (outcome) =>
    assert.deepEqual(outcome, { applied: false, reason: "the session ended: over" }),
  );
  assert.deepEqual(news(session), ["gone"]);
});

test("a seat taken by another page can be taken back, with seqs it cannot have used", () => {
  const session = live();
  session.sampler = () => ({});
  session.receive(frame(11, 10), 550);
  session.closed(4409, "taken", null);
  session.takeBack();
  const [, , , held, first] = decode(session.hello());
  assert.deepEqual([session.state, held, first], ["resuming", 11, 2 + 2 ** 20]);
});

test("a seat kept over a reload resumes with everything asked for and seqs never used", () => {
  const session = new Session(JOIN, { token: TOKEN, epoch: 5, seq: 300 });
  assert.equal(session.state, "resuming");
  assert.deepEqual(decode(session.hello()), [2, TOKEN, 5, 0, 300]);
  session.receive(welcome(), 0);
  session.sampler = () => ({});
  session.receive(frame(50, 0, { ack: 280, chunks: PEOPLE }), 2500);
  assert.deepEqual(sent(session), [[3, 50, [300, [0, 0]]]]);
});

test("a DIGEST that differs resumes from nothing; one that agrees does not", () => {
  const session = live();
  const good = digestOf(session.view);
  assert.equal(session.receive(good, 0).do, "none");
  const [type, tick, crc] = decode(good);
  assert.equal(session.receive(encode([type, tick - 1, crc ^ 1]), 0).do, "none", "of another tick");
  assert.equal(session.receive(encode([type, tick, (crc ^ 1) >>> 0]), 0).do, "resume");
  assert.deepEqual([session.stats.divergence, decode(session.hello())[3]], [1, 0]);
  assert.equal(session.view.get("Runner", 11).x, 1, "the view stands still meanwhile");
  assert.equal(
    session.receive(frame(11, 10), 550).do,
    "resume",
    "a delta is no answer to asking for everything",
  );
});

test("rows are told; an event once, and never one that was old at the join", () => {
  const session = new Session(JOIN);
  session.receive(welcome(), 0);
  const blasts = (...ids) => [[3, [], [0, ids]]];
  session.receive(frame(10, 0, { chunks: [...PEOPLE, ...blasts(5)] }), 500);
  assert.deepEqual(news(session), [
    "schema",
    "live",
    "added Player 1",
    "added Player 2",
    "added Runner 11",
    "added Runner 12",
    "frame",
  ]);
  session.receive(frame(11, 10, { chunks: blasts(6, 7) }), 550);
  assert.deepEqual(news(session), ["added Blast 6", "added Blast 7", "frame"]);
  session.receive(frame(12, 11, { chunks: [[3, [5, 6]]] }), 600);
  assert.deepEqual(news(session), ["removed Blast 5", "removed Blast 6", "frame"]);
  session.receive(frame(13, 0, { chunks: [...PEOPLE, ...blasts(6, 7, 8)] }), 650);
  assert.deepEqual(
    news(session),
    ["added Blast 8", "frame"],
    "6 came again, and was announced before",
  );
});

test("a schema that changed empties the view, and what was queued if inputs did", () => {
  for (const asks of [SCHEMA.slice(1), [[], [], []]]) {
    const session = live();
    const heard = [];
    session.sampler = () => ({ x: 1 });
    session.act("Leap", {}, (outcome) => heard.push(outcome));
    session.receive(frame(11, 10), 550);
    const [[, , item]] = sent(session);
    session.receive(room(9, 0, [SCHEMA[0].slice(0, 2), ...asks]), 0);
    const kept = asks[0] === SCHEMA[1];
    assert.deepEqual(heard, kept ? [] : [{ applied: false, reason: "the game changed" }]);
    assert.deepEqual(sent(session), [[3, 0, kept ? item : [1, null]]]);
    const { view, held } = session;
    assert.deepEqual([view.schema.tables.length, view.tick, held], [2, 0, 0]);
    assert.ok(news(session).includes("schema"));
  }
});

test("what is counted", () => {
  const session = live();
  session.receive(frame(12, 10), 80);
  session.receive(frame(13, 12), 430);
  session.receive(encode([19, 400, 1, 13]), 430);
  const { frames, frames_skipped, gap_ms_max } = session.stats;
  assert.deepEqual([frames, frames_skipped, gap_ms_max], [3, 1, 350]);
  assert.equal(session.clock.ping_ms, 30);
});
