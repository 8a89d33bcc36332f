import type { Clock } from "../../sender/ports/clock.ts";
import { parseReport, type Fleet, type SenderReport } from "../../sender/ports/fleet.ts";

interface Kept {
  readonly json: string;
  readonly untilMs: number;
}

/** A Fleet for one process. */
export class MemoryFleet implements Fleet {
  readonly #clock: Clock;
  /** By sender id. */
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  report(report: SenderReport, ttlMs: number): Promise<void> {
    const untilMs = this.#clock.elapsedMs() + ttlMs;
    this.#kept.set(report.senderId, { json: JSON.stringify(report), untilMs });
    return Promise.resolve();
  }

  withdraw(senderId: string): Promise<void> {
    this.#kept.delete(senderId);
    return Promise.resolve();
  }

  reports(): Promise<readonly SenderReport[]> {
    const nowMs = this.#clock.elapsedMs();
    for (const [senderId, { untilMs }] of this.#kept)
      if (untilMs <= nowMs) this.#kept.delete(senderId);
    return Promise.resolve(
      [...this.#kept.values()]
        .map(({ json }) => parseReport(json))
        .filter((report) => report !== undefined)
        .toSorted((one, other) => (one.senderId < other.senderId ? -1 : 1)),
    );
  }
}
