import type { Job } from "../../protocol/job.ts";

/** A job that this process has for a while. */
export interface Lease {
  /** The job's place in the queue, by which the engine finds it. */
  readonly sequence: number;
  /** Changes with each lease: one that was lost settles nothing. */
  readonly token: number;
}

export interface LeasedJob {
  readonly lease: Lease;
  readonly job: Job;
  /** Attempts made so far that count; 0 before the first. */
  readonly attempts: number;
  /** Time that counts towards the retry window: waits and attempts since the first one, not what we were down. */
  readonly spentMs: number;
  /** Wall time of the first attempt that counts; undefined before it. */
  readonly firstAttemptAtMs: number | undefined;
}

/** What became of a leased job. */
export type JobOutcome =
  | { readonly kind: "delivered" }
  /** An attempt that counts failed; due again after the delay. `spentMs` replaces what was spent. */
  | { readonly kind: "retry"; readonly delayMs: number; readonly spentMs: number }
  /** Nothing that counts happened: our own fault, our shutdown, or not its turn. Due again after the delay. */
  | { readonly kind: "returned"; readonly delayMs: number }
  /** Given up: goes to the dead letters. `attempts` and `spentMs` as after the last attempt. */
  | {
      readonly kind: "buried";
      readonly reason: string;
      readonly attempts: number;
      readonly spentMs: number;
    };

/**
 * What is asked for. The engine calls `max` once when it comes to the request, then `room` and `took` as it goes from
 * endpoint to endpoint, all in one turn; should it have to begin again, it begins with `max`. None of them may wait.
 */
export interface LeaseRequest {
  /** 0 leases nothing. */
  max(): number;
  /** How many more jobs of this endpoint may be leased now. */
  room(appId: string, endpointId: string): number;
  /** So many of them were leased, at most what `room` answered last: other endpoints may have less room now. */
  took(appId: string, endpointId: string, jobs: number): void;
  readonly leaseMs: number;
}

/**
 * The webhooks that wait to be delivered.
 *
 * Guarantees:
 * - A job is with at most one process at a time, until its lease ends; a process that dies loses its leases, and nothing else.
 * - A lease is renewed and settled by the process that has it. One that has ended is lost when somebody else has, or had,
 *   the job; until then its holder may still settle.
 * - A job leaves the queue by `settle` alone, delivered or buried. Jobs that cannot be read are buried by the engine, with
 *   the reason. Jobs of a newer format are left alone.
 * - Fair: apps with jobs that are due take turns, and so do the endpoints of an app; jobs of one endpoint are leased in
 *   the order in which they are due.
 * - Jobs of a paused endpoint are not leased. Jobs that wait (delayed, paused, leased) cost `lease` nothing.
 * - A wall clock that jumps makes jobs due early at worst, never late by the jump.
 */
export interface JobQueue {
  lease(request: LeaseRequest): Promise<readonly LeasedJob[]>;
  /** Answers those that were lost meanwhile. */
  renew(leases: readonly Lease[], leaseMs: number): Promise<readonly Lease[]>;
  /** Resolves when it lasts. False when the lease was lost: the outcome then changes nothing. */
  settle(lease: Lease, outcome: JobOutcome): Promise<boolean>;
  /**
   * Buries the endpoint's jobs that are due and have waited longer than their retry window since `sinceMs` (wall time), the
   * moment from which the endpoint is known to be down. Answers how many.
   */
  expire(endpointId: string, sinceMs: number, reason: string): Promise<number>;
  /** Stops the endpoint for all senders, until somebody resumes it. */
  pause(endpointId: string, reason: string): Promise<void>;
  /** Calls back soon after jobs may have become due; a hint, which may be missed. Returns the end of it. */
  onDue(listener: () => void): () => void;
}
