import type {
  JobOutcome,
  JobQueue,
  Lease,
  LeaseRequest,
  LeasedJob,
} from "../../sender/ports/job-queue.ts";
import type { MemoryJobs } from "./jobs.ts";

/** A JobQueue for one process. All of a call happens in one turn of the event loop, which is what makes it atomic. */
export class MemoryJobQueue implements JobQueue {
  readonly #jobs: MemoryJobs;

  constructor(jobs: MemoryJobs) {
    this.#jobs = jobs;
  }

  lease(request: LeaseRequest): Promise<readonly LeasedJob[]> {
    const leased: LeasedJob[] = [];
    const max = request.max();
    if (max > 0) {
      this.#jobs.wake();
      this.#jobs.line.giveTurns(max, (endpoint) => {
        const { appId, id } = endpoint;
        if (request.room(appId, id) <= 0) return false;
        const job = this.#jobs.lease(endpoint, request.leaseMs);
        if (job === undefined) return false;
        leased.push(job);
        request.took(appId, id, 1);
        return true;
      });
    }
    return Promise.resolve(leased);
  }

  renew(leases: readonly Lease[], leaseMs: number): Promise<readonly Lease[]> {
    const lost = leases.filter((lease) => {
      const job = this.#jobs.leased(lease);
      if (job !== undefined) this.#jobs.renew(job, leaseMs);
      return job === undefined;
    });
    return Promise.resolve(lost);
  }

  settle(lease: Lease, outcome: JobOutcome): Promise<boolean> {
    const job = this.#jobs.leased(lease);
    if (job === undefined) return Promise.resolve(false);
    switch (outcome.kind) {
      case "delivered":
        this.#jobs.remove(job);
        break;
      case "retry":
        job.attempts++;
        job.spentMs = outcome.spentMs;
        job.firstAttemptAtMs ??= job.leasedAtMs;
        this.#jobs.delay(job, outcome.delayMs);
        break;
      case "returned":
        this.#jobs.delay(job, outcome.delayMs);
        break;
      case "buried":
        this.#jobs.bury(job, outcome.reason, outcome.attempts);
    }
    return Promise.resolve(true);
  }

  expire(endpointId: string, sinceMs: number, reason: string): Promise<number> {
    this.#jobs.wake();
    const now = this.#jobs.clock.now();
    const due = this.#jobs.endpoint(endpointId)?.due ?? [];
    const overdue = Array.from(due).filter(
      ({ job, waitsSinceMs }) => now - Math.max(sinceMs, waitsSinceMs) > job.retryWindowMs,
    );
    for (const job of overdue) this.#jobs.bury(job, reason, job.attempts);
    return Promise.resolve(overdue.length);
  }

  pause(endpointId: string, reason: string): Promise<void> {
    this.#jobs.pause(endpointId, reason);
    return Promise.resolve();
  }

  onDue(listener: () => void): () => void {
    return this.#jobs.hints.listen(listener);
  }
}
