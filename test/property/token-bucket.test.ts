import { expect, test } from "bun:test";
import fc from "fast-check";
import { TokenBucket } from "../../src/channels/token-bucket.ts";

/** Takes as many as it can, at each of these times. */
function takeAll(bucket: TokenBucket, perSecond: number, atMs: number): number {
  let taken = 0;
  while (bucket.take(perSecond, atMs)) taken++;
  return taken;
}

test("answers as an exact count in thousandths does", () => {
  const steps = fc.array(fc.record({ waitMs: fc.nat(3_000), takes: fc.nat(30) }), {
    maxLength: 100,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), steps, (perSecond, all) => {
      const bucket = new TokenBucket(perSecond, 0);
      let milliTokens = perSecond * 1000;
      let nowMs = 0;
      for (const { waitMs, takes } of all) {
        nowMs += waitMs;
        milliTokens = Math.min(perSecond * 1000, milliTokens + waitMs * perSecond);
        for (let i = 0; i < takes; i++) {
          // Within a millionth of a token, floating point may fall on either side.
          const isClose = Math.abs(milliTokens - 1000) < 0.001;
          const taken = bucket.take(perSecond, nowMs);
          if (!isClose) expect(taken).toBe(milliTokens >= 1000);
          if (taken) milliTokens -= 1000;
        }
      }
    }),
  );
});

test("in no span of time are more taken than the burst and what flowed in", () => {
  const waits = fc.array(fc.double({ min: 0, max: 2_000, noNaN: true }), { maxLength: 100 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), waits, (perSecond, all) => {
      const bucket = new TokenBucket(perSecond, 0);
      let nowMs = 0;
      let taken = takeAll(bucket, perSecond, nowMs);
      expect(taken).toBe(perSecond);
      for (const waitMs of all) {
        nowMs += waitMs;
        taken += takeAll(bucket, perSecond, nowMs);
        expect(taken).toBeLessThanOrEqual(perSecond + (nowMs * perSecond) / 1000 + 1e-6);
      }
    }),
  );
});

test("a rate that changes while it is used holds at once, and lends nothing from the old one", () => {
  const bucket = new TokenBucket(100, 0);
  expect(takeAll(bucket, 10, 0)).toBe(10);
  expect(takeAll(bucket, 50, 1_000)).toBe(50);
  expect(takeAll(bucket, 5, 60_000)).toBe(5);
});

test("a bucket made for no rate at all serves the rate that is set later", () => {
  const bucket = new TokenBucket(0, 0);
  expect(bucket.take(0, 10_000)).toBe(false);
  expect(takeAll(bucket, 10, 11_000)).toBe(10);
});
