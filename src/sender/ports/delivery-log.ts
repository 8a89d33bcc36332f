/** How an attempt ended. `delivered` is a 2xx; all others are failures, of the receiver or (marked) of ours. */
export const ATTEMPT_RESULTS = [
  "delivered",
  /** An answer that is not 2xx, redirects included. */
  "status",
  /** No complete answer in time. */
  "timeout",
  /** Nobody listens at the address. */
  "refused",
  /** The connection broke, or what came was no HTTP. */
  "connection",
  /** No TLS connection, or a certificate that is not the name's. */
  "tls",
  /** The address guard refused. */
  "address",
  /** Ours: the name could not be resolved. */
  "dns",
  /** Ours: no way out of this machine. */
  "egress",
  /** Ours: the sender was stopped before the answer came. */
  "shutdown",
] as const;

export type AttemptResult = (typeof ATTEMPT_RESULTS)[number];

export interface Attempt {
  /** Wall time of its start. */
  readonly atMs: number;
  readonly appId: string;
  readonly webhookId: string;
  readonly jobId: string;
  /** Names of the events, in their order. */
  readonly events: readonly string[];
  /** 1 for the first that counts; one that does not count has the number of the next that does. */
  readonly attempt: number;
  readonly result: AttemptResult;
  /** Null without an answer. */
  readonly status: number | null;
  readonly durationMs: number;
  /** From the making of the job to the end of the attempt. */
  readonly ageMs: number;
  /** For people: what went wrong, or the beginning of the answer's body. Null when delivered. */
  readonly detail: string | null;
  readonly senderVersion: string;
}

export interface AttemptFilter {
  readonly appId?: string | undefined;
  readonly webhookId?: string | undefined;
  readonly jobId?: string | undefined;
  readonly failed?: boolean | undefined;
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

/**
 * Every attempt to deliver, for people to look at. Bounded by age and number: `prune` forgets the oldest.
 *
 * An attempt is recorded within milliseconds; a process that is killed may lose the last ones. No delivery depends on it.
 */
export interface DeliveryLog {
  record(attempt: Attempt): void;
  /** Newest first. */
  attempts(filter: AttemptFilter, limit: number): Promise<readonly Attempt[]>;
  /** By endpoint id, of attempts since then: how many were delivered and how many failed, and the newest. */
  summary(sinceMs: number): Promise<ReadonlyMap<string, AttemptSummary>>;
  /** By sender version, of attempts since then: how they ended, and how long they took. */
  versions(sinceMs: number): Promise<ReadonlyMap<string, VersionSummary>>;
  /** Answers how many were forgotten. */
  prune(bounds: { readonly maxAgeMs: number; readonly maxEntries: number }): Promise<number>;
}

/** What the senders of one version did. */
export interface VersionSummary {
  readonly delivered: number;
  /** For a reason that the receiver, or its configuration, is to answer for. */
  readonly failed: number;
  /** For a reason of ours, which counts for nothing. */
  readonly ownFaults: number;
  /** Of those that were delivered or failed: so long did half of them take at most, 95 of 100, 99 of 100. Null without any. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /** When the first and the last of all these began; wall time. */
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export interface AttemptSummary {
  readonly delivered: number;
  readonly failed: number;
  readonly last: Attempt;
}
