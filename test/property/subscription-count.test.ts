import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  NOTHING_ANNOUNCED,
  decideCount,
  type CountState,
} from "../../src/protocol/subscription-count.ts";
import { FakeClock } from "../support/fake-clock.ts";

const INTERVAL_MS = 5_000;

interface Told {
  readonly count: number;
  readonly atMs: number;
}

/** Follows the rule as its comment tells to: asks at each change, and once more when told to wait. */
class Announcer {
  readonly told: Told[] = [];
  readonly #clock: FakeClock;
  #state: CountState = NOTHING_ANNOUNCED;
  #count = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  change(count: number): void {
    this.#count = count;
    this.#ask();
  }

  #ask(): void {
    const nowMs = this.#clock.elapsedMs();
    const decision = decideCount(this.#state, this.#count, nowMs);
    if (decision.kind === "nothing") return;
    if (decision.kind === "wait") {
      expect(decision.untilMs).toBeGreaterThan(nowMs);
      this.#cancel ??= this.#clock.after(decision.untilMs - nowMs, () => {
        this.#cancel = undefined;
        this.#ask();
      });
      return;
    }
    this.#cancel?.();
    this.#cancel = undefined;
    this.#state = decision.state;
    this.told.push({ count: this.#count, atMs: nowMs });
  }
}

const changes = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.nat(100), fc.nat(12_000)),
    count: fc.oneof(fc.nat(110), fc.integer({ min: 95, max: 105 })),
  }),
  { minLength: 1, maxLength: 100 },
);

test("up to 100 every change is told at once; above, at most one in five seconds; the last always, within five seconds", () => {
  fc.assert(
    fc.property(changes, (all) => {
      const clock = new FakeClock(0, 0);
      const announcer = new Announcer(clock);
      const { told } = announcer;
      let before: number | undefined;
      let changedAtMs = 0;
      for (const { waitMs, count } of all) {
        clock.advance(waitMs);
        // What was true for five seconds has been told.
        if (before !== undefined && clock.elapsedMs() - changedAtMs >= INTERVAL_MS) {
          expect(told.at(-1)!.count).toBe(before);
        }
        announcer.change(count);
        if (count !== before) changedAtMs = clock.elapsedMs();
        before = count;
        if (count <= 100) expect(told.at(-1)!.count).toBe(count);
      }
      clock.advance(INTERVAL_MS);
      expect(told.at(-1)!.count).toBe(before!);
      expect(clock.pending).toBe(0);
      for (const [i, { count, atMs }] of told.entries()) {
        const earlier = told[i - 1];
        if (earlier === undefined) continue;
        expect(count).not.toBe(earlier.count);
        if (count > 100) expect(atMs - earlier.atMs).toBeGreaterThanOrEqual(INTERVAL_MS);
      }
    }),
    { numRuns: 500 },
  );
});

test("above 100, two changes in one interval are one announcement, at the interval's end, of the later count", () => {
  const clock = new FakeClock(0, 0);
  const announcer = new Announcer(clock);
  announcer.change(101);
  clock.advance(1_000);
  announcer.change(102);
  clock.advance(1_000);
  announcer.change(103);
  clock.advance(2_999);
  expect(announcer.told).toEqual([{ count: 101, atMs: 0 }]);
  clock.advance(1);
  expect(announcer.told).toEqual([
    { count: 101, atMs: 0 },
    { count: 103, atMs: 5_000 },
  ]);
});

test("a count that goes and comes back within an interval is not told again", () => {
  const clock = new FakeClock(0, 0);
  const announcer = new Announcer(clock);
  announcer.change(150);
  clock.advance(1_000);
  announcer.change(151);
  announcer.change(150);
  clock.advance(60_000);
  expect(announcer.told).toEqual([{ count: 150, atMs: 0 }]);
});
