import { expect, test } from "bun:test";
import fc from "fast-check";
import { Timeline } from "../../src/packager/timeline.ts";

const happenings = fc.array(
  fc.record({
    afterMs: fc.nat(5_000),
    /** Somebody sets the wall clock, most often nobody. */
    jumpMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: -1e7, max: 1e7 })),
    readLateMs: fc.nat(2_000),
  }),
  { maxLength: 50 },
);

test("arrivals are in order and never in the future, wherever the wall clock jumps", () => {
  fc.assert(
    fc.property(happenings, (all) => {
      const timeline = new Timeline();
      let [wallMs, elapsedMs] = [1_750_000_000_000, 500];
      let last = Number.NEGATIVE_INFINITY;
      for (const { afterMs, jumpMs, readLateMs } of all) {
        const atMs = wallMs;
        elapsedMs += afterMs + readLateMs;
        wallMs += afterMs + jumpMs + readLateMs;
        const arrivalMs = timeline.arrivalMs(atMs, wallMs, elapsedMs);
        expect(arrivalMs).toBeLessThanOrEqual(elapsedMs);
        expect(arrivalMs).toBeGreaterThanOrEqual(last);
        last = arrivalMs;
      }
    }),
  );
});

test("where the wall clock only goes its way, arrivals are as far apart as the events, however late they are read", () => {
  const gaps = fc.array(fc.tuple(fc.nat(5_000), fc.nat(100_000)), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(gaps, fc.integer({ min: 0, max: 1e6 }), (all, startMs) => {
      const timeline = new Timeline();
      const wallOffsetMs = 1_750_000_000_000;
      let [atMs, nowMs] = [startMs, startMs];
      for (const [afterMs, lateMs] of all) {
        atMs += afterMs;
        nowMs = Math.max(nowMs, atMs + lateMs);
        expect(timeline.arrivalMs(atMs + wallOffsetMs, nowMs + wallOffsetMs, nowMs)).toBe(atMs);
      }
    }),
  );
});
