import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/channels/ports/clock.ts";
import { RedisFault } from "../../src/stores/redis/connection.ts";
import { RedisDeliveryLog } from "../../src/stores/redis/sender/delivery-log.ts";
import { RedisJobDesk } from "../../src/stores/redis/sender/job-desk.ts";
import { RedisJobQueue } from "../../src/stores/redis/sender/job-queue.ts";
import { RedisJobs } from "../../src/stores/redis/sender/jobs.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import type { RedisClient } from "../../src/stores/redis/client/redis-client.ts";
import { serverTime } from "../../src/stores/redis/time.ts";
import { leaseFrom, testJob } from "../conformance/job-store.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";

const BATCH = 50;
const MORE_THAN_FIT = 10_000;

describe("A Redis that has no memory left", () => {
  let server: RedisServer;
  let connection: RedisClient;
  let jobs: RedisJobs;
  let queue: RedisJobQueue;
  let desk: RedisJobDesk;
  let log: RedisDeliveryLog;
  beforeEach(async () => {
    server = await RedisServer.start({
      config: { maxmemory: "6mb", "maxmemory-policy": "noeviction" },
    });
    connection = await connect(redisSettings(server.port));
    const keys = new Keys("full", 1);
    jobs = new RedisJobs(connection, keys, serverTime);
    queue = new RedisJobQueue(connection, jobs, systemClock);
    desk = new RedisJobDesk(jobs);
    log = new RedisDeliveryLog(connection, keys, systemClock);
  });
  afterEach(async () => {
    log.close();
    await connection.close();
    await server.close();
  });

  function someJobs() {
    return Array.from({ length: BATCH }, (_, i) =>
      testJob({ webhookId: `w${i % 5}`, body: "x".repeat(2_000), createdAtMs: Date.now() }),
    );
  }

  /** Adds jobs until it does not take any more; answers the ids of those that it took. */
  async function fill(): Promise<string[]> {
    const added: string[] = [];
    while (added.length < MORE_THAN_FIT) {
      const batch = someJobs();
      try {
        await jobs.add(batch);
      } catch (error) {
        expect(error).toBeInstanceOf(RedisFault);
        expect((error as RedisFault).kind).toBe("full");
        return added;
      }
      added.push(...batch.map(({ id }) => id));
    }
    throw new Error("It took more than there is memory for.");
  }

  test("takes no job, or all of a call; what it has can be delivered, and then it takes jobs again", async () => {
    const added = await fill();
    expect(added.length).toBeGreaterThan(500);
    expect(await desk.figures()).toMatchObject({ due: added.length });
    const delivered: string[] = [];
    for (;;) {
      const leased = await leaseFrom(queue, { max: 100 });
      if (leased.length === 0) break;
      expect(
        await queue.renew(
          leased.map(({ lease }) => lease),
          20_000,
        ),
      ).toEqual([]);
      const settled = leased.map(async ({ lease, job }) => {
        if (await queue.settle(lease, { kind: "delivered" })) delivered.push(job.id);
      });
      await Promise.all(settled);
    }
    expect(delivered.toSorted()).toEqual(added.toSorted());
    await jobs.add(someJobs());
    expect(await desk.figures()).toMatchObject({ due: BATCH, leased: 0 });
  }, 60_000);

  test("lets jobs fail, wait, and be buried, and people pause and replay", async () => {
    const added = await fill();
    const leased = await leaseFrom(queue, { max: 90 });
    const settled = leased.map(({ lease }, i) => {
      if (i % 3 === 0) return queue.settle(lease, { kind: "retry", delayMs: 60_000, spentMs: 5 });
      if (i % 3 === 1) return queue.settle(lease, { kind: "returned", delayMs: 60_000 });
      return queue.settle(lease, { kind: "buried", reason: "no", attempts: 1, spentMs: 5 });
    });
    expect(new Set(await Promise.all(settled))).toEqual(new Set([true]));
    await queue.pause("1/w0", "by hand");
    const figures = { leased: 0, delayed: 60, dead: 30, pausedEndpoints: 1 };
    expect(await desk.figures()).toMatchObject(figures);
    expect(await desk.replay({})).toBe(30);
    expect(await desk.resume("1/w0")).toBe(true);
    expect(await desk.figures()).toMatchObject({ due: added.length - 60, delayed: 60, dead: 0 });
  }, 60_000);

  test("loses no attempt: they are recorded when there is room again", async () => {
    await fill();
    const attempt = {
      atMs: Date.now(),
      appId: "1",
      webhookId: "w",
      jobId: "j",
      events: [],
      attempt: 1,
      result: "delivered",
      status: 200,
      durationMs: 1,
      ageMs: 1,
      detail: "x".repeat(500),
      senderVersion: "1",
    } as const;
    // More than fits into what a stream has left of its last page.
    for (let i = 0; i < 300; i++) log.record(attempt);
    await log.flush();
    expect((await log.attempts({}, 1_000)).length).toBeLessThan(300);
    for (const { lease } of await leaseFrom(queue))
      await queue.settle(lease, { kind: "delivered" });
    await log.flush();
    expect(await log.attempts({}, 1_000)).toHaveLength(300);
    expect(log.dropped).toBe(0);
  }, 60_000);
});
