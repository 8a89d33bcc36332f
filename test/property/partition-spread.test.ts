import { expect, test } from "bun:test";
import fc from "fast-check";
import { spread } from "../../src/stores/redis/packager/partition-spread.ts";

const PACKAGERS = ["a", "b", "c", "d", "e", "f"];

const packagers = fc.shuffledSubarray(PACKAGERS, { minLength: 1 });
/** Any state that partitions can be in: free, of somebody who lives, or of somebody who is gone. */
const owners = fc.array(fc.constantFrom(undefined, "gone", ...PACKAGERS), {
  minLength: 1,
  maxLength: 70,
});

function countsOf(spreadOver: readonly string[], ids: readonly string[]): number[] {
  return ids.map((id) => spreadOver.filter((owner) => owner === id).length);
}

/** How many of the partitions stay where they are at most, whoever has one more than others: all ways are tried. */
function mostThatCanStay(
  counts: readonly number[],
  partitions: number,
  withOneMore: number,
  at = 0,
): number {
  const count = counts[at];
  if (count === undefined) return withOneMore === 0 ? 0 : Number.NEGATIVE_INFINITY;
  const least = Math.floor(partitions / counts.length);
  const without = Math.min(count, least) + mostThatCanStay(counts, partitions, withOneMore, at + 1);
  if (withOneMore === 0) return without;
  const withIt =
    Math.min(count, least + 1) + mostThatCanStay(counts, partitions, withOneMore - 1, at + 1);
  return Math.max(without, withIt);
}

test("partitions all have an owner who lives, and nobody has more than one more than another", () => {
  fc.assert(
    fc.property(owners, packagers, (before, ids) => {
      const after = spread(before, ids);
      expect(after).toHaveLength(before.length);
      const counts = countsOf(after, ids);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(before.length);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }),
    { numRuns: 2_000 },
  );
});

test("no partition changes hands that need not", () => {
  fc.assert(
    fc.property(owners, packagers, (before, ids) => {
      const stayed = spread(before, ids).filter((owner, i) => owner === before[i]).length;
      const counts = ids.map((id) => before.filter((owner) => owner === id).length);
      expect(stayed).toBe(mostThatCanStay(counts, before.length, before.length % ids.length));
    }),
    { numRuns: 2_000 },
  );
});

test("everybody who sees the same decides the same, in whatever order the packagers stand", () => {
  fc.assert(
    fc.property(owners, packagers, fc.infiniteStream(fc.nat()), (before, ids, numbers) => {
      const shuffled = ids
        .map((id) => ({ id, at: numbers.next().value ?? 0 }))
        .toSorted((a, b) => a.at - b.at)
        .map(({ id }) => id);
      expect(spread(before, shuffled)).toEqual(spread(before, ids));
    }),
  );
});

test("what is spread stays as it is", () => {
  fc.assert(
    fc.property(owners, packagers, (before, ids) => {
      const after = spread(before, ids);
      expect(spread(after, ids)).toEqual(after);
    }),
  );
});

test("when one goes only its partitions move, and when one comes they move to it alone", () => {
  fc.assert(
    fc.property(owners, packagers, (before, ids) => {
      const [one, ...others] = ids;
      if (one === undefined || others.length === 0) return;
      const together = spread(before, ids);
      const without = spread(together, others);
      for (const [i, owner] of together.entries())
        if (owner !== one) expect(without[i]).toBe(owner);
      const again = spread(without, ids);
      for (const [i, owner] of again.entries()) if (owner !== one) expect(without[i]).toBe(owner);
    }),
  );
});
