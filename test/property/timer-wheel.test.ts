import { expect, test } from "bun:test";
import fc from "fast-check";
import { TimerWheel } from "../../src/channels/timer-wheel.ts";

interface Item {
  readonly name: number;
}

type Step =
  | { readonly kind: "set"; readonly item: number; readonly inMs: number }
  | { readonly kind: "delete"; readonly item: number }
  | { readonly kind: "turn"; readonly waitMs: number };

const ITEMS = 8;
const item = fc.nat(ITEMS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("set" as const),
    item,
    inMs: fc.integer({ min: -5_000, max: 200_000 }),
  }),
  fc.record({ kind: fc.constant("delete" as const), item }),
  fc.record({ kind: fc.constant("turn" as const), waitMs: fc.nat(3_000) }),
  // The process stood still for longer than the wheel reaches.
  fc.record({
    kind: fc.constant("turn" as const),
    waitMs: fc.integer({ min: 3_000, max: 300_000 }),
  }),
);

test("hands out what a plain list of deadlines would, each thing once", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 200 }),
      fc.integer({ min: 3, max: 70 }),
      fc.nat(1_000_000),
      (steps, slots, startMs) => {
        const things: Item[] = Array.from({ length: ITEMS }, (_, name) => ({ name }));
        const wheel = new TimerWheel<Item>(startMs, slots);
        const dueAt = new Map<number, number>();
        let nowMs = startMs;
        let turnedTo = Math.floor(startMs / 1000);
        for (const one of steps) {
          if (one.kind === "set") {
            const wanted = Math.ceil((nowMs + one.inMs) / 1000);
            wheel.set(things[one.item]!, nowMs + one.inMs);
            dueAt.set(one.item, Math.min(Math.max(turnedTo + 1, wanted), turnedTo + slots - 1));
          } else if (one.kind === "delete") {
            wheel.delete(things[one.item]!);
            dueAt.delete(one.item);
          } else {
            nowMs += one.waitMs;
            turnedTo = Math.floor(nowMs / 1000);
            const expected = [...dueAt]
              .filter(([, tick]) => tick <= turnedTo)
              .map(([name]) => name);
            const handed: number[] = [];
            wheel.turn(nowMs, ({ name }) => handed.push(name));
            expect(handed.toSorted()).toEqual(expected.toSorted());
            for (const name of expected) dueAt.delete(name);
          }
          expect(wheel.size).toBe(dueAt.size);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("an owner that looks, and sets again what is early, acts on time whatever the reach of the wheel", () => {
  const delays = fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 20 });
  const turns = fc.array(fc.integer({ min: 500, max: 2_000 }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(delays, turns, fc.integer({ min: 3, max: 64 }), (all, waits, slots) => {
      const wheel = new TimerWheel<{ readonly deadlineMs: number }>(0, slots);
      const open = new Set(all.map((deadlineMs) => ({ deadlineMs })));
      for (const thing of open) wheel.set(thing, thing.deadlineMs);
      let nowMs = 0;
      for (let i = 0; open.size > 0; i++) {
        nowMs += waits[i % waits.length]!;
        const waitedMs = waits[i % waits.length]!;
        wheel.turn(nowMs, (thing) => {
          if (nowMs < thing.deadlineMs) return wheel.set(thing, thing.deadlineMs);
          // A second exact, and the wheel cannot act between two turns.
          expect(nowMs - thing.deadlineMs).toBeLessThan(1_000 + waitedMs);
          open.delete(thing);
        });
        expect(nowMs).toBeLessThan(500_000);
      }
      expect(wheel.size).toBe(0);
    }),
    { numRuns: 200 },
  );
});

test("a thing that is deleted while others are handed out stays away from the next turns", () => {
  const wheel = new TimerWheel<Item>(0);
  const [first, second] = [{ name: 1 }, { name: 2 }];
  wheel.set(first, 1_000);
  wheel.set(second, 2_000);
  const handed: number[] = [];
  wheel.turn(5_000, ({ name }) => {
    handed.push(name);
    wheel.delete(second);
  });
  expect(handed).toEqual([1]);
  expect(wheel.size).toBe(0);
});
