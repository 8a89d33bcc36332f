import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/channels/ports/clock.ts";
import type { Job } from "../../src/protocol/job.ts";
import { AddressGuard } from "../../src/sender/address-guard.ts";
import { HttpTransport } from "../../src/sender/http-transport.ts";
import type { Clock } from "../../src/sender/ports/clock.ts";
import { Resolver } from "../../src/sender/resolver.ts";
import { Sender } from "../../src/sender/sender.ts";
import { SqliteStore } from "../../src/stores/sqlite/store.ts";
import { answering, Receiver, type Heard } from "../support/receiver.ts";
import { recorder } from "../support/ring.ts";
import { TEST_SENDER_SETTINGS } from "../support/sender-ring.ts";
import { testJob } from "./job-store.ts";

const PROGRAM = join(import.meta.dir, "../../examples/sender-python/sender.py");
const WHY_NOT = whyNoPython();
const PATIENCE_MS = 60_000;
const TIMEOUT_MS = 2 * PATIENCE_MS;

describe.skipIf(WHY_NOT !== undefined)(
  `A sender in another language${WHY_NOT === undefined ? "" : ` (not tested: ${WHY_NOT})`}`,
  () => {
    let folder: string;
    let file: string;
    let store: SqliteStore;
    let stack: AsyncDisposableStack;
    let made: number;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "ringmaster-foreign-"));
      file = join(folder, "ringmaster.db");
      stack = new AsyncDisposableStack();
      stack.defer(() => rmSync(folder, { recursive: true, force: true }));
      store = open();
      made = 0;
    });
    afterEach(() => stack.disposeAsync());

    function open(clock: Clock = systemClock): SqliteStore {
      const options = { file, durability: "process", commitIntervalMs: 2 } as const;
      const opened = new SqliteStore({ ...options, clock, log: recorder([]) });
      stack.defer(() => void opened.close());
      return opened;
    }

    async function listen(answer: (heard: Heard) => void): Promise<Receiver> {
      return stack.use(await Receiver.listen(answer));
    }

    function startPython(): Bun.Subprocess<"ignore", "ignore", "pipe"> {
      const program = Bun.spawn(["python3", "-B", PROGRAM, file], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
      });
      stack.defer(async () => {
        program.kill("SIGKILL");
        await program.exited;
      });
      return program;
    }

    function startOurs(of: SqliteStore): void {
      const transport = new HttpTransport({
        clock: systemClock,
        resolver: new Resolver(() => Promise.resolve([]), systemClock),
        guard: new AddressGuard(["127.0.0.0/8"]),
        version: "test",
      });
      const sender = new Sender({
        // Few slots, or nothing would be left for the other one.
        settings: { ...TEST_SENDER_SETTINGS, slots: 4, endpointConcurrency: 2 },
        queue: of.queue,
        log: of.deliveries,
        transport,
        clock: systemClock,
        logger: recorder([]),
        random: Math.random,
        senderVersion: "test",
      });
      sender.start();
      stack.defer(async () => {
        await sender.drain();
        await sender.close();
      });
    }

    async function add(receiver: Receiver, changes: Partial<Job> = {}): Promise<Job> {
      const webhookId = `w${made % 5}`;
      const job = testJob({
        appId: `${made % 2}`,
        webhookId,
        url: `http://127.0.0.1:${receiver.port}/${webhookId}?a=b`,
        ...changes,
      });
      const whole = { ...job, headers: { ...job.headers, "webhook-id": job.id } };
      made++;
      expect(await store.desk.add(whole)).toBe(true);
      return whole;
    }

    async function addMany(receiver: Receiver, count: number): Promise<string[]> {
      return Promise.all(Array.from({ length: count }, async () => (await add(receiver)).id));
    }

    async function queueIsEmpty(): Promise<void> {
      await until("the queue is empty", async () => {
        const { due, leased, delayed } = await store.desk.figures();
        return due + leased + delayed === 0;
      });
    }

    test(
      "shares 200 jobs with ours on one file: each is delivered exactly once, whoever takes it",
      async () => {
        const receiver = await listen(after(5, answering(200)));
        const added = await addMany(receiver, 200);
        startPython();
        await receiver.until(() => receiver.heard.length > 3);
        startOurs(store);
        await queueIsEmpty();
        expect(receiver.heard.map(idOf).toSorted()).toEqual(added.toSorted());
        const byPython = receiver.heard.filter(isByPython);
        expect(byPython.length).toBeGreaterThan(3);
        expect(byPython.length).toBeLessThan(200);
        expect(await store.desk.figures()).toMatchObject({ dead: 0 });
      },
      TIMEOUT_MS,
    );

    test(
      "that is killed leaves its job to ours when its lease ends, and no job is lost",
      async () => {
        const receiver = await listen((heard) => {
          if (!isByPython(heard)) answering(200)(heard);
        });
        const added = await addMany(receiver, 30);
        const python = startPython();
        await receiver.until(() => receiver.heard.length === 1);
        python.kill("SIGKILL");
        await python.exited;
        startOurs(store);
        await until("all are delivered but one", () => receiver.heard.length === 30);
        await until("one is left, with the one that was killed", async () => {
          const { due, leased, delayed } = await store.desk.figures();
          return leased === 1 && due + delayed === 0;
        });

        // As if the time of its lease had passed: that is the time of an attempt, and 10 s.
        startOurs(open(inLater(15_000)));
        await queueIsEmpty();
        expect(receiver.heard.slice(1).map(idOf).toSorted()).toEqual(added.toSorted());
      },
      TIMEOUT_MS,
    );

    test(
      "changes nothing when its lease ended before the answer came, and ours has the job",
      async () => {
        const held: Heard[] = [];
        const receiver = await listen((heard) => void held.push(heard));
        const job = await add(receiver);
        startPython();
        await receiver.until(() => held.length === 1);
        const later = open(inLater(15_000));
        const [taken] = await later.queue.lease({
          max: () => 1,
          room: () => 1,
          took: () => {},
          leaseMs: PATIENCE_MS,
        });
        expect(taken?.job.id).toBe(job.id);
        for (const heard of held) answering(200)(heard);
        // It has settled when it takes the next one.
        await add(receiver, { webhookId: "z" });
        await receiver.until(() => held.length === 2);
        const [row] = rows("jobs");
        expect(idIn(row?.job ?? "{}")).toBe(job.id);
        expect(row).toMatchObject({ state: 0, attempts: 0 });
        expect(taken && (await later.queue.settle(taken.lease, { kind: "delivered" }))).toBe(true);
      },
      TIMEOUT_MS,
    );

    test(
      "takes over what ours was killed with, and does not repeat what that had delivered",
      async () => {
        const receiver = await listen(answering(200));
        const added = await addMany(receiver, 3);
        const leased = await store.queue.lease({
          max: () => 3,
          room: () => 3,
          took: () => {},
          leaseMs: 1_000,
        });
        const delivered = leased[0];
        if (delivered === undefined) throw new Error("Nothing was leased.");
        await store.queue.settle(delivered.lease, { kind: "delivered" });
        startPython();
        await queueIsEmpty();
        const others = added.filter((id) => id !== delivered.job.id);
        expect(receiver.heard.map(idOf).toSorted()).toEqual(others.toSorted());
      },
      TIMEOUT_MS,
    );

    test(
      "sends what the job says: URL, headers and body, byte by byte",
      async () => {
        const receiver = await listen(answering(204, ""));
        const body = '{"time_ms":1,"events":[{"name":"client_event","data":"ü 😀 \\u0000"}]}';
        const job = await add(receiver, { body });
        startPython();
        await queueIsEmpty();
        const [heard] = receiver.heard;
        expect(heard?.body).toBe(body);
        expect(heard?.head).toStartWith(`POST /${job.webhookId}?a=b HTTP/1.1\r\n`);
        for (const [name, value] of Object.entries(job.headers))
          expect(heard?.head).toMatch(new RegExp(`^${name}: ${value}\r?$`, "im"));
        expect(heard?.head.match(/^content-type:/gim)).toHaveLength(1);
      },
      TIMEOUT_MS,
    );

    test(
      "leaves paused webhooks and jobs of a newer format alone",
      async () => {
        const receiver = await listen(answering(200));
        const paused = await add(receiver, { appId: "0", webhookId: "paused" });
        const newer = await add(receiver, { version: 2 });
        const last = await add(receiver, { appId: "9", webhookId: "z" });
        await store.desk.pause("0/paused", "by hand");
        startPython();
        await until("there are two left", async () => rows("jobs").length === 2);
        expect(receiver.heard.map(idOf)).toEqual([last.id]);
        expect(rows("jobs").map(({ job }) => idIn(job))).toEqual([paused.id, newer.id]);
        expect(rows("jobs").map(({ state, attempts }) => [state, attempts])).toEqual([
          [0, 0],
          [0, 0],
        ]);

        await store.desk.resume("0/paused");
        await receiver.until(() => receiver.heard.length === 2);
        expect(receiver.heard.map(idOf)).toEqual([last.id, paused.id]);
      },
      TIMEOUT_MS,
    );

    test(
      "tries again what failed, later each time, until its window is over; then it is a dead letter that can be replayed",
      async () => {
        let status = 503;
        const receiver = await listen((heard) => answering(status)(heard));
        const job = await add(receiver, { retryWindowMs: 2_500 });
        const startedAtMs = Date.now();
        startPython();
        await until("it failed once", () => rows("jobs")[0]?.attempts === 1);
        const [row] = rows("jobs");
        expect(row?.state).toBe(1);
        expect(row?.spent_ms).toBeGreaterThanOrEqual(1_000);
        expect(row?.spent_ms).toBeLessThanOrEqual(2_500);
        expect(row?.due_at).toBeGreaterThanOrEqual(startedAtMs + 1_000);
        expect(row?.first_attempt_at).toBeGreaterThanOrEqual(startedAtMs);
        await until("it is given up", () => rows("dead_letters").length === 1);
        // After 1 s and what chance adds, and at the end of the window.
        expect(receiver.heard).toHaveLength(3);
        expect(await store.desk.deadLetters({}, 9)).toMatchObject([
          { job, attempts: 3, reason: expect.stringContaining("503") },
        ]);

        status = 200;
        expect(await store.desk.replay({ jobId: job.id })).toBe(1);
        await queueIsEmpty();
        expect(receiver.heard.map(idOf)).toEqual(Array(4).fill(job.id));
      },
      TIMEOUT_MS,
    );

    test(
      "follows no redirect, and gives an answer that drips no more time than the job has",
      async () => {
        const elsewhere = await listen(answering(200));
        const receiver = await listen((heard) => {
          if (heard.head.startsWith("POST /moved"))
            answering(302, "", `Location: http://127.0.0.1:${elsewhere.port}/\r\n`)(heard);
          else drip(heard);
        });
        const at = `http://127.0.0.1:${receiver.port}`;
        await add(receiver, { url: `${at}/moved`, retryWindowMs: 0, webhookId: "a" });
        await add(receiver, { url: `${at}/drips`, retryWindowMs: 0, timeoutMs: 400 });
        startPython();
        await until("both are given up", () => rows("dead_letters").length === 2);
        expect(elsewhere.heard).toEqual([]);
        const reasons = (await store.desk.deadLetters({}, 9)).map(({ reason }) => reason);
        expect(reasons.toSorted()).toEqual([
          expect.stringContaining("302"),
          expect.stringContaining("no complete answer in time"),
        ]);
      },
      TIMEOUT_MS,
    );

    test(
      "does not touch tables that it does not know",
      async () => {
        const receiver = await listen(answering(200));
        await add(receiver);
        const db = new Database(file);
        db.run("PRAGMA user_version = 2");
        db.close();
        expect(await startPython().exited).toBe(0);
        expect(receiver.heard).toEqual([]);
        expect(rows("leases")).toEqual([]);
      },
      TIMEOUT_MS,
    );

    function rows(table: "jobs" | "leases" | "dead_letters"): Row[] {
      const db = new Database(file, { readonly: true });
      try {
        return db.query<Row, []>(`SELECT * FROM ${table} ORDER BY 1`).all();
      } finally {
        db.close();
      }
    }
  },
);

