import { JOB_VERSION } from "../../../protocol/job.ts";
import type { LeasedJob, LeaseRequest } from "../../../sender/ports/job-queue.ts";
import type { Reply } from "../connection.ts";
import { JOB_SCRIPTS } from "./job-scripts.ts";
import { WAKE_JOBS, type RedisJobs } from "./jobs.ts";
import { planLease, type DueEndpoint, type PlannedLease } from "./lease-plan.ts";

const LEAST_REACH = 16;
const REACH_GROWTH = 4;

/**
 * Those that have jobs to lease, in the order of their turns, as far as one has to look.
 *
 * Thousands of endpoints may be due, and most often the first few take all that a sender has room for. Where those in front
 * have no room (they hang), one has to look further, until there is enough or no more: nobody is hidden behind them. How far
 * is remembered, and next time tried with half of that if most of what was seen was of no use.
 */
export class DueEndpoints {
  readonly #jobs: RedisJobs;
  #reach = LEAST_REACH;

  constructor(jobs: RedisJobs) {
    this.#jobs = jobs;
  }

  /** What is to be leased where, for `leased` is what the request has already. */
  async plan(
    request: LeaseRequest,
    leased: readonly LeasedJob[],
  ): Promise<readonly PlannedLease[]> {
    for (;;) {
      const reach = this.#reach;
      const { due, areAll } = await this.#look(reach);
      const { leases, missing } = planLease(due, request, leased);
      if (missing > 0 && !areAll) {
        this.#reach = reach * REACH_GROWTH;
        continue;
      }
      if (2 * leases.length <= due.length) this.#reach = Math.max(LEAST_REACH, reach >> 1);
      return leases;
    }
  }

  async #look(
    reach: number,
  ): Promise<{ readonly due: readonly DueEndpoint[]; readonly areAll: boolean }> {
    const args = [`${JOB_VERSION}`, `${reach}`, `${WAKE_JOBS}`];
    const reply = await this.#jobs.run(JOB_SCRIPTS.dueEndpoints, "clock", args);
    const [areAll, ...rows] = reply as readonly [number, ...(readonly Reply[])[]];
    const due = rows.map(([version, endpoint, count]) => {
      const endpointId = String(endpoint);
      const appId = endpointId.slice(0, endpointId.indexOf("/"));
      return { version: String(version), appId, endpointId, due: Number(count) };
    });
    return { due, areAll: areAll === 1 };
  }
}
