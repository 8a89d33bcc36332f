import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Attempt } from "../../src/sender/ports/delivery-log.ts";
import { RedisFault, type RedisConnection, type Reply } from "../../src/stores/redis/connection.ts";
import { RedisDeliveryLog } from "../../src/stores/redis/sender/delivery-log.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { describeDeliveryLog } from "../conformance/delivery-log.ts";
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
  describeDeliveryLog(`RedisDeliveryLog on ${kind}`, redisJobStore(settings)),
);

describe("RedisDeliveryLog without its store", () => {
  /** Ids of the jobs that were written, in the order of the calls. */
  let written: string[];
  let calls: number;
  let isAway: boolean;
  let clock: FakeClock;
  let log: RedisDeliveryLog;
  beforeEach(() => {
    written = [];
    calls = 0;
    isAway = true;
    clock = new FakeClock();
    log = new RedisDeliveryLog(recordingConnection(), new Keys("away", 1), clock);
  });

  function recordingConnection(): RedisConnection {
    return {
      isWell: true,
      async run(_script, _keys, args): Promise<Reply> {
        calls++;
        if (isAway) throw new RedisFault("unreachable", "away");
        for (let i = 4; i < args.length; i += 6) written.push(args[i] ?? "");
        return 1;
      },
      publish: () => Promise.resolve(),
      subscriber() {
        throw new Error("nobody listens here");
      },
      close: () => Promise.resolve(),
    };
  }

  async function pass(ms: number): Promise<void> {
    clock.advance(ms);
    await Bun.sleep(0);
  }

  test("keeps what is recorded, in order, and tries again now and then", async () => {
    for (let i = 0; i < 3; i++) log.record(attempt(i));
    expect(calls).toBe(0);
    for (let i = 0; i < 10; i++) await pass(100);
    expect(calls).toBe(1);
    log.record(attempt(3));
    isAway = false;
    await pass(1_000);
    expect(written).toEqual(["0", "1", "2", "3"]);
    expect([clock.pending, log.dropped]).toEqual([0, 0]);
  });

  test("lets the oldest go when it is away for too long, and counts them", async () => {
    for (let i = 0; i < 50_010; i++) log.record(attempt(i));
    expect(log.dropped).toBe(10);
    isAway = false;
    await log.flush();
    expect(written).toHaveLength(50_000);
    expect([written[0], written.at(-1)]).toEqual(["10", "50009"]);
  });

  test("tries no more when it is closed", async () => {
    log.record(attempt(1));
    await pass(5);
    log.close();
    await pass(5_000);
    expect([calls, clock.pending]).toEqual([1, 0]);
  });
});

test("RedisDeliveryLog grows no longer, between two prunings, than the last one allowed by much", async () => {
  const connection = await connect(redisSettings(server.port));
  const log = new RedisDeliveryLog(connection, new Keys("bounded", 1), new FakeClock());
  await log.prune({ maxAgeMs: 1e9, maxEntries: 1_000 });
  for (let i = 0; i < 10_000; i++) log.record(attempt(i));
  await log.flush();
  const kept = await log.attempts({}, 100_000);
  expect(kept.length).toBeGreaterThanOrEqual(1_000);
  expect(kept.length).toBeLessThan(1_500);
  expect(kept[0]?.jobId).toBe("9999");
  await connection.close();
});

test("RedisDeliveryLog sums up thousands, the newest of each endpoint from wherever it is", async () => {
  const connection = await connect(redisSettings(server.port));
  const log = new RedisDeliveryLog(connection, new Keys("summed", 1), new FakeClock());
  log.record({ ...attempt(0), webhookId: "rare", result: "status" });
  for (let i = 1; i <= 2_000; i++) log.record(attempt(i));
  await log.flush();
  expect(await log.summary(attempt(0).atMs)).toEqual(
    new Map([
      ["1/w", { delivered: 2_000, failed: 0, last: attempt(2_000) }],
      [
        "1/rare",
        { delivered: 0, failed: 1, last: { ...attempt(0), webhookId: "rare", result: "status" } },
      ],
    ]),
  );
  await connection.close();
});

function attempt(number: number): Attempt {
  return {
    atMs: 1_750_000_000_000 + number,
    appId: "1",
    webhookId: "w",
    jobId: `${number}`,
    events: ["channel_occupied"],
    attempt: 1,
    result: "delivered",
    status: 200,
    durationMs: 1,
    ageMs: 1,
    detail: null,
    senderVersion: "1",
  };
}
