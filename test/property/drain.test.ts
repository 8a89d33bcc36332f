import { expect, test } from "bun:test";
import fc from "fast-check";
import { socketsToClose } from "../../src/channels/drain.ts";

const TICK_MS = 50;

test("closes every socket within the window, and in no tick more than an even share", () => {
  fc.assert(
    fc.property(fc.nat(200_000), fc.integer({ min: 1, max: 1_200 }), (sockets, ticks) => {
      const windowMs = ticks * TICK_MS;
      const evenShare = Math.ceil(sockets / ticks);
      let remaining = sockets;
      for (let leftMs = windowMs; leftMs > 0; leftMs -= TICK_MS) {
        const closing = socketsToClose(remaining, leftMs, TICK_MS);
        expect(closing).toBeGreaterThanOrEqual(0);
        expect(closing).toBeLessThanOrEqual(Math.min(remaining, evenShare));
        remaining -= closing;
      }
      expect(remaining).toBe(0);
    }),
    { numRuns: 200 },
  );
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
        let remaining = sockets;
        let leftMs = windowMs;
        for (const { lateMs, joined } of all) {
          const closing = socketsToClose(remaining, leftMs, TICK_MS);
          expect(Number.isInteger(closing)).toBe(true);
          expect(closing).toBeLessThanOrEqual(remaining);
          if (remaining > 0) expect(closing).toBeGreaterThan(0);
          remaining += joined - closing;
          leftMs -= TICK_MS + lateMs;
        }
        expect(socketsToClose(remaining, Math.min(leftMs, 0), TICK_MS)).toBe(remaining);
      },
    ),
  );
});

test("a window of nothing closes all at once", () => {
  expect(socketsToClose(10_000, 0, TICK_MS)).toBe(10_000);
  expect(socketsToClose(10_000, -1, TICK_MS)).toBe(10_000);
  expect(socketsToClose(0, 1_000, TICK_MS)).toBe(0);
});
