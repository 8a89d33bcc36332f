import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { OwnershipLost, type Ownership } from "../../src/packager/ports/event-log.ts";
import { RedisFault, type RedisConnection, type Reply } from "../../src/stores/redis/connection.ts";
import { script } from "../../src/stores/redis/script.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";
import {
  clientEvent,
  EventLogRig,
  OWNER_TIMEOUT_MS,
  partitionsOf,
  testJob,
  type Packager,
  outcome,
} from "./support/event-log-rig.ts";

const PARTITIONS = 64;
const OWN_INTERVAL_MS = 1_000;
const HOUR_MS = 3_600_000;
const FLUSH = script("flush", "return redis.call('FLUSHALL')");

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

describe("partitions of the Redis event log", () => {
  let rig: EventLogRig;
  beforeEach(() => {
    rig = new EventLogRig(connection, PARTITIONS);
  });
  afterEach(() => rig.close());

  /** What each has, by its id, after they asked one after the other. */
  async function round(packagers: readonly Packager[]): Promise<Map<string, readonly Ownership[]>> {
    rig.clock.advance(OWN_INTERVAL_MS);
    const all = new Map<string, readonly Ownership[]>();
    for (const { id, log } of packagers) all.set(id, await log.own().catch(() => []));
    return all;
  }

  /** After so many rounds of asking. */
  async function rounds(
    times: number,
    packagers: readonly Packager[],
  ): Promise<Map<string, readonly Ownership[]>> {
    for (let i = 1; i < times; i++) await round(packagers);
    return round(packagers);
  }

  function sizes(all: ReadonlyMap<string, readonly Ownership[]>): number[] {
    return [...all.values()].map(({ length }) => length).toSorted((a, b) => b - a);
  }

  /** The owner of each partition, as they believe; fails where two do. */
  function ownersIn(all: ReadonlyMap<string, readonly Ownership[]>): Map<number, string> {
    const owners = new Map<number, string>();
    for (const [id, owned] of all) {
      for (const { partition } of owned) {
        expect(owners.has(partition)).toBe(false);
        owners.set(partition, id);
      }
    }
    return owners;
  }

  function moved(before: ReadonlyMap<number, string>, after: ReadonlyMap<number, string>): number {
    return [...after].filter(([partition, id]) => before.get(partition) !== id).length;
  }

  async function three(): Promise<Packager[]> {
    const packagers = [rig.packager(), rig.packager(), rig.packager()];
    await rounds(4, packagers);
    return packagers;
  }

  test("are spread evenly over those who ask, and then stay where they are", async () => {
    const packagers = await three();
    const all = await round(packagers);
    expect(sizes(all)).toEqual([22, 21, 21]);
    const owners = ownersIn(all);
    expect(owners.size).toBe(PARTITIONS);
    for (let i = 0; i < 15; i++) {
      const later = await round(packagers);
      expect(later).toEqual(all);
    }
  });

  test("of one that dies are the others' when its time is over, and not before", async () => {
    const packagers = await three();
    const before = ownersIn(await round(packagers));
    const [dead, ...others] = packagers as [Packager, Packager, Packager];
    const early = await rounds(OWNER_TIMEOUT_MS / OWN_INTERVAL_MS - 1, others);
    expect(early.values().reduce((sum, { length }) => sum + length, 0)).toBeLessThan(PARTITIONS);
    const late = await rounds(2, others);
    expect(sizes(late)).toEqual([32, 32]);
    const after = ownersIn(late);
    const itsOwn = [...before.values()].filter((id) => id === dead.id).length;
    expect(moved(before, after)).toBe(itsOwn);
  });

  test("go to one who comes as far as its share, and no other moves", async () => {
    const packagers = await three();
    const before = ownersIn(await round(packagers));
    const fourth = rig.packager();
    const all = await rounds(3, [fourth, ...packagers]);
    expect(sizes(all)).toEqual([16, 16, 16, 16]);
    expect(moved(before, ownersIn(all))).toBe(16);
  });

  test("are owned by several epochs but by no two at once, whoever races for them", async () => {
    const epochs = new Map<string, string>();
    const packagers = Array.from({ length: 5 }, () => rig.packager());
    for (let i = 0; i < 12; i++) {
      // Some are not heard of for long, so that there is something to race for.
      const asking = packagers.filter((_, number) => (number + i) % 3 > 0);
      const answers = await Promise.all(asking.map(({ log }) => log.own()));
      for (const [number, owned] of answers.entries()) {
        const { id } = asking[number]!;
        for (const { partition, epoch } of owned) {
          const owner = epochs.get(`${partition} ${epoch}`);
          expect(owner ?? id).toBe(id);
          epochs.set(`${partition} ${epoch}`, id);
        }
      }
      const readers = await Promise.all(
        answers.flatMap((owned, number) =>
          owned.map(async (ownership) => {
            const read = await outcome(asking[number]!.log.read(ownership, 0, 1));
            return Array.isArray(read) || read === "resolved" ? ownership.partition : undefined;
          }),
        ),
      );
      const read = readers.filter((partition) => partition !== undefined);
      expect(new Set(read).size).toBe(read.length);
      rig.clock.advance(i % 4 === 3 ? OWNER_TIMEOUT_MS + 1 : OWN_INTERVAL_MS);
    }
    expect(epochs.size).toBeGreaterThan(PARTITIONS);
  });

  test("that are released are another's the next time it asks", async () => {
    const packagers = await three();
    const [leaving, ...others] = packagers as [Packager, Packager, Packager];
    await leaving.log.release();
    const all = await round(others);
    expect(sizes(all)).toEqual([32, 32]);
    expect(leaving.log.owned).toBe(0);
    expect(
      await rig.command(rig.keys.nodes("packagers"), "ZCARD", rig.keys.nodes("packagers")),
    ).toBe(2);
  });

  test("of one that stood still past its time are not its own when it wakes up", async () => {
    const [paused, other] = [rig.packager(), rig.packager()];
    const [ownership] = (await paused.log.own()) as [Ownership];
    await rig.record(clientEvent(1, rig.channelIn(ownership.partition)));
    const logged = await paused.log.read(ownership, 0, 10);
    expect(logged).toHaveLength(1);
    rig.clock.advance(OWNER_TIMEOUT_MS + 1);
    expect(await other.log.own()).toHaveLength(PARTITIONS);
    const settlement = { jobs: [testJob("job_1")], settled: [logged[0]!.id], handled: [] };
    expect(await outcome(paused.log.settle(ownership, settlement))).toBeInstanceOf(OwnershipLost);
    expect(await outcome(paused.log.read(ownership, 0, 10))).toBeInstanceOf(OwnershipLost);
    expect(rig.queue.jobs).toEqual([]);
    expect(paused.log.owned).toBe(PARTITIONS - 1);
    expect(await paused.log.own()).toEqual([]);
    const all = await rounds(3, [paused, other]);
    expect(sizes(all)).toEqual([32, 32]);
  });

  test("may be used by an owner whose time is over while nobody else has taken them", async () => {
    const { log } = rig.packager();
    const [ownership] = (await log.own()) as [Ownership];
    await rig.record(clientEvent(1, rig.channelIn(ownership.partition)));
    rig.clock.advance(HOUR_MS);
    const [event] = await log.read(ownership, 0, 10);
    await log.settle(ownership, { jobs: [testJob("job_1")], settled: [event!.id], handled: [] });
    expect(rig.queue.ids).toEqual(["job_1"]);
    expect(await log.own()).toContainEqual(ownership);
  });

  test("are taken anew under higher epochs when the store was emptied", async () => {
    const packagers = await three();
    const before = await round(packagers);
    await connection.run(FLUSH, [], []);
    const [{ id, log }] = packagers as [Packager];
    const [old] = before.get(id)! as [Ownership];
    expect(await outcome(log.read(old, 0, 10))).toBeInstanceOf(OwnershipLost);
    const after = await rounds(4, packagers);
    expect(sizes(after)).toEqual([22, 21, 21]);
    const epochs = new Map(
      [...before.values()].flat().map(({ partition, epoch }) => [partition, epoch]),
    );
    for (const { partition, epoch } of [...after.values()].flat())
      expect(epoch).toBeGreaterThan(epochs.get(partition)!);
  });

  test("get a higher epoch from who owned them before the store was emptied, though no time passed", async () => {
    const { log } = rig.packager();
    const before = await log.own();
    await connection.run(FLUSH, [], []);
    const after = await log.own();
    expect(partitionsOf(after)).toEqual(partitionsOf(before));
    for (const [i, { epoch }] of after.entries()) expect(epoch).toBeGreaterThan(before[i]!.epoch);
  });

  describe("while the store is away", () => {
    test("stay whose they were, and nobody learns otherwise", async () => {
      const [packager] = (await three()) as [Packager];
      const { log } = packager;
      const { owned } = log;
      packager.trouble = () => "call lost";
      expect(await outcome(log.own())).toBeInstanceOf(RedisFault);
      expect(log.owned).toBe(owned);
    });

    test("longer than their owners' time, go back to these and not to who comes back first", async () => {
      const packagers = await three();
      const before = await round(packagers);
      for (const packager of packagers) packager.trouble = () => "call lost";
      await rounds(20, packagers);
      for (const packager of packagers) packager.trouble = () => undefined;
      const [first] = packagers as [Packager];
      await rounds(3, [first]);
      expect(await rounds(2, packagers)).toEqual(before);
    });

    test("go to the others in the end if one died meanwhile", async () => {
      const packagers = await three();
      for (const packager of packagers) packager.trouble = () => "call lost";
      await rounds(20, packagers);
      for (const packager of packagers) packager.trouble = () => undefined;
      const [, ...others] = packagers;
      expect(sizes(await rounds(OWNER_TIMEOUT_MS / OWN_INTERVAL_MS, others))).toEqual([32, 32]);
    });

    test("in part, stay as they were there and are spread elsewhere", async () => {
      const packagers = await three();
      const isAway = (key: string): boolean => /\{[0-9]\}/.test(key);
      const before = ownersIn(await round(packagers));
      for (const packager of packagers)
        packager.trouble = ({ keys: [key = ""] }) => (isAway(key) ? "call lost" : undefined);
      const [dead, ...others] = packagers as [Packager, Packager, Packager];
      const after = ownersIn(await rounds(12, others));
      for (const [partition, id] of before) {
        if (partition < 10) expect(after.get(partition)).toBe(id === dead.id ? undefined : id);
        else expect(after.get(partition)).toBeDefined();
      }
    });

    test("where the packagers are listed, are renewed all the same", async () => {
      const [packager, other] = [rig.packager(), rig.packager()];
      await rounds(3, [packager, other]);
      packager.trouble = ({ name }) => (name === "packagers" ? "call lost" : undefined);
      const all = await rounds(15, [packager, other]);
      expect(all.get(other.id)).toHaveLength(PARTITIONS / 2);
      packager.trouble = () => undefined;
      expect(sizes(await round([packager, other]))).toEqual([32, 32]);
    });
  });

  describe("when the store's clock", () => {
    test("jumps ahead, nobody loses any", async () => {
      const packagers = await three();
      const before = await round(packagers);
      rig.clock.jumpWall(HOUR_MS);
      expect(await rounds(10, packagers)).toEqual(before);
    });

    test("jumps ahead and is set right, one that died meanwhile is not waited for as long", async () => {
      const packagers = await three();
      rig.clock.jumpWall(HOUR_MS);
      await rounds(2, packagers);
      rig.clock.jumpWall(-HOUR_MS);
      const [, ...others] = packagers;
      const all = await rounds(OWNER_TIMEOUT_MS / OWN_INTERVAL_MS + 2, others);
      expect(sizes(all)).toEqual([32, 32]);
    });

    test("is set back, one that died does not keep its own for as long", async () => {
      const packagers = await three();
      rig.clock.jumpWall(-HOUR_MS);
      const [, ...others] = packagers;
      const all = await rounds(OWNER_TIMEOUT_MS / OWN_INTERVAL_MS + 2, others);
      expect(sizes(all)).toEqual([32, 32]);
    });
  });

  describe("asking", () => {
    test("again takes one round trip, and taking what is due one more", async () => {
      const { connection: waves, passed } = inWaves(connection);
      const own = new EventLogRig(waves, PARTITIONS);
      const { log } = own.packager();
      await log.own();
      // What the server does not know yet is sent a second time.
      await log.release();
      passed();
      expect(await log.own()).toHaveLength(PARTITIONS);
      expect(passed()).toBe(2);
      expect(await log.own()).toHaveLength(PARTITIONS);
      expect(passed()).toBe(1);
      own.close();
    });

    test("finds out about what was taken by a call whose answer was lost", async () => {
      const packager = rig.packager();
      packager.trouble = ({ name }) => (name === "take-partition" ? "answer lost" : undefined);
      expect(await packager.log.own()).toEqual([]);
      packager.trouble = () => undefined;
      const owned = await packager.log.own();
      expect(owned).toHaveLength(PARTITIONS);
      expect(await packager.log.read(owned[0]!, 0, 10)).toEqual([]);
    });

    test("goes on with what could not be let go of", async () => {
      const packager = rig.packager();
      for (const ownership of await packager.log.own()) await packager.log.read(ownership, 0, 1);
      const other = rig.packager();
      await other.log.own();
      packager.trouble = ({ name }) => (name === "release-partition" ? "call lost" : undefined);
      expect(await packager.log.own()).toHaveLength(PARTITIONS / 2);
      packager.trouble = () => undefined;
      await other.log.release();
      const owned = await packager.log.own();
      expect(owned).toHaveLength(PARTITIONS);
      for (const ownership of owned) expect(await packager.log.read(ownership, 0, 1)).toEqual([]);
    });
  });

  test("are not lost to a release that comes late", async () => {
    const packager = rig.packager();
    await packager.log.own();
    await packager.log.release();
    const late = packager.calls.filter(({ name }) => name === "release-partition");
    expect(late).toHaveLength(PARTITIONS);
    const owned = await packager.log.own();
    for (const { args, keys } of late)
      expect(await connection.run(RELEASE_AS_SENT, keys, args)).toBe(0);
    expect(await packager.log.read(owned[0]!, 0, 10)).toEqual([]);
  });
});

const RELEASE_AS_SENT = script(
  "release-partition",
  await Bun.file(
    new URL("../../src/stores/redis/lua/release-partition.lua", import.meta.url),
  ).text(),
);

/** Counts how often something was sent while no answer was awaited: round trips that cannot be had at once. */
function inWaves(inner: RedisConnection): { connection: RedisConnection; passed(): number } {
  let awaited = 0;
  let waves = 0;
  return {
    connection: {
      ...inner,
      async run(called, keys, args): Promise<Reply> {
        if (awaited++ === 0) waves++;
        try {
          return await inner.run(called, keys, args);
        } finally {
          awaited--;
        }
      },
      publish: (channel, message) => inner.publish(channel, message),
      subscriber: (listener) => inner.subscriber(listener),
      isWell: true,
      close: () => inner.close(),
    },
    passed() {
      const count = waves;
      waves = 0;
      return count;
    },
  };
}
