/** The numbers of balance.py that a page needs; tests/client/arena.test.js compares the two. */

export const TICK_RATE = 20;
export const TANK_RADIUS = 29 / 32;
export const TANK_SPEED = 7;
export const TANK_REVERSE_SPEED = 5;
export const HULL_TURN = 3.6;
export const TURRET_TURN = 10;
export const WALL_SKIN = 1 / 32;
export const ARMOUR = 4;
export const RELOAD_TICKS = 11;
export const RAPID_RELOAD_TICKS = 5;
export const RAPID_TICKS = 160;
export const HEAVY_SHELLS = 4;
export const RESULT_TICKS = 240;
export const MINUTES_MAX = 15;

/** Kinds of pickup and of blast, as rows.py numbers them. */
export const REPAIR = 0;
export const RAPID = 1;
export const HEAVY = 2;
export const SPARK = 0;
export const BOUNCE = 1;
export const HIT = 2;
export const WRECK = 3;
