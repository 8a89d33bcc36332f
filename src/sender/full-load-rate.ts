/**
 * Attempts a second that a sender with a whole CPU is taken to make until it is known better: 250 us of CPU each, three times
 * what the benchmark measures for HTTPS, or for a thousand endpoints in turn.
 */
const GUESS_PER_CPU = 4_000;
/** What the guess counts for, against what was measured. */
const GUESS_ATTEMPTS = 500;
const MEASURED_ATTEMPTS = 2_000;
/** What is remembered: the last so many attempts, or intervals where those had more. A stall of a second is in two of them. */
const MEMORY_ATTEMPTS = 10_000;
const MEMORY_INTERVALS = 15;
/** No interval tells that an attempt is more than so many times as dear as it seemed: a few attempts beside other work would. */
const MOST_DEARER = 4;
/**
 * An interval in which less was done tells nothing: a process spends some of its CPU on being there, up to a twentieth of a
 * small allowance, and few attempts would look dear.
 */
const LEAST_UTILISATION = 0.2;

/** So long does the best rate take to come half way down to what is measured now. */
const BEST_HALF_LIFE_MS = 30 * 60 * 1_000;

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
 * law), so that it need not be at full load to know. All attempts that are remembered weigh alike.
 */
export class FullLoadRate {
  /** That are remembered, and the time at full load that they took; both fade. */
  #attempts = GUESS_ATTEMPTS;
  #seconds: number;
  #measured = 0;
  #best: number;

  constructor(cpuAllowance: number) {
    this.#best = guessedRate(cpuAllowance);
    this.#seconds = GUESS_ATTEMPTS / this.#best;
  }

  get perSecond(): number {
    return this.#attempts / this.#seconds;
  }

  /**
   * The best that it was in the last half hour or so. Where the process is busy with being there more than with sending, what is
   * measured is too low; it was measured right when there was much to do.
   */
  get best(): number {
    return this.#best;
  }

  /** Whether the guess hardly counts any more. */
  get isMeasured(): boolean {
    return this.#measured >= MEASURED_ATTEMPTS;
  }

  note(interval: Interval): void {
    this.#learn(interval);
    const kept = 2 ** -(Math.max(0, interval.lengthMs) / BEST_HALF_LIFE_MS);
    const now = this.perSecond;
    this.#best = Math.max(now, now + (this.#best - now) * kept);
  }

  #learn({ lengthMs, answered, utilisation }: Interval): void {
    if (answered <= 0 || lengthMs <= 0 || utilisation < LEAST_UTILISATION) return;
    const kept = Math.exp(-Math.min(answered / MEMORY_ATTEMPTS, 1 / MEMORY_INTERVALS));
    const seconds = (Math.min(1, utilisation) * lengthMs) / 1_000;
    const most = (MOST_DEARER * answered) / this.perSecond;
    this.#attempts = this.#attempts * kept + answered;
    this.#seconds = this.#seconds * kept + Math.min(seconds, most);
    this.#measured += answered;
  }
}
