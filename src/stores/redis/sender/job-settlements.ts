import type { JobOutcome, Lease } from "../../../sender/ports/job-queue.ts";
import { JOB_SCRIPTS } from "./job-scripts.ts";
import type { RedisJobs } from "./jobs.ts";

const BATCH_JOBS = 200;

interface Settling {
  readonly lease: Lease;
  readonly outcome: JobOutcome;
  readonly resolve: (isSettled: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** Outcomes on their way to the store: those of one turn of the event loop go together. */
export class JobSettlements {
  readonly #jobs: RedisJobs;
  #settling: Settling[] = [];

  constructor(jobs: RedisJobs) {
    this.#jobs = jobs;
  }

  /** False when the lease was lost. */
  settle(lease: Lease, outcome: JobOutcome): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#settling.length === 0) queueMicrotask(() => this.#send());
      this.#settling.push({ lease, outcome, resolve, reject });
    });
  }

  #send(): void {
    const all = this.#settling;
    this.#settling = [];
    for (let i = 0; i < all.length; i += BATCH_JOBS)
      void this.#sendBatch(all.slice(i, i + BATCH_JOBS));
  }

  async #sendBatch(batch: readonly Settling[]): Promise<void> {
    const args = batch.flatMap(({ lease, outcome }) => [
      `${lease.sequence}`,
      `${lease.token}`,
      ...argumentsOf(outcome),
    ]);
    try {
      const reply = await this.#jobs.run(JOB_SCRIPTS.settle, "delayed", args);
      const settled = reply as readonly number[];
      for (const [i, { resolve }] of batch.entries()) resolve(settled[i] === 1);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

function argumentsOf(outcome: JobOutcome): [string, string, string] {
  switch (outcome.kind) {
    case "delivered":
      return ["delivered", "", ""];
    case "retry":
      return ["retry", `${Math.ceil(outcome.delayMs)}`, `${Math.round(outcome.spentMs)}`];
    case "returned":
      return ["returned", `${Math.ceil(outcome.delayMs)}`, ""];
    case "buried":
      return ["buried", `${outcome.attempts}`, outcome.reason];
  }
}
