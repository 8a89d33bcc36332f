import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Job } from "../../src/protocol/job.ts";
import { JOB_VERSION } from "../../src/protocol/job.ts";
import type { JobDesk } from "../../src/sender/ports/job-desk.ts";
import type { JobQueue, LeasedJob } from "../../src/sender/ports/job-queue.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { describeJobQueueModel } from "./job-queue-model.ts";
import { describeJobSharing } from "./job-sharing.ts";
import {
  LEASE_MS,
  STRANGE,
  ids,
  leaseFrom,
  notice,
  only,
  rawOf,
  testJob,
  type JobStoreEngine,
  type JobStoreUnderTest,
} from "./job-store.ts";

const HOUR_MS = 3_600_000;
/** How late a job may be after somebody set the wall clock. */
const GRACE_MS = 5_000;
const NEWER = JOB_VERSION + 1;
/** Three endpoints of two apps. */
const PLACES = [
  ["1", "a"],
  ["1", "b"],
  ["2", "a"],
] as const;
const BAD = { version: JOB_VERSION, id: "bad", appId: "1", webhookId: "w", json: "?" };

/** What the JobQueue port promises, for any engine. */
export function describeJobQueue(name: string, engine: JobStoreEngine): void {
  const { latenessMs } = engine;

  describe(`${name} as a JobQueue`, () => {
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

    /** Adds jobs in this order. */
    async function add(...jobs: Job[]): Promise<void> {
      const added = await Promise.all(jobs.map((job) => desk.add(job)));
      expect(added).toEqual(jobs.map(() => true));
    }

    /** Adds so many jobs of an endpoint. */
    async function addMany(length: number, appId: string, webhookId = "w"): Promise<Job[]> {
      const jobs = Array.from({ length }, () => testJob({ appId, webhookId }));
      await store.putRaw(jobs.map(rawOf));
      return jobs;
    }

    const noticed = (): Promise<void> => notice(clock, queue, latenessMs);

    /** Leases by polling, as a sender does, until something comes. */
    async function leaseWithin(withinMs: number): Promise<readonly LeasedJob[]> {
      for (let waitedMs = 0; waitedMs <= withinMs; waitedMs += 250) {
        const leased = await leaseFrom(queue);
        if (leased.length > 0) return leased;
        clock.advance(250);
        await store.flush();
      }
      return [];
    }

    /** Adds a job and lets its first attempt fail. */
    async function addDelayed(delayMs: number, job = testJob()): Promise<Job> {
      await add(job);
      const { lease } = only(await leaseFrom(queue));
      expect(await queue.settle(lease, { kind: "retry", delayMs, spentMs: 10 })).toBe(true);
      return job;
    }

    describe("leasing", () => {
      test("answers at once with nothing when nothing is due", async () => {
        expect(await leaseFrom(queue)).toEqual([]);
      });

      test("hands out a new job as it is, with nothing attempted or spent", async () => {
        const job = testJob();
        await add(job);
        expect(only(await leaseFrom(queue))).toEqual({
          lease: expect.anything(),
          job,
          attempts: 0,
          spentMs: 0,
          firstAttemptAtMs: undefined,
        });
      });

      test("keeps within an endpoint the order in which jobs came, over calls of any size", async () => {
        const jobs = await addMany(40, "1");
        const seen: string[] = [];
        for (const max of [1, 3, 0, 7, 2, 100]) seen.push(...ids(await leaseFrom(queue, { max })));
        expect(seen).toEqual(jobIds(jobs));
      });

      test("answers as many as asked for while there are so many, and with 0 none", async () => {
        await addMany(10, "1");
        expect(await leaseFrom(queue, { max: 0 })).toEqual([]);
        expect(await leaseFrom(queue, { max: 4 })).toHaveLength(4);
        expect(await leaseFrom(queue, { max: 1 })).toHaveLength(1);
        expect(await leaseFrom(queue, { max: 10 })).toHaveLength(5);
      });

      test("never passes the room of an endpoint, also when it changes from call to call", async () => {
        await addMany(20, "1", "a");
        await addMany(20, "1", "b");
        await addMany(20, "2", "a");
        const rounds: Record<string, number>[] = [
          { "1/a": 3, "1/b": 0, "2/a": 1 },
          { "1/a": 0, "1/b": 5, "2/a": 2 },
          { "1/a": 0, "1/b": 0, "2/a": 0 },
          { "1/a": 1, "1/b": 1, "2/a": 30 },
        ];
        for (const rooms of rounds) {
          const leased = await leaseFrom(queue, { room: (endpointId) => rooms[endpointId]! });
          const counts: Record<string, number> = { "1/a": 0, "1/b": 0, "2/a": 0 };
          for (const { job } of leased) counts[`${job.appId}/${job.webhookId}`]! += 1;
          expect(counts).toEqual({ ...rooms, "2/a": Math.min(rooms["2/a"]!, 17) });
        }
      });

      test("leaves the jobs of an endpoint without room as they are", async () => {
        const [full] = [await addMany(3, "1", "full"), await addMany(2, "1", "free")];
        const room = (endpointId: string) => (endpointId === "1/full" ? 0 : 10);
        expect(await leaseFrom(queue, { room })).toHaveLength(2);
        expect(await leaseFrom(queue, { room })).toEqual([]);
        expect(await store.figures()).toMatchObject({ due: 3, leased: 2, delayed: 0 });
        const later = await leaseFrom(queue);
        expect(ids(later)).toEqual(jobIds(full));
        expect(later.map(({ attempts, spentMs }) => [attempts, spentMs])).toEqual(
          full.map(() => [0, 0]),
        );
      });

      test("passes over thousands of jobs without room by asking about their endpoint, not about each", async () => {
        await addMany(5_000, "1", "full");
        const free = await addMany(3, "1", "free");
        const other = await addMany(3, "2");
        let asked = 0;
        const room = (endpointId: string) => {
          asked++;
          return endpointId === "1/full" ? 0 : 10;
        };
        const leased = await leaseFrom(queue, { max: 10, room });
        expect(ids(leased).toSorted()).toEqual([...jobIds(free), ...jobIds(other)].toSorted());
        expect(asked).toBeLessThan(30);
      });

      test("tells the app and the endpoint when it asks for room", async () => {
        await add(testJob({ appId: "7", webhookId: "hook-1" }));
        const asked: string[][] = [];
        await leaseFrom(queue, {
          room(endpointId, appId) {
            asked.push([appId, endpointId]);
            return 1;
          },
        });
        expect(asked).toContainEqual(["7", "7/hook-1"]);
      });
    });

    describe("a request", () => {
      test("is told of every job that is taken, so that a room for all together is not passed", async () => {
        for (const [app, webhook] of PLACES) await addMany(20, app, webhook);
        for (const slots of [1, 3, 7, 16]) {
          let free = slots;
          const taken = new Map<string, number>();
          const leased = await queue.lease({
            max: () => 50,
            room: () => free,
            took(appId, endpointId, jobs) {
              expect(jobs).toBeGreaterThan(0);
              expect(jobs).toBeLessThanOrEqual(free);
              expect(endpointId.split("/")[0]).toBe(appId);
              free -= jobs;
              taken.set(endpointId, (taken.get(endpointId) ?? 0) + jobs);
            },
            leaseMs: LEASE_MS,
          });
          expect(leased).toHaveLength(slots);
          expect(taken).toEqual(tally(leased.map(({ job }) => `${job.appId}/${job.webhookId}`)));
        }
      });

      test("is asked in one turn, for the number first, and nothing more once that is reached", async () => {
        for (const [app, webhook] of PLACES) await addMany(20, app, webhook);
        const asked: string[] = [];
        let isTurnOver = false;
        await queue.lease({
          max() {
            asked.push("max");
            queueMicrotask(() => (isTurnOver = true));
            return 4;
          },
          room() {
            asked.push("room");
            expect(isTurnOver).toBe(false);
            return 2;
          },
          took(_appId, _endpointId, jobs) {
            for (let i = 0; i < jobs; i++) asked.push("took");
            expect(isTurnOver).toBe(false);
          },
          leaseMs: LEASE_MS,
        });
        expect(asked[0]).toBe("max");
        expect(asked.at(-1)).toBe("took");
        expect([count(asked, "max"), count(asked, "took")]).toEqual([1, 4]);
      });

      test("for nothing is asked no further", async () => {
        await addMany(3, "1");
        let isAsked = false;
        const ask = () => {
          isAsked = true;
          return 1;
        };
        expect(await queue.lease({ max: () => 0, room: ask, took: ask, leaseMs: 1 })).toEqual([]);
        expect(isAsked).toBe(false);
      });
    });

    describe("a lease", () => {
      test("keeps the job from everybody until its end, and not longer", async () => {
        const [job] = await addMany(1, "1");
        await leaseFrom(queue, { leaseMs: 3_000 });
        clock.advance(2_999);
        expect(await leaseFrom(queue)).toEqual([]);
        clock.advance(1);
        await noticed();
        const again = only(await leaseFrom(queue));
        expect(again).toMatchObject({ job, attempts: 0, spentMs: 0, firstAttemptAtMs: undefined });
      });

      test("that ended gives the job back, and leaves the others in their order", async () => {
        const first = await addMany(1, "1");
        await leaseFrom(queue, { leaseMs: 1_000 });
        clock.advance(500);
        const others = await addMany(2, "1");
        clock.advance(1_000);
        await noticed();
        others.push(...(await addMany(2, "1")));
        const again = ids(await leaseFrom(queue));
        expect(again).toContain(first[0]!.id);
        expect(again.filter((id) => id !== first[0]!.id)).toEqual(jobIds(others));
      });

      test("that is renewed lasts from then on", async () => {
        await addMany(2, "1");
        const [kept, left] = await leaseFrom(queue, { leaseMs: 30_000 });
        clock.advance(20_000);
        expect(await queue.renew([kept!.lease], 30_000)).toEqual([]);
        const endsAtMs = clock.now() + 30_000;
        clock.advance(10_000);
        await noticed();
        expect(ids(await leaseFrom(queue, { leaseMs: 60_000 }))).toEqual([left!.job.id]);
        clock.advance(endsAtMs - clock.now() - 1);
        expect(await leaseFrom(queue)).toEqual([]);
        expect(await queue.settle(kept!.lease, { kind: "delivered" })).toBe(true);
      });

      test("that is renewed for a shorter time ends sooner", async () => {
        await addMany(1, "1");
        const { lease } = only(await leaseFrom(queue, { leaseMs: 60_000 }));
        expect(await queue.renew([lease], 100)).toEqual([]);
        clock.advance(100);
        await noticed();
        expect(await leaseFrom(queue)).toHaveLength(1);
      });

      test("that another has meanwhile is told to be lost, and the other's goes on as it was", async () => {
        await addMany(3, "1");
        const [a, b, c] = await leaseFrom(queue, { leaseMs: 1_000 });
        expect(await queue.renew([c!.lease], 60_000)).toEqual([]);
        await queue.settle(b!.lease, { kind: "delivered" });
        clock.advance(1_000);
        await noticed();
        const other = only(await leaseFrom(queue, { leaseMs: 1_000 }));
        const lost = await queue.renew([a!.lease, b!.lease, c!.lease], 60_000);
        expect(lost).toHaveLength(2);
        expect(lost).toContainEqual(a!.lease);
        expect(lost).toContainEqual(b!.lease);
        clock.advance(1_000);
        await noticed();
        expect(ids(await leaseFrom(queue))).toEqual([other.job.id]);
      });

      test("of nothing renews nothing", async () => {
        expect(await queue.renew([], 1_000)).toEqual([]);
      });

      test("that was lost settles nothing, whatever the outcome", async () => {
        const [job] = await addMany(1, "1");
        const stale = only(await leaseFrom(queue, { leaseMs: 1_000 }));
        clock.advance(1_000);
        await noticed();
        const fresh = only(await leaseFrom(queue));
        for (const outcome of [
          { kind: "delivered" },
          { kind: "retry", delayMs: 0, spentMs: 7 },
          { kind: "returned", delayMs: 0 },
          { kind: "buried", reason: "no", attempts: 9, spentMs: 9 },
        ] as const) {
          expect(await queue.settle(stale.lease, outcome)).toBe(false);
          expect(await store.figures()).toMatchObject({ due: 0, leased: 1, delayed: 0, dead: 0 });
        }
        expect(await queue.settle(fresh.lease, { kind: "returned", delayMs: 0 })).toBe(true);
        expect(only(await leaseFrom(queue))).toMatchObject({ job, attempts: 0, spentMs: 0 });
      });

      test("is settled once", async () => {
        for (const outcome of [
          { kind: "delivered" },
          { kind: "retry", delayMs: 60_000, spentMs: 7 },
          { kind: "returned", delayMs: 60_000 },
          { kind: "buried", reason: "no", attempts: 1, spentMs: 9 },
        ] as const) {
          await addMany(1, "1");
          const { lease } = only(await leaseFrom(queue));
          expect(await queue.settle(lease, outcome)).toBe(true);
          const figures = await store.figures();
          expect(await queue.settle(lease, outcome)).toBe(false);
          expect(await queue.settle(lease, { kind: "delivered" })).toBe(false);
          expect(await queue.renew([lease], 1_000)).toEqual([lease]);
          expect(await store.figures()).toEqual(figures);
        }
      });

      test("settled twice at the same time is settled once", async () => {
        await addMany(1, "1");
        const { lease } = only(await leaseFrom(queue));
        const answers = await Promise.all([
          queue.settle(lease, { kind: "delivered" }),
          queue.settle(lease, { kind: "buried", reason: "no", attempts: 1, spentMs: 1 }),
          queue.settle(lease, { kind: "retry", delayMs: 0, spentMs: 1 }),
        ]);
        expect(answers.filter(Boolean)).toHaveLength(1);
        const { due, leased, delayed, dead } = await store.figures();
        expect(due + leased + delayed + dead).toBe(answers[0] ? 0 : 1);
      });
    });

    describe("fairness", () => {
      /** So many leases of one job each, every one delivered at once. */
      async function deliver(turns: number): Promise<Job[]> {
        const delivered: Job[] = [];
        for (let i = 0; i < turns; i++) {
          for (const { lease, job } of await leaseFrom(queue, { max: 1 })) {
            delivered.push(job);
            await queue.settle(lease, { kind: "delivered" });
          }
        }
        return delivered;
      }

      test("lets the app with one job and the app with ten take their turns with the app that has ten thousand", async () => {
        await addMany(10_000, "huge");
        await addMany(10, "small");
        await addMany(1, "tiny");
        const apps = (await deliver(21)).map(({ appId }) => appId);
        expect(new Set(apps.slice(0, 3))).toEqual(new Set(["huge", "small", "tiny"]));
        expect(count(apps, "small")).toBe(10);
        expect(count(apps, "huge")).toBe(10);
        expect(count(apps.slice(0, 11), "small")).toBe(5);
      }, 60_000);

      test("shares one large lease between the apps, too", async () => {
        await addMany(500, "huge");
        await addMany(10, "small");
        await addMany(1, "tiny");
        const apps = (await leaseFrom(queue, { max: 21 })).map(({ job }) => job.appId);
        expect([count(apps, "huge"), count(apps, "small"), count(apps, "tiny")]).toEqual([
          10, 10, 1,
        ]);
      });

      test("goes on from lease to lease, of whatever size", async () => {
        for (const app of ["a", "b", "c", "d"]) await addMany(30, app);
        const apps: string[] = [];
        for (const max of [1, 2, 1, 3, 5, 1, 1, 6, 7, 2, 2, 9]) {
          apps.push(...(await leaseFrom(queue, { max })).map(({ job }) => job.appId));
          const counts = ["a", "b", "c", "d"].map((app) => count(apps, app));
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
      });

      test("gives an app no more turns for having more endpoints, and its endpoints take turns", async () => {
        for (const webhook of ["a", "b", "c"]) await addMany(40, "many", webhook);
        await addMany(40, "one");
        const delivered = await deliver(24);
        expect(
          count(
            delivered.map(({ appId }) => appId),
            "one",
          ),
        ).toBe(12);
        const webhooks = delivered.filter(({ appId }) => appId === "many");
        for (const webhook of ["a", "b", "c"])
          expect(
            count(
              webhooks.map(({ webhookId }) => webhookId),
              webhook,
            ),
          ).toBe(4);
      });

      test("gives the turn of an endpoint without room to another of its app", async () => {
        await addMany(40, "many", "full");
        await addMany(40, "many", "free");
        await addMany(40, "one");
        const leased = await leaseFrom(queue, {
          max: 10,
          room: (endpointId) => (endpointId === "many/full" ? 1 : 100),
        });
        const endpoints = leased.map(({ job }) => `${job.appId}/${job.webhookId}`);
        expect(count(endpoints, "many/full")).toBe(1);
        expect(count(endpoints, "many/free")).toBe(4);
        expect(count(endpoints, "one/w")).toBe(5);
      });

      test("lets an app that comes late have its turn at once, and no more than its turn", async () => {
        await addMany(100, "old");
        await deliver(40);
        await addMany(100, "new");
        const apps = (await deliver(20)).map(({ appId }) => appId);
        expect(apps.slice(0, 2)).toContain("new");
        expect(count(apps, "new")).toBe(10);
      });
    });

    describe("outcomes", () => {
      test("delivered: the job is gone", async () => {
        await addMany(1, "1");
        const { lease } = only(await leaseFrom(queue));
        expect(await queue.settle(lease, { kind: "delivered" })).toBe(true);
        clock.advance(HOUR_MS);
        expect(await leaseFrom(queue)).toEqual([]);
        expect(await desk.endpoints()).toEqual([]);
      });

      test("retry: due after the delay and not before, one attempt more, and what was spent replaced", async () => {
        const [job] = await addMany(1, "1");
        const startedAtMs = clock.now();
        const first = only(await leaseFrom(queue));
        clock.advance(300);
        await queue.settle(first.lease, { kind: "retry", delayMs: 5_000, spentMs: 300 });
        clock.advance(4_999);
        expect(await leaseFrom(queue)).toEqual([]);
        clock.advance(1);
        await noticed();
        const second = only(await leaseFrom(queue));
        expect(second).toMatchObject({ job, attempts: 1, spentMs: 300 });
        expect(second.firstAttemptAtMs).toBeGreaterThanOrEqual(startedAtMs);
        expect(second.firstAttemptAtMs).toBeLessThanOrEqual(startedAtMs + 300);

        clock.advance(2_000);
        await queue.settle(second.lease, { kind: "retry", delayMs: 0, spentMs: 7_300 });
        expect(only(await leaseFrom(queue))).toMatchObject({
          job,
          attempts: 2,
          spentMs: 7_300,
          firstAttemptAtMs: second.firstAttemptAtMs,
        });
      });

      test("returned: due after the delay, as if it had never been leased", async () => {
        const [job] = await addMany(1, "1");
        const first = only(await leaseFrom(queue));
        await queue.settle(first.lease, { kind: "returned", delayMs: 1_000 });
        clock.advance(999);
        expect(await leaseFrom(queue)).toEqual([]);
        clock.advance(1);
        await noticed();
        const second = only(await leaseFrom(queue));
        expect(second).toEqual({ ...first, lease: second.lease, job: job! });

        await queue.settle(second.lease, { kind: "retry", delayMs: 0, spentMs: 40 });
        const third = only(await leaseFrom(queue));
        await queue.settle(third.lease, { kind: "returned", delayMs: 0 });
        const fourth = only(await leaseFrom(queue));
        expect(fourth).toEqual({ ...third, lease: fourth.lease });
        expect(fourth).toMatchObject({ attempts: 1, spentMs: 40 });
      });

      test("a job that was due later is leased behind those that were due sooner", async () => {
        const late = await addDelayed(2_000);
        const sooner = await addDelayed(1_000);
        clock.advance(1_500);
        const [between] = await addMany(1, "1");
        clock.advance(1_000);
        await noticed();
        const [last] = await addMany(1, "1");
        expect(ids(await leaseFrom(queue))).toEqual([sooner.id, between!.id, late.id, last!.id]);
      });

      test("hundreds that are due later come in the order of their times", async () => {
        await addMany(400, "1");
        const leased = await leaseFrom(queue);
        const delays = leased.map((_, i) => 1_000 + ((i * 7_919) % 401) * 10);
        await Promise.all(
          leased.map(({ lease }, i) =>
            queue.settle(lease, { kind: "retry", delayMs: delays[i]!, spentMs: 0 }),
          ),
        );
        const inOrder = ids(leased.toSorted((a, b) => delayOf(a) - delayOf(b)));
        function delayOf(one: LeasedJob): number {
          return delays[leased.indexOf(one)]!;
        }
        const seen: string[] = [];
        for (let i = 0; i < 12; i++) {
          await noticed();
          clock.advance(450);
          await noticed();
          seen.push(...ids(await leaseFrom(queue, { leaseMs: HOUR_MS })));
        }
        expect(seen).toEqual(inOrder);
      });

      test("buried: the job is a dead letter and is leased no more", async () => {
        const [job] = await addMany(1, "1");
        const { lease } = only(await leaseFrom(queue));
        clock.advance(20);
        await queue.settle(lease, { kind: "buried", reason: "gave up", attempts: 5, spentMs: 99 });
        expect(await desk.deadLetters({}, 10)).toEqual([
          { job: job!, reason: "gave up", attempts: 5, buriedAtMs: clock.now() },
        ]);
        clock.advance(HOUR_MS);
        expect(await leaseFrom(queue)).toEqual([]);
      });

      test("are settled apart when many are settled at once", async () => {
        const jobs = await addMany(60, "1");
        const leased = await leaseFrom(queue);
        const answers = await Promise.all(
          leased.map(({ lease }, i) => {
            if (i % 3 === 0) return queue.settle(lease, { kind: "delivered" });
            if (i % 3 === 1)
              return queue.settle(lease, { kind: "retry", delayMs: 1_000, spentMs: i });
            return queue.settle(lease, { kind: "buried", reason: `${i}`, attempts: i, spentMs: i });
          }),
        );
        expect(answers).toEqual(leased.map(() => true));
        expect(await store.figures()).toMatchObject({ due: 0, leased: 0, delayed: 20, dead: 20 });
        clock.advance(1_000);
        const retried = await leaseFrom(queue);
        expect(new Map(retried.map(({ job, spentMs }) => [job.id, spentMs]))).toEqual(
          new Map(jobs.flatMap(({ id }, i) => (i % 3 === 1 ? [[id, i] as const] : []))),
        );
        for (const { job, reason } of await desk.deadLetters({}, 100))
          expect(job).toEqual(jobs[Number(reason)]!);
      });
    });

    describe("expiring", () => {
      test("buries the due jobs of the endpoint that waited longer than their own window, and tells how many", async () => {
        const jobs = [
          testJob({ retryWindowMs: 1_000 }),
          testJob({ retryWindowMs: 60_000 }),
          testJob({ retryWindowMs: 2_000 }),
          testJob({ retryWindowMs: 1_000, webhookId: "other" }),
          testJob({ retryWindowMs: 1_000, appId: "2" }),
        ];
        await add(...jobs);
        const sinceMs = clock.now();
        clock.advance(1_000);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(0);
        clock.advance(1);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(1);
        clock.advance(5_000);
        expect(await queue.expire("1/w", sinceMs, "still down")).toBe(1);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(0);
        expect(await desk.deadLetters({}, 10)).toEqual([
          { job: jobs[2]!, reason: "still down", attempts: 0, buriedAtMs: clock.now() },
          { job: jobs[0]!, reason: "down", attempts: 0, buriedAtMs: clock.now() - 5_000 },
        ]);
        expect(ids(await leaseFrom(queue)).toSorted()).toEqual(
          jobIds([jobs[1]!, jobs[3]!, jobs[4]!]).toSorted(),
        );
      });

      test("counts from the job's making where that is later", async () => {
        const sinceMs = clock.now();
        clock.advance(10_000);
        await add(testJob({ retryWindowMs: 1_000, createdAtMs: clock.now() }));
        clock.advance(1_000);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(0);
        clock.advance(1);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(1);
      });

      test("counts from the moment given where that is later, however old the job is", async () => {
        await add(testJob({ retryWindowMs: 1_000, createdAtMs: clock.now() - HOUR_MS }));
        const sinceMs = clock.now();
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(0);
        clock.advance(1_001);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(1);
      });

      test("leaves alone what is leased and what is delayed", async () => {
        const sinceMs = clock.now();
        await addDelayed(30_000, testJob({ retryWindowMs: 1_000 }));
        await add(testJob({ retryWindowMs: 1_000 }));
        const { lease } = only(await leaseFrom(queue, { leaseMs: 20_000 }));
        clock.advance(10_000);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(0);
        expect(await queue.settle(lease, { kind: "returned", delayMs: 0 })).toBe(true);
        await noticed();
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(1);
        clock.advance(20_000);
        await noticed();
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(1);
        const [retried] = await desk.deadLetters({}, 1);
        expect(retried!.attempts).toBe(1);
      });

      test("gives a replayed job its whole window again, from the replay on", async () => {
        const sinceMs = clock.now();
        await add(testJob({ retryWindowMs: 1_000 }));
        clock.advance(5_000);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(1);
        clock.advance(5_000);
        expect(await desk.replay({})).toBe(1);
        clock.advance(1_000);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(0);
        clock.advance(1);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(1);
      });
    });

    describe("pausing", () => {
      test("keeps the endpoint's jobs from being leased, those that come later as well, and nobody else's", async () => {
        await addMany(2, "1", "a");
        await queue.pause("1/a", "410");
        await addMany(2, "1", "a");
        const free = [...(await addMany(1, "1", "b")), ...(await addMany(1, "2", "a"))];
        expect(ids(await leaseFrom(queue)).toSorted()).toEqual(jobIds(free).toSorted());
        clock.advance(HOUR_MS);
        await noticed();
        const again = await leaseFrom(queue);
        expect(ids(again).toSorted()).toEqual(jobIds(free).toSorted());
      });

      test("lets go of nothing: resumed, the jobs come in the order in which they were due", async () => {
        const delayed = await addDelayed(1_000);
        const first = await addMany(3, "1");
        await queue.pause("1/w", "410");
        const more = await addMany(2, "1");
        clock.advance(2_000);
        const last = await addMany(1, "1");
        expect(await leaseFrom(queue)).toEqual([]);
        expect(await desk.resume("1/w")).toBe(true);
        await noticed();
        expect(ids(await leaseFrom(queue))).toEqual(jobIds([...first, ...more, delayed, ...last]));
      });

      test("does not take a lease away", async () => {
        await addMany(3, "1");
        const [a, b, c] = await leaseFrom(queue);
        await queue.pause("1/w", "410");
        expect(await queue.renew([a!.lease], LEASE_MS)).toEqual([]);
        expect(await queue.settle(a!.lease, { kind: "delivered" })).toBe(true);
        expect(await queue.settle(b!.lease, { kind: "retry", delayMs: 0, spentMs: 1 })).toBe(true);
        expect(await queue.settle(c!.lease, { kind: "returned", delayMs: 0 })).toBe(true);
        expect(await leaseFrom(queue)).toEqual([]);
        await desk.resume("1/w");
        await noticed();
        expect(await leaseFrom(queue)).toHaveLength(2);
      });
    });

    describe("a job that cannot be read", () => {
      const good = testJob();
      const without = (field: keyof Job) => JSON.stringify({ ...good, [field]: undefined });
      test.each([
        ["no JSON", '{"version":1,', "JSON"],
        ["empty", "", "JSON"],
        ["no object", "[]", "version"],
        ["without a body", without("body"), "body"],
        ["without a url", without("url"), "url"],
        ["without headers", without("headers"), "headers"],
        ["without a window", without("retryWindowMs"), "retryWindowMs"],
        ["with the method GET", JSON.stringify({ ...good, method: "GET" }), "method"],
        ["with an ftp URL", JSON.stringify({ ...good, url: "ftp://example.com/" }), "url"],
      ])("%s, is buried with the reason and blocks nobody", async (_what, json, reason) => {
        const before = await addMany(1, "1");
        await store.putRaw([{ ...BAD, json }]);
        const after = await addMany(2, "1");
        const other = await addMany(1, "2");
        expect(ids(await leaseFrom(queue)).toSorted()).toEqual(
          jobIds([...before, ...after, ...other]).toSorted(),
        );
        const letter = only(await desk.deadLetters({}, 10));
        expect(letter.reason).toContain(reason);
        expect(letter.job).toMatchObject({ appId: "1", webhookId: "w" });
        expect(letter).toMatchObject({ attempts: 0, buriedAtMs: clock.now() });
        expect(await store.figures()).toMatchObject({ due: 0, leased: 4, dead: 1 });
      });

      test("takes no other job's place in a lease, and no room", async () => {
        await store.putRaw(Array.from({ length: 5 }, (_, i) => ({ ...BAD, id: `bad_${i}` })));
        const [job] = await addMany(1, "1");
        expect(ids(await leaseFrom(queue, { max: 1, room: 1 }))).toEqual([job!.id]);
        expect(await desk.deadLetters({}, 10)).toHaveLength(5);
      });

      test("is buried again when it is replayed, and again blocks nobody", async () => {
        await store.putRaw([BAD]);
        expect(await leaseFrom(queue)).toEqual([]);
        const { job: bad } = only(await desk.deadLetters({}, 10));
        expect(await desk.replay({ jobId: bad.id })).toBe(1);
        const [job] = await addMany(1, "1");
        expect(ids(await leaseFrom(queue))).toEqual([job!.id]);
        expect(only(await desk.deadLetters({}, 10)).reason).toContain("JSON");
      });
    });

    describe("a job of a newer version", () => {
      async function putNewer(id: string, webhookId = "w"): Promise<void> {
        const json = JSON.stringify({ version: NEWER, id, appId: "1", webhookId, what: "new" });
        await store.putRaw([{ version: NEWER, id, appId: "1", webhookId, json }]);
      }

      test("is left alone and waits, hindering nobody", async () => {
        for (let i = 0; i < 30; i++) await putNewer(`newer_${i}`);
        const jobs = [...(await addMany(2, "1")), ...(await addMany(1, "2"))];
        expect(ids(await leaseFrom(queue, { max: 3, room: 2 })).toSorted()).toEqual(
          jobIds(jobs).toSorted(),
        );
        for (let i = 0; i < 5; i++) {
          expect(await leaseFrom(queue, { max: 3 })).toEqual([]);
          clock.advance(1_000);
        }
        expect(await store.figures()).toMatchObject({
          due: 30,
          leased: 3,
          delayed: 0,
          dead: 0,
          oldestDueMs: 5_000,
        });
      });

      test("is never expired, and its id is not added again", async () => {
        await putNewer("newer");
        const sinceMs = clock.now();
        clock.advance(100 * HOUR_MS);
        expect(await queue.expire("1/w", sinceMs, "down")).toBe(0);
        expect(await desk.add(testJob({ id: "newer" }))).toBe(false);
        expect(await store.figures()).toMatchObject({ due: 1, dead: 0 });
      });

      test("costs no turn: an app with nothing else is passed over", async () => {
        for (let i = 0; i < 3; i++) await putNewer(`newer_${i}`, `w${i}`);
        await addMany(6, "2");
        for (let i = 0; i < 6; i++) expect(await leaseFrom(queue, { max: 1 })).toHaveLength(1);
      });
    });

    describe("a wall clock that jumps", () => {
      test.each([-HOUR_MS, -24 * HOUR_MS])("by %d ms makes no delayed job late", async (jumpMs) => {
        const job = await addDelayed(20_000);
        clock.advance(5_000);
        clock.jumpWall(jumpMs);
        expect(ids(await leaseWithin(15_000 + GRACE_MS))).toEqual([job.id]);
      });

      test("back lets a lease end no later", async () => {
        const [job] = await addMany(1, "1");
        await leaseFrom(queue, { leaseMs: 20_000 });
        clock.advance(5_000);
        clock.jumpWall(-HOUR_MS);
        expect(ids(await leaseWithin(15_000 + GRACE_MS))).toEqual([job!.id]);
      });

      test("back keeps nothing waiting that was due, and nothing that comes after", async () => {
        const before = await addMany(1, "1");
        clock.jumpWall(-HOUR_MS);
        const after = await addMany(1, "1");
        const seen = ids(await leaseWithin(GRACE_MS));
        seen.push(...ids(await leaseWithin(seen.length < 2 ? GRACE_MS : 0)));
        expect(seen.toSorted()).toEqual(jobIds([...before, ...after]).toSorted());
      });

      test("back, and back again, and forth makes nothing late", async () => {
        const job = await addDelayed(30_000);
        for (const jumpMs of [-HOUR_MS, -HOUR_MS, 3 * HOUR_MS, -2 * HOUR_MS]) {
          clock.advance(3_000);
          clock.jumpWall(jumpMs);
          const early = await leaseFrom(queue);
          for (const { lease } of early)
            await queue.settle(lease, { kind: "returned", delayMs: 0 });
        }
        expect(ids(await leaseWithin(18_000 + GRACE_MS))).toEqual([job.id]);
      });

      test("forth loses nothing: what was leased is settled, or is leased again", async () => {
        const delayed = await addDelayed(20_000);
        const jobs = await addMany(10, "1");
        const leased = await leaseFrom(queue);
        clock.jumpWall(HOUR_MS);
        const gone = new Set<string>();
        for (const { lease, job } of leased)
          if (await queue.settle(lease, { kind: "delivered" })) gone.add(job.id);
        for (let waitedMs = 0; waitedMs <= 20_000 + GRACE_MS; waitedMs += 1_000) {
          for (const { lease, job } of await leaseFrom(queue)) {
            expect(gone).not.toContain(job.id);
            expect(await queue.settle(lease, { kind: "delivered" })).toBe(true);
            gone.add(job.id);
          }
          clock.advance(1_000);
        }
        expect(gone).toEqual(new Set(jobIds([...jobs, delayed])));
      });

      test("makes no age negative", async () => {
        await addMany(1, "1");
        clock.jumpWall(-HOUR_MS);
        expect((await store.figures()).oldestDueMs).toBeGreaterThanOrEqual(0);
      });
    });

    describe("strange texts", () => {
      test("in ids, urls, headers and bodies come back as they were", async () => {
        const jobs = STRANGE.flatMap((text, i) => [
          testJob({ id: `id ${text}`, appId: `app ${text}`, webhookId: `hook ${text}` }),
          testJob({
            url: `https://example.com/${text}`,
            headers: { "x-a": text, [`x-${i}`]: text },
            body: text,
            events: [text],
          }),
        ]);
        await add(...jobs);
        const found = new Map((await leaseFrom(queue)).map((leased) => [leased.job.id, leased]));
        expect(found.size).toBe(jobs.length);
        for (const job of jobs) {
          const { lease, job: came } = found.get(job.id)!;
          expect(came).toEqual(job);
          await queue.settle(lease, { kind: "buried", reason: job.body, attempts: 1, spentMs: 1 });
        }
        for (const { job, reason } of await desk.deadLetters({}, 100)) {
          expect(job).toEqual(jobs.find(({ id }) => id === job.id)!);
          expect(reason).toBe(job.body);
        }
      });

      test("keep endpoints apart, and pauses with them", async () => {
        for (const text of STRANGE)
          await add(testJob({ appId: `a${text}`, webhookId: `w${text}` }));
        for (const text of STRANGE) {
          await queue.pause(`a${text}/w${text}`, text);
          const leased = await leaseFrom(queue);
          expect(leased.map(({ job }) => job.appId)).not.toContain(`a${text}`);
          for (const { lease } of leased)
            await queue.settle(lease, { kind: "returned", delayMs: 0 });
        }
        expect(await leaseFrom(queue)).toEqual([]);
        const reasons = (await desk.endpoints()).map(({ appId, webhookId, paused }) => [
          appId,
          webhookId,
          paused?.reason,
        ]);
        expect(reasons.toSorted()).toEqual(
          STRANGE.map((text) => [`a${text}`, `w${text}`, text]).toSorted(),
        );
        for (const text of STRANGE) expect(await desk.resume(`a${text}/w${text}`)).toBe(true);
        await noticed();
        expect(await leaseFrom(queue)).toHaveLength(STRANGE.length);
      });

      test("a body of a megabyte, and a body with half a character", async () => {
        const large = testJob({ body: "ü😀\u0000\"'".repeat(170_000) });
        const half = testJob({ body: "a\ud800b" });
        await add(large, half);
        const [first, second] = await leaseFrom(queue);
        expect(first!.job.body === large.body).toBe(true);
        expect(["a\ud800b", "a\ufffdb"]).toContain(second!.job.body);
      });
    });

    describe("hints", () => {
      test("come after a job was added, an endpoint resumed, a dead letter replayed; and none once they are not wanted", async () => {
        let hints = 0;
        const end = queue.onDue(() => hints++);
        const hinted = async (act: () => Promise<unknown>) => {
          hints = 0;
          await act();
          await store.flush();
          return hints > 0;
        };
        expect(await hinted(() => add(testJob()))).toBe(true);
        await queue.pause("1/w", "410");
        expect(await hinted(() => desk.resume("1/w"))).toBe(true);
        await noticed();
        const { lease } = only(await leaseFrom(queue));
        await queue.settle(lease, { kind: "buried", reason: "no", attempts: 1, spentMs: 1 });
        expect(await hinted(() => desk.replay({}))).toBe(true);
        end();
        expect(await hinted(() => add(testJob()))).toBe(false);
      });

      test("are given to every listener, and one that ended twice ends no other", async () => {
        const heard: string[] = [];
        const end = queue.onDue(() => heard.push("a"));
        queue.onDue(() => heard.push("b"));
        end();
        end();
        await add(testJob());
        await store.flush();
        expect(new Set(heard)).toEqual(new Set(["b"]));
      });
    });
  });

  describeJobSharing(name, engine);
  describeJobQueueModel(name, engine);
}

function jobIds(jobs: readonly Job[]): string[] {
  return jobs.map(({ id }) => id);
}

function tally(texts: readonly string[]): Map<string, number> {
  return new Map(texts.map((text) => [text, count(texts, text)]));
}

function count(texts: readonly string[], text: string): number {
  return texts.filter((other) => other === text).length;
}
