import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Ownership } from "../../src/packager/ports/event-log.ts";
import type { RedisConnection } from "../../src/stores/redis/connection.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";
import { clientEvent, EventLogRig, until } from "./support/event-log-rig.ts";

const PARTITIONS = 64;
const HOUR_MS = 3_600_000;

let server: RedisServer;
let connection: RedisConnection;
beforeAll(async () => {
  server = await RedisServer.start();
  connection = await connect(redisSettings(server.port));
});
afterAll(async () => {
  await connection.close();
  await server.close();
});

describe("events of the Redis event log", () => {
  let rig: EventLogRig;
  beforeEach(() => {
    rig = new EventLogRig(connection, PARTITIONS);
  });
  afterEach(() => rig.close());

  test("are told of by a doorbell to their partition's owner alone, also when it has just become that", async () => {
    const hints = { first: 0, second: 0 };
    const [first, second] = [rig.packager(), rig.packager()];
    first.log.onAppend(() => hints.first++);
    const end = second.log.onAppend(() => hints.second++);
    await first.log.own();
    await until(() => hints.first >= PARTITIONS);
    await first.log.release();
    const [ownership] = (await second.log.own()) as [Ownership];
    await until(() => hints.second >= PARTITIONS);
    const before = { ...hints };
    await rig.record(clientEvent(1, rig.channelIn(ownership.partition)));
    await until(() => hints.second > before.second);
    expect(hints.first).toBe(before.first);
    end();
  });

  test("may have been appended while the doorbells were not heard", async () => {
    let hints = 0;
    const { log } = rig.packager();
    await log.own();
    const end = log.onAppend(() => hints++);
    await until(() => hints === PARTITIONS);
    await server.command("CLIENT", "KILL", "TYPE", "pubsub");
    await until(() => hints > PARTITIONS);
    end();
  });

  test("are as old as they are, though the clocks of packager and store differ", async () => {
    const ahead = new FakeClock(rig.clock.now() + HOUR_MS);
    const { log } = rig.packager(ahead);
    const [ownership] = (await log.own()) as [Ownership];
    await rig.record(clientEvent(1, rig.channelIn(ownership.partition)));
    for (const clock of [rig.clock, ahead]) clock.advance(2_500);
    const [event] = await log.read(ownership, 0, 10);
    expect(event?.atMs).toBe(ahead.now() - 2_500);
    // A number ahead of the store's time is of now.
    rig.clock.jumpWall(-HOUR_MS);
    const [again] = await log.read(ownership, 0, 10);
    expect(again?.atMs).toBe(ahead.now());
  });

  test("are counted, with the age of the oldest, whoever owns their partitions", async () => {
    const [{ log }, other] = [rig.packager(), rig.packager()];
    expect(await log.figures()).toEqual({ events: 0, oldestEventMs: 0 });
    const owned = await other.log.own();
    await rig.record(clientEvent(1, "private-a"));
    rig.clock.advance(1_500);
    await rig.record(...Array.from({ length: 20 }, (_, i) => clientEvent(i, `private-${i}`)));
    rig.clock.advance(500);
    expect(await log.figures()).toEqual({ events: 21, oldestEventMs: 2_000 });
    for (const ownership of owned) {
      const read = await other.log.read(ownership, 0, 100);
      await other.log.settle(ownership, {
        jobs: [],
        settled: read.map(({ id }) => id),
        handled: [],
      });
    }
    expect(await log.figures()).toEqual({ events: 0, oldestEventMs: 0 });
    expect([log.owned, other.log.owned]).toEqual([0, PARTITIONS]);
  });
});
