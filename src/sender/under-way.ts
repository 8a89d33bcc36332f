import type { Clock } from "./ports/clock.ts";

/** One request that is under way, with all its tries. */
export class Exchange {
  readonly deadlineMs: number;
  readonly #controller = new AbortController();
  #brokenOff: "timeout" | "shutdown" | undefined;

  constructor(deadlineMs: number) {
    this.deadlineMs = deadlineMs;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why it ended before its time; undefined while it has not. */
  get brokenOff(): "timeout" | "shutdown" | undefined {
    return this.#brokenOff;
  }

  breakOff(why: "timeout" | "shutdown"): void {
    this.#brokenOff ??= why;
    this.#controller.abort();
  }
}

/** How late a deadline may be noticed. */
const LOOK_EVERY_MS = 50;

/**
 * The requests under way, and the end of their time.
 *
 * One timer looks at all of them; nearly all are over long before their deadline, so a timer for each would be made and
 * cancelled for nothing. It runs only while there are any.
 */
export class UnderWay {
  readonly #clock: Clock;
  readonly #exchanges = new Set<Exchange>();
  #isLooking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(timeoutMs: number): Exchange {
    const exchange = new Exchange(this.#clock.elapsedMs() + timeoutMs);
    this.#exchanges.add(exchange);
    if (!this.#isLooking) this.#lookLater();
    return exchange;
  }

  end(exchange: Exchange): void {
    this.#exchanges.delete(exchange);
  }

  breakAllOff(): void {
    for (const exchange of this.#exchanges) exchange.breakOff("shutdown");
  }

  #lookLater(): void {
    this.#isLooking = this.#exchanges.size > 0;
    if (this.#isLooking) this.#clock.after(LOOK_EVERY_MS, this.#look);
  }

  readonly #look = (): void => {
    const nowMs = this.#clock.elapsedMs();
    for (const exchange of this.#exchanges)
      if (nowMs >= exchange.deadlineMs) exchange.breakOff("timeout");
    this.#lookLater();
  };
}
