/** The page's address: who plays, where and with which options; and what is written back to it. */

/** @typedef {import("../../../client/index.js").Room} Room */
/**
 * What the address asks for; `complete` when there is nothing left to ask the player.
 * @typedef {{
 *   name: string, room: string, role: "player" | "spectator", options: Record<string, any>,
 *   complete: boolean,
 * }} Asked
 */

/** Options that may stand in the address by themselves, besides `options` as JSON. */
const NUMBERS = ["bots", "level", "minutes"];
const FLAGS = ["teams", "private"];
const YES = ["", "1", "true", "yes", "on"];
const NO = ["0", "false", "no", "off"];
const ROLES = ["player", "spectator"];

/**
 * @param {string} search the address's query
 * @returns {Asked}
 */
export function read(search) {
  const query = new URLSearchParams(search);
  const options = inJson(query.get("options"));
  for (const name of NUMBERS) {
    // What is no number goes to the server as it is, which says what would be right.
    const text = query.get(name);
    if (text) options[name] = Number.isFinite(Number(text)) ? Number(text) : text;
  }
  for (const name of FLAGS) {
    const text = query.get(name);
    if (text !== null) options[name] = YES.includes(text.toLowerCase());
  }
  return {
    name: query.get("name") ?? "",
    room: query.get("room") ?? "",
    role: query.get("role") === "spectator" ? "spectator" : "player",
    options,
    complete: query.has("name") || query.has("options"),
  };
}

/**
 * What in an address cannot even be sent to the server, and what would be right; empty where
 * nothing is wrong.
 * @param {string} search the address's query
 */
export function problem(search) {
  const query = new URLSearchParams(search);
  const role = query.get("role") ?? "player";
  if (!ROLES.includes(role)) return `The address says role=${role}; it is player or spectator.`;
  for (const name of FLAGS) {
    const text = query.get(name)?.toLowerCase() ?? "";
    if (![...YES, ...NO].includes(text)) return `The address says ${name}=${text}; it is yes or no.`;
  }
  const options = query.get("options");
  return options === null || parsed(options)
    ? ""
    : 'The options in the address are no JSON object such as {"bots":5}.';
}

/**
 * The query that leads back to this seat, also after a reload.
 * @param {Asked} asked
 * @param {string} room
 */
export function write({ name, role }, room) {
  const query = new URLSearchParams({ name, room });
  if (role === "spectator") query.set("role", role);
  return `?${query}`;
}

/** The query that asks for a new seat, in any room of the same options. @param {Asked} asked */
export function anew({ name, role, options }) {
  return `?${new URLSearchParams({ name, role, options: JSON.stringify(options) })}`;
}

/** The link that others join by. @param {string} room */
export function invitation(room) {
  const link = new URL(location.href);
  link.search = `?${new URLSearchParams({ room })}`;
  return link.href;
}

/**
 * @param {string | null} text
 * @returns {Record<string, any>}
 */
function inJson(text) {
  return parsed(text ?? "{}") ?? {};
}

/**
 * A JSON object's members; null where the text is none.
 * @param {string} text
 * @returns {Record<string, any> | null}
 */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}
