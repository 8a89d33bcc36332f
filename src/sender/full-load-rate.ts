/**
 * Attempts a second that a sender with a whole CPU is taken to make until it is known better: 250 us of CPU each, three times
 * what the benchmark measures for HTTPS, or for a thousand endpoints in turn.
 */
const GUESS_PER_CPU = 4_000;
/** The last so many attempts make two thirds of the estimate. */
const MEMORY_ATTEMPTS = 500;
/**
 * An interval in which less was done tells nothing: a process spends some of its CPU on being there, up to a twentieth of a
 * small allowance, and few attempts would look dear.
 */
const LEAST_UTILISATION = 0.2;

/** What a sender did in one interval. */
export interface Interval {
  readonly lengthMs: number;
  /** Attempts that the receiver answered. */
  readonly answered: number;
  /** From 0 to 1. */
  readonly utilisation: number;
}

/** What a sender is taken for that nothing is known of. */
export function guessedRate(cpuAllowance: number): number {
  return GUESS_PER_CPU * cpuAllowance;
}

/**
 * How many attempts a second a sender would make at full load: its throughput divided by its utilisation (the utilisation
 * law), so that it need not be at full load to know. Smoothed, each attempt with the same weight.
 */
export class FullLoadRate {
  /** Of a sender that does nothing else, for one attempt. */
  #secondsPerAttempt: number;
  #attempts = 0;

  constructor(cpuAllowance: number) {
    this.#secondsPerAttempt = 1 / guessedRate(cpuAllowance);
  }

  get perSecond(): number {
    return 1 / this.#secondsPerAttempt;
  }

  /** Whether most of it was measured. */
  get isMeasured(): boolean {
    return this.#attempts >= MEMORY_ATTEMPTS;
  }

  note({ lengthMs, answered, utilisation }: Interval): void {
    if (answered <= 0 || lengthMs <= 0 || utilisation < LEAST_UTILISATION) return;
    const seconds = (Math.min(1, utilisation) * lengthMs) / 1_000 / answered;
    const weight = 1 - Math.exp(-answered / MEMORY_ATTEMPTS);
    this.#secondsPerAttempt += weight * (seconds - this.#secondsPerAttempt);
    this.#attempts += answered;
  }
}
