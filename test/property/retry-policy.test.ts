import { expect, test } from "bun:test";
import fc from "fast-check";
import { backOffMs } from "../../src/sender/back-off.ts";
import { retryAfterMs } from "../../src/sender/retry-after.ts";
import { capMs, retryDelayMs, type FailedAttempt } from "../../src/sender/retry-policy.ts";

const HOUR_MS = 3_600_000;
const MAX_WINDOW_MS = 72 * HOUR_MS;

const window = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 5_000 }),
  fc.integer({ min: 1, max: 600_000 }),
  fc.integer({ min: 1, max: MAX_WINDOW_MS }),
);
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const asked = fc.option(
  fc.oneof(fc.double({ min: 0.001, max: 2 * HOUR_MS, noNaN: true }), fc.constant(Infinity)),
  { nil: undefined },
);
const failed: fc.Arbitrary<FailedAttempt> = fc.record({
  attempts: fc.integer({ min: 1, max: 2_000 }),
  spentMs: fc.nat(MAX_WINDOW_MS),
  retryWindowMs: window,
  retryAfterMs: asked,
});

test("waits whole milliseconds, at least one and at most what the window has left; then no more", () => {
  fc.assert(
    fc.property(failed, chance, (attempt, random) => {
      const leftMs = attempt.retryWindowMs - attempt.spentMs;
      const delayMs = retryDelayMs(attempt, random);
      if (leftMs <= 0) return expect(delayMs).toBeUndefined();
      expect(delayMs).toBeGreaterThanOrEqual(1);
      expect(delayMs).toBeLessThanOrEqual(leftMs);
    }),
  );
});

test("without Retry-After, waits what doubles from a second up to the cap, and up to a fifth more, never less", () => {
  fc.assert(
    fc.property(failed, chance, (attempt, random) => {
      const { attempts, retryWindowMs, spentMs } = attempt;
      const delayMs = retryDelayMs({ ...attempt, retryAfterMs: undefined }, random);
      if (delayMs === undefined) return;
      const planned = Math.min(1_000 * 2 ** (attempts - 1), capMs(retryWindowMs));
      const leftMs = retryWindowMs - spentMs;
      expect(delayMs).toBeGreaterThanOrEqual(Math.min(Math.floor(planned), leftMs));
      expect(delayMs).toBeLessThanOrEqual(Math.ceil(1.2 * planned));
    }),
  );
});

test("grants Retry-After in full where it is no longer than an hour and the window, and never less than the back-off", () => {
  fc.assert(
    fc.property(failed, chance, (attempt, random) => {
      const delayMs = retryDelayMs(attempt, random);
      const ownMs = retryDelayMs({ ...attempt, retryAfterMs: undefined }, random);
      if (delayMs === undefined || ownMs === undefined) return;
      const askedMs = attempt.retryAfterMs ?? 0;
      const leftMs = attempt.retryWindowMs - attempt.spentMs;
      expect(delayMs).toBeGreaterThanOrEqual(ownMs);
      expect(delayMs).toBeGreaterThanOrEqual(Math.min(Math.floor(askedMs), HOUR_MS, leftMs));
      expect(delayMs).toBeLessThanOrEqual(
        Math.max(ownMs, Math.min(Math.ceil(1.2 * askedMs), HOUR_MS)),
      );
    }),
  );
});

test("a whole ladder ends: within the window and one attempt, with one attempt on the window's end", () => {
  const durations = fc.array(fc.nat(30_000), { minLength: 1, maxLength: 20, size: "max" });
  const hints = fc.array(asked, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(window, durations, hints, chance, (retryWindowMs, lengths, hinted, random) => {
      let spentMs = 0;
      let lastStartMs = 0;
      let attempts = 0;
      for (;;) {
        lastStartMs = spentMs;
        spentMs += lengths[attempts % lengths.length]!;
        const hint = hinted[attempts % hinted.length];
        attempts++;
        const attempt = { attempts, spentMs, retryWindowMs, retryAfterMs: hint };
        const delayMs = retryDelayMs(attempt, random);
        if (delayMs === undefined) break;
        spentMs += delayMs;
        expect(spentMs).toBeLessThanOrEqual(retryWindowMs);
        expect(attempts).toBeLessThan(1_000);
      }
      expect(lastStartMs).toBeLessThanOrEqual(retryWindowMs);
      expect(spentMs).toBeGreaterThanOrEqual(retryWindowMs);
      expect(spentMs).toBeLessThanOrEqual(retryWindowMs + 30_000);
      // It starts exactly at the end, unless the attempt before ran over it.
      if (spentMs - lastStartMs <= spentMs - retryWindowMs) expect(lastStartMs).toBe(retryWindowMs);
    }),
  );
});

test("the cap suits the window: a minute for five minutes, six hours for three days", () => {
  expect(capMs(300_000)).toBe(60_000);
  expect(capMs(MAX_WINDOW_MS)).toBe(6 * HOUR_MS);
  fc.assert(
    fc.property(fc.nat(1_000 * MAX_WINDOW_MS), (windowMs) => {
      expect(capMs(windowMs)).toBeGreaterThanOrEqual(60_000);
      expect(capMs(windowMs)).toBeLessThanOrEqual(6 * HOUR_MS);
      expect(capMs(windowMs + 1)).toBeGreaterThanOrEqual(capMs(windowMs));
    }),
  );
});

test("a receiver that is always down is tried about ten times in five minutes, and some dozens in three days", () => {
  const attemptsIn = (retryWindowMs: number) => {
    let spentMs = 0;
    for (let attempts = 1; ; attempts++) {
      const attempt = { attempts, spentMs, retryWindowMs, retryAfterMs: undefined };
      const delayMs = retryDelayMs(attempt, 0.5);
      if (delayMs === undefined) return attempts;
      spentMs += delayMs;
    }
  };
  expect(attemptsIn(0)).toBe(1);
  expect(attemptsIn(300_000)).toBeWithin(9, 13);
  expect(attemptsIn(MAX_WINDOW_MS)).toBeWithin(20, 30);
});

test("a back-off never passes its cap and a fifth, however many the failures", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), chance, (failures, random) => {
      const waitMs = backOffMs({ firstMs: 100, capMs: 5_000 }, failures, random);
      expect(waitMs).toBeGreaterThanOrEqual(Math.min(100 * 2 ** (failures - 1), 5_000));
      expect(waitMs).toBeLessThanOrEqual(6_000);
    }),
  );
});

test("Retry-After is a number of seconds or a date, and anything else is nothing", () => {
  const nowMs = 1_750_000_000_000;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), (seconds) => {
      expect(retryAfterMs(`${seconds}`, nowMs)).toBe(seconds * 1_000);
      expect(retryAfterMs(` ${seconds} `, nowMs)).toBe(seconds * 1_000);
      expect(retryAfterMs(new Date(nowMs + seconds * 1_000).toUTCString(), nowMs)).toBe(
        seconds * 1_000,
      );
      expect(retryAfterMs(new Date(nowMs - seconds * 1_000).toUTCString(), nowMs)).toBeUndefined();
    }),
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.constantFrom("1.5", "+5", "1 2", "99 Jan", "2030")),
      (text) => {
        const waitMs = retryAfterMs(text, nowMs);
        if (waitMs !== undefined) expect(text.trim()).toMatch(/^\d+$/);
      },
    ),
  );
  expect(retryAfterMs(null, nowMs)).toBeUndefined();
  // Such a day there is not; whatever a parser makes of it, it is no fault.
  expect(retryAfterMs("Xyz, 99 Abc 2030 99:99:99 GMT", nowMs)).toBeUndefined();
});