/** What the tests look at of the columns of any of the tables. */
interface Row {
  readonly job: string;
  readonly state: number;
  readonly attempts: number;
  readonly spent_ms: number;
  readonly due_at: number;
  readonly first_attempt_at: number;
}

function whyNoPython(): string | undefined {
  if (Bun.which("python3") === null) return "there is no python3";
  const probe = Bun.spawnSync(["python3", "-c", "import sqlite3; print(sqlite3.sqlite_version)"]);
  const version = probe.stdout.toString().trim();
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (probe.exitCode !== 0) return "this python3 has no sqlite3";
  return major > 3 || minor >= 38 ? undefined : `the SQLite ${version} of python3 is below 3.38`;
}

/** The same machine at a later time. */
function inLater(ms: number): Clock {
  return {
    now: () => systemClock.now() + ms,
    elapsedMs: () => systemClock.elapsedMs(),
    after: (delayMs, callback) => systemClock.after(delayMs, callback),
  };
}

function after(ms: number, answer: (heard: Heard) => void): (heard: Heard) => void {
  return (heard) => void setTimeout(answer, ms, heard);
}

/** An answer that never ends, a byte at a time: no pause in it is long. */
function drip({ socket }: Heard): void {
  socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
  const timer = setInterval(() => socket.write("."), 50);
  socket.once("close", () => clearInterval(timer));
}

function idOf({ head }: Heard): string {
  return /^webhook-id: (\S+)$/im.exec(head)?.[1] ?? "";
}

function idIn(job: string): string {
  return (JSON.parse(job) as Job).id;
}

function isByPython({ head }: Heard): boolean {
  return /^user-agent: python/im.test(head);
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`In vain: ${what}.`);
    await Bun.sleep(20);
  }
}
