import type { Clock } from "./ports/clock.ts";

/** What a request waits for. */
export interface Breakable {
  /** Ends the wait. */
  close(): void;
}

/** One request that is under way, with all its tries. */
export class Exchange {
  readonly deadlineMs: number;
  /** What it waits for now. */
  waitsFor: Breakable | undefined;
  #brokenOff: "timeout" | "shutdown" | undefined;
  #controller: AbortController | undefined;

  constructor(deadlineMs: number) {
    this.deadlineMs = deadlineMs;
  }

  /** For what ends its wait by a signal. Made when it is asked for: nearly no request needs it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#brokenOff !== undefined) this.#controller.abort();
    return this.#controller.signal;
  }

  /** Why it ended before its time; undefined while it has not. */
  get brokenOff(): "timeout" | "shutdown" | undefined {
    return this.#brokenOff;
  }

  breakOff(why: "timeout" | "shutdown"): void {
    this.#brokenOff ??= why;
    this.waitsFor?.close();
    this.#controller?.abort();
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
