/** A small game's schema and a server's messages, for tests to speak as the server does. */

import { encode } from "../../client/msgpack.js";
import { digest } from "../../client/digest.js";

/**
 * Tables: Room 0, Player 1, Runner 2 (x, y, heading, coins; hidden: hand), Blast 3 (event), Note 4
 * (text, flag, ref).
 */
export const SCHEMA = [
  [
    ["Room", 1, []],
    [
      "Player",
      2,
      [
        [1, "name", 6, 0, "", 24],
        [2, "connected", 7, 0, 1],
      ],
    ],
    [
      "Runner",
      0,
      [
        [1, "x", 1, 0, 0, 1024, null, null, 4],
        [2, "y", 1, 0, 512, 1024, null, null, null],
        [3, "heading", 2, 0, 0, 10430.378350470453],
        [4, "coins", 3, 0, 0, 0, 65535],
        [5, "hand", 3, 1, 7, 0, 100],
      ],
    ],
    ["Blast", 3, [[1, "x", 4, 0, 0]]],
    [
      "Note",
      0,
      [
        [1, "text", 6, 0, "", 16],
        [2, "loud", 7, 0, 0],
        [3, "about", 8, 0, 0, 2],
        [4, "weight", 5, 0, 0],
      ],
    ],
  ],
  [
    [0, "x", 3, 0, 0, -1, 1],
    [1, "y", 3, 0, 0, -1, 1],
  ],
  [
    ["Say", [[0, "text", 6, 0, "", 16]]],
    ["Leap", []],
  ],
  [],
];

export const TOKEN = Uint8Array.of(1, 2, 3);
export const LIMITS = [16384, 64, 8, 128];

/** @param {Record<string, any>} [but] */
export const welcome = ({
  token = TOKEN,
  epoch = 5,
  player = 1,
  rate = 20,
  schema = SCHEMA,
  limits = LIMITS,
} = {}) => encode([16, token, "room-1", epoch, player, rate, 1, schema, limits]);

/** @param {number} tick @param {number} base @param {any} [more] */
export const frame = (tick, base, { ack = 0, refusals = null, dropped = null, chunks = [] } = {}) =>
  encode([17, tick, base, tick, ack, refusals, dropped, chunks]);

export const close = (code, reason = "because", retry = null) => encode([22, code, reason, retry]);
export const room = (epoch, status = 0, schema = null) => encode([20, epoch, 1, status, schema]);
export const digestOf = (view) => encode([21, view.tick, digest(view)]);

/** Rows of the players 1 and 2 and their runners 11 and 12. */
export const PEOPLE = [
  [1, [], [0b111, [1, 2], [1, 2], ["Ada", "Bob"], [1, 1]]],
  [
    2,
    [],
    [0b111111, [11], [1], [1024], [2048], [0], [3], [42]],
    [0b11111, [12], [2], [-1024], [0], [16384], [0]],
  ],
];
