/**
 * The seat a page keeps over a reload: its nonce, and once seated its token, in the tab's
 * sessionStorage.
 */

/**
 * `seq` is an input seq never used by the page that kept it; `url`, `role` and `asked` (what the
 * join asked for, as text) tell whether the seat fits a join.
 * @typedef {{
 *   url: string, role: string, nonce: Uint8Array, token: Uint8Array | null, room: string, epoch:
 *   number, seq: number, asked: string,
 * }} Seat
 */
/** @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem">} Store */

/** @param {string} game */
const key = (game) => `holdfast:${game}`;

/**
 * @param {Store | null} store
 * @param {string} game
 * @returns {Seat | null} null also where what is stored cannot be read
 */
export function load(store, game) {
  try {
    const kept = JSON.parse(store?.getItem(key(game)) ?? "null");
    return kept && { ...kept, nonce: bytes(kept.nonce), token: kept.token && bytes(kept.token) };
  } catch {
    return null;
  }
}

/**
 * @param {Store | null} store
 * @param {string} game
 * @param {Seat} seat
 */
export function save(store, game, seat) {
  try {
    const kept = { ...seat, nonce: text(seat.nonce), token: seat.token && text(seat.token) };
    store?.setItem(key(game), JSON.stringify(kept));
  } catch {
    // A full or forbidden storage costs the seat at the next reload, and nothing before.
  }
}

/**
 * @param {Store | null} store
 * @param {string} game
 */
export function forget(store, game) {
  store?.removeItem(key(game));
}

/** The tab's storage; null where there is none or it is forbidden. */
export function tabStore() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

/** @param {Uint8Array} raw */
const text = (raw) => btoa(String.fromCharCode(...raw));

/** @param {string} base64 */
const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
