import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChangePoll } from "../../../src/stores/sqlite/change-poll.ts";
import { openDatabase } from "../../../src/stores/sqlite/database.ts";
import { SqliteEventLog } from "../../../src/stores/sqlite/event-log.ts";
import { SqliteEventRecorder } from "../../../src/stores/sqlite/event-recorder.ts";
import { GroupCommit } from "../../../src/stores/sqlite/group-commit.ts";
import { SqliteJobDesk } from "../../../src/stores/sqlite/job-desk.ts";
import { SqliteJobQueue } from "../../../src/stores/sqlite/job-queue.ts";
import { ProcessLock } from "../../../src/stores/sqlite/process-lock.ts";
import { ids, leaseFrom, testJob } from "../../conformance/job-store.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { clientEvent, occupied } from "../../support/packager-rig.ts";
import { settled } from "../../support/ring.ts";

/** No page has room for two such events: each takes pages of its own. */
const LARGE = "x".repeat(5_000);
const UNLIMITED_PAGES = 1_000_000_000;
/** The longest pause between two tries to write. */
const RETRY_MS = 2_000;

let folder: string;
let db: Database;
let clock: FakeClock;
let commits: GroupCommit;
let recorder: SqliteEventRecorder;
let events: SqliteEventLog;
let queue: SqliteJobQueue;
let desk: SqliteJobDesk;
let changes: ChangePoll;
let lock: ProcessLock;
let told: string[];

// The store's own parts, on a connection that the test can forbid to grow.
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringmaster-full-"));
  db = openDatabase(join(folder, "ringmaster.db"), "process");
  clock = new FakeClock();
  told = [];
  commits = new GroupCommit(db, clock, 2, {
    began: () => told.push("began"),
    ended: () => told.push("ended"),
  });
  changes = new ChangePoll(db, clock);
  lock = new ProcessLock(join(folder, "packager.lock"));
  const parts = [db, commits, changes, clock] as const;
  recorder = new SqliteEventRecorder(...parts);
  events = new SqliteEventLog(...parts, lock);
  queue = new SqliteJobQueue(...parts);
  desk = new SqliteJobDesk(...parts);
});

afterEach(() => {
  changes.close();
  commits.close();
  lock.release();
  db.close();
  rmSync(folder, { recursive: true });
});

/** From now on the file may not grow. */
function fill(): void {
  db.exec("PRAGMA max_page_count = 1");
}

function free(): void {
  db.exec(`PRAGMA max_page_count = ${UNLIMITED_PAGES}`);
}

async function pass(ms: number): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= 50) {
    clock.advance(Math.min(leftMs, 50));
    await settled();
  }
}

/** The outcome of what is waited for, while time passes. */
async function passing<T>(promise: Promise<T>): Promise<T> {
  const state = { isDone: false };
  const done = promise.finally(() => (state.isDone = true));
  while (!state.isDone) await pass(50);
  return done;
}

function recorded(): { seq: number; json: string }[] {
  return db
    .query<{ seq: number; json: string }, []>("SELECT seq, json FROM events ORDER BY seq")
    .all();
}

