/** The package's types, made from the code as npm pack makes them: right uses pass, wrong ones fail. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TSC = join(ROOT, "node_modules/.bin/tsc");

const RIGHT = `
import { join, resume, Room, SessionEnded, type Rule } from "./types/index.js";

const run: Rule = (row, input, dt, view) => {
  if (!view.room?.finished) row.x += input.x * dt;
};
const room: Room = await join("coins", { name: "Ada", role: "spectator" });
const prediction = room.predict("Runner", run, { smooth_ms: 80, peek: () => ({ x: 1 }) });
const ahead: number = prediction.ahead;
const x: number | undefined = room.view(0).one("Runner", { owner: room.player })?.x;
const off: () => void = room.on("state", (state, why) => console.log(state, why));
room.on("result", (result) => console.log(result));
room.on("added", "Coin", (coin) => console.log(coin.id));
const paused: boolean = room.state === "paused";
const late: number = room.clock.tick(0) + room.ping + room.clock.jitter_ms + ahead + (x ?? 0);
const outcome = await room.act("Say", { text: "hi" });
if (!outcome.applied) console.log(outcome.reason);
try {
  const kept: Room | null = await resume("coins");
  kept?.leave();
} catch (error) {
  if (error instanceof SessionEnded) console.log(error.code, error.reason, off, paused, late);
}
`;
const WRONG = [
  'join("coins", { role: "referee" });',
  '(await join("coins")).on("state");',
  '(await join("coins")).on("exploded", () => {});',
  '(await join("coins")).state === "asleep";',
  '(await join("coins")).predict("Runner");',
  '(await join("coins")).sample(7);',
];

test("what a game's page does passes, and each mistake is told", (t) => {
  if (!existsSync(TSC)) return t.skip("there is no tsc; 'npm ci' brings it");
  const folder = mkdtempSync(join(tmpdir(), "holdfast-"));
  const tsc = (...flags) => spawnSync(TSC, flags, { cwd: folder, encoding: "utf8" }).stdout;
  try {
    const made = tsc("--project", join(ROOT, "client/types.json"), "--outDir", join(folder, "types"));
    assert.equal(made, "");
    writeFileSync(join(folder, "right.ts"), RIGHT);
    WRONG.forEach((line, i) =>
      writeFileSync(
        join(folder, `wrong${i}.ts`),
        `import { join } from "./types/index.js";\n${line}\nexport {};\n`,
      ),
    );
    const config = {
      compilerOptions: {
        strict: true,
        noEmit: true,
        target: "es2022",
        module: "esnext",
        moduleResolution: "bundler",
        lib: ["es2023", "dom", "dom.iterable"],
        types: [],
      },
      include: ["*.ts"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const told = tsc("--project", "tsconfig.json", "--pretty", "false");
    assert.ok(!told.includes("right.ts"), told);
    WRONG.forEach((line, i) => assert.ok(told.includes(`wrong${i}.ts(2,`), `${line}\n${told}`));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
