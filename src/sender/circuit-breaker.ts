import { backOffMs, type BackOff } from "./back-off.ts";

const MAX_FAILURES = 10;
/** Fewer, where nothing answers at all: each of these may cost a slot for the whole timeout. */
const MAX_SILENT_FAILURES = 3;
const OPEN: BackOff = { firstMs: 5_000, capMs: 60_000 };

/** For people. */
export type BreakerState = "closed" | "open" | "half-open";

/**
 * Keeps requests from an endpoint that fails anyway.
 *
 *   closed ──▶ open ──time is up──▶ half-open ──begin──▶ probing
 *     ▲         ▲                       ▲                 │ │ │
 *     │         └────── the probe failed┼─────────────────┘ │ │
 *     │                                 └─it told nothing───┘ │
 *     └───────────────────────── the probe succeeded ─────────┘
 *
 *   closed     requests pass. 10 failures in a row open it, or 3 in a row without an answer.
 *   open       nothing passes: for 5 s at first, twice as long after each failed probe, up to a minute; chance adds to it.
 *   half-open  exactly one request may begin, the probe.
 *   probing    nothing else passes until the probe has ended.
 *
 * Requests that began before it opened end while it is open, or later: what becomes of them changes nothing then. Times
 * are of a clock that never goes back.
 */
export class CircuitBreaker {
  #state: "closed" | "open" | "probing" = "closed";
  #failures = 0;
  #silentFailures = 0;
  #timesOpened = 0;
  #openUntilMs = 0;
  #openSinceMs: number | undefined;

  /** In a row, probes included. */
  get failures(): number {
    return this.#failures;
  }

  /** When it opened, and has not been closed since; undefined when it is closed. */
  get openSinceMs(): number | undefined {
    return this.#openSinceMs;
  }

  state(nowMs: number): BreakerState {
    if (this.#state !== "open") return this.#state === "closed" ? "closed" : "half-open";
    return nowMs < this.#openUntilMs ? "open" : "half-open";
  }

  /** How many more requests may begin. */
  room(nowMs: number): number {
    if (this.#state === "closed") return Infinity;
    return this.#state === "open" && nowMs >= this.#openUntilMs ? 1 : 0;
  }

  /** A request begins, for which there was room. Tells whether it is the probe. */
  begin(): boolean {
    if (this.#state === "closed") return false;
    this.#state = "probing";
    return true;
  }

  /** Tells whether this closed it. */
  succeeded(isProbe: boolean): boolean {
    if (!isProbe && this.#state !== "closed") return false;
    const wasOpen = this.#state !== "closed";
    this.#state = "closed";
    this.#failures = 0;
    this.#silentFailures = 0;
    this.#timesOpened = 0;
    this.#openSinceMs = undefined;
    return wasOpen;
  }

  /** Tells whether this opened it; a probe that fails keeps it open. */
  failed(isProbe: boolean, isSilent: boolean, nowMs: number, random: number): boolean {
    if (!isProbe && this.#state !== "closed") return false;
    this.#failures++;
    this.#silentFailures = isSilent ? this.#silentFailures + 1 : 0;
    if (!isProbe && this.#failures < MAX_FAILURES && this.#silentFailures < MAX_SILENT_FAILURES)
      return false;
    this.#state = "open";
    this.#timesOpened++;
    this.#openUntilMs = nowMs + backOffMs(OPEN, this.#timesOpened, random);
    this.#openSinceMs ??= nowMs;
    return !isProbe;
  }

  /** A request ended in a way that tells nothing of the endpoint. */
  toldNothing(isProbe: boolean): void {
    // The time of the opening is up already: another probe may begin at once.
    if (isProbe) this.#state = "open";
  }
}
