import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  OwnershipLost,
  type LoggedEvent,
  type Ownership,
  type Settlement,
} from "../../src/packager/ports/event-log.ts";
import type { Job } from "../../src/protocol/job.ts";
import type { RedisConnection } from "../../src/stores/redis/connection.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";
import {
  clientEvent,
  EventLogRig,
  testJob,
  type Packager,
  onlyOwnership,
  outcome,
} from "./support/event-log-rig.ts";

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

describe("after a replica took over that lacked the last writes, the Redis event log", () => {
  let rig: EventLogRig;
  let packager: Packager;
  let ownership: Ownership;
  beforeEach(async () => {
    rig = new EventLogRig(connection, 1);
    packager = rig.packager();
    ownership = await onlyOwnership(packager);
  });
  afterEach(() => rig.close());

  async function recorded(count: number): Promise<readonly LoggedEvent[]> {
    await rig.record(...Array.from({ length: count }, (_, i) => clientEvent(i)));
    return packager.log.read(ownership, 0, 10_000);
  }

  function settlementOf(logged: readonly LoggedEvent[], ...jobs: readonly Job[]): Settlement {
    return { jobs, settled: logged.map(({ id }) => id), handled: [] };
  }

  /** The partition's data as they are now, to be brought back. */
  async function snapshot(): Promise<() => Promise<void>> {
    const keys = await rig.keysOf("*");
    const copies = keys.map((key) => [key, `${key}:copy`] as const);
    for (const [key, copy] of copies) await rig.command(key, "COPY", key, copy);
    return async () => {
      for (const key of await rig.keysOf("*"))
        if (!key.endsWith(":copy")) await rig.command(key, "DEL", key);
      for (const [key, copy] of copies) await rig.command(key, "RENAME", copy, key);
    };
  }

  test("is made again: its events are there again, and their owner has to read them", async () => {
    const logged = await recorded(2);
    const last = logged[1]!.sequence;
    const lose = await snapshot();
    const settlement = settlementOf([logged[0]!], testJob("job_1"));
    await packager.log.settle(ownership, settlement);
    await lose();
    expect(await outcome(packager.log.read(ownership, last, 10))).toBeInstanceOf(OwnershipLost);
    ownership = await onlyOwnership(packager);
    expect(await packager.log.read(ownership, 0, 10)).toEqual(logged);
    await packager.log.settle(ownership, settlement);
    expect(rig.queue.ids).toEqual(["job_1"]);
    expect(await packager.log.read(ownership, 0, 10)).toEqual([logged[1]!]);
  });

  test("is refused to who would not know of that", async () => {
    const logged = await recorded(2);
    const lose = await snapshot();
    await packager.log.settle(ownership, settlementOf([logged[0]!], testJob("job_1")));
    await lose();
    const next = settlementOf([logged[1]!], testJob("job_2"));
    expect(await outcome(packager.log.settle(ownership, next))).toBeInstanceOf(OwnershipLost);
    expect(rig.queue.ids).toEqual(["job_1"]);
  });

  test("does not tell of events that were lost: whoever has read them has to begin anew", async () => {
    const [first] = await recorded(1);
    const lose = await snapshot();
    const logged = await recorded(3);
    await lose();
    const last = logged.at(-1)!.sequence;
    expect(await outcome(packager.log.read(ownership, last, 10))).toBeInstanceOf(OwnershipLost);
    ownership = await onlyOwnership(packager);
    expect(await packager.log.read(ownership, 0, 10)).toEqual([first!]);
    await packager.log.settle(ownership, settlementOf(logged.slice(1), testJob("job_lost")));
    expect(rig.queue.ids).toEqual([]);
  });
});
