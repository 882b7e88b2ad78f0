/** JSON read without rounding: a whole number that JavaScript cannot hold comes as its digits. */

/** Strings, which are passed over, and numbers. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;

/**
 * @param {string} text
 * @returns {any} a whole number beyond 2^53 that would be rounded is a text instead
 * @throws {SyntaxError} it is no JSON
 */
export function parseExact(text) {
  return JSON.parse(text.replace(TOKENS, (token) => (rounds(token) ? `"${token}"` : token)));
}

/** @param {string} token */
function rounds(token) {
  if (token.length < 16 || !/^-?\d+$/.test(token)) return false;
  const value = Number(token);
  return !Number.isFinite(value) || BigInt(value) !== BigInt(token);
}
