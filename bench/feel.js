/**
 * A browser in virtual time: bench/feel.py says what it hears and when it draws, one JSON line each;
 * it answers with what it sends and what a player sees.
 *
 * argv: how it draws (see WAYS), then the player's controls as JSON, [[from ms, input], ...].
 */

import { createInterface } from "node:readline";
import { join } from "../client/index.js";
import { Playback } from "../client/interpolation.js";
import { drive } from "../games/arena/web/predict.js";

const [, , way = "", controls = "[]"] = process.argv;
const SCRIPT = JSON.parse(controls);

/** Time that is told, and one socket whose other end is the caller. */
class World {
  time = 0;
  #timers = new Map();
  #next = 1;
  socket = null;
  /** What was sent, and when. */
  sent = [];

  constructor() {
    const world = this;
    this.WebSocket = class {
      readyState = 0;
      constructor() {
        world.socket = this;
      }
      send(bytes) {
        world.sent.push([world.time, Buffer.from(bytes).toString("base64")]);
      }
      close() {}
    };
  }

  random = () => 0;
  now = () => this.time;
  setTimeout = (then, ms) => {
    this.#timers.set(this.#next, { at: this.time + ms, then });
    return this.#next++;
  };
  clearTimeout = (timer) => this.#timers.delete(timer);

  /** Lets time pass until `end`; timers fire in order. */
  pass(end) {
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end);
      const first = due.sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (!first) break;
      this.#timers.delete(first[0]);
      this.time = Math.max(this.time, first[1].at);
      first[1].then();
    }
    this.time = end;
  }
}

const world = new World();
let room = null;
let prediction = null;
let playback = null;
let samples = 0;

/** The controls at this moment. */
function input() {
  return SCRIPT.findLast(([from]) => from <= world.time)[1];
}

/** Views to draw, from the poorest to what the SDK gives. */
const WAYS = {
  newest: () => room.latest,
  interpolated: () => playback.seek(Math.min(room.clock.heard(world.time) - 1, room.latest.tick)),
  adaptive: () => room.view(world.time),
  predicted: () => room.view(world.time),
  smoothed: () => room.view(world.time),
};

function begin(joined) {
  room = joined;
  playback = new Playback(room.latest);
  room.on("frame", () => playback.push(room.latest));
  const smooth_ms = way === "predicted" ? 0 : undefined;
  if (way === "predicted" || way === "smoothed")
    prediction = room.predict("Tank", drive, { peek: input, smooth_ms });
  room.sample(input);
  room.sample(() => {
    samples++;
    return input();
  });
}

/** Where every tank is drawn, and after how many inputs. */
function draw() {
  const view = WAYS[way]();
  return {
    tanks: view.all("Tank").map(({ id, owner, x, y, heading }) => [id, owner, x, y, heading]),
    samples,
    ahead: prediction?.ahead ?? 0,
    tick: view.tick,
    delay: room.clock.heard(world.time) - view.tick,
    clock: room.clock.tick(world.time),
    ping: room.ping,
  };
}

join("arena", { url: "ws://feel/play", world, store: null, name: "Ada" }).then(begin);
for await (const line of createInterface({ input: process.stdin })) {
  const { now, hear, picture } = JSON.parse(line);
  world.pass(now);
  if (hear === "") {
    world.socket.readyState = 1;
    world.socket.onopen();
  } else if (hear) {
    const bytes = Buffer.from(hear, "base64");
    world.socket.onmessage({ data: new Uint8Array(bytes).buffer });
    // `join` resolves in turns of its own.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const drawn = picture && room ? draw() : null;
  console.log(JSON.stringify({ sent: world.sent.splice(0), drawn }));
}
