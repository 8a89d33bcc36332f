/** Time, so that a simulation can own it. */
export interface Clock {
  /** Wall time in milliseconds since the Unix epoch. It may jump: only for what other machines are told or have told. */
  now(): number;
  /** Milliseconds since some moment before the start. Never goes back: for every wait, rate and lifetime. */
  elapsedMs(): number;
  /** Calls back once after the delay; returns the function that cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: Date.now,
  elapsedMs: performance.now.bind(performance),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
