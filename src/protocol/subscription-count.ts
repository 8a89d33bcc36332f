import { SUBSCRIPTION_COUNT_EVERY_CHANGE_UP_TO, SUBSCRIPTION_COUNT_INTERVAL_MS } from "./limits.ts";

/** What is remembered of one channel between its counts. */
export interface CountState {
  /** The count that was announced last; undefined before the first. */
  readonly announced: number | undefined;
  readonly announcedAtMs: number;
}

export const NOTHING_ANNOUNCED: CountState = {
  announced: undefined,
  announcedAtMs: Number.NEGATIVE_INFINITY,
};

export type CountDecision =
  | { readonly kind: "announce"; readonly state: CountState }
  /** Ask again at that time with the count of then: the last change inside an interval must not stay untold. */
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "nothing" };

/**
 * Pusher's rule for `subscription_count` (contract 1.13): up to 100 subscribers every change is announced, above that at
 * most one count in five seconds. Pure: ask at each change, and once more when told to wait.
 */
export function decideCount(state: CountState, count: number, nowMs: number): CountDecision {
  if (count === state.announced) return { kind: "nothing" };
  const dueAtMs = state.announcedAtMs + SUBSCRIPTION_COUNT_INTERVAL_MS;
  if (count <= SUBSCRIPTION_COUNT_EVERY_CHANGE_UP_TO || nowMs >= dueAtMs) {
    return { kind: "announce", state: { announced: count, announcedAtMs: nowMs } };
  }
  return { kind: "wait", untilMs: dueAtMs };
}
