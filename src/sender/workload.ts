import { backlogSeconds, blockedEndpoints, sendersBusy, sendersByVersion } from "./backlog.ts";
import type { Clock } from "./ports/clock.ts";
import type { Fleet } from "./ports/fleet.ts";
import type { JobDesk, QueueFigures } from "./ports/job-desk.ts";

/** However many ask, the store is asked this often. */
const LASTS_MS = 1_000;

/** What there is to do, and who is there to do it. The same from every process that shares the store. */
export interface WorkloadFigures {
  readonly queue: QueueFigures;
  /** How long one sender would need for what could be delivered now. */
  readonly backlogSeconds: number;
  /** How many senders, each at full load, would do what is being done. */
  readonly sendersBusy: number;
  /** Live senders by version. */
  readonly senders: ReadonlyMap<string, number>;
}

export class Workload {
  readonly #desk: JobDesk;
  readonly #fleet: Fleet;
  readonly #clock: Clock;
  #last: { readonly atMs: number; readonly figures: Promise<WorkloadFigures> } | undefined;

  constructor(desk: JobDesk, fleet: Fleet, clock: Clock) {
    this.#desk = desk;
    this.#fleet = fleet;
    this.#clock = clock;
  }

  /** A second old at most. Rejects while the store is away. */
  figures(): Promise<WorkloadFigures> {
    const atMs = this.#clock.elapsedMs();
    if (this.#last !== undefined && atMs - this.#last.atMs < LASTS_MS) return this.#last.figures;
    const figures = this.#read();
    this.#last = { atMs, figures };
    // A fault is no answer to give again.
    figures.catch(() => {
      if (this.#last?.figures === figures) this.#last = undefined;
    });
    return figures;
  }

  async #read(): Promise<WorkloadFigures> {
    const reports = await this.#fleet.reports();
    const queue = await this.#desk.figures(blockedEndpoints(reports));
    return {
      queue,
      backlogSeconds: backlogSeconds(queue.deliverable, reports),
      sendersBusy: sendersBusy(reports),
      senders: sendersByVersion(reports),
    };
  }
}
