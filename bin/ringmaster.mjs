#!/usr/bin/env node
// npm links this file; the program itself runs on the Bun that was installed beside it.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

let bun;
try {
  const manifest = createRequire(import.meta.url).resolve("bun/package.json");
  bun = join(dirname(manifest), "bin", "bun.exe");
} catch {
  console.error("ringmaster: the Bun runtime is not installed here; run npm ci first");
  process.exit(1);
}
const entry = fileURLToPath(new URL("../src/cli/ringmaster.ts", import.meta.url));
const child = spawn(bun, [entry, ...process.argv.slice(2)], { stdio: "inherit" });

// The terminal sends ^C to both of us; a supervisor sends its signal to this process alone.
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
process.on("SIGINT", () => {});
child.on("error", (error) => {
  console.error(`ringmaster: could not start Bun (${error.message}); run npm ci first`);
  process.exitCode = 1;
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exitCode = code ?? 1;
  else process.kill(process.pid, signal);
});
