import type { Job } from "../protocol/job.ts";
import type { Telling } from "./batches.ts";
import type { LoggedEvent, Settlement } from "./ports/event-log.ts";

/** What was decided since the last settlement, to be settled in one step. */
export class SettlementDraft {
  readonly #jobs: Job[] = [];
  readonly #settled: string[] = [];
  readonly #inJobs: { readonly telling: Telling; readonly webhookId: string }[] = [];
  #oldestDueMs = Number.POSITIVE_INFINITY;

  get isEmpty(): boolean {
    return this.#settled.length === 0 && this.#jobs.length === 0;
  }

  /** Since when the event that has been due longest has been; infinity when there is none. */
  get oldestDueMs(): number {
    return this.#oldestDueMs;
  }

  /** Nothing more will come of the event. */
  settle(event: LoggedEvent): void {
    this.#settled.push(event.id);
  }

  addJob(job: Job, tellings: readonly Telling[]): void {
    this.#jobs.push(job);
    for (const telling of tellings) {
      this.#inJobs.push({ telling, webhookId: job.webhookId });
      this.done(telling);
    }
  }

  /** One webhook less to wait for; with the last one the event is settled. */
  done(telling: Telling): void {
    this.#oldestDueMs = Math.min(this.#oldestDueMs, telling.dueAtMs);
    telling.waitsFor--;
    if (telling.waitsFor === 0) this.settle(telling.event);
  }

  finish(): Settlement {
    return {
      jobs: this.#jobs,
      settled: this.#settled,
      handled: this.#inJobs
        .filter(({ telling }) => telling.waitsFor > 0)
        .map(({ telling, webhookId }) => ({ eventId: telling.event.id, webhookId })),
    };
  }
}
