import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { EventLog as RecordedEventLog } from "../../src/channels/ports/event-log.ts";
import type { Journal } from "../../src/channels/ports/journal.ts";
import {
  OwnershipLost,
  type EventLog,
  type LoggedEvent,
  type Ownership,
  type Settlement,
} from "../../src/packager/ports/event-log.ts";
import { JOB_VERSION, type Job } from "../../src/protocol/job.ts";
import { CACHE_MISS_INTERVAL_MS } from "../../src/protocol/webhook.ts";
import type { WebhookEvent } from "../../src/protocol/webhook-event.ts";

/** What one process has of the log. */
export interface LogHandles {
  readonly journal: Journal;
  readonly recorder: RecordedEventLog;
  readonly log: EventLog;
}

export interface EventLogUnderTest extends LogHandles {
  /** Every job that is in the queue, in the order of adding. */
  jobs(): Promise<readonly Job[]>;
  /** Wall time by the engine's clock. */
  now(): number;
  /** Lets time pass, by its clock or by waiting. */
  advance(ms: number): Promise<void>;
  /** Resolves when everything that was recorded can be read. */
  written(): Promise<void>;
  /** The process dies, whatever it was at, and starts again: new handles on the same store. */
  reopen?(): Promise<LogHandles>;
  /** Handles of another process at the same time. */
  second?(): Promise<LogHandles>;
  /** The first process dies while the second lives; resolves when that may be known. */
  kill?(): Promise<void>;
  close(): Promise<void>;
}

export interface EventLogEngine {
  make(): Promise<EventLogUnderTest>;
  /** Why there is no `reopen`, where there is none. */
  readonly keepsNothing?: string;
  /** Why there are no `second` and `kill`, where there are none. */
  readonly oneProcess?: string;
}

/** Names that mean something to stores, to objects and to our own keys. */
const STRANGE = ["__proto__", "a/b", "a:b", "{x}", "*", "%_'\";--", "ü 😀", "\n", "a\u0000b"];
const APP = "1";
const OTHER_APP = "11";

function occupied(channel: string): WebhookEvent {
  return { name: "channel_occupied", channel };
}

/** An event whose place in an order can be told. */
function numbered(number: number, channel = "private-c"): WebhookEvent {
  return {
    name: "client_event",
    channel,
    event: "client-e",
    data: `${number}`,
    socket_id: "1.2",
  };
}

function job(id: string, changes: Partial<Job> = {}): Job {
  return {
    version: JOB_VERSION,
    id,
    appId: APP,
    webhookId: "w",
    method: "POST",
    url: "https://example.com/hook?a=1&b=ü",
    headers: { "content-type": "application/json", "x-any": 'ü "quoted"' },
    body: '{"time_ms":1,"events":[{"name":"channel_occupied","channel":"😀\\n"}]}',
    createdAtMs: 1_750_000_000_000,
    events: ["channel_occupied"],
    timeoutMs: 4_000,
    retryWindowMs: 300_000,
    ...changes,
  };
}

function settlementOf(logged: readonly LoggedEvent[], ...jobs: readonly Job[]): Settlement {
  return { jobs, settled: logged.map(({ id }) => id), handled: [] };
}

/** All that is unsettled, in the order of each partition. */
async function readAll(log: EventLog, owned: readonly Ownership[]): Promise<LoggedEvent[]> {
  const all: LoggedEvent[] = [];
  for (const ownership of owned) {
    for (let after = 0; ;) {
      const page = await log.read(ownership, after, 100);
      all.push(...page);
      if (page.length < 100) break;
      after = page.at(-1)!.sequence;
    }
  }
  return all;
}

function events(logged: readonly LoggedEvent[]): WebhookEvent[] {
  return logged.map(({ json }) => JSON.parse(json) as WebhookEvent);
}

async function outcome(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => "resolved",
    (error: unknown) => error,
  );
}

