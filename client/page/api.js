/** What the server's HTTP side answers, with errors that say in words what went wrong. */

import { parseExact } from "../exact.js";

/** An answer this late is none. */
const PATIENCE_MS = 5000;

/**
 * What a path of the API answers.
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<any>}
 * @throws {Error} the server cannot be reached, or refused; then with its own reason
 */
export async function api(path, init) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const headers = { accept: "application/json" };
  const answer = await fetch(path, { headers, signal, ...init }).catch((error) => {
    throw new Error(`The server does not answer: ${error.message}`);
  });
  // A proxy answers with a page of its own, which is no JSON.
  const body = await answer.text().then(parseExact).catch(() => null);
  if (!answer.ok) throw new Error(body?.error ?? `The server answered ${answer.status}`);
  return body;
}

/**
 * Whether a host's name means the machine that asks, so that a link with it leads others nowhere.
 * @param {string} name
 */
export function isLocal(name) {
  return /^(localhost|.+\.localhost|127\.[\d.]+|\[::1\])$/i.test(name);
}

/**
 * Where others find this server: its address in the local network if this page knows it only by a
 * name of this machine's own; null where no such address is known.
 * @param {string[]} lan
 * @param {{ hostname: string, origin: string }} [here]
 */
export function sharedOrigin(lan, here = location) {
  return isLocal(here.hostname) ? (lan[0] ?? null) : here.origin;
}
