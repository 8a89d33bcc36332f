import { endpointIdOf } from "../../../protocol/webhook.ts";
import type { Clock } from "../../../sender/ports/clock.ts";
import type {
  Attempt,
  AttemptFilter,
  AttemptSummary,
  DeliveryLog,
  VersionSummary,
} from "../../../sender/ports/delivery-log.ts";
import { summarized, together, type AttemptTally } from "../../../sender/ports/version-tally.ts";
import { argumentsOf, attemptOf, tallyOf } from "./attempt-fields.ts";
import type { RedisConnection, Reply } from "../connection.ts";
import type { Keys } from "../keys.ts";
import pruneSource from "../lua/prune-attempts.lua" with { type: "text" };
import readSource from "../lua/read-attempts.lua" with { type: "text" };
import recordSource from "../lua/record-attempts.lua" with { type: "text" };
import sumSource from "../lua/sum-attempts.lua" with { type: "text" };
import tallySource from "../lua/tally-attempts.lua" with { type: "text" };
import { script } from "../script.ts";

const RECORD = script("record-attempts", recordSource);
const READ = script("read-attempts", readSource);
const SUM = script("sum-attempts", sumSource);
const TALLY = script("tally-attempts", tallySource);
const PRUNE = script("prune-attempts", pruneSource);

/** How many are looked at in one call. */
const PAGE = 500;
const BATCH_ATTEMPTS = 200;
const GATHER_MS = 5;
const RETRY_MS = 1_000;
/** Attempts that may wait while the store is away; the oldest give way. */
const MAX_WAITING = 50_000;
/** As good as never: later than any wall time. */
const END_OF_TIME_MS = 9_007_199_254_740_991;

/**
 * Attempts in a stream, in the order in which they were recorded.
 *
 *   recorded ──within milliseconds, or when the store is back──▶ in the stream
 *      └──too many wait──▶ dropped
 *
 * It never makes anybody wait, and nothing that it fails at is anybody's failure. A batch of which it is not known whether
 * it was written is written again.
 */
export class RedisDeliveryLog implements DeliveryLog {
  readonly #connection: RedisConnection;
  readonly #key: string;
  readonly #clock: Clock;
  #waiting: Attempt[] = [];
  #dropped = 0;
  #isWriting = false;
  #isClosed = false;
  /** As `prune` was told last: between two of them the stream grows no longer than that. */
  #maxEntries: number | undefined;

  constructor(connection: RedisConnection, keys: Keys, clock: Clock) {
    this.#connection = connection;
    this.#key = keys.jobs("attempts");
    this.#clock = clock;
  }

  /** Attempts that were not recorded, because the store was away for too long. */
  get dropped(): number {
    return this.#dropped;
  }

  record(attempt: Attempt): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waiting.shift();
      this.#dropped++;
    }
    this.#waiting.push(attempt);
    if (this.#isWriting || this.#isClosed) return;
    this.#isWriting = true;
    void this.#write();
  }

  /** Resolves when all that was recorded is written, or an attempt to do so has failed. */
  async flush(): Promise<void> {
    try {
      await this.#writeAll();
    } catch {
      // It is tried again.
    }
  }

  /** What waits is given up. */
  close(): void {
    this.#isClosed = true;
  }

  async attempts(filter: AttemptFilter, limit: number): Promise<readonly Attempt[]> {
    const found: Attempt[] = [];
    for (let from = "+"; found.length < limit;) {
      const args = [from, `${PAGE}`, `${limit - found.length}`, ...filterArguments(filter)];
      const reply = await this.#connection.run(READ, [this.#key], args);
      const [next, ...rows] = reply as readonly [string, ...(readonly Reply[])[]];
      found.push(...rows.map(attemptOf));
      if (next === "") break;
      from = `(${next}`;
    }
    return found;
  }

  async summary(sinceMs: number): Promise<ReadonlyMap<string, AttemptSummary>> {
    const summaries = new Map<string, AttemptSummary>();
    for (let from = "+"; ;) {
      const args = [from, `${PAGE}`, `${Math.max(0, sinceMs)}`];
      const reply = await this.#connection.run(SUM, [this.#key], args);
      const [next, ...rows] = reply as readonly [string, ...(readonly Reply[])[]];
      for (const [delivered, failed, ...newest] of rows) {
        const last = attemptOf(newest);
        const endpointId = endpointIdOf(last.appId, last.webhookId);
        const sum = summaries.get(endpointId) ?? { delivered: 0, failed: 0, last };
        summaries.set(endpointId, {
          delivered: sum.delivered + Number(delivered),
          failed: sum.failed + Number(failed),
          last: sum.last,
        });
      }
      if (next === "") return summaries;
      from = `(${next}`;
    }
  }

  async versions(sinceMs: number): Promise<ReadonlyMap<string, VersionSummary>> {
    // Added up page by page: what is kept does not grow with the number of attempts.
    const tallies = new Map<string, AttemptTally>();
    for (let from = "+"; ;) {
      const args = [from, `${PAGE}`, `${Math.max(0, sinceMs)}`];
      const reply = await this.#connection.run(TALLY, [this.#key], args);
      const [next, ...rows] = reply as readonly [string, ...(readonly Reply[])[]];
      for (const row of rows) {
        const found = tallyOf(row);
        const key = `${found.result} ${found.durationMs} ${found.version}`;
        const known = tallies.get(key);
        tallies.set(key, known === undefined ? found : together(known, found));
      }
      if (next === "") return summarized(tallies.values());
      from = `(${next}`;
    }
  }

  async prune({
    maxAgeMs,
    maxEntries,
  }: {
    readonly maxAgeMs: number;
    readonly maxEntries: number;
  }): Promise<number> {
    this.#maxEntries = maxEntries;
    const oldestMs = Math.max(0, Math.ceil(this.#clock.now() - maxAgeMs));
    const args = [`${maxEntries}`, `${oldestMs}-0`];
    return Number(await this.#connection.run(PRUNE, [this.#key], args));
  }

  async #write(): Promise<void> {
    await this.#pause(GATHER_MS);
    while (this.#waiting.length > 0 && !this.#isClosed) {
      try {
        await this.#writeAll();
      } catch {
        // No delivery depends on it: it is as long as it takes.
        await this.#pause(RETRY_MS);
      }
    }
    this.#isWriting = false;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_ATTEMPTS);
      const args = [`${this.#maxEntries ?? ""}`, ...batch.flatMap(argumentsOf)];
      try {
        await this.#connection.run(RECORD, [this.#key], args);
      } catch (error) {
        this.#waiting.unshift(...batch);
        throw error;
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(ms, resolve);
    });
  }
}

function filterArguments(filter: AttemptFilter): string[] {
  const { appId, webhookId, jobId, failed, sinceMs = 0, untilMs = END_OF_TIME_MS } = filter;
  const isFailed = failed === undefined ? undefined : Number(failed);
  const texts = [appId, webhookId, jobId, isFailed];
  return [
    `${Math.max(0, sinceMs)}`,
    `${untilMs}`,
    ...texts.map((text) => (text === undefined ? "" : `=${text}`)),
  ];
}
