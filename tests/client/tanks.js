/** Arena's tanks among walls as a client sees them: a schema, its views, and a drive played late. */

import { readFileSync } from "node:fs";
import { Prediction } from "../../client/prediction.js";
import { readSchema } from "../../client/schema.js";
import { readChunks } from "../../client/chunks.js";
import { View, apply } from "../../client/view.js";
import { rounded } from "../../client/fields.js";
import { drive } from "../../games/arena/web/predict.js";

export const golden = JSON.parse(
  readFileSync(new URL("../games/arena/ticks.json", import.meta.url)),
);
export const ANGLE = 32768 / Math.PI;
const place = (bit, name) => [bit, name, 1, 0, 0, 1024, null, null, 4];
const whole = (bit, name) => [bit, name, 3, 0, 0, -128, 127];

/** Tables: Room 0, Driver 1, Wall 2, Tank 3. */
export const SCHEMA = [
  [
    ["Battle", 1, [whole(1, "finished")]],
    ["Driver", 2, []],
    ["Wall", 0, [whole(1, "left"), whole(2, "top"), whole(3, "right"), whole(4, "bottom")]],
    [
      "Tank",
      0,
      [
        place(1, "x"),
        place(2, "y"),
        [3, "heading", 2, 0, 0, ANGLE],
        [4, "turret", 2, 0, 0, ANGLE],
        [5, "armour", 3, 0, 4, 0, 255],
      ],
    ],
  ],
  [
    [0, "drive", 1, 0, 0, 16, -1, 1],
    [1, "turn", 1, 0, 0, 16, -1, 1],
    [2, "aim", 2, 0, 0, ANGLE],
    [3, "fire", 7, 0, 0],
  ],
  [],
  [],
];
const schema = readSchema(SCHEMA);
export const TANK = 100;
const OTHER = 101;

/** A view of player 1's tank, and another's; tanks in wire form: [x, y, heading, turret]. */
export function seen(tick, tank, walls = golden.walls, { armour = 4, other = tank } = {}) {
  const columns = (rows) => rows[0].map((_, i) => rows.map((row) => row[i]));
  const chunks = [
    [0, [], [0b10, [1], [0]]],
    [1, [], [1, [2, 3], [2, 3]]],
    ...(walls.length ? [[2, [], [0b11110, walls.map((_, i) => i + 4), ...columns(walls)]]] : []),
    [3, [], [0b111111, [TANK, OTHER], [2, 3], ...columns([tank, other]), [armour, armour]]],
  ];
  return apply(new View(schema, 2), { tick, base: 0 }, [], readChunks(schema, chunks)).view;
}

/** A tank's row in wire form. */
export const wire = ({ x, y, heading, turret }) =>
  [x * 1024, y * 1024, heading * ANGLE, turret * ANGLE].map(Math.round);

/** A golden tick's input as the server reads it. */
export const steer = ([pull, turn, aim]) => ({
  drive: pull / 16,
  turn: turn / 16,
  aim: aim / ANGLE,
  fire: false,
});
export const STILL = { drive: 0, turn: 0, aim: 0, fire: false };
export const AHEAD = { ...STILL, drive: 1 };

/** One tick as the server commits it: the rule, and rounding. */
export function tick(row, input, view) {
  drive(row, input, 0.05, view);
  for (const field of schema.tables[3].fields) row[field.name] = rounded(field, row[field.name]);
}

/** A prediction of arena's tanks. */
export const predicting = (options) => new Prediction("Tank", drive, 0.05, options);

/**
 * Plays a golden drive with answers that come `late` ticks after the inputs; for each tick, how far
 * the prediction is from where the server will be. The server holds the last input where none came.
 */
export function race(late, { start, ticks }, lose = () => false) {
  const prediction = predicting();
  const walls = seen(0, start);
  const server = { ...walls.get("Tank", TANK) };
  let pending = [];
  let inbox = [];
  let held = null;
  const errors = [];
  ticks.slice(0, 120).forEach((values, i) => {
    prediction.framed(
      seen(i + 1, wire(server)),
      pending.map(({ input }) => input),
    );
    const item = { at: i + late, input: steer(values) };
    pending.push(item);
    inbox.push(item);
    prediction.sampled(item.input);
    if (inbox[0].at <= i && !lose(i)) {
      const due = inbox.shift();
      pending = pending.filter((other) => other !== due);
      held = due.input;
    }
    if (held) tick(server, held, walls);
    const ahead = { ...server };
    for (const { input } of inbox) tick(ahead, input, walls);
    errors.push(Math.hypot(prediction.row.x - ahead.x, prediction.row.y - ahead.y));
  });
  return errors;
}
