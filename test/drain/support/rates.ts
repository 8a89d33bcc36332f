import { monitorEventLoopDelay } from "node:perf_hooks";

const SECOND_MS = 1_000;

/** The most of these moments that lie within one second. */
export function mostInOneSecond(momentsMs: readonly number[]): number {
  const sorted = momentsMs.toSorted((a, b) => a - b);
  let most = 0;
  let first = 0;
  for (const [last, atMs] of sorted.entries()) {
    while (atMs - (sorted[first] ?? atMs) >= SECOND_MS) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

/** How long this process stood still: what happened meanwhile looks to it as if it happened at once. */
export class Stalls {
  readonly #histogram = monitorEventLoopDelay({ resolution: 10 });

  constructor() {
    this.#histogram.enable();
  }

  get longestMs(): number {
    return this.#histogram.count === 0 ? 0 : this.#histogram.max / 1e6;
  }

  close(): void {
    this.#histogram.disable();
  }
}

/**
 * The most that may reconnect within one second of a drain: one and a half times the even share. What happened while this
 * process stood still is seen within the same second, so its stall lengthens that second; and of a share that is no whole
 * number one more may fall into it.
 */
export function mostReconnects(sockets: number, windowMs: number, stallMs: number): number {
  return 1.5 * sockets * ((SECOND_MS + stallMs) / windowMs) + 1;
}
