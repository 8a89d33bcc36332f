import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { RedisConnection, Reply } from "../../src/stores/redis/connection.ts";
import { RedisJobDesk } from "../../src/stores/redis/sender/job-desk.ts";
import { RedisJobQueue } from "../../src/stores/redis/sender/job-queue.ts";
import { RedisJobs } from "../../src/stores/redis/sender/jobs.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import type { Script } from "../../src/stores/redis/script.ts";
import { describeJobQueue } from "../conformance/job-queue.ts";
import { ids, leaseFrom, only, testJob } from "../conformance/job-store.ts";
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
  describeJobQueue(`RedisJobQueue on ${kind}`, redisJobStore(settings)),
);

describe("RedisJobQueue", () => {
  const MINUTE_MS = 60_000;
  let made = 0;
  let keys: Keys;
  let clock: FakeClock;
  let connection: RedisConnection & { close(): Promise<void> };
  let script: (which: Script, act: () => Promise<Reply>) => Promise<Reply>;
  let jobs: RedisJobs;
  let queue: RedisJobQueue;
  let desk: RedisJobDesk;
  beforeEach(async () => {
    keys = new Keys(`queue${++made}`, 1);
    clock = new FakeClock();
    connection = await connect(redisSettings(server.port));
    script = (_which, act) => act();
    const watched: RedisConnection = {
      isWell: true,
      run: (which, names, args) => script(which, () => connection.run(which, names, args)),
      publish: (channel, message) => connection.publish(channel, message),
      subscriber: (listener) => connection.subscriber(listener),
      close: () => connection.close(),
    };
    jobs = new RedisJobs(watched, keys, () => `${clock.now()}`);
    queue = new RedisJobQueue(watched, jobs, clock);
    desk = new RedisJobDesk(jobs);
  });
  afterEach(() => connection.close());

  test.each([
    ["endpoints", (i: number) => testJob({ webhookId: `w${i}` }), testJob({ webhookId: "good" })],
    ["apps", (i: number) => testJob({ appId: `${1_000 + i}` }), testJob({ appId: "2" })],
  ])("finds the one job behind hundreds of %s that have no room", async (_of, make, good) => {
    await jobs.add(Array.from({ length: 500 }, (_, i) => make(i)));
    await jobs.add([good]);
    const wanted = `${good.appId}/${good.webhookId}`;
    const room = (endpointId: string): number => (endpointId === wanted ? 1 : 0);
    for (const max of [1, 9]) {
      expect(ids(await leaseFrom(queue, { max, room, leaseMs: 1 }))).toEqual([good.id]);
      clock.advance(1);
    }
  });

  test("tells of a job that failed when its first attempt began", async () => {
    await jobs.add([testJob()]);
    const startedAtMs = clock.now();
    const { lease } = only(await leaseFrom(queue));
    clock.advance(3_000);
    await queue.settle(lease, { kind: "retry", delayMs: 0, spentMs: 3_000 });
    expect(only(await leaseFrom(queue)).firstAttemptAtMs).toBe(startedAtMs);
  });

  test("does not look at a thousand endpoints to lease a few jobs, once it knows that they have room", async () => {
    await jobs.add(
      Array.from({ length: 1_000 }, (_, i) => testJob({ appId: `${i % 50}`, webhookId: `w${i}` })),
    );
    await leaseFrom(queue, { room: (endpointId) => (endpointId === "49/w999" ? 1 : 0) });
    let seen = 0;
    script = async (which, act) => {
      const reply = await act();
      if (which.name === "due-endpoints") seen += (reply as readonly Reply[]).length - 1;
      return reply;
    };
    for (let i = 0; i < 9; i++) await leaseFrom(queue, { max: 4 });
    seen = 0;
    await leaseFrom(queue, { max: 4 });
    expect(seen).toBeGreaterThanOrEqual(4);
    expect(seen).toBeLessThanOrEqual(50);
  });

  test("leases thousands in calls that are short for the server", async () => {
    const all = Array.from({ length: 1_500 }, (_, i) => testJob({ webhookId: `w${i % 3}` }));
    await jobs.add(all);
    const leased: number[] = [];
    script = async (which, act) => {
      const reply = await act();
      if (which.name === "lease-jobs") leased.push((reply as readonly Reply[]).length);
      return reply;
    };
    expect(ids(await leaseFrom(queue)).toSorted()).toEqual(all.map(({ id }) => id).toSorted());
    expect(Math.max(...leased)).toBeLessThanOrEqual(200);
  });

  test("wakes ten thousand that are due at one moment in calls that are short, and in their order", async () => {
    const all = Array.from({ length: 10_000 }, () => testJob());
    await jobs.add(all);
    const leased = await leaseFrom(queue);
    const outcomes = leased.map(({ lease }, i) =>
      queue.settle(lease, { kind: "returned", delayMs: 1_000 + (i % 7) }),
    );
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set([true]));
    const delayOf = new Map(leased.map(({ job }, i) => [job.id, i % 7]));
    clock.advance(5_000);
    const seen: string[] = [];
    while (seen.length < all.length) {
      const some = ids(await leaseFrom(queue));
      // Few calls, each of which brings hundreds home.
      expect(some.length).toBeLessThanOrEqual(1_500);
      seen.push(...some);
    }
    expect(new Set(seen).size).toBe(all.length);
    const delays = seen.map((id) => delayOf.get(id) ?? 0);
    expect(delays).toEqual(delays.toSorted());
  });

  test("keeps what it has leased when the next call of the same lease fails", async () => {
    await jobs.add(Array.from({ length: 500 }, () => testJob()));
    let calls = 0;
    script = (which, act) => {
      if (which.name === "lease-jobs" && ++calls === 3) throw new Error("gone");
      return act();
    };
    const leased = await leaseFrom(queue);
    expect(leased).toHaveLength(400);
    for (const { lease } of leased)
      expect(await queue.settle(lease, { kind: "delivered" })).toBe(true);
    expect(await desk.figures()).toMatchObject({ due: 100, leased: 0 });
  });

  test("leases nothing of an endpoint that was paused between the look and the lease", async () => {
    await jobs.add([testJob({ webhookId: "a" }), testJob({ webhookId: "b" })]);
    script = async (which, act) => {
      if (which.name === "lease-jobs") {
        script = (_which, other) => other();
        await desk.pause("1/a", "410");
      }
      return act();
    };
    expect((await leaseFrom(queue)).map(({ job }) => job.webhookId)).toEqual(["b"]);
    expect(await desk.endpoints()).toContainEqual(
      expect.objectContaining({ webhookId: "a", due: 1, leased: 0 }),
    );
  });

  test("settles what is settled in one turn in one call, and a lease once where it is twice in it", async () => {
    await jobs.add([testJob(), testJob()]);
    const [a, b] = await leaseFrom(queue);
    let calls = 0;
    script = (_which, act) => {
      calls++;
      return act();
    };
    const answers = await Promise.all([
      queue.settle(a!.lease, { kind: "delivered" }),
      queue.settle(b!.lease, { kind: "retry", delayMs: 9, spentMs: 1 }),
      queue.settle(a!.lease, { kind: "delivered" }),
      queue.settle(b!.lease, { kind: "retry", delayMs: 9, spentMs: 1 }),
    ]);
    expect([answers, calls]).toEqual([[true, true, false, false], 1]);
    expect(await desk.figures()).toMatchObject({ leased: 0, delayed: 1 });
    expect(await desk.endpoints()).toMatchObject([{ leased: 0, delayed: 1 }]);
  });

  test("changes nothing when calls that took effect, and whose answers were lost, are repeated", async () => {
    const job = testJob();
    const repeating = async (_which: Script, act: () => Promise<Reply>): Promise<Reply> => {
      await act();
      return act();
    };
    script = repeating;
    await jobs.add([job]);
    expect(await desk.figures()).toMatchObject({ due: 1 });
    script = (_which, act) => act();
    const { lease } = only(await leaseFrom(queue));
    script = repeating;
    expect(await queue.renew([lease], 20_000)).toEqual([]);
    await queue.settle(lease, { kind: "retry", delayMs: 0, spentMs: 7 });
    script = (_which, act) => act();
    const again = only(await leaseFrom(queue));
    expect(again).toMatchObject({ job, attempts: 1, spentMs: 7 });
    script = repeating;
    await queue.settle(again.lease, { kind: "buried", reason: "no", attempts: 2, spentMs: 9 });
    await desk.replay({});
    expect(await desk.figures()).toMatchObject({ due: 1, leased: 0, delayed: 0, dead: 0 });
    expect(await desk.endpoints()).toMatchObject([{ due: 1, leased: 0, delayed: 0, dead: 0 }]);
  });

  test("takes the time from the store: a sender whose clock is wrong expires nothing early", async () => {
    await jobs.add([testJob({ retryWindowMs: 5 * MINUTE_MS, createdAtMs: clock.now() })]);
    for (const aheadMs of [-60 * MINUTE_MS, 60 * MINUTE_MS]) {
      const own = new FakeClock(clock.now() + aheadMs);
      const other = new RedisJobQueue(connection, jobs, own);
      expect(await other.expire("1/w", own.now() - 4 * MINUTE_MS, "down")).toBe(0);
    }
    clock.advance(6 * MINUTE_MS);
    const own = new FakeClock(clock.now() - 60 * MINUTE_MS);
    const other = new RedisJobQueue(connection, jobs, own);
    expect(await other.expire("1/w", own.now() - 6 * MINUTE_MS, "down")).toBe(1);
  });

  test("lets no job wait for longer because a packager's clock was ahead", async () => {
    await jobs.add([testJob({ retryWindowMs: 1_000, createdAtMs: clock.now() + 60 * MINUTE_MS })]);
    clock.advance(1_001);
    expect(await queue.expire("1/w", clock.now() - 9_000, "down")).toBe(1);
  });

  test("gives no lease a second time, also on a replica that has not heard of the last ones", async () => {
    await jobs.add([testJob()]);
    const { lease: lost } = only(await leaseFrom(queue));
    await server.command("DEL", keys.jobs("number"), keys.jobs("jobs"), keys.jobs("leases"));
    await server.command("DEL", keys.jobs("leased"), keys.jobs("texts"), keys.jobs("ids"));
    clock.advance(1);
    await jobs.add([testJob()]);
    const { lease } = only(await leaseFrom(queue));
    expect(lease.sequence).toBeGreaterThan(lost.token);
    expect(lease.token).toBeGreaterThan(lost.token);
    expect(await queue.settle(lost, { kind: "delivered" })).toBe(false);
  });

  test("leaves nothing behind of jobs that are gone and endpoints that have none", async () => {
    await jobs.add(Array.from({ length: 50 }, (_, i) => testJob({ webhookId: `w${i % 9}` })));
    for (const [i, { lease }] of (await leaseFrom(queue)).entries()) {
      if (i % 3 === 0) await queue.settle(lease, { kind: "retry", delayMs: 0, spentMs: 1 });
      else if (i % 3 === 1) await queue.settle(lease, { kind: "delivered" });
      else await queue.settle(lease, { kind: "buried", reason: "", attempts: 1, spentMs: 1 });
    }
    for (const { lease } of await leaseFrom(queue))
      await queue.settle(lease, { kind: "delivered" });
    await desk.pause("1/w1", "410");
    await desk.resume("1/w1");
    await desk.prune({ maxAgeMs: 1, maxEntries: 0 });
    const left = (await server.command("KEYS", `${keys.prefix}:*`)) as string[];
    expect(left.toSorted()).toEqual(["clock", "number", "versions"].map((name) => keys.jobs(name)));
  });
});
