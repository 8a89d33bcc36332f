import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  backlogSeconds,
  blockedEndpoints,
  sendersBusy,
  sendersByVersion,
} from "../../src/sender/backlog.ts";
import { FullLoadRate, guessedRate } from "../../src/sender/full-load-rate.ts";
import type { SenderReport } from "../../src/sender/ports/fleet.ts";
import { Workload } from "../../src/sender/workload.ts";
import { MemoryFleet } from "../../src/stores/memory/fleet.ts";
import { MemoryJobDesk } from "../../src/stores/memory/job-desk.ts";
import { MemoryJobQueue } from "../../src/stores/memory/job-queue.ts";
import { MemoryJobs } from "../../src/stores/memory/jobs.ts";
import { leaseFrom, testJob } from "../conformance/job-store.ts";
import { FakeClock } from "../support/fake-clock.ts";

const endpoint = fc.constantFrom("1/a", "1/b", "2/a", "2/b");
const report: fc.Arbitrary<SenderReport> = fc.record({
  senderId: fc.uuid(),
  version: fc.constantFrom("1", "2"),
  slots: fc.integer({ min: 1, max: 500 }),
  utilisation: fc.double({ min: 0, max: 1, noNaN: true }),
  fullRate: fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
  isMeasured: fc.boolean(),
  blockedEndpoints: fc.uniqueArray(endpoint),
});
const reports = fc.array(report, { maxLength: 15 });
const due = fc.nat(1_000_000);

describe("the backlog", () => {
  test("is a finite number, nothing for nothing, and grows in step with what is due", () => {
    fc.assert(
      fc.property(due, reports, (jobs, senders) => {
        const one = backlogSeconds(jobs, senders);
        expect(Number.isFinite(one)).toBe(true);
        expect(one).toBeGreaterThanOrEqual(0);
        expect(backlogSeconds(0, senders)).toBe(0);
        expect(backlogSeconds(jobs + 1, senders)).toBeGreaterThan(one);
        expect(backlogSeconds(2 * jobs, senders)).toBeCloseTo(2 * one, 6);
      }),
    );
  });

  test("does not depend on how many senders there are, as long as they are alike", () => {
    fc.assert(
      fc.property(due, report, fc.integer({ min: 1, max: 15 }), (jobs, like, senders) => {
        const fleet = Array.from({ length: senders }, (_, i) => ({ ...like, senderId: `${i}` }));
        const alone = backlogSeconds(jobs, [like]);
        expect(backlogSeconds(jobs, fleet)).toBeCloseTo(
          alone,
          6 - Math.ceil(Math.log10(alone + 1)),
        );
      }),
    );
  });

  test("lies between what the slowest and the fastest of those who measured would need", () => {
    fc.assert(
      fc.property(due, reports, (jobs, senders) => {
        const measured = senders.filter(({ isMeasured }) => isMeasured);
        fc.pre(measured.length > 0);
        const needs = measured.map(({ fullRate }) => jobs / fullRate);
        const seconds = backlogSeconds(jobs, senders);
        expect(seconds).toBeGreaterThanOrEqual(Math.min(...needs) * 0.999_999);
        expect(seconds).toBeLessThanOrEqual(Math.max(...needs) * 1.000_001);
      }),
    );
  });

  test("takes nobody's guess where somebody has measured", () => {
    fc.assert(
      fc.property(due, reports, report, (jobs, senders, other) => {
        const measured = senders.map((sender) => ({ ...sender, isMeasured: true }));
        fc.pre(measured.length > 0);
        const guess = { ...other, isMeasured: false };
        expect(backlogSeconds(jobs, [...measured, guess])).toBe(backlogSeconds(jobs, measured));
      }),
    );
  });

  test("without any sender is that of one with a quarter of a CPU", () => {
    expect(backlogSeconds(3_000, [])).toBe(3_000 / guessedRate(0.25));
  });
});

describe("the senders that are busy", () => {
  test("are never more than there are, and add up", () => {
    fc.assert(
      fc.property(reports, reports, (some, others) => {
        const busy = sendersBusy(some);
        expect(busy).toBeGreaterThanOrEqual(0);
        expect(busy).toBeLessThanOrEqual(some.length);
        expect(sendersBusy([...some, ...others])).toBeCloseTo(busy + sendersBusy(others), 9);
      }),
    );
  });

  test("are counted by version, each once", () => {
    fc.assert(
      fc.property(reports, (all) => {
        const counts = sendersByVersion(all);
        expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(all.length);
        for (const [version, count] of counts)
          expect(count).toBe(all.filter((each) => each.version === version).length);
      }),
    );
  });
});

type Step =
  | { readonly kind: "add" | "pause" | "resume" | "block" | "unblock"; readonly place: string }
  | { readonly kind: "lease" | "fail" | "bury"; readonly max: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("add" as const), place: endpoint }) },
  fc.record({
    kind: fc.constantFrom("pause", "resume", "block", "unblock"),
    place: endpoint,
  } as const),
  fc.record({ kind: fc.constantFrom("lease", "fail", "bury"), max: fc.nat(3) } as const),
);

