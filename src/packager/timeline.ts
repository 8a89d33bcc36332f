/**
 * Brings events, which carry the wall time of whoever recorded them, onto the elapsed time of this process.
 *
 * Invariants: no arrival is in the future, so a wall clock that is set back makes nothing wait longer; none is before that
 * of the event before it, so a clock that jumps between two events does not swap them.
 */
export class Timeline {
  #lastMs = Number.NEGATIVE_INFINITY;

  arrivalMs(atMs: number, wallMs: number, elapsedMs: number): number {
    const arrivalMs = elapsedMs - Math.max(0, wallMs - atMs);
    this.#lastMs = Math.max(this.#lastMs, arrivalMs);
    return this.#lastMs;
  }
}
