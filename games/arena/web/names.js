/**
 * Names as they are shown: tamed where a stranger's name would disturb, and told apart where two
 * look the same.
 */

/** @typedef {import("../../../client/schema.js").Row} Row */

const CHARS_MAX = 24;
/** Letters of other scripts that look like these; digits that do. */
const LOOKS = new Map(
  Object.entries({
    a: "аα",
    b: "ьв",
    c: "сϲ",
    e: "еε",
    h: "нһ",
    i: "іι1lǀ|ı",
    j: "ј",
    k: "кκ",
    m: "м",
    n: "ηп",
    o: "оο0",
    p: "рρ",
    s: "ѕ5",
    t: "тτ",
    u: "υ",
    v: "ν",
    w: "ѡω",
    x: "хχ",
    y: "уγ",
  }).flatMap(([plain, others]) => [...others].map((other) => [other, plain])),
);

/**
 * A name without control and formatting characters, piles of accents, or more than 24 characters.
 * @param {unknown} name
 */
export function tame(name) {
  const text = String(name ?? "")
    .normalize("NFC")
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "")
    .replace(/(\p{M}{2})\p{M}+/gu, "$1")
    .replace(/\s+/gu, " ")
    .trim();
  return [...text].slice(0, CHARS_MAX).join("") || "player";
}

/**
 * What a name looks like at a glance: equal for names that could be taken for each other.
 * @param {string} name
 */
export function look(name) {
  const plain = name
    .normalize("NFKD")
    .replace(/[\p{M}\p{P}\p{S}\s]/gu, "")
    .toLowerCase();
  return [...plain].map((char) => LOOKS.get(char) ?? char).join("");
}

/**
 * Text that keeps its direction to itself wherever it is put (FIRST STRONG ISOLATE ... POP).
 * @param {string} text
 */
export function isolated(text) {
  return `\u2068${text}\u2069`;
}

/** The players' names, each unlike the others, and the numbers that choose their colours. */
export class Names {
  /** @type {Map<number, string>} */
  #shown = new Map();
  /** @type {Map<number, number>} */
  #numbers = new Map();
  #key = "";

  /**
   * Takes the players as they are now; the first of several alike keeps the plain name.
   * @param {readonly Row[]} players in id order
   */
  update(players) {
    const key = players.map(({ id, name }) => `${id} ${name}`).join("\n");
    if (key === this.#key) return;
    this.#key = key;
    /** @type {Map<string, number>} */
    const taken = new Map();
    for (const { id, name } of players) {
      const tamed = tame(name);
      const alike = (taken.get(look(tamed)) ?? 0) + 1;
      taken.set(look(tamed), alike);
      this.#shown.set(id, alike > 1 ? `${tamed} (${alike})` : tamed);
    }
    this.#number(players);
  }

  /**
   * A number from 0 up, as small as can be, that nobody else who is here has.
   * @param {number} player
   */
  number(player) {
    return this.#numbers.get(player) ?? 0;
  }

  /** @param {readonly Row[]} players */
  #number(players) {
    const here = new Set(players.map(({ id }) => id));
    for (const id of this.#numbers.keys()) if (!here.has(id)) this.#numbers.delete(id);
    const taken = new Set(this.#numbers.values());
    for (const id of here) {
      if (this.#numbers.has(id)) continue;
      let free = 0;
      while (taken.has(free)) free++;
      this.#numbers.set(id, free);
      taken.add(free);
    }
  }

  /**
   * Also of a player who has left since.
   * @param {number} player
   */
  of(player) {
    return this.#shown.get(player) ?? "somebody";
  }
}