test("the workload counts what is due of endpoints that are neither paused nor broken off, and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const clock = new FakeClock();
      const jobs = new MemoryJobs(clock);
      const [queue, desk] = [new MemoryJobQueue(jobs), new MemoryJobDesk(jobs)];
      const fleet = new MemoryFleet(clock);
      const blocked = new Set<string>();
      for (const each of steps) {
        switch (each.kind) {
          case "add": {
            const [appId = "", webhookId = ""] = each.place.split("/");
            await desk.add(testJob({ appId, webhookId }));
            break;
          }
          case "pause":
            await desk.pause(each.place, "by hand");
            break;
          case "resume":
            await desk.resume(each.place);
            break;
          case "block":
            blocked.add(each.place);
            break;
          case "unblock":
            blocked.delete(each.place);
            break;
          default:
            for (const { lease } of await leaseFrom(queue, { max: each.max })) {
              if (each.kind === "fail")
                await queue.settle(lease, { kind: "retry", delayMs: 60_000, spentMs: 1 });
              if (each.kind === "bury")
                await queue.settle(lease, { kind: "buried", reason: "", attempts: 1, spentMs: 1 });
            }
        }
      }
      // One of two senders has broken them off: what the other thinks of them does not help.
      const like = { version: "1", slots: 10, utilisation: 0, fullRate: 10, isMeasured: true };
      await fleet.report({ ...like, senderId: "a", blockedEndpoints: [...blocked] }, 1_000);
      await fleet.report({ ...like, senderId: "b", blockedEndpoints: [] }, 1_000);
      const expected = (await desk.endpoints())
        .filter(
          ({ appId, webhookId, paused }) =>
            paused === null && !blocked.has(`${appId}/${webhookId}`),
        )
        .reduce((sum, load) => sum + load.due, 0);
      const told = await new Workload(desk, fleet, clock).figures();
      expect(told.queue.deliverable).toBe(expected);
      expect(told.backlogSeconds).toBe(expected / 10);
      expect(blockedEndpoints(await fleet.reports())).toEqual(blocked);
    }),
    { numRuns: 300 },
  );
});

describe("the rate at full load", () => {
  const interval = fc.record({
    lengthMs: fc.integer({ min: -10, max: 60_000 }),
    answered: fc.integer({ min: -10, max: 100_000 }),
    utilisation: fc.double({ min: -1, max: 2, noNaN: true }),
  });

  test("is a finite number above 0 whatever was measured, between the guess and the extremes", () => {
    fc.assert(
      fc.property(fc.array(interval), (intervals) => {
        const rate = new FullLoadRate(0.25);
        for (const each of intervals) rate.note(each);
        const { perSecond } = rate;
        expect(Number.isFinite(perSecond) && perSecond > 0).toBe(true);
        expect(rate.best).toBeGreaterThanOrEqual(perSecond * 0.999_999);
        expect(Number.isFinite(rate.best)).toBe(true);
        const samples = intervals
          .filter((each) => each.answered > 0 && each.lengthMs > 0 && each.utilisation >= 0.2)
          .map((each) => (each.answered * 1_000) / each.lengthMs / Math.min(1, each.utilisation));
        const all = [guessedRate(0.25), ...samples];
        expect(perSecond).toBeGreaterThanOrEqual(Math.min(...all) * 0.999);
        expect(perSecond).toBeLessThanOrEqual(Math.max(...all) * 1.001);
      }),
    );
  });

  test("is found at any load above a fifth: throughput divided by utilisation", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 50, max: 20_000 }),
        fc.array(fc.double({ min: 0.2, max: 1, noNaN: true }), { minLength: 1 }),
        (actual, loads) => {
          const rate = new FullLoadRate(1);
          let answered = 0;
          for (let i = 0; answered < 200_000 || i < 200; i++) {
            const utilisation = loads[i % loads.length] ?? 1;
            // Of so many seconds that the attempts are a whole number.
            const attempts = Math.max(1, Math.round(actual * utilisation * 2));
            const lengthMs = (attempts / (actual * utilisation)) * 1_000;
            rate.note({ lengthMs, answered: attempts, utilisation });
            answered += attempts;
          }
          expect(rate.isMeasured).toBe(true);
          expect(Math.abs(rate.perSecond / actual - 1)).toBeLessThan(0.01);
        },
      ),
    );
  });

  test("is not moved by a process that is as good as idle, for however long", () => {
    const rate = new FullLoadRate(0.25);
    for (let i = 0; i < 100_000; i++)
      rate.note({ lengthMs: 2_000, answered: 1, utilisation: 0.19 });
    expect(rate.perSecond).toBe(guessedRate(0.25));
    expect(rate.isMeasured).toBe(false);
  });

  test("is hardly moved by a few attempts, and soon by many", () => {
    const rate = new FullLoadRate(0.25);
    rate.note({ lengthMs: 2_000, answered: 4, utilisation: 1 });
    expect(rate.perSecond).toBeGreaterThan(guessedRate(0.25) * 0.95);
    for (let i = 0; i < 4; i++) rate.note({ lengthMs: 2_000, answered: 6_000, utilisation: 1 });
    expect(rate.perSecond).toBeGreaterThan(2_500);
  });

  test("is steady where a process stalls: what one interval lacks, the next has", () => {
    const rate = new FullLoadRate(0.25);
    for (let i = 0; i < 200; i++) {
      rate.note({ lengthMs: 2_000, answered: i % 2 === 0 ? 300 : 2_300, utilisation: 1 });
      if (i > 100) expect(Math.abs(rate.perSecond / 650 - 1)).toBeLessThan(0.15);
    }
  });

  test("follows within two minutes when receivers become ten times slower", () => {
    const rate = new FullLoadRate(0.25);
    for (let i = 0; i < 100; i++) rate.note({ lengthMs: 2_000, answered: 6_000, utilisation: 1 });
    for (let i = 0; i < 60; i++) rate.note({ lengthMs: 2_000, answered: 600, utilisation: 1 });
    expect(rate.perSecond).toBeLessThan(400);
  });
});
