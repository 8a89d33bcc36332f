import { expect, test } from "bun:test";
import fc from "fast-check";
import { DrainPace } from "../../src/channels/drain.ts";

const TICK_MS = 50;
const SECOND_MS = 1_000;

test("closes every socket within the window, and at no time more or less than an even share by a whole one", () => {
  fc.assert(
    fc.property(fc.nat(200_000), fc.integer({ min: 1, max: 1_200 }), (sockets, ticks) => {
      const windowMs = ticks * TICK_MS;
      const pace = new DrainPace(windowMs);
      let remaining = sockets;
      for (let leftMs = windowMs; leftMs >= 0; leftMs -= TICK_MS) {
        remaining -= pace.share(remaining, leftMs);
        const even = (sockets * leftMs) / windowMs;
        expect(Math.abs(remaining - even)).toBeLessThanOrEqual(1.001);
      }
      expect(remaining).toBe(0);
    }),
    { numRuns: 200 },
  );
});

test("in no second closes more than one and a half times an even share, although each tick comes late", () => {
  const lateness = fc.array(fc.nat(400), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      fc.nat(5_000),
      fc.integer({ min: SECOND_MS, max: 20_000 }),
      lateness,
      (sockets, windowMs, lateMs) => {
        const pace = new DrainPace(windowMs);
        const closings: { readonly atMs: number; readonly share: number }[] = [];
        let remaining = sockets;
        for (let atMs = 0, tick = 0; remaining > 0; tick++) {
          const share = pace.share(remaining, windowMs - atMs);
          closings.push({ atMs, share });
          remaining -= share;
          atMs += TICK_MS + (lateMs[tick % lateMs.length] ?? 0);
        }
        const most = 1.5 * sockets * (SECOND_MS / windowMs) + 1;
        for (const { atMs } of closings) {
          const second = closings.filter((one) => one.atMs >= atMs && one.atMs < atMs + SECOND_MS);
          expect(second.reduce((sum, { share }) => sum + share, 0)).toBeLessThanOrEqual(most);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("a process that stood still does not make up for it all at once", () => {
  const pace = new DrainPace(20_000);
  expect(pace.share(1_000, 20_000)).toBe(0);
  expect(pace.share(1_000, 10_000)).toBeLessThanOrEqual(50);
});

test("closes every socket however late the ticks come and whoever connects meanwhile", () => {
  const ticks = fc.array(fc.record({ lateMs: fc.nat(400), joined: fc.nat(50) }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(
      fc.nat(10_000),
      fc.double({ min: 0, max: 20_000, noNaN: true }),
      ticks,
      (sockets, windowMs, all) => {
        const pace = new DrainPace(windowMs);
        let remaining = sockets;
        let leftMs = windowMs;
        for (const { lateMs, joined } of all) {
          const share = pace.share(remaining, leftMs);
          expect(Number.isInteger(share)).toBe(true);
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual(remaining);
          remaining += joined - share;
          leftMs -= TICK_MS + lateMs;
        }
        expect(pace.share(remaining, Math.min(leftMs, 0))).toBe(remaining);
      },
    ),
  );
});

test("a window of nothing closes all at once", () => {
  expect(new DrainPace(0).share(10_000, 0)).toBe(10_000);
  expect(new DrainPace(0).share(10_000, -1)).toBe(10_000);
  expect(new DrainPace(1_000).share(0, 500)).toBe(0);
});
