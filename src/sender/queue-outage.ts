import { backOffMs, type BackOff } from "./back-off.ts";
import type { SenderDependencies } from "./dependencies.ts";

const WAIT: BackOff = { firstMs: 100, capMs: 5_000 };

/**
 * A time in which the queue rejects: its disk is full, somebody locks it, it is away.
 *
 *   none ──failed──▶ waiting ──time is up──▶ trying ──ended──▶ none
 *                       ▲                       │
 *                       └────────failed─────────┘
 *
 * It is told once when it begins and once when it ends, however many calls fail in between.
 */
export class QueueOutage {
  readonly #dependencies: SenderDependencies;
  readonly #retry: () => void;
  #failures = 0;
  #beganAtMs = 0;
  #isClosed = false;
  #cancelWait: (() => void) | undefined;

  /** Calls back when it is time to try again. */
  constructor(dependencies: SenderDependencies, retry: () => void) {
    this.#dependencies = dependencies;
    this.#retry = retry;
  }

  get isOn(): boolean {
    return this.#failures > 0;
  }

  /** Nothing is to be asked of the queue yet. */
  get isWaiting(): boolean {
    return this.#cancelWait !== undefined;
  }

  failed(error: unknown): void {
    // What was under way when the first call failed says nothing new.
    if (this.#isClosed || this.isWaiting) return;
    const { clock, logger, random } = this.#dependencies;
    if (!this.isOn) {
      this.#beganAtMs = clock.elapsedMs();
      logger.error({ err: error }, "the job queue fails; trying again until it does not");
    }
    this.#failures++;
    this.#cancelWait = clock.after(backOffMs(WAIT, this.#failures, random()), () => {
      this.#cancelWait = undefined;
      this.#retry();
    });
  }

  ended(): void {
    if (!this.isOn) return;
    const { clock, logger } = this.#dependencies;
    this.#failures = 0;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    const lastedMs = Math.round(clock.elapsedMs() - this.#beganAtMs);
    logger.info({ lastedMs: lastedMs }, "the job queue works again");
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }
}
