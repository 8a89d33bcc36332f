import { endpointIdOf } from "../../protocol/webhook.ts";
import type { Clock } from "../../sender/ports/clock.ts";
import type {
  Attempt,
  AttemptFilter,
  AttemptSummary,
  DeliveryLog,
  VersionSummary,
} from "../../sender/ports/delivery-log.ts";
import { summarized } from "../../sender/ports/version-tally.ts";

/** A DeliveryLog for one process. */
export class MemoryDeliveryLog implements DeliveryLog {
  readonly #clock: Clock;
  /** In the order in which they were recorded. */
  #attempts: Attempt[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  record(attempt: Attempt): void {
    this.#attempts.push(attempt);
  }

  attempts(filter: AttemptFilter, limit: number): Promise<readonly Attempt[]> {
    const found: Attempt[] = [];
    for (let i = this.#attempts.length - 1; i >= 0 && found.length < limit; i--) {
      const attempt = this.#attempts[i];
      if (attempt !== undefined && isMeant(attempt, filter)) found.push(attempt);
    }
    return Promise.resolve(found);
  }

  summary(sinceMs: number): Promise<ReadonlyMap<string, AttemptSummary>> {
    const summaries = new Map<string, AttemptSummary>();
    for (const last of this.#attempts) {
      if (last.atMs < sinceMs) continue;
      const endpointId = endpointIdOf(last.appId, last.webhookId);
      const { delivered, failed } = summaries.get(endpointId) ?? { delivered: 0, failed: 0 };
      summaries.set(
        endpointId,
        isFailed(last)
          ? { delivered, failed: failed + 1, last }
          : { delivered: delivered + 1, failed, last },
      );
    }
    return Promise.resolve(summaries);
  }

  versions(sinceMs: number): Promise<ReadonlyMap<string, VersionSummary>> {
    const tallies = this.#attempts
      .filter(({ atMs }) => atMs >= sinceMs)
      .map(({ senderVersion, result, durationMs, atMs }) => ({
        version: senderVersion,
        result,
        durationMs: Math.round(durationMs),
        count: 1,
        firstAtMs: atMs,
        lastAtMs: atMs,
      }));
    return Promise.resolve(summarized(tallies));
  }

  prune({
    maxAgeMs,
    maxEntries,
  }: {
    readonly maxAgeMs: number;
    readonly maxEntries: number;
  }): Promise<number> {
    const sinceMs = this.#clock.now() - maxAgeMs;
    const before = this.#attempts.length;
    const tooMany = before - maxEntries;
    this.#attempts = this.#attempts.filter(({ atMs }, i) => i >= tooMany && atMs >= sinceMs);
    return Promise.resolve(before - this.#attempts.length);
  }
}

function isFailed({ result }: Attempt): boolean {
  return result !== "delivered";
}

function isMeant(attempt: Attempt, filter: AttemptFilter): boolean {
  const { appId, webhookId, jobId, failed, sinceMs, untilMs } = filter;
  return (
    (appId === undefined || appId === attempt.appId) &&
    (webhookId === undefined || webhookId === attempt.webhookId) &&
    (jobId === undefined || jobId === attempt.jobId) &&
    (failed === undefined || failed === isFailed(attempt)) &&
    (sinceMs === undefined || attempt.atMs >= sinceMs) &&
    (untilMs === undefined || attempt.atMs < untilMs)
  );
}
