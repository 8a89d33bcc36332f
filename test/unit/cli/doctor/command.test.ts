import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { systemClock } from "../../../../src/channels/ports/clock.ts";
import { SqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { recorder } from "../../../support/ring.ts";
import { RUN_TIMEOUT_MS } from "../cli-run.ts";

setDefaultTimeout(RUN_TIMEOUT_MS);

const ENTRY = join(process.cwd(), "src/cli/ringmaster.ts");
const WEBHOOK = { RINGMASTER_APP_WEBHOOK_URL: "https://shop.example/" };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringmaster-doctor-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function doctor(
  words: readonly string[],
  env: Readonly<Record<string, string>> = WEBHOOK,
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const command = Bun.spawn([process.execPath, ENTRY, "doctor", ...words], {
    cwd: folder,
    env,
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(command.stdout).text(),
    new Response(command.stderr).text(),
    command.exited,
  ]);
  return { code, stdout, stderr };
}

test("The embedded store is looked at before it is made, and nothing is made by that", async () => {
  const { code, stdout, stderr } = await doctor([]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toStartWith(`Embedded store: ${folder}/.ringmaster/ringmaster.db\n`);
  expect(stdout).toContain("is not there yet");
  expect(readdirSync(folder)).toEqual([]);
});

test("The embedded store is looked at while a server uses it", async () => {
  const file = join(folder, ".ringmaster", "ringmaster.db");
  const log = recorder([]);
  const options = { file, durability: "process", commitIntervalMs: 2, clock: systemClock, log };
  const store = new SqliteStore({ ...options, durability: "process" });
  try {
    expect(store.claimChannels()).toBeTrue();
    const { code, stdout } = await doctor(["--json"]);
    expect(code).toBe(0);
    const { store: name, healthy, findings } = JSON.parse(stdout) as Record<string, unknown>;
    expect({ name, healthy }).toEqual({ name: `Embedded store: ${file}`, healthy: true });
    expect(findings).toContainEqual({
      check: "database",
      verdict: "ok",
      where: null,
      text: `${file} can be read and written, 1 MiB`,
    });
  } finally {
    store.close();
  }
});

test("A file that is no database is a problem, and stays what it is", async () => {
  writeFileSync(join(folder, "jobs.db"), "no database at all, but a text of some length");
  const { code, stdout } = await doctor(["--database-file", "jobs.db"]);
  expect(code).toBe(1);
  expect(stdout).toMatch(/PROBLEM\s+database\s+.*jobs\.db is damaged/);
  expect(readdirSync(folder)).toEqual(["jobs.db"]);
});

test("A configuration that is wrong is told as everywhere, and nothing is looked at", async () => {
  const outcome = await doctor(["--redis-partitions", "0"]);
  expect({ code: outcome.code, stdout: outcome.stdout }).toEqual({ code: 1, stdout: "" });
  expect(outcome.stderr).toStartWith("redis.partitions: is below 1");
});