describe("while the disk is full", () => {
  test("what happens waits, and is on disk once and in order when there is room again", async () => {
    const happened = Array.from({ length: 60 }, (_, i) => clientEvent(`${i} ${LARGE}`));
    for (const [i, event] of happened.entries()) {
      if (i === 20) fill();
      void recorder.record("1", [event]);
      await pass(100);
    }
    expect(recorder.waiting).toBeGreaterThan(30);
    expect(commits.isWell).toBe(false);
    expect(recorded().length).toBeLessThan(25);
    free();
    await pass(RETRY_MS);
    expect(recorded().map(({ json }) => json)).toEqual(
      happened.map((event) => JSON.stringify(event)),
    );
    expect(recorder.waiting).toBe(0);
    expect(told).toEqual(["began", "ended"]);
  });

  test("an edge is on disk with the state that belongs to it, or not at all", async () => {
    fill();
    const channels = Array.from({ length: 2_000 }, (_, i) => `channel-${i}`);
    for (const channel of channels) void recorder.record("1", [occupied(channel)]);
    await pass(10_000);
    const count = (table: string): unknown =>
      db.query(`SELECT count(*) AS rows FROM ${table}`).get();
    expect([count("events"), count("channels")]).toEqual([{ rows: 0 }, { rows: 0 }]);
    free();
    await pass(RETRY_MS);
    expect([count("events"), count("channels")]).toEqual([{ rows: 2_000 }, { rows: 2_000 }]);
  });

  test("whoever subscribes is made to wait once 50,000 events do", async () => {
    fill();
    const isWaiting = (): boolean => {
      const room = recorder.record("1", [occupied()]);
      if (room !== undefined) void room.then(() => released++);
      return room !== undefined;
    };
    let [calls, released] = [1, 0];
    while (!isWaiting()) calls++;
    expect(calls).toBe(50_001);
    await pass(10_000);
    expect(released).toBe(0);
    free();
    await pass(RETRY_MS);
    expect(released).toBe(1);
    expect(recorder.record("1", [occupied()])).toBeUndefined();
  });

  test("a settlement takes effect whole, later: never its jobs without its events, or these without those", async () => {
    for (let i = 0; i < 3; i++) await passing(recorder.append("1", clientEvent(`${i}`)));
    const [ownership] = await passing(events.own());
    const page = await events.read(ownership!, 0, 10);
    fill();
    const jobs = page.map(({ id }) => testJob({ id: `job_${id}`, body: LARGE }));
    const settling = events.settle(ownership!, {
      jobs,
      settled: page.map(({ id }) => id),
      handled: [],
    });
    await pass(30_000);
    expect(recorded()).toHaveLength(3);
    expect(await desk.figures()).toMatchObject({ due: 0 });
    free();
    await passing(settling);
    expect(recorded()).toEqual([]);
    await pass(1_000);
    expect(await desk.figures()).toMatchObject({ due: 3 });
  });

  test("nothing is leased; then every job is, once, whatever was tried meanwhile", async () => {
    const jobs = Array.from({ length: 40 }, (_, i) => testJob({ id: `job_${i}` }));
    for (const job of jobs) await passing(desk.add(job));
    await pass(1_000);
    fill();
    // The lists of leases fit into pages that are there; this does not.
    void recorder.append("1", clientEvent(LARGE.repeat(10)));
    const leasing = leaseFrom(queue, { max: 25 });
    await pass(20_000);
    expect(commits.isWell).toBe(false);
    free();
    const first = await passing(leasing);
    const second = await passing(leaseFrom(queue, { max: 25 }));
    expect(ids([...first, ...second]).toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
  });

  test("what was delivered is known to be when there is room again, and is not sent once more", async () => {
    for (let i = 0; i < 5; i++) await passing(desk.add(testJob({ id: `job_${i}` })));
    const leased = await passing(leaseFrom(queue, { leaseMs: 10_000 }));
    expect(leased).toHaveLength(5);
    fill();
    void recorder.append("1", clientEvent(LARGE.repeat(10)));
    const settling = Promise.all(
      leased.map(({ lease }) => queue.settle(lease, { kind: "delivered" })),
    );
    // Longer than the leases.
    await pass(20_000);
    expect(commits.isWell).toBe(false);
    free();
    expect(await passing(settling)).toEqual([true, true, true, true, true]);
    expect(await passing(leaseFrom(queue))).toEqual([]);
    await pass(2_000);
    expect(await desk.figures()).toMatchObject({ due: 0, leased: 0, delayed: 0, dead: 0 });
  });

  // The queue looks around every half second: the second attempt may come before that, or after.
  test.each([50, 20_000])(
    "what ended with an attempt to write that failed is ended by one that succeeds (full for %d ms)",
    async (fullMs) => {
      for (let i = 0; i < 5; i++) await passing(desk.add(testJob({ id: `job_${i}` })));
      const leased = await passing(leaseFrom(queue, { leaseMs: 60_000 }));
      for (const { lease } of leased)
        expect(await passing(queue.settle(lease, { kind: "delivered" }))).toBe(true);
      fill();
      const leasing = leaseFrom(queue);
      void recorder.append("1", clientEvent(LARGE.repeat(10)));
      await pass(fullMs);
      expect(commits.isWell).toBe(false);
      free();
      expect(await passing(leasing)).toEqual([]);
      await pass(1_000);
      expect(await passing(leaseFrom(queue))).toEqual([]);
      for (const table of ["jobs", "leases", "done"])
        expect(db.query(`SELECT count(*) AS rows FROM ${table}`).get()).toEqual({ rows: 0 });
    },
  );

  test("a second shortage is told as the first was", async () => {
    for (let round = 0; round < 2; round++) {
      fill();
      for (let i = 0; i < 10; i++) void recorder.record("1", [clientEvent(LARGE)]);
      await pass(10_000);
      free();
      await pass(RETRY_MS);
    }
    expect(told).toEqual(["began", "ended", "began", "ended"]);
    expect(recorded()).toHaveLength(20);
  });
});

test("closing on a full disk tells that something is lost", () => {
  fill();
  void recorder.record("1", [clientEvent(LARGE)]);
  expect(commits.flush()).toBe(false);
});
