import type { Clock } from "../../src/channels/ports/clock.ts";

interface Timer {
  readonly dueAtMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. Timers run in the order in which they are due. */
export class FakeClock implements Clock {
  #elapsedMs: number;
  #wallOffsetMs: number;
  readonly #timers = new Set<Timer>();

  constructor(wallMs = 1_750_000_000_000, elapsedMs = 10_000) {
    this.#elapsedMs = elapsedMs;
    this.#wallOffsetMs = wallMs - elapsedMs;
  }

  now(): number {
    return this.#elapsedMs + this.#wallOffsetMs;
  }

  elapsedMs(): number {
    return this.#elapsedMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueAtMs: this.#elapsedMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const untilMs = this.#elapsedMs + ms;
    for (;;) {
      let next: Timer | undefined;
      for (const timer of this.#timers) {
        if (timer.dueAtMs <= untilMs && (next === undefined || timer.dueAtMs < next.dueAtMs))
          next = timer;
      }
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueAtMs);
      next.callback();
    }
    this.#elapsedMs = untilMs;
  }

  /** The process stood still: time went on, and what was due meanwhile runs only now, late. */
  pause(ms: number): void {
    this.#elapsedMs += ms;
    this.advance(0);
  }

  /** Somebody set the wall clock. */
  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }
}
