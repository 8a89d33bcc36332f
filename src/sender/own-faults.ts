import { backOffMs, type BackOff } from "./back-off.ts";

const HOLD: BackOff = { firstMs: 1_000, capMs: 60_000 };

/**
 * Faults of ours on the way to one endpoint: its name cannot be resolved from here, or there is no way out.
 *
 * While they last, one request at a time is tried after a wait that grows with each; the endpoint's other jobs wait in the
 * queue meanwhile, where they cost nothing. Times are of a clock that never goes back.
 */
export class OwnFaults {
  #inARow = 0;
  #sinceMs = 0;
  #heldUntilMs = 0;

  get areKnown(): boolean {
    return this.#inARow > 0;
  }

  /** How many requests may be under way. */
  limit(nowMs: number): number {
    if (this.#inARow === 0) return Infinity;
    return nowMs < this.#heldUntilMs ? 0 : 1;
  }

  /** How long they have lasted, as far as this process has seen. */
  lastedMs(nowMs: number): number {
    return this.#inARow === 0 ? 0 : nowMs - this.#sinceMs;
  }

  /** Tells after which time the job may be tried again. Requests that were under way together fail as one. */
  failed(nowMs: number, random: number): number {
    if (this.#inARow === 0) this.#sinceMs = nowMs;
    if (nowMs >= this.#heldUntilMs) {
      this.#inARow++;
      this.#heldUntilMs = nowMs + backOffMs(HOLD, this.#inARow, random);
    }
    return Math.ceil(this.#heldUntilMs - nowMs);
  }

  ended(): void {
    this.#inARow = 0;
    this.#heldUntilMs = 0;
  }
}
