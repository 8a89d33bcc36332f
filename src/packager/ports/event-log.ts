import type { Job } from "../../protocol/job.ts";
import type { WebhookEventName } from "../../protocol/webhook-event.ts";

/** An event that is not settled yet. */
export interface LoggedEvent {
  /** Its place in the log: unique for ever, also after the store was made anew. Letters, digits, `-`. */
  readonly id: string;
  /** The same as a number that grows within the partition. */
  readonly sequence: number;
  /** Wall time at which it was recorded. */
  readonly atMs: number;
  readonly appId: string;
  readonly channel: string;
  readonly name: WebhookEventName;
  /** Of member events; undefined for others. */
  readonly userId: string | undefined;
  /** The event as it goes into the body. */
  readonly json: string;
  /** Webhooks for which it is in a job already; most often none. */
  readonly handledFor: readonly string[];
}

/** The right to read and settle one partition. `epoch` grows with each owner: the fence against the one before. */
export interface Ownership {
  readonly partition: number;
  readonly epoch: number;
}

/** What becomes of events, in one step. */
export interface Settlement {
  readonly jobs: readonly Job[];
  /** Ids of events that nothing more will come of: all their jobs are made, or none is wanted. */
  readonly settled: readonly string[];
  /** Events that are in a job for that webhook now, and wait for others. */
  readonly handled: readonly { readonly eventId: string; readonly webhookId: string }[];
}

/** Thrown by `read` and `settle`: another process owns the partition now. Whatever was not settled is the other's. */
export class OwnershipLost extends Error {
  override readonly name = "OwnershipLost";
}

/**
 * The events of all channels, as the packager sees them.
 *
 * Guarantees:
 * - All events of one (app, channel) are in one partition, in the order in which they happened. An event that is not settled
 *   is read again by the next owner, in the same order.
 * - A partition has one owner at a time, and an owner that was replaced can settle nothing.
 * - `settle` is one step: the jobs are in the queue and the events are gone, or nothing of it. (An engine that keeps the two
 *   apart notes the jobs with the events first, so that a crash in between repeats the very same jobs.) A job whose id the
 *   queue has or had is not added again.
 * - Nothing is lost while the engine cannot write: calls wait, or reject and may be repeated.
 */
export interface EventLog {
  /** Takes free partitions that are this process's share and renews those it has; answers all that it owns now. */
  own(): Promise<readonly Ownership[]>;
  /** Events of the partition behind that sequence number, oldest first; from the beginning where it is 0. */
  read(ownership: Ownership, afterSequence: number, max: number): Promise<readonly LoggedEvent[]>;
  settle(ownership: Ownership, settlement: Settlement): Promise<void>;
  /** Lets others have the partitions at once. */
  release(): Promise<void>;
  /**
   * Calls back soon after something may have been appended, to that partition where the engine can tell; a hint, which may
   * be missed. Returns the end of it.
   */
  onAppend(listener: (partition?: number) => void): () => void;
}
