/** For an endpoint that nothing is known of. */
export const FIRST_LIMIT = 2;

/**
 * How many requests at once an endpoint is trusted with.
 *
 * It starts low, doubles when as many requests in a row succeeded as it allows at once, and halves with each failure: a
 * receiver that wakes up is not knocked over again, and one that hangs soon holds a single slot.
 */
export class ConcurrencyLimit {
  readonly #max: number;
  #value: number;
  #successes = 0;

  constructor(max: number) {
    this.#max = max;
    this.#value = Math.min(FIRST_LIMIT, max);
  }

  get value(): number {
    return this.#value;
  }

  succeeded(): void {
    if (this.#value === this.#max) return;
    this.#successes++;
    if (this.#successes < this.#value) return;
    this.#successes = 0;
    this.#value = Math.min(2 * this.#value, this.#max);
  }

  failed(): void {
    this.#successes = 0;
    this.#value = Math.max(1, Math.floor(this.#value / 2));
  }
}
