/** What a page loads for /client/index.js: no outside code, nothing of the page, and not much. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { test } from "node:test";

const INDEX = new URL("../../client/index.js", import.meta.url);
const BYTES_MAX = 16 * 1024;

/** Every module reachable from `url`, with its source. */
function modules(url, found = new Map()) {
  if (found.has(url.href)) return found;
  const source = readFileSync(url, "utf8");
  found.set(url.href, source);
  for (const [, name] of source.matchAll(/^(?:import|export)[^;]*? from "([^"]+)";/gm)) {
    assert.match(name, /^\.\/\w+\.js$/, `${url.pathname} imports ${name}`);
    modules(new URL(name, url), found);
  }
  return found;
}

/** A module without its comments and indentation. */
function code(source) {
  return source
    .replaceAll(/\/\*\*?[^]*?\*\//g, "")
    .replaceAll(/^\s*\/\/.*$/gm, "")
    .replaceAll(/^\s+/gm, "");
}

test("the SDK's code, comments and indentation aside, stays small when compressed", () => {
  const found = modules(INDEX);
  assert.ok(found.size > 15);
  const bytes = gzipSync([...found.values()].map(code).join(""), { level: 9 }).length;
  assert.ok(bytes < BYTES_MAX, `${bytes} bytes`);
});

test("what is loaded only where no WebSocket gets through is not loaded elsewhere, and small", () => {
  const later = new URL("polling.js", INDEX);
  assert.equal(modules(INDEX).has(later.href), false);
  assert.match(readFileSync(new URL("connection.js", INDEX), "utf8"), /import\("\.\/polling\.js"\)/);
  const bytes = gzipSync(code(readFileSync(later, "utf8")), { level: 9 }).length;
  assert.ok(bytes < 2 * 1024, `${bytes} bytes`);
});
