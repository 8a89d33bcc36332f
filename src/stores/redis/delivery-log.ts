import { endpointIdOf } from "../../protocol/webhook.ts";
import type { Clock } from "../../sender/ports/clock.ts";
import type {
  Attempt,
  AttemptFilter,
  AttemptSummary,
  DeliveryLog,
} from "../../sender/ports/delivery-log.ts";
import type { RedisConnection, Reply } from "./connection.ts";
import type { Keys } from "./keys.ts";
import pruneSource from "./lua/prune-attempts.lua" with { type: "text" };
import readSource from "./lua/read-attempts.lua" with { type: "text" };
import recordSource from "./lua/record-attempts.lua" with { type: "text" };
import { script } from "./script.ts";

const RECORD = script("record-attempts", recordSource);
const READ = script("read-attempts", readSource);
const PRUNE = script("prune-attempts", pruneSource);

const PAGE = 500;
const BATCH_ATTEMPTS = 200;
const GATHER_MS = 5;
const RETRY_MS = 1_000;
/** Attempts that may wait while the store is away; the oldest give way. */
const MAX_WAITING = 50_000;

/** Attempts in a stream, in the order in which they were recorded. */
export class RedisDeliveryLog implements DeliveryLog {
  readonly #connection: RedisConnection;
  readonly #key: string;
  readonly #clock: Clock;
  #waiting: Attempt[] = [];
  #isWriting = false;

  constructor(connection: RedisConnection, keys: Keys, clock: Clock) {
    this.#connection = connection;
    this.#key = keys.jobs("attempts");
    this.#clock = clock;
  }

  record(attempt: Attempt): void {
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
    this.#waiting.push(attempt);
    if (this.#isWriting) return;
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

  async attempts(filter: AttemptFilter, limit: number): Promise<readonly Attempt[]> {
    const found: Attempt[] = [];
    for await (const page of this.#pages()) {
      for (const attempt of page) {
        if (found.length === limit) return found;
        if (isMeant(attempt, filter)) found.push(attempt);
      }
    }
    return found;
  }

  async summary(sinceMs: number): Promise<ReadonlyMap<string, AttemptSummary>> {
    const summaries = new Map<string, AttemptSummary>();
    for await (const page of this.#pages()) {
      for (const attempt of page) {
        if (attempt.atMs < sinceMs) continue;
        const endpointId = endpointIdOf(attempt.appId, attempt.webhookId);
        const { delivered, failed, last } = summaries.get(endpointId) ?? {
          delivered: 0,
          failed: 0,
          last: attempt,
        };
        summaries.set(
          endpointId,
          attempt.result === "delivered"
            ? { delivered: delivered + 1, failed, last }
            : { delivered, failed: failed + 1, last },
        );
      }
      // Long before: a clock may have been set, but not by so much.
      if (page.length > 0 && page.every(({ atMs }) => atMs < sinceMs)) break;
    }
    return summaries;
  }

  async prune({
    maxAgeMs,
    maxEntries,
  }: {
    readonly maxAgeMs: number;
    readonly maxEntries: number;
  }): Promise<number> {
    const oldestMs = Math.max(0, this.#clock.now() - maxAgeMs);
    return Number(
      await this.#connection.run(PRUNE, [this.#key], [`${maxEntries}`, `${Math.ceil(oldestMs)}-0`]),
    );
  }

  async #write(): Promise<void> {
    await this.#pause(GATHER_MS);
    while (this.#waiting.length > 0) {
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
      try {
        await this.#connection.run(
          RECORD,
          [this.#key],
          batch.flatMap((attempt) => [`${Math.round(attempt.atMs)}`, JSON.stringify(attempt)]),
        );
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

  /** Newest first. */
  async *#pages(): AsyncGenerator<Attempt[]> {
    for (let from = "+"; ;) {
      const reply = await this.#connection.run(READ, [this.#key], [from, `${PAGE}`]);
      const flat = reply as readonly Reply[];
      const page: Attempt[] = [];
      for (let i = 0; i + 1 < flat.length; i += 2) {
        from = `(${String(flat[i])}`;
        page.push(JSON.parse(String(flat[i + 1])) as Attempt);
      }
      yield page;
      if (page.length < PAGE) return;
    }
  }
}

function isMeant(attempt: Attempt, filter: AttemptFilter): boolean {
  const { appId, webhookId, jobId, failed, sinceMs, untilMs } = filter;
  return (
    (appId === undefined || appId === attempt.appId) &&
    (webhookId === undefined || webhookId === attempt.webhookId) &&
    (jobId === undefined || jobId === attempt.jobId) &&
    (failed === undefined || failed === (attempt.result !== "delivered")) &&
    (sinceMs === undefined || attempt.atMs >= sinceMs) &&
    (untilMs === undefined || attempt.atMs < untilMs)
  );
}
