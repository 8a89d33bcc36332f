import { ATTEMPT_RESULTS, type AttemptResult } from "./ports/delivery-log.ts";

/** What one app has under way, and what was done for it since the process started: a few numbers, kept for good. */
export class AppLoad {
  readonly appId: string;
  inFlight = 0;
  /** By the lease call that is under way. */
  taken = 0;
  /** Jobs given up. */
  buried = 0;
  readonly attempts: Record<AttemptResult, number>;

  constructor(appId: string) {
    this.appId = appId;
    this.attempts = Object.fromEntries(ATTEMPT_RESULTS.map((result) => [result, 0])) as Record<
      AttemptResult,
      number
    >;
  }
}
