/**
 * Names: what may be one, and how one that somebody else chose is shown, whatever is in it.
 */

/** As the server counts: characters, not UTF-16 units. */
const NAME_CHARS_MAX = 24;
/** No living script stacks more than four marks on a letter; more grow over the lines around. */
const STACKED = /(\p{M}{4})\p{M}+/gu;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}]/gu;
/** JavaScript counts the byte order mark as a space, and not some that Python counts. */
const SPACES = /(?:(?!\ufeff)[\s\u001c-\u001f\u0085])+/gu;
/** Letters and signs that are drawn as nothing. */
const BLANK = /[\p{M}\p{Z}\u115f\u1160\u2800\u3164\uffa0]/gu;

/** Letters of other scripts that are drawn like Latin ones, and below each what it looks like. */
const LOOKS = [
  "АВСЕНІЈКМОРЅТУХԌҮӀԚԜ авсԁеһіјӏкмоԛрѕтуѵԝхг ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ αβεηικνορτυχγ ՕոսհցօԼՏ",
  "ABCEHIJKMOPSTYXGYIQW abcdehijlkmoqpstyvwxr ABEZHIKMNOPTYX abenikvoptuxy OnuhgoLS",
].map((letters) => [...letters]);
const LATIN = new Map(LOOKS[0]?.map((letter, i) => [letter, LOOKS[1]?.[i]]));

/**
 * A name as the server will keep it, whole; empty where nothing of it is left. Characters that this
 * browser's Unicode does not know yet are left to the server.
 * @param {string} text
 */
export function clean(text) {
  const seen = text.normalize("NFC").replace(SPACES, " ").replace(UNSEEN, "");
  return seen.replace(/ +/g, " ").trim();
}

/**
 * What is wrong with a name for oneself, as a sentence; empty where it will do. An empty name will:
 * then the server gives one.
 * @param {string} text
 */
export function problem(text) {
  const name = clean(text);
  if (text.trim() && isBlank(name)) {
    return "Nothing of this name can be seen. Use a letter, a digit or a sign.";
  }
  const length = [...name].length;
  return length > NAME_CHARS_MAX ? `${length} characters are too many; ${NAME_CHARS_MAX} fit.` : "";
}

/**
 * Somebody's name, fit to be shown: one line, nothing that turns the text around it or grows over
 * it, and never nothing.
 * @param {unknown} name
 * @param {number} player the id, for a name of which nothing can be seen
 */
export function shown(name, player) {
  const text = fit(name);
  return isBlank(text) ? `player ${player}` : text;
}

/**
 * Any text from outside on one line, without characters that act on the text around it.
 * @param {unknown} value
 */
export function fit(value) {
  return clean(String(value)).replace(STACKED, "$1");
}

/**
 * What tells apart the players whose names look alike: `#3` behind a name means the third player.
 * Nothing for players whose names are their own.
 * @param {{ id: number, name?: unknown }[]} players
 * @returns {Map<number, string>} by player's id
 */
export function marks(players) {
  /** @type {Map<string, number[]>} */
  const alike = new Map();
  for (const { id, name } of players) {
    const looks = skeleton(shown(name, id));
    alike.set(looks, [...(alike.get(looks) ?? []), id]);
  }
  const several = [...alike.values()].filter((ids) => ids.length > 1).flat();
  return new Map(several.map((id) => [id, `#${id}`]));
}

/**
 * Players' names for where there is only text to write: as they are shown, with their marks.
 * @param {{ id: number, name?: unknown }[]} players
 * @returns {Map<number, string>} by player's id
 */
export function labels(players) {
  const mark = marks(players);
  return new Map(
    players.map(({ id, name }) => [id, `${shown(name, id)} ${mark.get(id) ?? ""}`.trimEnd()]),
  );
}

/**
 * What a name looks like from afar: two names with one skeleton could be mistaken for each other.
 * It goes by the idea of Unicode's UTS 39, section 4, with a table of the commonest letters only.
 * @param {string} name
 */
export function skeleton(name) {
  const plain = name.normalize("NFKD").replace(BLANK, "");
  const latin = [...plain].map((letter) => LATIN.get(letter) ?? letter).join("");
  return latin.toLowerCase().replace(/[|1i]/g, "l").replaceAll("0", "o").replaceAll("rn", "m");
}

/** @param {string} text */
function isBlank(text) {
  return text.replace(BLANK, "") === "";
}
