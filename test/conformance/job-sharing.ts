import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { JobOutcome, LeasedJob } from "../../src/sender/ports/job-queue.ts";
import { FakeClock } from "../support/fake-clock.ts";
import {
  clockOfAnotherProcess,
  ids,
  leaseFrom,
  notice,
  only,
  testJob,
  type JobStoreEngine,
  type JobStoreHandles,
  type JobStoreUnderTest,
} from "./job-store.ts";

const HOUR_MS = 3_600_000;

/** What holds of a queue when several use it at once, and when those who use it die. */
export function describeJobSharing(name: string, engine: JobStoreEngine): void {
  let clock: FakeClock;
  let store: JobStoreUnderTest;

  async function start(): Promise<void> {
    clock = new FakeClock();
    store = await engine.make({ clock });
  }

  /** The store as two use it: two processes, or the one that there is, twice. */
  async function both(): Promise<[JobStoreHandles, JobStoreHandles]> {
    return [store, (await store.second?.(clockOfAnotherProcess(clock))) ?? store];
  }

  async function addMany(count: number, to: JobStoreHandles = store): Promise<string[]> {
    const jobs = Array.from({ length: count }, (_, i) =>
      testJob({ appId: `${i % 3}`, webhookId: `w${i % 2}`, createdAtMs: clock.now() }),
    );
    expect(await Promise.all(jobs.map((job) => to.desk.add(job)))).toEqual(jobs.map(() => true));
    return jobs.map(({ id }) => id);
  }

  describe(`${name} under callers that race`, () => {
    beforeEach(start);
    afterEach(() => store.close());

    test("hands no job out twice to those who lease at the same time", async () => {
      const added = await addMany(300);
      const [a, b] = await both();
      const leases = await Promise.all(
        Array.from({ length: 40 }, (_, i) => leaseFrom((i % 2 === 0 ? a : b).queue, { max: 10 })),
      );
      const seen = leases.flatMap(ids);
      expect(seen.toSorted()).toEqual(added.toSorted());
    });

    test("adds a job once when it is added at the same time", async () => {
      const [a, b] = await both();
      const job = testJob();
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? a : b).desk.add(job)),
      );
      expect(answers.filter(Boolean)).toHaveLength(1);
      expect((await store.figures()).due).toBe(1);
    });
  });

  const step = fc.oneof(
    fc.record({ kind: fc.constant("lease" as const), by: fc.nat(1), max: fc.nat(6) }),
    fc.record({
      kind: fc.constant("settle" as const),
      by: fc.nat(1),
      which: fc.nat(),
      how: fc.nat(3),
    }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(1_500) }),
    fc.record({ kind: fc.constant("add" as const), by: fc.nat(1) }),
  );

  test(`${name} gives no job to two at once and loses none, however the calls of two interleave`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 12 }),
        async (rounds) => {
          await start();
          try {
            const handles = await both();
            const added = new Set<string>();
            const gone = new Set<string>();
            const held: Held[] = [];
            const underWay = new Set<Held>();

            const lease = async (by: number, max: number): Promise<void> => {
              const askedAtMs = clock.now();
              for (const found of await leaseFrom(handles[by]!.queue, { max, leaseMs: 1_000 })) {
                expect(added).toContain(found.job.id);
                expect(gone).not.toContain(found.job.id);
                for (const other of held) {
                  if (other.found.job.id !== found.job.id || other.isOver) continue;
                  expect(other.untilMs).toBeLessThanOrEqual(clock.now());
                  other.isOver = true;
                }
                held.push({ found, by, untilMs: askedAtMs + 1_000, isOver: false });
              }
            };
            const settle = async (which: number, how: number): Promise<void> => {
              const one = held[which % held.length];
              if (one === undefined) return;
              if (underWay.has(one)) return;
              underWay.add(one);
              const { isOver } = one;
              one.isOver = true;
              const outcome = OUTCOMES[how]!;
              const counted = await handles[one.by]!.queue.settle(one.found.lease, outcome);
              if (isOver) expect(counted).toBe(false);
              if (counted && (outcome.kind === "delivered" || outcome.kind === "buried"))
                gone.add(one.found.job.id);
            };

            added.add(only(await addMany(1)));
            for (const round of rounds) {
              // All calls of a round are under way together; time passes between the rounds.
              await Promise.all(
                round.map(async (one) => {
                  if (one.kind === "add")
                    for (const id of await addMany(1, handles[one.by])) added.add(id);
                }),
              );
              await Promise.all(
                round.map((one) => (one.kind === "lease" ? lease(one.by, one.max) : undefined)),
              );
              underWay.clear();
              await Promise.all(
                round.map((one) =>
                  one.kind === "settle" ? settle(one.which, one.how) : undefined,
                ),
              );
              for (const one of round) if (one.kind === "wait") clock.advance(one.ms);
            }

            clock.advance(5_000);
            const rest = [];
            for (const { queue } of handles) rest.push(...ids(await leaseFrom(queue)));
            expect([...rest, ...gone].toSorted()).toEqual([...added].toSorted());
          } finally {
            await store.close();
          }
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);

  describe.skipIf(engine.whyAlone !== undefined)(
    `${name} between two processes${because(engine.whyAlone)}`,
    () => {
      let a: JobStoreHandles;
      let b: JobStoreHandles;
      beforeEach(async () => {
        await start();
        [a, b] = await both();
      });
      afterEach(() => store.close());

      test("what one adds the other leases, and neither what the other has", async () => {
        const added = await addMany(7, a);
        const first = ids(await leaseFrom(b.queue, { max: 3 }));
        const second = ids(await leaseFrom(a.queue));
        expect([...first, ...second].toSorted()).toEqual(added.toSorted());
        expect(await leaseFrom(b.queue)).toEqual([]);
      });

      test("a lease that ended goes to the other, and the first one's settling is false", async () => {
        await addMany(1, a);
        const lost = only(await leaseFrom(a.queue, { leaseMs: 1_000 }));
        clock.advance(1_000);
        const taken = only(await leaseFrom(b.queue));
        expect(await a.queue.renew([lost.lease], 1_000)).toEqual([lost.lease]);
        expect(await a.queue.settle(lost.lease, { kind: "delivered" })).toBe(false);
        expect(await b.queue.settle(taken.lease, { kind: "delivered" })).toBe(true);
      });

      test("a pause by one stops the other, and either resumes it", async () => {
        const added = await addMany(1, a);
        await a.queue.pause("0/w0", "410");
        expect(await leaseFrom(b.queue)).toEqual([]);
        expect(await b.desk.endpoints()).toMatchObject([{ paused: { reason: "410" } }]);
        expect(await b.desk.resume("0/w0")).toBe(true);
        expect(await a.desk.resume("0/w0")).toBe(false);
        await notice(clock, a.queue, engine.latenessMs);
        expect(ids(await leaseFrom(a.queue))).toEqual(added);
      });

      test("both see the same figures, endpoints, dead letters and attempts", async () => {
        await addMany(6, a);
        const [first, second] = await leaseFrom(a.queue, { max: 2 });
        await a.queue.settle(first!.lease, {
          kind: "buried",
          reason: "no",
          attempts: 1,
          spentMs: 1,
        });
        await a.queue.settle(second!.lease, { kind: "retry", delayMs: 9_000, spentMs: 1 });
        await leaseFrom(b.queue, { max: 1 });
        clock.advance(engine.latenessMs);
        for (const { desk } of [a, b])
          expect(await desk.figures()).toMatchObject({ due: 3, leased: 1, delayed: 1, dead: 1 });
        const sorted = async ({ desk }: JobStoreHandles) =>
          (await desk.endpoints()).map((load) => JSON.stringify(load)).toSorted();
        expect(await sorted(a)).toEqual(await sorted(b));
        expect(await a.desk.deadLetters({}, 9)).toEqual(await b.desk.deadLetters({}, 9));
        expect(await b.desk.replay({})).toBe(1);
        expect(await a.desk.deadLetters({}, 9)).toEqual([]);
      });
    },
  );

  describe.skipIf(engine.whyForgetful !== undefined)(
    `${name} opened again${because(engine.whyForgetful)}`,
    () => {
      beforeEach(start);
      afterEach(() => store.close());

      /** The machine may have started anew: the clock knows the wall, and nothing of the time before. */
      async function reopen(): Promise<{ next: JobStoreHandles; nextClock: FakeClock }> {
        const nextClock = new FakeClock(clock.now(), 50);
        if (store.reopen === undefined) throw new Error("An engine that lasts must tell how.");
        return { next: await store.reopen(nextClock), nextClock };
      }

      test("has every job that was added, in order", async () => {
        const jobs = Array.from({ length: 50 }, () => testJob());
        await Promise.all(jobs.map((job) => store.desk.add(job)));
        const { next } = await reopen();
        expect((await leaseFrom(next.queue)).map(({ job }) => job)).toEqual(jobs);
      });

      test("has the jobs of the dead at their leases' end, not sooner, and their attempts as they were", async () => {
        await addMany(1);
        await store.queue.settle(only(await leaseFrom(store.queue)).lease, {
          kind: "retry",
          delayMs: 0,
          spentMs: 40,
        });
        const lost = only(await leaseFrom(store.queue, { leaseMs: 8_000 }));
        clock.advance(3_000);
        const { next, nextClock } = await reopen();
        expect(await leaseFrom(next.queue)).toEqual([]);
        nextClock.advance(4_999);
        expect(await leaseFrom(next.queue)).toEqual([]);
        nextClock.advance(1);
        await notice(nextClock, next.queue, engine.latenessMs);
        const again = only(await leaseFrom(next.queue));
        expect(again).toEqual({ ...lost, lease: again.lease });
        expect(await next.queue.settle(lost.lease, { kind: "delivered" })).toBe(false);
      });

      test("has forgotten no outcome that a settle answered for", async () => {
        await addMany(40);
        const leased = await leaseFrom(store.queue);
        await Promise.all(
          leased.map(({ lease }, i) => store.queue.settle(lease, OUTCOMES[i % 4]!)),
        );
        const { next, nextClock } = await reopen();
        expect(await next.desk.figures()).toMatchObject({ leased: 0, dead: 10 });
        nextClock.advance(2_000);
        const again = await leaseFrom(next.queue);
        expect(ids(again).toSorted()).toEqual(
          ids(leased.filter((_, i) => i % 4 === 1 || i % 4 === 2)).toSorted(),
        );
        for (const { job, attempts } of again)
          expect(attempts).toBe(ids(leased).indexOf(job.id) % 4 === 1 ? 1 : 0);
      });

      test("has its pauses, its dead letters and the attempts that were flushed", async () => {
        await addMany(2);
        await store.queue.pause("0/w0", "410");
        const { lease } = only(await leaseFrom(store.queue));
        await store.queue.settle(lease, { kind: "buried", reason: "no", attempts: 3, spentMs: 1 });
        await store.flush();
        const letters = await store.desk.deadLetters({}, 9);
        const { next, nextClock } = await reopen();
        expect(await leaseFrom(next.queue)).toEqual([]);
        expect(await next.desk.figures()).toMatchObject({ dead: 1, pausedEndpoints: 1 });
        expect(await next.desk.deadLetters({}, 9)).toEqual(letters);
        expect(await next.desk.replay({})).toBe(1);
        expect(await next.desk.resume("0/w0")).toBe(true);
        await notice(nextClock, next.queue, engine.latenessMs);
        expect(await leaseFrom(next.queue)).toHaveLength(2);
      });

      test("is not late by the hour that the wall clock was set back meanwhile", async () => {
        await addMany(2);
        const [failed] = await leaseFrom(store.queue, { max: 1 });
        await store.queue.settle(failed!.lease, { kind: "retry", delayMs: 10_000, spentMs: 1 });
        await leaseFrom(store.queue, { leaseMs: 10_000 });
        clock.jumpWall(-HOUR_MS);
        const { next, nextClock } = await reopen();
        const seen: string[] = [];
        for (let waitedMs = 0; waitedMs <= 15_000; waitedMs += 500) {
          seen.push(...ids(await leaseFrom(next.queue)));
          nextClock.advance(500);
        }
        expect(new Set(seen).size).toBe(2);
      });
    },
  );
}

interface Held {
  readonly found: LeasedJob;
  /** The process that has it. */
  readonly by: number;
  readonly untilMs: number;
  /** Settled, or with somebody else by now. */
  isOver: boolean;
}

const OUTCOMES: readonly JobOutcome[] = [
  { kind: "delivered" },
  { kind: "retry", delayMs: 700, spentMs: 5 },
  { kind: "returned", delayMs: 0 },
  { kind: "buried", reason: "no", attempts: 2, spentMs: 9 },
];

function because(reason: string | undefined): string {
  return reason === undefined ? "" : ` (not tested: ${reason})`;
}
