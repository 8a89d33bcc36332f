import type { Clock } from "../../sender/ports/clock.ts";

interface Waiting {
  /** Elapsed time at which the next job becomes due by itself; undefined when none will. */
  nextDueMs(): number | undefined;
  /** Makes due what is due by now; false when there was nothing. */
  wake(): boolean;
}

/** Tells listeners that jobs became due: at once when somebody did it, by a timer when it is their time. */
export class DueHints {
  readonly #clock: Clock;
  readonly #waiting: Waiting;
  readonly #listeners = new Set<() => void>();
  #plannedMs = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, waiting: Waiting) {
    this.#clock = clock;
    this.#waiting = waiting;
  }

  listen(listener: () => void): () => void {
    // Two subscriptions of one function are two.
    const own = (): void => listener();
    this.#listeners.add(own);
    this.plan();
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.#unplan();
    };
  }

  give(): void {
    for (const listener of this.#listeners) listener();
  }

  /** To be called whenever a job begins to wait. One that waits no more costs a look in vain. */
  plan(): void {
    const nextDueMs = this.#waiting.nextDueMs();
    if (this.#listeners.size === 0 || nextDueMs === undefined || nextDueMs >= this.#plannedMs)
      return;
    this.#unplan();
    this.#plannedMs = nextDueMs;
    const delayMs = Math.max(0, nextDueMs - this.#clock.elapsedMs());
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#unplan();
      if (this.#waiting.wake()) this.give();
      this.plan();
    });
  }

  #unplan(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#plannedMs = Number.POSITIVE_INFINITY;
  }
}
