import type { AttemptResult, VersionSummary } from "./delivery-log.ts";

/** Attempts of one sender version that ended alike after the same time. */
export interface AttemptTally {
  readonly version: string;
  readonly result: AttemptResult;
  /** Whole milliseconds: so there are as many as the longest timeout has, at most. */
  readonly durationMs: number;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

const OWN_FAULTS: ReadonlySet<AttemptResult> = new Set(["dns", "egress", "shutdown"]);

/** Sums up, by version, what an engine has counted. One may come in several tallies. */
export function summarized(tallies: Iterable<AttemptTally>): ReadonlyMap<string, VersionSummary> {
  const byVersion = Map.groupBy(tallies, ({ version }) => version);
  return new Map(Array.from(byVersion, ([version, own]) => [version, summaryOf(own)]));
}

/** Two tallies that agree in all but how many, and when. */
export function together(one: AttemptTally, other: AttemptTally): AttemptTally {
  return {
    ...one,
    count: one.count + other.count,
    firstAtMs: Math.min(one.firstAtMs, other.firstAtMs),
    lastAtMs: Math.max(one.lastAtMs, other.lastAtMs),
  };
}

function summaryOf(tallies: readonly AttemptTally[]): VersionSummary {
  const counted = tallies.filter(({ result }) => !OWN_FAULTS.has(result));
  const delivered = sumOf(counted.filter(({ result }) => result === "delivered"));
  const all = sumOf(counted);
  const inOrder = counted.toSorted((one, other) => one.durationMs - other.durationMs);
  return {
    delivered,
    failed: all - delivered,
    ownFaults: sumOf(tallies) - all,
    p50Ms: percentile(inOrder, all, 0.5),
    p95Ms: percentile(inOrder, all, 0.95),
    p99Ms: percentile(inOrder, all, 0.99),
    firstAtMs: tallies.reduce((first, { firstAtMs }) => Math.min(first, firstAtMs), Infinity),
    lastAtMs: tallies.reduce((last, { lastAtMs }) => Math.max(last, lastAtMs), -Infinity),
  };
}

/** The least duration that so large a share of the attempts did not exceed: one of theirs (nearest rank). */
function percentile(inOrder: readonly AttemptTally[], all: number, share: number): number | null {
  let below = 0;
  for (const { durationMs, count } of inOrder) {
    below += count;
    if (below >= share * all) return durationMs;
  }
  return null;
}

function sumOf(tallies: readonly AttemptTally[]): number {
  return tallies.reduce((sum, { count }) => sum + count, 0);
}
