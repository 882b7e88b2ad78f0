/** What the SDK weighs: the package's file, and the modules as a server serves them. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { test } from "node:test";

const CLIENT = new URL("../../client/", import.meta.url);
const PACKAGE = JSON.parse(readFileSync(new URL("package.json", CLIENT), "utf8"));
const ESBUILD = fileURLToPath(new URL("../../node_modules/.bin/esbuild", import.meta.url));
const PACKED_BYTES_MAX = 16 * 1024;
const SERVED_BYTES_MAX = 38 * 1024;

/** Every module reachable from `url`, with its source. */
function modules(url, found = new Map()) {
  if (found.has(url.href)) return found;
  const source = readFileSync(url, "utf8");
  found.set(url.href, source);
  for (const [, name] of source.matchAll(/(?:^|;)(?:import|export)[^;]*?from ?"([^"]+)"/gm)) {
    assert.match(name, /^\.\/[\w-]+\.js$/, `${url.pathname} imports ${name}`);
    modules(new URL(name, url), found);
  }
  return found;
}

const zipped = (text) => gzipSync(text, { level: 9 }).length;

test("the modules as they are served, comments and all, import nothing of outside or the page", () => {
  const found = modules(new URL("index.js", CLIENT));
  assert.ok(found.size > 15);
  const bytes = zipped([...found.values()].join(""));
  assert.ok(bytes < SERVED_BYTES_MAX, `${bytes} bytes`);
});

test("the package, made as npm pack makes it, stays small when compressed", (t) => {
  if (!existsSync(ESBUILD)) return t.skip("there is no esbuild; 'npm ci' brings it");
  const folder = mkdtempSync(join(tmpdir(), "holdfast-"));
  try {
    const [, ...flags] = PACKAGE.scripts.minify.split(" ");
    execFileSync(ESBUILD, [...flags.slice(0, -1), `--outdir=${folder}`, "--log-level=error"], {
      cwd: fileURLToPath(CLIENT),
    });
    const loaded = modules(pathToFileURL(join(folder, "index.js")));
    const packed = [...loaded.values()].join("");
    assert.match(packed, /holdfast\.1/, "it is the SDK");
    assert.ok(zipped(packed) < PACKED_BYTES_MAX, `${zipped(packed)} bytes`);
    const later = readdirSync(folder).filter((name) => !loaded.has(pathToFileURL(join(folder, name)).href));
    assert.ok(later.length === 1 && later[0].startsWith("polling-"), `${later}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the package has no dependencies, and takes along nothing of the page", () => {
  assert.deepEqual([PACKAGE.dependencies, PACKAGE.peerDependencies], [undefined, undefined]);
  assert.equal(PACKAGE.sideEffects, false);
  const listed = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: fileURLToPath(CLIENT),
    encoding: "utf8",
  });
  const files = JSON.parse(listed)[0].files.map(({ path }) => path);
  for (const [url] of modules(new URL("index.js", CLIENT)))
    assert.ok(files.includes(url.slice(CLIENT.href.length)), url);
  assert.ok(files.every((path) => !path.startsWith("page/")), `${files}`);
});

test("what is loaded only where no WebSocket gets through is not loaded elsewhere, and small", () => {
  const later = new URL("polling.js", CLIENT);
  assert.equal(modules(new URL("index.js", CLIENT)).has(later.href), false);
  assert.match(readFileSync(new URL("connection.js", CLIENT), "utf8"), /import\("\.\/polling\.js"\)/);
  const bytes = zipped(readFileSync(later, "utf8"));
  assert.ok(bytes < 2.5 * 1024, `${bytes} bytes`);
});
