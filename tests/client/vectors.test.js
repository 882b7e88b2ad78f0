/**
 * Frames the server's own code wrote: the rows and digests assembled here are the same, bit for
 * bit.
 */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { Session } from "../../client/session.js";
import { digest } from "../../client/digest.js";
import { readColumn, readFields, rounded, toWire } from "../../client/fields.js";
import * as messages from "../../client/messages.js";

const FOLDER = new URL("../vectors/views/", import.meta.url);
const raw = (hex) => new Uint8Array(Buffer.from(hex, "hex"));

function files() {
  try {
    return readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
}

test("there are vectors", () => {
  assert.notEqual(
    files().length,
    0,
    "tests/vectors/views/*.json is missing; the Python side writes it",
  );
});

for (const name of files()) {
  test(`${name}: rows and digests`, () => {
    const vector = JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));
    const session = new Session({
      nonce: new Uint8Array(16),
      game: "vectors",
      options: {},
      name: "",
      role: "player",
      identity: null,
      build: "",
    });
    session.receive(raw(vector.welcome), 0);
    assert.notEqual(vector.frames.length, 0);
    vector.frames.forEach(({ frame, digest: crc, rows }, i) => {
      session.receive(raw(frame), i);
      compare(session.view, rows, `frame ${i}`);
      assert.equal(digest(session.view), crc, `the digest after frame ${i}`);
    });
  });
}

const vectors = (name) =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));

test("values round to the wire and back as on the server", () => {
  const { values } = vectors("values");
  assert.ok(values.length > 50);
  for (const [wire, value, q, back] of values) {
    const fields = readFields([wire]);
    const where = JSON.stringify([wire, value]);
    assert.ok(Object.is(toWire("input", fields, { value })[0], q), `${where} goes out`);
    assert.ok(Object.is(readColumn(fields[0], [q], 1)[0], back), `${where} comes back`);
  }
});

test("rows written beyond their bounds are what the server commits", () => {
  const { bounds } = vectors("bounds");
  assert.ok(bounds.some(([, value, committed]) => Math.abs(value - committed) > 1));
  for (const [wire, value, committed] of bounds) {
    const where = `${JSON.stringify([wire, value])} becomes ${committed}`;
    assert.equal(rounded(readFields([wire])[0], value), committed, where);
  }
});

test("messages to the server have its bytes", () => {
  const { to_server: all } = vectors("messages");
  const roles = ["player", "spectator"];
  const write = {
    Join: (d) => messages.join({ ...d, nonce: raw(d.nonce.bytes), role: roles[d.role] }),
    Resume: (d) => messages.resume(raw(d.token.bytes), d.epoch, d.held, d.first_seq),
    InputMessage: (d) =>
      messages.input(
        d.held,
        d.items.map(({ seq, input, actions }) => [seq, input, ...actions]),
      ),
    Time: (d) => messages.time(d.client_ms),
    Leave: () => messages.leave(),
  };
  for (const { hex, decoded } of all) {
    assert.equal(
      Buffer.from(write[decoded.message](decoded)).toString("hex"),
      hex,
      JSON.stringify(decoded),
    );
  }
});

test("messages from the server are read as it meant them", () => {
  const { to_client: all } = vectors("messages");
  const names = {
    tick_rate: "tickRate",
    send_every: "sendEvery",
    deadline_ms: "ms",
    client_ms: "sent",
    server_ms: "server",
    retry_after_ms: "retry",
  };
  assert.ok(new Set(all.map(({ decoded }) => decoded.message)).size >= 7);
  for (const { hex, decoded } of all) {
    const message = messages.read(raw(hex));
    for (const [name, value] of Object.entries(decoded)) {
      if (name === "message") continue;
      const own = message[names[name] ?? name];
      if (name === "token") assert.deepEqual(own, raw(value.bytes));
      // These servers say nothing of looking back, which reads as 0.
      else if (name === "limits") assert.deepEqual(Object.values(own), [...value, 0]);
      else
        assert.deepEqual(
          own,
          value ?? (["dropped", "refusals"].includes(name) ? [] : null),
          `${name} in ${hex}`,
        );
    }
  }
});

/** @param {import("../../client/view.js").View} view */
function compare(view, rows, where) {
  for (const { name } of view.schema.tables) {
    const expected = rows[name] ?? {};
    assert.deepEqual(
      view.all(name).map((row) => String(row.id)),
      Object.keys(expected),
      `${where}: ids of ${name}`,
    );
    for (const row of view.all(name)) {
      for (const [field, value] of Object.entries(expected[row.id])) {
        assert.ok(
          Object.is(row[field], value),
          `${where}: ${name} ${row.id}.${field} is ${row[field]}, not ${value}`,
        );
      }
    }
  }
}
