/** Time, so that a simulation can own it. */
export interface Clock {
  /** Wall time in milliseconds since the Unix epoch. It may jump. */
  now(): number;
  /** Milliseconds since some moment before the start. Never goes back. */
  elapsedMs(): number;
  /** Calls back once after the delay; returns the function that cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}