/** What the ports promise of the way from an edge to the packager, for any engine. */
export function describeEventLog(name: string, engine: EventLogEngine): void {
  describe(`${name} as an EventLog`, () => {
    let made: EventLogUnderTest;
    let log: EventLog;
    let owned: readonly Ownership[];
    beforeEach(async () => {
      made = await engine.make();
      log = made.log;
      owned = await log.own();
    });
    afterEach(() => made.close());

    /** Records, lets it be written, and answers all that is unsettled. */
    async function recorded(...recording: WebhookEvent[]): Promise<LoggedEvent[]> {
      await made.journal.record(APP, recording);
      await made.written();
      return readAll(log, owned);
    }

    function ownershipOf(event: LoggedEvent): Promise<Ownership> {
      return ownershipIn(log, owned, event);
    }

    /** The partition in which the event is. */
    async function ownershipIn(
      reader: EventLog,
      ownerships: readonly Ownership[],
      { id }: LoggedEvent,
    ): Promise<Ownership> {
      for (const ownership of ownerships)
        if ((await readAll(reader, [ownership])).some((one) => one.id === id)) return ownership;
      throw new Error(`No partition has the event ${id}.`);
    }

    describe("events", () => {
      test("come back as they were, with what the packager needs to know", async () => {
        const all: WebhookEvent[] = [
          { name: "channel_occupied", channel: "presence-c" },
          { name: "member_added", channel: "presence-c", user_id: "u" },
          {
            name: "client_event",
            channel: "presence-c",
            event: "client-e",
            data: '{"text":"ü \\u0000 😀"}',
            socket_id: "1.2",
            user_id: "u",
          },
          { name: "cache_miss", channel: "presence-c" },
          { name: "subscription_count", channel: "presence-c", subscription_count: 3 },
          { name: "member_removed", channel: "presence-c", user_id: "u" },
          { name: "channel_vacated", channel: "presence-c" },
        ];
        const before = made.now();
        const logged = await recorded(...all);
        expect(logged.map(({ json }) => json)).toEqual(all.map((event) => JSON.stringify(event)));
        for (const [
          i,
          { id, atMs, appId, channel, name: kind, userId, handledFor },
        ] of logged.entries()) {
          expect([appId, channel, kind]).toEqual([APP, "presence-c", all[i]!.name]);
          expect(userId).toBe(kind.startsWith("member_") ? "u" : undefined);
          expect(id).toMatch(/^[A-Za-z0-9-]+$/);
          expect(atMs).toBeGreaterThanOrEqual(before);
          expect(atMs).toBeLessThanOrEqual(made.now());
          expect(handledFor).toEqual([]);
        }
      });

      test("have ids that differ, and numbers that grow in their partition, all above 0", async () => {
        await recorded(...Array.from({ length: 50 }, (_, i) => occupied(`c${i}`)));
        const ids = new Set<string>();
        for (const ownership of owned) {
          let last = 0;
          for (const { id, sequence } of await readAll(log, [ownership])) {
            ids.add(id);
            expect(sequence).toBeGreaterThan(last);
            last = sequence;
          }
        }
        expect(ids.size).toBe(50);
      });

      test("of one channel are in one partition in their order, whichever way they came", async () => {
        const channels = ["c", "cache-c", ...STRANGE];
        const appends: Promise<void>[] = [];
        for (let i = 0; i < 30; i++) {
          for (const channel of channels) {
            if (i % 3 === 0) void made.journal.record(APP, [numbered(i, channel)]);
            else appends.push(made.recorder.append(APP, numbered(i, channel)));
            if (i === 15) appends.push(made.recorder.appendCacheMiss(APP, channel));
          }
        }
        await Promise.all(appends);
        await made.written();
        const seen: string[] = [];
        for (const ownership of owned) {
          const byChannel = Map.groupBy(await readAll(log, [ownership]), ({ channel }) => channel);
          for (const [channel, logged] of byChannel) {
            seen.push(channel);
            const order = events(logged).map((e) =>
              e.name === "client_event" ? Number(e.data) : e.name,
            );
            const numbers = Array.from({ length: 30 }, (_, i) => i);
            expect(order).toEqual([...numbers.slice(0, 16), "cache_miss", ...numbers.slice(16)]);
          }
        }
        expect(seen.toSorted()).toEqual(channels.toSorted());
      });

      test.each(STRANGE)(
        "of a channel and a user named %j come back to the letter",
        async (text) => {
          const event: WebhookEvent = { name: "member_added", channel: text, user_id: text };
          const [logged] = await recorded(event);
          expect(logged).toMatchObject({
            channel: text,
            userId: text,
            json: JSON.stringify(event),
          });
        },
      );

      test("of two apps keep their app, though their channels have one name", async () => {
        await made.journal.record(OTHER_APP, [occupied("c")]);
        const logged = await recorded(occupied("c"));
        expect(logged.map(({ appId }) => appId).toSorted()).toEqual([APP, OTHER_APP]);
      });

      test("are read in pages: those behind a number, the oldest first, no more than asked for", async () => {
        const logged = await recorded(...Array.from({ length: 25 }, (_, i) => numbered(i)));
        const ownership = await ownershipOf(logged[0]!);
        const read: LoggedEvent[] = [];
        for (let after = 0; ;) {
          const page = await log.read(ownership, after, 10);
          expect(page.length).toBeLessThanOrEqual(10);
          if (page.length === 0) break;
          read.push(...page);
          after = page.at(-1)!.sequence;
        }
        expect(read).toEqual(logged);
        expect(await log.read(ownership, logged[3]!.sequence, 2)).toEqual(logged.slice(4, 6));
      });

      test("that came after a page are in the next one, and reading changes nothing", async () => {
        const [first] = await recorded(numbered(1));
        const ownership = await ownershipOf(first!);
        expect(await log.read(ownership, first!.sequence, 10)).toEqual([]);
        await recorded(numbered(2));
        expect(events(await log.read(ownership, first!.sequence, 10))).toEqual([numbered(2)]);
        expect(events(await log.read(ownership, 0, 10))).toEqual([numbered(1), numbered(2)]);
      });

      test("are told of by a hint, until that is ended", async () => {
        const hints: string[] = [];
        const end = log.onAppend(() => hints.push("hint"));
        await recorded(numbered(1));
        for (let i = 0; i < 200 && hints.length === 0; i++) await made.advance(10);
        expect(hints).not.toEqual([]);
        end();
        const before = hints.length;
        await recorded(numbered(2));
        await made.advance(100);
        expect(hints).toHaveLength(before);
      });
    });

    describe("cache misses", () => {
      async function misses(): Promise<string[]> {
        await made.written();
        const logged = await readAll(log, owned);
        expect(logged.every((event) => event.name === "cache_miss")).toBe(true);
        return logged.map(({ appId, channel }) => `${appId}/${channel}`).toSorted();
      }

      test("of one channel are one event in ten seconds, however many clients miss", async () => {
        await Promise.all(
          Array.from({ length: 10 }, () => made.recorder.appendCacheMiss(APP, "cache-c")),
        );
        await made.recorder.appendCacheMiss(APP, "cache-c");
        expect(await misses()).toEqual(["1/cache-c"]);
        await made.advance(CACHE_MISS_INTERVAL_MS);
        await made.recorder.appendCacheMiss(APP, "cache-c");
        await made.recorder.appendCacheMiss(APP, "cache-c");
        expect(await misses()).toEqual(["1/cache-c", "1/cache-c"]);
      }, 30_000);

      test("are new ones after the channel had an event", async () => {
        await made.recorder.appendCacheMiss(APP, "cache-c");
        made.recorder.forgetCacheMiss(APP, "cache-c");
        made.recorder.forgetCacheMiss(APP, "cache-never-missed");
        await made.recorder.appendCacheMiss(APP, "cache-c");
        await made.recorder.appendCacheMiss(APP, "cache-c");
        expect(await misses()).toEqual(["1/cache-c", "1/cache-c"]);
      });

      test("of other channels and other apps are their own", async () => {
        await made.recorder.appendCacheMiss(APP, "cache-c");
        await made.recorder.appendCacheMiss(APP, "cache-d");
        await made.recorder.appendCacheMiss(OTHER_APP, "cache-c");
        made.recorder.forgetCacheMiss(OTHER_APP, "cache-d");
        await made.recorder.appendCacheMiss(APP, "cache-d");
        expect(await misses()).toEqual(["1/cache-c", "1/cache-d", "11/cache-c"]);
      });
    });

    describe("a settlement", () => {
      test("puts its jobs into the queue as they are, in their order, and takes its events away", async () => {
        const logged = await recorded(numbered(1), numbered(2), numbered(3));
        const ownership = await ownershipOf(logged[0]!);
        const jobs = [job("job_b"), job("job_a", { webhookId: "v", events: [] })];
        await log.settle(ownership, settlementOf([logged[0]!, logged[2]!], ...jobs));
        expect(await made.jobs()).toEqual(jobs);
        expect(await readAll(log, owned)).toEqual([logged[1]!]);
      });

      test("without jobs takes events away, and one of nothing changes nothing", async () => {
        const logged = await recorded(numbered(1), numbered(2));
        const ownership = await ownershipOf(logged[0]!);
        await log.settle(ownership, settlementOf([]));
        await log.settle(ownership, settlementOf([logged[1]!]));
        expect(await readAll(log, owned)).toEqual([logged[0]!]);
        expect(await made.jobs()).toEqual([]);
      });

      test("notes for which webhooks an event is in a job, and whoever reads it again is told", async () => {
        const logged = await recorded(numbered(1), numbered(2));
        const [first, second] = [logged[0]!, logged[1]!];
        const ownership = await ownershipOf(first);
        const handle = (event: LoggedEvent, webhookId: string, id: string): Promise<void> =>
          log.settle(ownership, {
            jobs: [job(id, { webhookId })],
            settled: [],
            handled: [{ eventId: event.id, webhookId }],
          });
        await handle(first, "w", "job_1");
        await handle(first, "w-2", "job_2");
        await handle(second, "w", "job_3");
        const again = await readAll(log, owned);
        expect(again.map(({ handledFor }) => handledFor.toSorted())).toEqual([["w", "w-2"], ["w"]]);
        expect(again.map(({ id }) => id)).toEqual([first.id, second.id]);
        await log.settle(ownership, settlementOf([first]));
        expect((await readAll(log, owned)).map(({ id }) => id)).toEqual([second.id]);
        expect((await made.jobs()).map(({ id }) => id)).toEqual(["job_1", "job_2", "job_3"]);
      });

      test("that is repeated adds none of its jobs again, be its events settled or handled", async () => {
        const logged = await recorded(numbered(1), numbered(2), numbered(3));
        const ownership = await ownershipOf(logged[0]!);
        const settled = settlementOf([logged[0]!], job("job_1"));
        const handled: Settlement = {
          jobs: [job("job_2")],
          settled: [],
          handled: [{ eventId: logged[1]!.id, webhookId: "w" }],
        };
        await log.settle(ownership, settled);
        await log.settle(ownership, settled);
        await log.settle(ownership, handled);
        await log.settle(ownership, handled);
        await log.settle(ownership, settled);
        expect((await made.jobs()).map(({ id }) => id)).toEqual(["job_1", "job_2"]);
        expect((await readAll(log, owned)).map(({ handledFor }) => handledFor)).toEqual([
          ["w"],
          [],
        ]);
      });

      test("of thousands of events and jobs is one like any other", async () => {
        await made.journal.record(
          APP,
          Array.from({ length: 2_000 }, (_, i) => numbered(i)),
        );
        const logged = await recorded();
        const ownership = await ownershipOf(logged[0]!);
        expect(logged).toHaveLength(2_000);
        const jobs = logged.slice(1).map(({ id }) => job(`job_${id}`));
        await log.settle(ownership, settlementOf(logged.slice(1), ...jobs));
        expect(await readAll(log, owned)).toEqual([logged[0]!]);
        expect(await made.jobs()).toHaveLength(1_999);
      });
    });

    describe("ownership", () => {
      test("of all partitions goes to who is alone, and asking again renews it", async () => {
        expect(owned.length).toBeGreaterThan(0);
        expect(new Set(owned.map(({ partition }) => partition)).size).toBe(owned.length);
        expect(await log.own()).toEqual(owned);
        await made.advance(100);
        expect(await log.own()).toEqual(owned);
      });

      test("that was released reads and settles nothing", async () => {
        const logged = await recorded(numbered(1));
        const ownership = await ownershipOf(logged[0]!);
        await log.release();
        expect(await outcome(log.read(ownership, 0, 10))).toBeInstanceOf(OwnershipLost);
        const settlement = settlementOf(logged, job("job_1"));
        expect(await outcome(log.settle(ownership, settlement))).toBeInstanceOf(OwnershipLost);
        expect(await made.jobs()).toEqual([]);
        expect(await readAll(log, await log.own())).toEqual(logged);
      });

      test("that is taken again is another: its epoch is higher, the one before it is worth nothing", async () => {
        const logged = await recorded(numbered(1), numbered(2));
        const before = await ownershipOf(logged[0]!);
        await log.release();
        const now = await log.own();
        const { epoch } = now.find(({ partition }) => partition === before.partition)!;
        expect(epoch).toBeGreaterThan(before.epoch);
        const settlement = settlementOf(logged, job("job_1"));
        expect(await outcome(log.settle(before, settlement))).toBeInstanceOf(OwnershipLost);
        expect(await outcome(log.read(before, 0, 10))).toBeInstanceOf(OwnershipLost);
        expect(await readAll(log, now)).toEqual(logged);
        expect(await made.jobs()).toEqual([]);
      });

      test("need not be for events to be recorded", async () => {
        await log.release();
        await made.recorder.append(APP, numbered(1));
        await made.written();
        expect(events(await readAll(log, await log.own()))).toEqual([numbered(1)]);
      });
    });

    const { oneProcess, keepsNothing } = engine;

    describe.skipIf(oneProcess !== undefined)(
      `two processes${oneProcess === undefined ? "" : ` (${oneProcess})`}`,
      () => {
        let other: LogHandles;
        beforeEach(async () => {
          other = await made.second!();
        });

        /** Until the other process has every partition. */
        async function takenOver(): Promise<readonly Ownership[]> {
          for (let i = 0; i < 200; i++) {
            const ownerships = await other.log.own();
            if (ownerships.length === owned.length) return ownerships;
            await made.advance(50);
          }
          throw new Error("The other process does not get the partitions.");
        }

        test("never own one partition at the same time", async () => {
          for (let i = 0; i < 5; i++) {
            const [mine, others] = [await log.own(), await other.log.own()];
            const partitions = [...mine, ...others].map(({ partition }) => partition);
            expect(new Set(partitions).size).toBe(partitions.length);
            await made.advance(20);
          }
        });

        test("record into one log, whoever owns it", async () => {
          await other.recorder.append(APP, numbered(1));
          await made.recorder.append(APP, numbered(2));
          await made.written();
          expect(events(await readAll(log, await log.own()))).toEqual([numbered(1), numbered(2)]);
        });

        test("hand over: what one released the other has, with all that is unsettled in its order", async () => {
          const logged = await recorded(numbered(1), numbered(2), numbered(3));
          const mine = await ownershipOf(logged[0]!);
          await log.settle(mine, settlementOf([logged[1]!], job("job_1")));
          await log.release();
          const taken = await takenOver();
          expect(await readAll(other.log, taken)).toEqual([logged[0]!, logged[2]!]);
          const theirs = await ownershipIn(other.log, taken, logged[0]!);
          expect(theirs.epoch).toBeGreaterThan(mine.epoch);
          const late = settlementOf([logged[0]!], job("job_late"));
          expect(await outcome(log.settle(mine, late))).toBeInstanceOf(OwnershipLost);
          expect(await outcome(log.read(mine, 0, 10))).toBeInstanceOf(OwnershipLost);
          expect(await readAll(other.log, taken)).toEqual([logged[0]!, logged[2]!]);
          await other.log.settle(theirs, settlementOf([logged[0]!, logged[2]!], job("job_2")));
          expect((await made.jobs()).map(({ id }) => id)).toEqual(["job_1", "job_2"]);
        });

        test("inherit: what one owned that died the other gets, and loses nothing", async () => {
          const logged = await recorded(numbered(1), numbered(2));
          const mine = await ownershipOf(logged[0]!);
          await made.kill!();
          const taken = await takenOver();
          expect(await readAll(other.log, taken)).toEqual(logged);
          const theirs = await ownershipIn(other.log, taken, logged[0]!);
          expect(theirs.epoch).toBeGreaterThan(mine.epoch);
        });
      },
    );

    describe.skipIf(keepsNothing !== undefined)(
      `a process that died and started again${keepsNothing === undefined ? "" : ` (${keepsNothing})`}`,
      () => {
        test("finds every event that an append resolved for, as it was", async () => {
          await made.recorder.append(APP, numbered(1));
          await made.recorder.append(APP, {
            name: "member_removed",
            channel: "presence-c",
            user_id: "u",
          });
          const before = await readAll(log, owned);
          const after = await made.reopen!();
          const again = await readAll(after.log, await after.log.own());
          expect(again).toHaveLength(2);
          expect(again).toEqual(before);
        });

        test("finds what was settled gone, its jobs in the queue, and handled events handled", async () => {
          const logged = await recorded(numbered(1), numbered(2), numbered(3));
          const ownership = await ownershipOf(logged[0]!);
          await log.settle(ownership, {
            jobs: [job("job_1"), job("job_2", { webhookId: "v" })],
            settled: [logged[0]!.id],
            handled: [{ eventId: logged[1]!.id, webhookId: "v" }],
          });
          const after = await made.reopen!();
          const again = await readAll(after.log, await after.log.own());
          expect(again.map(({ id }) => id)).toEqual([logged[1]!.id, logged[2]!.id]);
          expect(again.map(({ handledFor }) => handledFor)).toEqual([["v"], []]);
          expect((await made.jobs()).map(({ id }) => id)).toEqual(["job_1", "job_2"]);
        });

        test("owns under a higher epoch than before", async () => {
          const [before] = owned;
          const after = await made.reopen!();
          const now = (await after.log.own()).find(
            ({ partition }) => partition === before!.partition,
          );
          expect(now!.epoch).toBeGreaterThan(before!.epoch);
        });

        test("gives no id or number a second time, though all that had one is gone", async () => {
          const logged = await recorded(numbered(1), numbered(2));
          await log.settle(await ownershipOf(logged[0]!), settlementOf(logged));
          const after = await made.reopen!();
          await after.recorder.append(APP, numbered(3));
          const [next, ...rest] = await readAll(after.log, await after.log.own());
          expect(rest).toEqual([]);
          expect(next!.sequence).toBeGreaterThan(logged[1]!.sequence);
          expect(logged.map(({ id }) => id)).not.toContain(next!.id);
        });
      },
    );
  });
}
