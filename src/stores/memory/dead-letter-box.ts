import type { DeadLetter, DeadLetterFilter } from "../../sender/ports/job-desk.ts";
import type { MemoryEndpoint, ReadJob } from "./stored-job.ts";

export interface StoredLetter extends ReadJob, DeadLetter {
  readonly endpoint: MemoryEndpoint;
}

/** Jobs that were given up, in the order of their burial. */
export class DeadLetterBox {
  #letters: StoredLetter[] = [];
  readonly #ids = new Set<string>();

  get size(): number {
    return this.#letters.length;
  }

  has(jobId: string): boolean {
    return this.#ids.has(jobId);
  }

  add(letter: StoredLetter): void {
    letter.endpoint.dead++;
    this.#letters.push(letter);
    this.#ids.add(letter.id);
  }

  /** Newest first. */
  find(filter: DeadLetterFilter, limit: number): StoredLetter[] {
    const found: StoredLetter[] = [];
    for (let i = this.#letters.length - 1; i >= 0 && found.length < limit; i--) {
      const letter = this.#letters[i];
      if (letter !== undefined && isMeant(letter, filter)) found.push(letter);
    }
    return found;
  }

  /** Takes out those that are meant; answers them in the order of their burial. */
  take(filter: DeadLetterFilter): StoredLetter[] {
    return this.#takeWhere((letter) => isMeant(letter, filter));
  }

  takeBeyond(maxEntries: number, buriedBeforeMs: number): StoredLetter[] {
    const tooMany = this.#letters.length - maxEntries;
    return this.#takeWhere(({ buriedAtMs }, i) => i < tooMany || buriedAtMs < buriedBeforeMs);
  }

  #takeWhere(isWanted: (letter: StoredLetter, place: number) => boolean): StoredLetter[] {
    const taken: StoredLetter[] = [];
    const kept: StoredLetter[] = [];
    for (const [i, letter] of this.#letters.entries())
      (isWanted(letter, i) ? taken : kept).push(letter);
    this.#letters = kept;
    for (const { id, endpoint } of taken) {
      endpoint.dead--;
      this.#ids.delete(id);
    }
    return taken;
  }
}

function isMeant(
  { id, endpoint, buriedAtMs }: StoredLetter,
  { appId, webhookId, jobId, sinceMs, untilMs }: DeadLetterFilter,
): boolean {
  return (
    (appId === undefined || appId === endpoint.appId) &&
    (webhookId === undefined || webhookId === endpoint.webhookId) &&
    (jobId === undefined || jobId === id) &&
    (sinceMs === undefined || buriedAtMs >= sinceMs) &&
    (untilMs === undefined || buriedAtMs < untilMs)
  );
}
