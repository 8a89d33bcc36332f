import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { RedisConnection, Reply } from "../../src/stores/redis/connection.ts";
import { RedisJobDesk } from "../../src/stores/redis/sender/job-desk.ts";
import { RedisJobQueue } from "../../src/stores/redis/sender/job-queue.ts";
import { RedisJobs } from "../../src/stores/redis/sender/jobs.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { serverTime } from "../../src/stores/redis/time.ts";
import { systemClock } from "../../src/channels/ports/clock.ts";
import { describeJobDesk } from "../conformance/job-desk.ts";
import { ids, leaseFrom, testJob } from "../conformance/job-store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";
import { onEachStore } from "./support/on-each-store.ts";
import { redisJobStore } from "./support/redis-job-store.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.close());

onEachStore((kind, settings) =>
  describeJobDesk(`RedisJobDesk on ${kind}`, redisJobStore(settings)),
);

describe("RedisJobDesk", () => {
  let made = 0;
  let connection: RedisConnection;
  /** Of the scripts that were run, by name. */
  let replies: Map<string, Reply[]>;
  let before: (script: string) => Promise<void>;
  let jobs: RedisJobs;
  let queue: RedisJobQueue;
  let desk: RedisJobDesk;
  beforeEach(async () => {
    connection = await connect(redisSettings(server.port));
    replies = new Map();
    before = () => Promise.resolve();
    const watched: RedisConnection = {
      isWell: true,
      async run(script, keys, args) {
        await before(script.name);
        const reply = await connection.run(script, keys, args);
        replies.set(script.name, [...(replies.get(script.name) ?? []), reply]);
        return reply;
      },
      publish: (channel, message) => connection.publish(channel, message),
      subscriber: (listener) => connection.subscriber(listener),
      close: () => connection.close(),
    };
    jobs = new RedisJobs(watched, new Keys(`desk${++made}`, 1), serverTime);
    queue = new RedisJobQueue(watched, jobs, systemClock);
    desk = new RedisJobDesk(jobs);
  });
  afterEach(() => connection.close());

  /** Adds so many jobs and buries them in their order. */
  async function buryMany(length: number, body = ""): Promise<string[]> {
    const all = Array.from({ length }, () => testJob({ body }));
    await jobs.add(all);
    await buryDue();
    return all.map(({ id }) => id);
  }

  async function buryDue(): Promise<void> {
    const leased = await leaseFrom(queue);
    const buried = { kind: "buried", reason: "no", attempts: 1, spentMs: 1 } as const;
    await Promise.all(leased.map(({ lease }) => queue.settle(lease, buried)));
  }

  test("lists dozens of dead letters with large bodies in answers of a few megabytes at most", async () => {
    const buried = await buryMany(40, "x".repeat(200_000));
    const letters = await desk.deadLetters({}, 100);
    expect(ids(letters)).toEqual(buried.toReversed());
    const sizes = (replies.get("dead-letters") ?? []).map((reply) => JSON.stringify(reply).length);
    expect(sizes.length).toBeGreaterThan(3);
    expect(Math.max(...sizes)).toBeLessThan(2_000_000);
  });

  test("shows a dead letter once, whatever is buried while they are listed", async () => {
    const buried = await buryMany(500);
    let isFirst = true;
    before = async (script) => {
      if (script !== "dead-letters") return;
      if (!isFirst) {
        before = () => Promise.resolve();
        await buryMany(7);
      }
      isFirst = false;
    };
    expect(ids(await desk.deadLetters({}, 1_000))).toEqual(buried.toReversed());
  });

  test("replays what was dead at the beginning, and not again what dies anew meanwhile", async () => {
    await buryMany(500);
    before = async (script) => {
      if (script === "replay-jobs") await buryDue();
    };
    expect(await desk.replay({})).toBe(500);
    before = () => Promise.resolve();
    const { due, dead } = await desk.figures();
    expect([due + dead, dead > 300]).toEqual([500, true]);
  });

  test("replays a job behind those that are due, also in the millisecond in which they became so", async () => {
    const clock = new FakeClock();
    const still = new RedisJobs(connection, new Keys(`desk${made}`, 1), () => `${clock.now()}`);
    const first = new RedisJobQueue(connection, still, clock);
    const all = Array.from({ length: 5 }, () => testJob());
    await still.add(all);
    const [taken] = await leaseFrom(first, { max: 1 });
    const buried = { kind: "buried", reason: "no", attempts: 1, spentMs: 1 } as const;
    await first.settle(taken!.lease, buried);
    await new RedisJobDesk(still).replay({});
    const [again, ...others] = all.map(({ id }) => id);
    expect(ids(await leaseFrom(first))).toEqual([...others, again!]);
  });

  test("replays dozens with large bodies in many short calls", async () => {
    await buryMany(40, "x".repeat(200_000));
    expect(await desk.replay({})).toBe(40);
    expect(replies.get("replay-jobs")!.length).toBeGreaterThan(3);
    expect(await leaseFrom(queue)).toHaveLength(40);
  });

  test("replays without sending the jobs' texts", async () => {
    await buryMany(20, "x".repeat(10_000));
    expect(await desk.replay({ appId: "1" })).toBe(20);
    expect(JSON.stringify(replies.get("replay-jobs")).length).toBeLessThan(200);
    expect(replies.has("dead-letters")).toBe(false);
  });
});
