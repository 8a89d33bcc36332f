import type { Job } from "../protocol/job.ts";
import type { Lane } from "./lane.ts";
import type { JobOutcome, Lease, LeasedJob } from "./ports/job-queue.ts";

/** It was not its turn: somebody may try at once. */
export const GIVEN_BACK: JobOutcome = { kind: "returned", delayMs: 0 };

/**
 * One leased job, from the lease to the settlement.
 *
 *   leased ──▶ requesting ──▶ settling ──▶ done
 *      └───────given back───────▲
 *
 *   requesting  holds a slot.
 *   settling    holds none: the outcome is known, and goes to the queue, as often as it takes.
 */
export class Delivery {
  readonly job: Job;
  readonly lane: Lane;
  /** Before this one. */
  readonly attempts: number;
  readonly spentMs: number;
  /** The newest. */
  lease: Lease;
  /** When it was asked for, or last renewed: it lasts from then at least. In the clock's elapsed time, as the others. */
  leasedAtMs: number;
  /** Found to have ended before the delivery did. */
  isLost = false;
  startedAtMs = 0;
  isProbe = false;
  /** Set when it is settling. */
  outcome: JobOutcome | undefined;

  constructor({ job, lease, attempts, spentMs }: LeasedJob, lane: Lane, leasedAtMs: number) {
    this.job = job;
    this.lane = lane;
    this.lease = lease;
    this.attempts = attempts;
    this.spentMs = spentMs;
    this.leasedAtMs = leasedAtMs;
  }
}
