import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { faultOf } from "../../../src/sender/fault.ts";
import { ATTEMPT_RESULTS } from "../../../src/sender/ports/delivery-log.ts";
import {
  summarized,
  together,
  type AttemptTally,
} from "../../../src/sender/ports/version-tally.ts";

const tally: fc.Arbitrary<AttemptTally> = fc.record({
  version: fc.constantFrom("1", "2"),
  result: fc.constantFrom(...ATTEMPT_RESULTS),
  durationMs: fc.nat(50),
  count: fc.integer({ min: 1, max: 20 }),
  firstAtMs: fc.nat(100),
  lastAtMs: fc.integer({ min: 100, max: 200 }),
});

describe("the summary of sender versions", () => {
  test.each(ATTEMPT_RESULTS)("knows whose fault %s is, as the judge does", (result) => {
    const one = { version: "1", result, durationMs: 5, count: 1, firstAtMs: 1, lastAtMs: 1 };
    const summary = summarized([one]).get("1");
    const ours = Number(faultOf(result) === "ours");
    expect(summary).toMatchObject({ ownFaults: ours, delivered: Number(result === "delivered") });
    expect(summary?.p50Ms).toBe(ours === 1 ? null : 5);
  });

  test("is what counting one by one gives", () => {
    fc.assert(
      fc.property(fc.array(tally, { maxLength: 30 }), (tallies) => {
        for (const [version, summary] of summarized(tallies)) {
          const own = tallies.filter((each) => each.version === version);
          const single = own.flatMap((each) => Array.from({ length: each.count }, () => each));
          const counted = single.filter(({ result }) => faultOf(result) !== "ours");
          const durations = counted
            .map(({ durationMs }) => durationMs)
            .toSorted((one, other) => one - other);
          const { delivered, failed, ownFaults } = summary;
          expect(delivered).toBe(counted.filter(({ result }) => result === "delivered").length);
          expect(delivered + failed).toBe(counted.length);
          expect(delivered + failed + ownFaults).toBe(single.length);
          for (const [share, told] of [
            [0.5, summary.p50Ms],
            [0.95, summary.p95Ms],
            [0.99, summary.p99Ms],
          ] as const)
            expect(told).toBe(durations[Math.ceil(share * durations.length) - 1] ?? null);
          expect(summary.firstAtMs).toBe(Math.min(...own.map(({ firstAtMs }) => firstAtMs)));
          expect(summary.lastAtMs).toBe(Math.max(...own.map(({ lastAtMs }) => lastAtMs)));
        }
      }),
    );
  });

  test("does not depend on how the attempts were counted", () => {
    fc.assert(
      fc.property(tally, fc.integer({ min: 1, max: 20 }), (one, count) => {
        const other = { ...one, count, firstAtMs: 3, lastAtMs: 400 };
        expect(summarized([together(one, other)])).toEqual(summarized([one, other]));
      }),
    );
  });
});
