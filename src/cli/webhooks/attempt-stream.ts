import type { ShownAttempt } from "../../ops/admin/webhook-history.ts";

/** An attempt comes into the log when it has ended, under the time at which it began. */
const OVERLAP_MS = 60_000;

/** What to ask for while nothing was seen. */
export const FIRST_SINCE = `${OVERLAP_MS / 1_000}s`;

/**
 * Finds, in what one polls, the attempts that were not there before.
 *
 * A long attempt comes into the log behind younger ones, so each poll asks for a minute more than is new, and what was
 * seen within that minute is remembered.
 */
export class AttemptStream {
  readonly #seen = new Map<string, number>();
  #newestAtMs: number | undefined;
  #skipsFirst: boolean;

  /** Whether the first poll only shows what was there before. */
  constructor(skipsFirst: boolean) {
    this.#skipsFirst = skipsFirst;
  }

  /** From when on to ask; undefined while nothing was seen. */
  get since(): string | undefined {
    return this.#newestAtMs === undefined
      ? undefined
      : new Date(this.#newestAtMs - OVERLAP_MS).toISOString();
  }

  /** Those that are new, oldest first, as a log is read. */
  unseen(newestFirst: readonly ShownAttempt[]): readonly ShownAttempt[] {
    const unseen = newestFirst.filter((attempt) => !this.#seen.has(keyOf(attempt))).toReversed();
    for (const attempt of unseen) {
      const atMs = Date.parse(attempt.at);
      this.#seen.set(keyOf(attempt), atMs);
      this.#newestAtMs = Math.max(this.#newestAtMs ?? atMs, atMs);
    }
    const forgottenMs = (this.#newestAtMs ?? 0) - OVERLAP_MS;
    for (const [key, atMs] of this.#seen) if (atMs < forgottenMs) this.#seen.delete(key);
    if (!this.#skipsFirst) return unseen;
    this.#skipsFirst = false;
    return [];
  }
}

/** One job is with one sender at a time: it has no two attempts at one moment. */
function keyOf({ job, at }: ShownAttempt): string {
  return `${job} ${at}`;
}
