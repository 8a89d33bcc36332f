import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  OwnershipLost,
  type LoggedEvent,
  type Ownership,
  type Settlement,
} from "../../src/packager/ports/event-log.ts";
import type { Job } from "../../src/protocol/job.ts";
import { RedisFault, type RedisConnection } from "../../src/stores/redis/connection.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";
import {
  clientEvent,
  EventLogRig,
  OWNER_TIMEOUT_MS,
  testJob,
  type Packager,
  onlyOwnership,
  outcome,
  until,
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

describe("a settlement in the Redis event log", () => {
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

  function numbered(count: number, changes: Partial<Job> = {}): Job[] {
    return Array.from({ length: count }, (_, i) => testJob(`job_${i}`, changes));
  }

  /** The next owner, as soon as it can be. */
  async function successor(): Promise<[Packager, Ownership]> {
    rig.clock.advance(OWNER_TIMEOUT_MS + 1);
    const next = rig.packager();
    return [next, await onlyOwnership(next)];
  }

  function calls(name: string): number {
    return packager.calls.filter((call) => call.name === name).length;
  }

  /** What is left in the store of jobs that are on their way. */
  async function leftovers(): Promise<number> {
    return (await rig.keysOf("outbox")).length + (await rig.keysOf("outbox:*")).length;
  }

  test("resolves when its jobs are in the queue, and not before", async () => {
    const [event] = await recorded(1);
    const { promise, resolve } = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    packager.adding = () => {
      begun.resolve();
      return promise;
    };
    let isSettled = false;
    const settling = packager.log
      .settle(ownership, settlementOf([event!], testJob("job_1")))
      .then(() => (isSettled = true));
    await begun.promise;
    expect(await packager.log.read(ownership, 0, 10)).toEqual([]);
    expect([isSettled, rig.queue.ids]).toEqual([false, []]);
    resolve();
    await settling;
    expect(rig.queue.ids).toEqual(["job_1"]);
  });

  test("leaves nothing behind once its owner has asked again, nor its marks once their events are settled", async () => {
    const [first, second] = await recorded(2);
    await packager.log.settle(ownership, {
      jobs: [testJob("job_1"), testJob("job_2")],
      settled: [first!.id],
      handled: [{ eventId: second!.id, webhookId: "w" }],
    });
    expect(await leftovers()).toBe(2);
    await packager.log.own();
    expect(await leftovers()).toBe(0);
    expect(await rig.keysOf("handled")).toHaveLength(1);
    await packager.log.settle(ownership, settlementOf([second!]));
    expect(await rig.keysOf("handled")).toEqual([]);
  });

  test("removes what the one before it has left, so a busy partition needs no further call", async () => {
    const logged = await recorded(3);
    for (const [i, event] of logged.entries())
      await packager.log.settle(ownership, settlementOf([event], testJob(`job_${i}`)));
    expect(await leftovers()).toBe(2);
    expect(calls("settle-events")).toBe(3);
    expect(calls("clear-outbox")).toBe(0);
  });

  test("whose event is in a job and then gone has no mark that stays, though it comes late and again", async () => {
    const [event] = await recorded(1);
    const handled: Settlement = {
      jobs: [testJob("job_1")],
      settled: [],
      handled: [{ eventId: event!.id, webhookId: "w" }],
    };
    await packager.log.settle(ownership, handled);
    await packager.log.settle(ownership, settlementOf([event!], testJob("job_2")));
    await packager.log.settle(ownership, handled);
    expect(await rig.keysOf("handled")).toEqual([]);
    expect(Object.fromEntries(rig.queue.times)).toEqual({ job_1: 1, job_2: 1 });
  });

  test("takes one call, and one of thousands of jobs takes calls of bounded size", async () => {
    const logged = await recorded(4_000);
    const [first, ...others] = logged;
    packager.calls.length = 0;
    await packager.log.settle(ownership, settlementOf([first!], testJob("job_first")));
    expect(packager.calls.map(({ name }) => name)).toEqual(["settle-events"]);
    packager.calls.length = 0;
    const jobs = numbered(3_000);
    await packager.log.settle(ownership, settlementOf(others, ...jobs));
    for (const { args } of packager.calls)
      expect(args.filter((text) => text.startsWith("{")).length).toBeLessThanOrEqual(500);
    packager.calls.length = 0;
    const [big] = await recorded(1);
    const bodies = numbered(40, { body: "x".repeat(60_000) }).map((job) => ({
      ...job,
      id: `big_${job.id}`,
    }));
    await packager.log.settle(ownership, settlementOf([big!], ...bodies));
    for (const { args } of packager.calls) expect(args.join("").length).toBeLessThan(300_000);
    expect(rig.queue.jobs).toEqual([testJob("job_first"), ...jobs, ...bodies]);
    expect(await packager.log.read(ownership, 0, 10)).toEqual([]);
  });

  test("with a job that is too large for any bound goes all the same", async () => {
    const [event] = await recorded(1);
    const jobs = numbered(3, { body: "x".repeat(400_000) });
    await packager.log.settle(ownership, settlementOf([event!], ...jobs));
    expect(rig.queue.jobs).toEqual(jobs);
  });

  describe("that is repeated", () => {
    test("after its answer was lost adds its jobs once", async () => {
      const logged = await recorded(2);
      const settlement: Settlement = {
        jobs: numbered(2),
        settled: [logged[0]!.id],
        handled: [{ eventId: logged[1]!.id, webhookId: "w" }],
      };
      packager.trouble = ({ name }) => (name === "settle-events" ? "answer lost" : undefined);
      for (let i = 0; i < 3; i++) {
        const tried = await outcome(packager.log.settle(ownership, settlement));
        expect(tried).toBeInstanceOf(RedisFault);
        expect(rig.queue.ids).toEqual([]);
      }
      packager.trouble = () => undefined;
      await packager.log.settle(ownership, settlement);
      expect(Object.fromEntries(rig.queue.times)).toEqual({ job_0: 1, job_1: 1 });
      await packager.log.settle(ownership, settlement);
      await packager.log.own();
      await packager.log.settle(ownership, settlement);
      expect(Object.fromEntries(rig.queue.times)).toEqual({ job_0: 1, job_1: 1 });
      await packager.log.own();
      expect(await leftovers()).toBe(0);
    });

    test("after the queue took nothing finishes the work", async () => {
      const [event] = await recorded(1);
      packager.adding = () => Promise.reject(new Error("The queue is away."));
      const settlement = settlementOf([event!], ...numbered(3));
      expect(await outcome(packager.log.settle(ownership, settlement))).toMatchObject({
        message: "The queue is away.",
      });
      expect(await packager.log.read(ownership, 0, 10)).toEqual([]);
      packager.adding = async () => {};
      await packager.log.settle(ownership, settlement);
      expect(rig.queue.ids).toEqual(["job_0", "job_1", "job_2"]);
      await packager.log.own();
      expect(await leftovers()).toBe(0);
    });

    test("in the midst of being brought goes on, whatever was lost of it", async () => {
      const logged = await recorded(10);
      const jobs = numbered(1_800);
      const settlement = settlementOf(logged, ...jobs);
      let lost = 0;
      packager.trouble = ({ name }) => {
        if (name !== "stage-jobs" || lost >= 4) return undefined;
        lost++;
        return lost % 2 === 0 ? "call lost" : "answer lost";
      };
      while ((await outcome(packager.log.settle(ownership, settlement))) !== "resolved")
        expect(await packager.log.read(ownership, 0, 100)).toEqual(logged);
      expect(lost).toBe(4);
      expect(rig.queue.jobs).toEqual(jobs);
      expect(Math.max(...rig.queue.times.values())).toBe(1);
    });

    test("brings again what was brought and is gone", async () => {
      const logged = await recorded(10);
      const jobs = numbered(1_800);
      let isForgotten = false;
      packager.trouble = ({ name, keys: [key = ""] }) => {
        if (name !== "settle-events" || isForgotten) return undefined;
        isForgotten = true;
        void rig.keysOf("outbox:*").then((staged) => rig.command(key, "DEL", ...staged));
        return "call lost";
      };
      const settlement = settlementOf(logged, ...jobs);
      expect(await outcome(packager.log.settle(ownership, settlement))).toBeInstanceOf(RedisFault);
      await until(async () => (await rig.keysOf("outbox:*")).length === 0);
      await packager.log.settle(ownership, settlement);
      expect(rig.queue.jobs).toEqual(jobs);
    });

    test("with what was brought gone just before brings it again", async () => {
      const logged = await recorded(10);
      const jobs = numbered(1_800);
      let isForgotten = false;
      const { run } = packager.connection;
      packager.connection.run = async (script, keys, args) => {
        if (script.name === "settle-events" && !isForgotten) {
          isForgotten = true;
          await rig.command(keys[0]!, "DEL", ...(await rig.keysOf("outbox:*")));
        }
        return run(script, keys, args);
      };
      await packager.log.settle(ownership, settlementOf(logged, ...jobs));
      expect(isForgotten).toBe(true);
      expect(rig.queue.jobs).toEqual(jobs);
      expect(await packager.log.read(ownership, 0, 10)).toEqual([]);
    });

    test("with staged jobs that were noted loses none to the time that staging has", async () => {
      const logged = await recorded(10);
      const jobs = numbered(1_200);
      packager.adding = () => Promise.reject(new Error("The queue is away."));
      const settlement = settlementOf(logged, ...jobs);
      for (let i = 0; i < 2; i++) await outcome(packager.log.settle(ownership, settlement));
      const [key] = (await rig.keysOf("outbox:*")) as [string];
      expect(await rig.command(key, "PTTL", key)).toBe(-1);
      const [, taken] = await readBySuccessor();
      expect(taken).toEqual([]);
      expect(rig.queue.jobs).toEqual(jobs);
    });
  });

  describe("of an owner that died", () => {
    test("before the queue had its jobs: they are there when its successor's first read answers, in their order", async () => {
      const logged = await recorded(3);
      packager.adding = () => new Promise(() => {});
      void packager.log.settle(ownership, settlementOf([logged[0]!], ...numbered(350)));
      await until(async () => (await packager.log.read(ownership, 0, 10)).length === 2);
      const [next, owned] = await successor();
      const held = Promise.withResolvers<void>();
      let isRead = false;
      next.adding = () => held.promise;
      const reading = next.log.read(owned, 0, 10).then((read) => {
        isRead = true;
        return read;
      });
      await until(() => next.calls.some(({ name }) => name === "outbox-jobs"));
      expect(isRead).toBe(false);
      held.resolve();
      expect(await reading).toEqual(logged.slice(1));
      expect(rig.queue.jobs).toEqual(numbered(350));
      await next.log.own();
      expect(await leftovers()).toBe(0);
    });

    test("are taken to the queue though that is away at first: nothing is read before", async () => {
      const [event] = await recorded(1);
      packager.adding = () => Promise.reject(new Error("The queue is away."));
      await outcome(packager.log.settle(ownership, settlementOf([event!], testJob("job_1"))));
      const [next, owned] = await successor();
      next.adding = packager.adding;
      for (let i = 0; i < 2; i++)
        expect(await outcome(next.log.read(owned, 0, 10))).toBeInstanceOf(Error);
      next.adding = async () => {};
      expect(await next.log.read(owned, 0, 10)).toEqual([]);
      expect(rig.queue.ids).toEqual(["job_1"]);
    });

    test("in the midst of bringing jobs are none: the events are there, and what was brought goes by itself", async () => {
      const logged = await recorded(10);
      packager.trouble = ({ name }) => (name === "settle-events" ? "call lost" : undefined);
      await outcome(packager.log.settle(ownership, settlementOf(logged, ...numbered(1_200))));
      const [, read] = await readBySuccessor();
      expect(read).toEqual(logged);
      expect(rig.queue.jobs).toEqual([]);
      const [staged] = (await rig.keysOf("outbox:*")) as [string];
      expect(Number(await rig.command(staged, "PTTL", staged))).toBeGreaterThan(0);
    });

    test("and comes back late with a large one brings none of it", async () => {
      const logged = await recorded(2);
      const [next, owned] = await successor();
      const late = packager.log.settle(ownership, settlementOf(logged, ...numbered(1_200)));
      expect(await outcome(late)).toBeInstanceOf(OwnershipLost);
      expect(await leftovers()).toBe(0);
      expect(await next.log.read(owned, 0, 10)).toEqual(logged);
    });

    test("and comes back late adds at worst the same jobs again, and settles nothing", async () => {
      const logged = await recorded(2);
      const held = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      packager.adding = () => {
        begun.resolve();
        return held.promise;
      };
      const settling = packager.log.settle(ownership, settlementOf([logged[0]!], testJob("job_1")));
      await begun.promise;
      const [next, owned] = await successor();
      expect(await next.log.read(owned, 0, 10)).toEqual([logged[1]!]);
      await next.log.own();
      held.resolve();
      await settling;
      expect(Object.fromEntries(rig.queue.times)).toEqual({ job_1: 2 });
      const late = packager.log.settle(ownership, settlementOf([logged[1]!], testJob("job_2")));
      expect(await outcome(late)).toBeInstanceOf(OwnershipLost);
      expect(await packager.log.own()).toEqual([]);
      expect(await leftovers()).toBe(0);
      await next.log.settle(owned, settlementOf([logged[1]!], testJob("job_3")));
      expect(rig.queue.ids).toEqual(["job_1", "job_3"]);
    });
  });

  test("that is under way when its partition is released is finished before, and none is begun after", async () => {
    const logged = await recorded(2);
    const held = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    packager.adding = () => {
      begun.resolve();
      return held.promise;
    };
    const settling = packager.log.settle(ownership, settlementOf([logged[0]!], testJob("job_1")));
    await begun.promise;
    const releasing = packager.log.release();
    const after = packager.log.settle(ownership, settlementOf([logged[1]!], testJob("job_2")));
    expect(await outcome(after)).toBeInstanceOf(OwnershipLost);
    held.resolve();
    await settling;
    await releasing;
    const next = rig.packager();
    const owned = await onlyOwnership(next);
    expect(await next.log.read(owned, 0, 10)).toEqual([logged[1]!]);
    expect(Object.fromEntries(rig.queue.times)).toEqual({ job_1: 1 });
    expect(await leftovers()).toBe(0);
  });

  async function readBySuccessor(): Promise<[Packager, readonly LoggedEvent[]]> {
    const [next, owned] = await successor();
    return [next, await next.log.read(owned, 0, 10_000)];
  }
});
