import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/channels/ports/clock.ts";
import { SqliteStore } from "../../../src/stores/sqlite/store.ts";
import { occupied } from "../../support/packager-rig.ts";
import { recorder, type LogEntry } from "../../support/ring.ts";

const LOCK_MS = 4_000;
/** A busy machine may take long for a turn; a call that waits for the lock takes all of its time. */
const MAX_TURN_MS = 1_500;

/** Another program: it has the lock from its first line on, for as long as it is told. */
const LOCKING = `
import { Database } from "bun:sqlite";
const [file, lockMs] = process.argv.slice(1);
const db = new Database(file);
db.exec("BEGIN IMMEDIATE");
console.log("locked");
setTimeout(() => db.exec("ROLLBACK"), Number(lockMs));
`;

let folder: string;
let file: string;
let logged: LogEntry[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringmaster-locked-"));
  file = join(folder, "ringmaster.db");
  logged = [];
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function openStore(): SqliteStore {
  return new SqliteStore({
    file,
    durability: "process",
    commitIntervalMs: 2,
    clock: systemClock,
    log: recorder(logged),
  });
}

/** Channels of the events on disk, in their order. */
function channelsOnDisk(): string[] {
  const db = new Database(file, { readonly: true });
  const rows = db.query<{ channel: string }, []>("SELECT channel FROM events ORDER BY seq").all();
  db.close();
  return rows.map(({ channel }) => channel);
}

/** The longest time for which the event loop did nothing else, while the work was under way. */
async function longestTurnMs(work: Promise<unknown>): Promise<number> {
  let [lastMs, longestMs] = [performance.now(), 0];
  const timer = setInterval(() => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  }, 10);
  await work;
  clearInterval(timer);
  return Math.max(longestMs, performance.now() - lastMs);
}

async function lockElsewhere(lockMs: number): Promise<void> {
  const locking = Bun.spawn([process.execPath, "-e", LOCKING, file, String(lockMs)], {
    stdout: "pipe",
  });
  for await (const _ of locking.stdout) return;
  throw new Error("nobody has the lock");
}

describe("while another program locks the file for four seconds", () => {
  test("everything waits, nothing is lost, the event loop goes on, and it is told once", async () => {
    const store = openStore();
    const other = new Database(file);
    other.exec("BEGIN EXCLUSIVE");
    const channels = Array.from({ length: 40 }, (_, i) => `c-${i}`);
    const record = async (): Promise<void> => {
      for (const channel of channels) {
        void store.recorder.record("1", [occupied(channel)]);
        await Bun.sleep(LOCK_MS / channels.length);
      }
      expect(store.isWell).toBe(false);
      expect(store.figures().waiting).toBeGreaterThan(0);
      other.exec("ROLLBACK");
      await store.recorder.append("1", occupied("last"));
    };
    expect(await longestTurnMs(record())).toBeLessThan(MAX_TURN_MS);
    expect(channelsOnDisk()).toEqual([...channels, "last"]);
    expect(store.isWell).toBe(true);
    expect(logged.map(({ message }) => message)).toEqual([
      "the database cannot be written: everything waits until it can",
      "the database can be written again",
    ]);
    expect(store.close()).toBe(true);
    other.close();
  }, 30_000);

  test("reading goes on: a scrape of the metrics waits for nobody", async () => {
    const store = openStore();
    await store.recorder.append("1", occupied());
    const other = new Database(file);
    other.exec("BEGIN EXCLUSIVE");
    expect(store.figures().events).toBe(1);
    expect(await store.desk.figures()).toMatchObject({ due: 0, leased: 0 });
    other.close();
    store.close();
  });
});

describe("closing", () => {
  test("writes what waits", () => {
    const store = openStore();
    for (let i = 0; i < 100; i++) void store.recorder.record("1", [occupied(`c-${i}`)]);
    expect(store.close()).toBe(true);
    expect(channelsOnDisk()).toHaveLength(100);
  });

  test("waits for a lock that another process has for a moment", async () => {
    const store = openStore();
    await lockElsewhere(500);
    void store.recorder.record("1", [occupied("late")]);
    expect(store.close()).toBe(true);
    expect(channelsOnDisk()).toEqual(["late"]);
  }, 30_000);

  test("says that something is lost, when the lock is not given back within two seconds", () => {
    const store = openStore();
    const other = new Database(file);
    other.exec("BEGIN EXCLUSIVE");
    void store.recorder.record("1", [occupied("lost")]);
    const startedAtMs = performance.now();
    expect(store.close()).toBe(false);
    expect(performance.now() - startedAtMs).toBeGreaterThan(1_900);
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    other.close();
    expect(channelsOnDisk()).toEqual([]);
  }, 30_000);
});
