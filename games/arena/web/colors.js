/** The page's colours, and which tank wears which. Every one is told apart by shape as well. */

export const GROUND = "#18231f";
export const GROUND_LINE = "#22312b";
export const PAINT = "#31443b";
export const BEYOND = "#0c1210";
export const WALL_TOP = "#5b7468";
export const WALL_RIM = "#9db5a6";
export const WALL_SIDE = "#2d3f37";
export const SHADOW = "#06090880";
export const INK = "#f4efe2";
export const QUIET = "#a9b8ad";
export const DARK = "#0e1512";
export const ACCENT = "#ffc857";
export const DANGER = "#ff6b57";
export const GOOD = "#7fe0a8";

/** Team 1 and team 2. */
export const RED = "#ff7a66";
export const BLUE = "#6db7ff";
/** Everybody for themselves; the own tank has ACCENT. */
const CROWD = [
  "#ff8f6b",
  "#6fb6ff",
  "#8fdc7c",
  "#d59bff",
  "#ff8fc4",
  "#58d6d0",
  "#d8cf72",
  "#b6c3d6",
];

/**
 * @param {number} number the player's, as Names gives it
 * @param {number} team 0 for none
 * @param {boolean} own
 */
export function colorOf(number, team, own) {
  if (team) return team === 1 ? RED : BLUE;
  return own ? ACCENT : (CROWD[number % CROWD.length] ?? INK);
}

/** A team's name with a sign that needs no colour. @param {number} team */
export function teamName(team) {
  return team === 1 ? "▲ Red" : "■ Blue";
}
