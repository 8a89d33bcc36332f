import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "../../src/channels/ports/clock.ts";
import type { Job } from "../../src/protocol/job.ts";
import { openFormat } from "../../src/stores/redis/format.ts";
import { RedisJobDesk } from "../../src/stores/redis/sender/job-desk.ts";
import { RedisJobQueue } from "../../src/stores/redis/sender/job-queue.ts";
import { RedisJobs } from "../../src/stores/redis/sender/jobs.ts";
import type { Keys } from "../../src/stores/redis/keys.ts";
import type { RedisClient } from "../../src/stores/redis/client/redis-client.ts";
import { serverTime } from "../../src/stores/redis/time.ts";
import { ids, leaseFrom, only, testJob } from "../conformance/job-store.ts";
import { answering, Receiver, type Heard } from "../support/receiver.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";

const PROGRAM = join(import.meta.dir, "../../examples/sender-python/redis_sender.py");
const PATIENCE_MS = 30_000;
const TIMEOUT_MS = 2 * PATIENCE_MS;
/** By then the leases of the other sender have ended. */
const LATER_MS = 60_000;

describe.skipIf(Bun.which("python3") === null)("A sender in another language on Redis", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.close());

  let made = 0;
  let stack: AsyncDisposableStack;
  let connection: RedisClient;
  let keys: Keys;
  let jobs: RedisJobs;
  let queue: RedisJobQueue;
  let desk: RedisJobDesk;
  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    connection = await connect(redisSettings(server.port));
    stack.defer(() => connection.close());
    keys = await openFormat(connection, `foreign${++made}`, 1);
    jobs = new RedisJobs(connection, keys, serverTime);
    queue = new RedisJobQueue(connection, jobs, systemClock);
    desk = new RedisJobDesk(jobs);
  });
  afterEach(() => stack.disposeAsync());

  async function listen(answer: (heard: Heard) => void): Promise<Receiver> {
    return stack.use(await Receiver.listen(answer));
  }

  function startPython(): Bun.Subprocess<"ignore", "ignore", "inherit"> {
    const args = ["127.0.0.1", `${server.port}`, keys.prefix];
    const program = Bun.spawn(["python3", "-B", PROGRAM, ...args], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
    });
    stack.defer(async () => {
      program.kill("SIGKILL");
      await program.exited;
    });
    return program;
  }

  function jobFor(receiver: Receiver, changes: Partial<Job> = {}): Job {
    const job = testJob({
      url: `http://127.0.0.1:${receiver.port}/hook?a=b`,
      createdAtMs: Date.now(),
      ...changes,
    });
    return { ...job, headers: { ...job.headers, "webhook-id": job.id } };
  }

  async function add(...added: Job[]): Promise<void> {
    expect(await jobs.add(added)).toEqual(added.map(() => true));
  }

  async function queueIsEmpty(): Promise<void> {
    await until("the queue is empty", async () => {
      const { due, leased, delayed } = await desk.figures();
      return due + leased + delayed === 0;
    });
  }

  test(
    "shares 200 jobs with ours: each is delivered exactly once, whoever takes it",
    async () => {
      const receiver = await listen(answering(200));
      const added = Array.from({ length: 200 }, (_, i) =>
        jobFor(receiver, { appId: `${i % 2}`, webhookId: `w${i % 5}` }),
      );
      await add(...added);
      startPython();
      await receiver.until(() => receiver.heard.length > 3);
      const ours: string[] = [];
      while (ours.length < 100) {
        const taken = await leaseFrom(queue, { max: 5 });
        await Promise.all(taken.map(({ lease }) => queue.settle(lease, { kind: "delivered" })));
        ours.push(...ids(taken));
      }
      await queueIsEmpty();
      const theirs = receiver.heard.map(idOf);
      expect(theirs.length).toBeGreaterThan(3);
      expect([...ours, ...theirs].toSorted()).toEqual(added.map(({ id }) => id).toSorted());
      expect(await desk.figures()).toMatchObject({ dead: 0 });
    },
    TIMEOUT_MS,
  );

  test(
    "that is killed leaves its job to ours when its lease ends",
    async () => {
      const receiver = await listen(() => {});
      const job = jobFor(receiver);
      await add(job);
      const python = startPython();
      await receiver.until(() => receiver.heard.length === 1);
      expect(await leaseFrom(queue)).toEqual([]);
      python.kill("SIGKILL");
      await python.exited;
      const later = new RedisJobs(connection, keys, () => `${Date.now() + LATER_MS}`);
      const taken = only(await leaseFrom(new RedisJobQueue(connection, later, systemClock)));
      expect(taken).toMatchObject({ job, attempts: 0, spentMs: 0 });
    },
    TIMEOUT_MS,
  );

  test(
    "changes nothing when its lease ended before the answer came, and ours has the job",
    async () => {
      const held: Heard[] = [];
      const receiver = await listen((heard) => void held.push(heard));
      await add(jobFor(receiver));
      startPython();
      await receiver.until(() => held.length === 1);
      const later = new RedisJobs(connection, keys, () => `${Date.now() + LATER_MS}`);
      const taken = only(await leaseFrom(new RedisJobQueue(connection, later, systemClock)));
      for (const heard of held) answering(200)(heard);
      // It has settled when it takes the next one.
      await add(jobFor(receiver, { webhookId: "z" }));
      await receiver.until(() => held.length === 2);
      expect(await desk.figures()).toMatchObject({ leased: 2 });
      expect(await queue.settle(taken.lease, { kind: "delivered" })).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    "sends what the job says: URL, headers and body, byte by byte",
    async () => {
      const receiver = await listen(answering(204, ""));
      const body = '{"time_ms":1,"events":[{"name":"client_event",\n"data":"ü 😀 \\u0000"}]}';
      const job = jobFor(receiver, { body });
      await add(job);
      startPython();
      await queueIsEmpty();
      const { head, body: sent } = only(receiver.heard);
      expect(sent).toBe(body);
      expect(head).toStartWith("POST /hook?a=b HTTP/1.1\r\n");
      for (const [name, value] of Object.entries(job.headers))
        expect(head).toMatch(new RegExp(`^${name}: ${value}\r?$`, "im"));
    },
    TIMEOUT_MS,
  );

  test(
    "leaves paused webhooks and jobs of a newer format alone, and buries what cannot be read",
    async () => {
      const receiver = await listen(answering(200));
      const paused = jobFor(receiver, { webhookId: "paused" });
      const newer = jobFor(receiver, { version: 2 });
      const last = jobFor(receiver, { webhookId: "z" });
      await desk.pause("1/paused", "by hand");
      await jobs.put([
        {
          id: "bad",
          endpointId: "1/bad",
          version: 1,
          url: "",
          retryWindowMs: 0,
          waitsSinceMs: undefined,
          json: "{",
          body: undefined,
        },
      ]);
      await add(paused, newer, last);
      startPython();
      await until("all is done that may be", async () => (await desk.figures()).dead === 1);
      await receiver.until(() => receiver.heard.length === 1);
      await until("the last is settled", async () => (await desk.figures()).leased === 0);
      expect(receiver.heard.map(idOf)).toEqual([last.id]);
      expect(only(await desk.deadLetters({}, 9))).toMatchObject({
        job: { id: "bad" },
        reason: expect.stringContaining("cannot be read"),
      });
      expect(await desk.endpoints()).toContainEqual(
        expect.objectContaining({ webhookId: "paused", due: 1 }),
      );
      await desk.resume("1/paused");
      await receiver.until(() => receiver.heard.length === 2);
      expect(receiver.heard.map(idOf)).toEqual([last.id, paused.id]);
    },
    TIMEOUT_MS,
  );

  test(
    "tries again what failed until its window is over; then it is a dead letter that can be replayed",
    async () => {
      let status = 503;
      const receiver = await listen((heard) => answering(status)(heard));
      const job = jobFor(receiver, { retryWindowMs: 2_500 });
      await add(job);
      startPython();
      await until("it waits", async () => (await desk.figures()).delayed === 1);
      await until("it is given up", async () => (await desk.figures()).dead === 1);
      // After 1 s and what chance adds, and at the end of the window.
      expect(receiver.heard).toHaveLength(3);
      expect(await desk.deadLetters({}, 9)).toMatchObject([
        { job, attempts: 3, reason: expect.stringContaining("503") },
      ]);
      status = 200;
      expect(await desk.replay({ jobId: job.id })).toBe(1);
      await queueIsEmpty();
      expect(receiver.heard.map(idOf)).toEqual(Array(4).fill(job.id));
    },
    TIMEOUT_MS,
  );

  test(
    "does not touch a store of a format that it does not know",
    async () => {
      const receiver = await listen(answering(200));
      await add(jobFor(receiver));
      await server.command("HSET", keys.nodes("meta"), "readable-by", "2");
      expect(await startPython().exited).toBe(0);
      expect(receiver.heard).toEqual([]);
      expect(await desk.figures()).toMatchObject({ due: 1, leased: 0 });
    },
    TIMEOUT_MS,
  );
});

function idOf({ head }: Heard): string {
  return /^webhook-id: (\S+)$/im.exec(head)?.[1] ?? "";
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`In vain: ${what}.`);
    await Bun.sleep(20);
  }
}
