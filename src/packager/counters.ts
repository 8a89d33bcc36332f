/** What the packager did since it started. Plain numbers: whoever shows them reads them when asked. */
export interface Counters {
  eventsRead: number;
  /** Leavings that were followed by a return in time, and those returns. */
  eventsSuppressed: number;
  /** Jobs that are in the queue, by app id. */
  readonly jobsMade: Map<string, number>;
  readFailures: number;
  settleFailures: number;
}

export function newCounters(): Counters {
  return {
    eventsRead: 0,
    eventsSuppressed: 0,
    jobsMade: new Map(),
    readFailures: 0,
    settleFailures: 0,
  };
}
