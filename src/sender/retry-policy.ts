import { backOffMs, withJitter } from "./back-off.ts";

const FIRST_DELAY_MS = 1_000;
const MIN_CAP_MS = 60_000;
const MAX_CAP_MS = 6 * 60 * 60 * 1_000;
/** So many attempts at least in a window that is long: 6 hours apart in 3 days. */
const ATTEMPTS_AT_CAP = 12;
/** What a receiver may ask for beyond our own back-off. */
const MAX_RETRY_AFTER_MS = 60 * 60 * 1_000;

export interface FailedAttempt {
  /** That count, this one included. */
  readonly attempts: number;
  /** Waits and attempts since the first began, this one included. */
  readonly spentMs: number;
  readonly retryWindowMs: number;
  /** What the receiver asked for. */
  readonly retryAfterMs: number | undefined;
}

/**
 * When a failed delivery is tried again; undefined: no more.
 *
 * The waits double from a second up to a cap that suits the window. A wait that would lead beyond the window is shortened, so
 * that one attempt falls on its end: a receiver that came back a minute ago is not missed for the rounding of a schedule.
 * That one is the last. Only what was spent counts, never what a clock on the wall says: a process that was down, or a clock
 * that jumped, uses up nothing.
 */
export function retryDelayMs(failed: FailedAttempt, random: number): number | undefined {
  const leftMs = failed.retryWindowMs - failed.spentMs;
  if (leftMs <= 0) return undefined;
  const delayMs = backOffMs(
    { firstMs: FIRST_DELAY_MS, capMs: capMs(failed.retryWindowMs) },
    failed.attempts,
    random,
  );
  const askedMs = Math.min(withJitter(failed.retryAfterMs ?? 0, random), MAX_RETRY_AFTER_MS);
  return Math.min(Math.max(delayMs, askedMs), leftMs);
}

/** The longest wait before chance adds to it. */
export function capMs(retryWindowMs: number): number {
  return Math.min(Math.max(MIN_CAP_MS, retryWindowMs / ATTEMPTS_AT_CAP), MAX_CAP_MS);
}
