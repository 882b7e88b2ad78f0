/**
 * Whose fault it was: `RemoteError` is the server's bytes, `SessionEnded` the session's end, the
 * rest the caller's.
 */

/** The codes this client itself says or treats apart; docs/PROTOCOL.md and SESSION.md have all. */
export const Code = /** @type {const} */ ({
  NORMAL: 1000,
  LOST: 1006,
  BAD_MESSAGE: 4400,
  BAD_TOKEN: 4401,
  REFUSED: 4403,
  NOT_FOUND: 4404,
  TIMED_OUT: 4408,
  REPLACED: 4409,
  ROOM_CLOSED: 4410,
});

/** After these a client resumes by itself (SESSION, Codes). */
export const TRY_AGAIN = new Set([1001, 1006, 1011, 1012, 4408, 4431, 4503]);

/** A message that breaks docs/PROTOCOL.md: the connection it came on is closed. */
export class RemoteError extends Error {}

/** What a `join` rejects with: the code and the reason the session ended with. */
export class SessionEnded extends Error {
  /**
   * @param {number} code
   * @param {string} reason
   */
  constructor(code, reason) {
    super(`${reason} (${code})`);
    this.name = "SessionEnded";
    this.code = code;
    this.reason = reason;
  }
}

/**
 * Refuses what came from the server unless `fine`.
 * @param {unknown} fine
 * @param {string} wrong
 * @returns {asserts fine}
 */
export function demand(fine, wrong) {
  if (!fine) throw new RemoteError(wrong);
}
