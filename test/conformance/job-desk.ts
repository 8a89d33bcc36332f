import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { JOB_VERSION, type Job } from "../../src/protocol/job.ts";
import type { EndpointLoad, JobDesk } from "../../src/sender/ports/job-desk.ts";
import type { JobQueue } from "../../src/sender/ports/job-queue.ts";
import { FakeClock } from "../support/fake-clock.ts";
import {
  ids,
  leaseFrom,
  notice,
  only,
  rawOf,
  testJob,
  type JobStoreEngine,
  type JobStoreUnderTest,
} from "./job-store.ts";

const NOTHING = {
  due: 0,
  deliverable: 0,
  leased: 0,
  delayed: 0,
  dead: 0,
  oldestDueMs: 0,
  pausedEndpoints: 0,
};
const DAY_MS = 86_400_000;

/** What the JobDesk port promises, for any engine. */
export function describeJobDesk(name: string, engine: JobStoreEngine): void {
  describe(`${name} as a JobDesk`, () => {
    let clock: FakeClock;
    let store: JobStoreUnderTest;
    let queue: JobQueue;
    let desk: JobDesk;
    beforeEach(async () => {
      clock = new FakeClock();
      store = await engine.make({ clock });
      ({ queue, desk } = store);
    });
    afterEach(() => store.close());

    async function bury(job: Job, reason = "gave up", attempts = 3): Promise<Job> {
      expect(await desk.add(job)).toBe(true);
      const { lease } = only(await leaseFrom(queue));
      await queue.settle(lease, { kind: "buried", reason, attempts, spentMs: 77 });
      return job;
    }

    async function loads(): Promise<EndpointLoad[]> {
      return [...(await desk.endpoints())].toSorted((a, b) =>
        `${a.appId}/${a.webhookId}` < `${b.appId}/${b.webhookId}` ? -1 : 1,
      );
    }

    describe("adding", () => {
      test("takes a job once, whether it waits, is leased, delayed, paused or dead", async () => {
        const job = testJob();
        const addAgain = () => desk.add({ ...job, body: "another" });
        expect(await desk.add(job)).toBe(true);
        expect(await addAgain()).toBe(false);
        const first = only(await leaseFrom(queue));
        expect(await addAgain()).toBe(false);
        await queue.settle(first.lease, { kind: "retry", delayMs: 1_000, spentMs: 1 });
        expect(await addAgain()).toBe(false);
        clock.advance(1_000);
        await queue.pause("1/w", "410");
        expect(await addAgain()).toBe(false);
        await desk.resume("1/w");
        await notice(clock, queue, engine.latenessMs);
        const second = only(await leaseFrom(queue));
        expect(second.job).toEqual(job);
        await queue.settle(second.lease, { kind: "buried", reason: "no", attempts: 2, spentMs: 2 });
        expect(await addAgain()).toBe(false);
        expect(only(await desk.deadLetters({}, 10)).job).toEqual(job);
        expect(await leaseFrom(queue)).toEqual([]);
      });

      test("keeps the job as it was when it was added", async () => {
        const headers: Record<string, string> = { "x-a": "before" };
        await desk.add(testJob({ headers }));
        headers["x-a"] = "after";
        expect(only(await leaseFrom(queue)).job.headers).toEqual({ "x-a": "before" });
      });
    });

    describe("figures", () => {
      test("of an empty queue are zeros, and it has no endpoints", async () => {
        expect(await store.figures()).toEqual(NOTHING);
        expect(await desk.endpoints()).toEqual([]);
      });

      test("follow a job on its way", async () => {
        await desk.add(testJob());
        clock.advance(400);
        expect(await store.figures()).toEqual({
          ...NOTHING,
          due: 1,
          deliverable: 1,
          oldestDueMs: 400,
        });
        const first = only(await leaseFrom(queue, { leaseMs: 1_000 }));
        expect(await store.figures()).toEqual({ ...NOTHING, leased: 1 });
        await queue.settle(first.lease, { kind: "retry", delayMs: 2_000, spentMs: 1 });
        expect(await store.figures()).toEqual({ ...NOTHING, delayed: 1 });
        clock.advance(2_300);
        expect(await store.figures()).toEqual({
          ...NOTHING,
          due: 1,
          deliverable: 1,
          oldestDueMs: 300,
        });
        const second = only(await leaseFrom(queue));
        await queue.settle(second.lease, { kind: "buried", reason: "no", attempts: 2, spentMs: 2 });
        expect(await store.figures()).toEqual({ ...NOTHING, dead: 1 });
        await desk.replay({});
        clock.advance(50);
        expect(await store.figures()).toEqual({
          ...NOTHING,
          due: 1,
          deliverable: 1,
          oldestDueMs: 50,
        });
        await queue.settle(only(await leaseFrom(queue)).lease, { kind: "delivered" });
        expect(await store.figures()).toEqual(NOTHING);
      });

      test("count a job as due again from its lease's end", async () => {
        await desk.add(testJob());
        await leaseFrom(queue, { leaseMs: 1_000 });
        clock.advance(999);
        expect(await store.figures()).toEqual({ ...NOTHING, leased: 1 });
        clock.advance(1);
        expect(await loads()).toMatchObject([{ due: 1, leased: 0, delayed: 0 }]);
        expect(await store.figures()).toMatchObject({ due: 1, leased: 0, delayed: 0 });
      });

      test("tell the age of the oldest that is due, whichever endpoint's", async () => {
        await desk.add(testJob({ webhookId: "a" }));
        clock.advance(100);
        await desk.add(testJob({ webhookId: "b" }));
        clock.advance(100);
        expect((await store.figures()).oldestDueMs).toBe(200);
        await leaseFrom(queue, { room: (endpointId) => (endpointId === "1/a" ? 1 : 0) });
        expect((await store.figures()).oldestDueMs).toBe(100);
      });

      test("leave out of what is due the jobs of paused endpoints: no sender could help them", async () => {
        await desk.add(testJob({ webhookId: "a" }));
        clock.advance(100);
        await desk.add(testJob({ webhookId: "b" }));
        await queue.pause("1/a", "410");
        clock.advance(100);
        expect(await store.figures()).toEqual({
          ...NOTHING,
          due: 1,
          deliverable: 1,
          oldestDueMs: 100,
          pausedEndpoints: 1,
        });
        await desk.resume("1/a");
        expect(await store.figures()).toEqual({
          ...NOTHING,
          due: 2,
          deliverable: 2,
          oldestDueMs: 200,
        });
      });

      test("tell how much of what is due is deliverable: not what is named as blocked, nor what is paused", async () => {
        const counts = { a: 1, b: 2, c: 4, "ü 😀": 8 };
        for (const [webhookId, count] of Object.entries(counts))
          for (let i = 0; i < count; i++) await desk.add(testJob({ webhookId }));
        await queue.pause("1/c", "410");
        const deliverable = async (...blocked: string[]): Promise<number[]> => {
          const { due, deliverable: left } = await desk.figures(new Set(blocked));
          return [due, left];
        };
        expect(await deliverable()).toEqual([11, 11]);
        expect(await deliverable("1/b")).toEqual([11, 9]);
        expect(await deliverable("1/b", "1/ü 😀")).toEqual([11, 1]);
        expect(await deliverable("1/c", "1/a")).toEqual([11, 10]);
        expect(await deliverable("1/none", "", 'it"s', "1/a", "1/b", "1/ü 😀")).toEqual([11, 0]);
        expect(await deliverable()).toEqual([11, 11]);
      });

      test("do not count as deliverable what waits or is with somebody", async () => {
        for (const webhookId of ["a", "b", "c"]) await desk.add(testJob({ webhookId }));
        const [first, second] = await leaseFrom(queue, { max: 2 });
        await queue.settle(first!.lease, { kind: "retry", delayMs: 60_000, spentMs: 1 });
        expect(await store.figures()).toMatchObject({ deliverable: 1, leased: 1, delayed: 1 });
        await queue.settle(second!.lease, {
          kind: "buried",
          reason: "no",
          attempts: 1,
          spentMs: 1,
        });
        expect(await store.figures()).toMatchObject({ deliverable: 1, leased: 0, dead: 1 });
      });

      test("count a job of a newer version as due, for it waits for somebody newer", async () => {
        const version = JOB_VERSION + 1;
        const place = { version, id: "newer", appId: "1", webhookId: "w" };
        await store.putRaw([{ ...place, json: JSON.stringify({ ...testJob(), ...place }) }]);
        await leaseFrom(queue);
        clock.advance(700);
        expect(await store.figures()).toEqual({
          ...NOTHING,
          due: 1,
          deliverable: 1,
          oldestDueMs: 700,
        });
        expect(await loads()).toMatchObject([{ appId: "1", webhookId: "w", due: 1 }]);
      });
    });

    describe("endpoints", () => {
      test("are told with their app, their URL and where their jobs are", async () => {
        const url = "https://example.com/a";
        await bury(testJob({ webhookId: "a", url }));
        for (let i = 0; i < 4; i++) await desk.add(testJob({ webhookId: "a", url }));
        const [first] = await leaseFrom(queue, { max: 2 });
        await queue.settle(first!.lease, { kind: "retry", delayMs: 9_000, spentMs: 1 });
        await desk.add(testJob({ appId: "2", webhookId: "a", url: "https://example.com/b" }));
        expect(await loads()).toEqual([
          {
            appId: "1",
            webhookId: "a",
            url,
            due: 2,
            leased: 1,
            delayed: 1,
            dead: 1,
            paused: null,
          },
          {
            appId: "2",
            webhookId: "a",
            url: "https://example.com/b",
            due: 1,
            leased: 0,
            delayed: 0,
            dead: 0,
            paused: null,
          },
        ]);
      });

      test("that have only dead letters, or are only paused, are told; those that have nothing are not", async () => {
        await bury(testJob({ webhookId: "dead" }));
        await queue.pause("1/paused", "410");
        await desk.add(testJob({ webhookId: "done" }));
        await queue.settle(only(await leaseFrom(queue)).lease, { kind: "delivered" });
        const none = { due: 0, leased: 0, delayed: 0, dead: 0 };
        expect(await loads()).toMatchObject([
          { ...none, webhookId: "dead", dead: 1, paused: null },
          {
            ...none,
            appId: "1",
            webhookId: "paused",
            paused: { reason: "410", sinceMs: clock.now() },
          },
        ]);
        expect(await loads()).toHaveLength(2);
        await desk.resume("1/paused");
        await desk.prune({ maxAgeMs: DAY_MS, maxEntries: 0 });
        expect(await desk.endpoints()).toEqual([]);
      });

      test("that are paused still tell where their jobs are", async () => {
        for (let i = 0; i < 3; i++) await desk.add(testJob());
        const [first] = await leaseFrom(queue, { max: 2 });
        await queue.settle(first!.lease, { kind: "retry", delayMs: 9_000, spentMs: 1 });
        await desk.pause("1/w", "by hand");
        expect(await loads()).toMatchObject([
          {
            due: 1,
            leased: 1,
            delayed: 1,
            dead: 0,
            paused: { reason: "by hand", sinceMs: clock.now() },
          },
        ]);
      });
    });

    describe("pausing", () => {
      test("paused twice, an endpoint has the newest reason and the first time", async () => {
        await desk.pause("1/w", "410");
        const sinceMs = clock.now();
        clock.advance(500);
        await queue.pause("1/w", "by hand");
        expect(await loads()).toMatchObject([{ paused: { reason: "by hand", sinceMs } }]);
        expect((await store.figures()).pausedEndpoints).toBe(1);
      });

      test("resumed once, it is paused no more, and paused again it counts anew", async () => {
        await desk.pause("1/w", "410");
        expect(await desk.resume("1/w")).toBe(true);
        expect(await desk.resume("1/w")).toBe(false);
        expect(await store.figures()).toEqual(NOTHING);
        clock.advance(500);
        await desk.pause("1/w", "410");
        expect(await loads()).toMatchObject([{ paused: { sinceMs: clock.now() } }]);
      });

      test("an endpoint that nobody paused is not resumed", async () => {
        await desk.add(testJob());
        expect(await desk.resume("1/w")).toBe(false);
        expect(await desk.resume("nobody/nothing")).toBe(false);
      });
    });

    describe("dead letters", () => {
      /** a1, b1, a2 of app 1 and a3 of app 2, one second apart. */
      async function four(): Promise<{ a1: Job; b1: Job; a2: Job; a3: Job; startMs: number }> {
        const startMs = clock.now();
        const buried: Job[] = [];
        for (const [appId, webhookId] of [
          ["1", "a"],
          ["1", "b"],
          ["1", "a"],
          ["2", "a"],
        ] as const) {
          buried.push(await bury(testJob({ appId, webhookId }), `reason ${buried.length}`));
          clock.advance(1_000);
        }
        const [a1, b1, a2, a3] = buried;
        return { a1: a1!, b1: b1!, a2: a2!, a3: a3!, startMs };
      }

      async function found(
        filter: Parameters<JobDesk["deadLetters"]>[0],
        limit = 100,
      ): Promise<string[]> {
        return ids(await desk.deadLetters(filter, limit));
      }

      test("come newest first, each with its job, reason, attempts and time", async () => {
        const { a1, a3, startMs } = await four();
        const letters = await desk.deadLetters({}, 100);
        expect(letters).toHaveLength(4);
        expect(letters[0]).toEqual({
          job: a3,
          reason: "reason 3",
          attempts: 3,
          buriedAtMs: startMs + 3_000,
        });
        expect(letters[3]).toEqual({
          job: a1,
          reason: "reason 0",
          attempts: 3,
          buriedAtMs: startMs,
        });
      });

      test("buried in the same millisecond come with the last one first", async () => {
        const jobs = [];
        for (let i = 0; i < 5; i++) jobs.push(await bury(testJob()));
        expect(await found({})).toEqual(jobs.map(({ id }) => id).toReversed());
      });

      test("are narrowed by every field of the filter, and by all of them together", async () => {
        const { a1, b1, a2, a3, startMs } = await four();
        expect(await found({ appId: "1" })).toEqual([a2.id, b1.id, a1.id]);
        expect(await found({ webhookId: "a" })).toEqual([a3.id, a2.id, a1.id]);
        expect(await found({ appId: "1", webhookId: "a" })).toEqual([a2.id, a1.id]);
        expect(await found({ jobId: b1.id })).toEqual([b1.id]);
        expect(await found({ jobId: b1.id, webhookId: "a" })).toEqual([]);
        expect(await found({ sinceMs: startMs + 2_000 })).toEqual([a3.id, a2.id]);
        expect(await found({ untilMs: startMs + 2_000 })).toEqual([b1.id, a1.id]);
        expect(
          await found({ appId: "1", sinceMs: startMs + 1_000, untilMs: startMs + 3_000 }),
        ).toEqual([a2.id, b1.id]);
        expect(await found({ appId: undefined, jobId: undefined })).toHaveLength(4);
        expect(await found({ appId: "" })).toEqual([]);
      });

      test("are limited from the newest on", async () => {
        const { a2, a3 } = await four();
        expect(await found({}, 2)).toEqual([a3.id, a2.id]);
        expect(await found({}, 0)).toEqual([]);
        expect(await found({ webhookId: "b" }, 1)).toHaveLength(1);
      });

      test("are pruned by age, counted from their burial", async () => {
        const { a2, a3 } = await four();
        clock.advance(DAY_MS);
        expect(await desk.prune({ maxAgeMs: DAY_MS + 2_000, maxEntries: 100 })).toBe(2);
        expect(await found({})).toEqual([a3.id, a2.id]);
        expect(await desk.prune({ maxAgeMs: DAY_MS + 2_000, maxEntries: 100 })).toBe(0);
        expect((await store.figures()).dead).toBe(2);
      });

      test("are pruned by number, the oldest first, over all endpoints", async () => {
        const { a2, a3 } = await four();
        expect(await desk.prune({ maxAgeMs: DAY_MS, maxEntries: 2 })).toBe(2);
        expect(await found({})).toEqual([a3.id, a2.id]);
        expect(await desk.prune({ maxAgeMs: DAY_MS, maxEntries: 0 })).toBe(2);
        expect(await store.figures()).toEqual(NOTHING);
      });

      test("once pruned are not replayed", async () => {
        const { a1 } = await four();
        await desk.prune({ maxAgeMs: DAY_MS, maxEntries: 3 });
        expect(await desk.replay({ jobId: a1.id })).toBe(0);
        expect(await desk.replay({})).toBe(3);
      });
    });

    describe("replaying", () => {
      test("puts a job back as it was, its attempts and its window fresh", async () => {
        const job = await bury(testJob({ body: "the body" }));
        clock.advance(DAY_MS);
        expect(await desk.replay({})).toBe(1);
        expect(await desk.deadLetters({}, 10)).toEqual([]);
        expect(only(await leaseFrom(queue))).toMatchObject({
          job,
          attempts: 0,
          spentMs: 0,
          firstAttemptAtMs: undefined,
        });
        expect(await desk.replay({})).toBe(0);
      });

      test("puts back only what the filter means", async () => {
        const a = await bury(testJob({ webhookId: "a" }));
        const b = await bury(testJob({ webhookId: "b" }));
        clock.advance(1_000);
        const sinceMs = clock.now();
        const c = await bury(testJob({ webhookId: "b" }));
        expect(await desk.replay({ appId: "other" })).toBe(0);
        expect(await desk.replay({ webhookId: "b", sinceMs })).toBe(1);
        expect(ids(await leaseFrom(queue))).toEqual([c.id]);
        expect(await desk.replay({ jobId: a.id })).toBe(1);
        expect(ids(await leaseFrom(queue))).toEqual([a.id]);
        expect(ids(await desk.deadLetters({}, 10))).toEqual([b.id]);
      });

      test("keeps the order in which they were buried, behind what is due already", async () => {
        const buried = [];
        for (let i = 0; i < 5; i++) buried.push(await bury(testJob()));
        const waiting = testJob();
        await desk.add(waiting);
        clock.advance(10);
        expect(await desk.replay({})).toBe(5);
        expect(ids(await leaseFrom(queue))).toEqual([waiting, ...buried].map(({ id }) => id));
      });

      test("to a paused endpoint waits until it is resumed", async () => {
        const job = await bury(testJob());
        await desk.pause("1/w", "410");
        expect(await desk.replay({})).toBe(1);
        expect(await leaseFrom(queue)).toEqual([]);
        await desk.resume("1/w");
        await notice(clock, queue, engine.latenessMs);
        expect(ids(await leaseFrom(queue))).toEqual([job.id]);
      });

      test("a job that dies again is a dead letter again, with what was new", async () => {
        const job = await bury(testJob(), "first", 3);
        clock.advance(1_000);
        await desk.replay({});
        const { lease } = only(await leaseFrom(queue));
        await queue.settle(lease, { kind: "buried", reason: "second", attempts: 1, spentMs: 1 });
        expect(await desk.deadLetters({}, 10)).toEqual([
          { job, reason: "second", attempts: 1, buriedAtMs: clock.now() },
        ]);
      });

      test("thousands at once loses and doubles none", async () => {
        const jobs = Array.from({ length: 2_000 }, () => testJob());
        await store.putRaw(jobs.map(rawOf));
        const leased = await leaseFrom(queue);
        await Promise.all(
          leased.map(({ lease }) =>
            queue.settle(lease, { kind: "buried", reason: "no", attempts: 1, spentMs: 1 }),
          ),
        );
        expect(await desk.replay({})).toBe(2_000);
        const again = ids(await leaseFrom(queue));
        expect(again.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
      }, 30_000);
    });
  });
}
