/** Who is ahead: drivers and teams in order, as scoreboard, clock and result all show it. */

/** @typedef {import("../../../client/schema.js").Row} Row */
/** @typedef {import("../../../client/view.js").View} View */

/**
 * Drivers from the best down.
 * @param {View} view
 * @returns {Row[]}
 */
export function ranked(view) {
  return [...view.players].sort((a, b) => b.score - a.score || a.deaths - b.deaths || a.id - b.id);
}

/**
 * A driver's place. Equal scores share one: else the last to join is last of all before a shot is
 * fired.
 * @param {Row} row
 * @param {readonly Row[]} rows all drivers
 */
export function placeOf(row, rows) {
  return rows.filter(({ score }) => score > row.score).length + 1;
}

/** 1st, 2nd, 3rd, 11th. @param {number} place */
export function ordinal(place) {
  const teen = place % 100 > 10 && place % 100 < 14;
  return `${place}${teen ? "th" : (["th", "st", "nd", "rd"][place % 10] ?? "th")}`;
}

/**
 * How a round ended, in a line; `own` tells whether this player is among the winners.
 * @param {View} view
 * @param {import("./names.js").Names} names
 * @returns {{ title: string, own: boolean }}
 */
export function outcome(view, names) {
  const { room, me } = view;
  if (room?.teams) {
    if (room.red === room.blue) return { title: "A draw", own: false };
    const team = room.red > room.blue ? 1 : 2;
    return { title: `${team === 1 ? "Red" : "Blue"} wins`, own: me?.team === team };
  }
  const [first, ...others] = ranked(view);
  if (!first) return { title: "A draw", own: false };
  const equals = others.filter(({ score }) => score === first.score);
  if (equals.length > 1) return { title: `A draw of ${equals.length + 1}`, own: false };
  if (equals[0]) {
    const title = `A draw: ${names.of(first.id)} and ${names.of(equals[0].id)}`;
    return { title, own: false };
  }
  const own = first.id === view.player;
  return { title: own ? "You win" : `${names.of(first.id)} wins`, own };
}

/** A number with a minus sign of a figure's width. @param {number} number */
export function figure(number) {
  return String(number).replace("-", "−");
}

/** Minutes and seconds. @param {number} ticks @param {number} rate ticks a second */
export function clock(ticks, rate) {
  const seconds = Math.max(0, Math.ceil(ticks / rate));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
