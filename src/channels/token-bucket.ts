/** A rate: so many per second, with a burst of as many. Full at the start. Times are of a clock that never goes back. */
export class TokenBucket {
  #tokens: number;
  #filledAtMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#tokens = perSecond;
    this.#filledAtMs = nowMs;
  }

  /** Takes one if there is one. The rate may differ from call to call: an app's settings change while it is used. */
  take(perSecond: number, nowMs: number): boolean {
    const elapsedMs = nowMs - this.#filledAtMs;
    this.#tokens = Math.min(perSecond, this.#tokens + (elapsedMs * perSecond) / 1000);
    this.#filledAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
