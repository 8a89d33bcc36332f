import type { Job } from "../../protocol/job.ts";
import type {
  DeadLetter,
  DeadLetterFilter,
  EndpointLoad,
  JobDesk,
  QueueFigures,
} from "../../sender/ports/job-desk.ts";
import type { MemoryJobs } from "./jobs.ts";

const NONE: ReadonlySet<string> = new Set();

/** A JobDesk for one process, beside the `MemoryJobQueue` of the same jobs. */
export class MemoryJobDesk implements JobDesk {
  readonly #jobs: MemoryJobs;

  constructor(jobs: MemoryJobs) {
    this.#jobs = jobs;
  }

  figures(blocked: ReadonlySet<string> = NONE): Promise<QueueFigures> {
    this.#jobs.wake();
    const now = this.#jobs.clock.elapsedMs();
    let [due, deliverable, leased, delayed, pausedEndpoints] = [0, 0, 0, 0, 0];
    let oldestDueAtMs = now;
    for (const endpoint of this.#jobs.endpoints) {
      leased += endpoint.leased;
      delayed += endpoint.delayed;
      if (endpoint.pause !== undefined) {
        pausedEndpoints++;
        continue;
      }
      const dueHere = endpoint.due.size + endpoint.newer.size;
      due += dueHere;
      if (!blocked.has(endpoint.id)) deliverable += dueHere;
      for (const job of [endpoint.due.first, endpoint.newer.first])
        if (job !== undefined) oldestDueAtMs = Math.min(oldestDueAtMs, job.dueAtMs);
    }
    const oldestDueMs = Math.round(now - oldestDueAtMs);
    const dead = this.#jobs.dead.size;
    return Promise.resolve({
      due,
      deliverable,
      leased,
      delayed,
      dead,
      oldestDueMs,
      pausedEndpoints,
    });
  }

  endpoints(): Promise<readonly EndpointLoad[]> {
    this.#jobs.wake();
    return Promise.resolve(
      Array.from(
        this.#jobs.endpoints,
        ({ appId, webhookId, url, due, newer, leased, delayed, dead, pause }) => ({
          appId,
          webhookId,
          url,
          due: due.size + newer.size,
          leased,
          delayed,
          dead,
          paused: pause ?? null,
        }),
      ),
    );
  }

  add(job: Job): Promise<boolean> {
    return Promise.resolve(this.#jobs.put({ ...job, json: JSON.stringify(job) }));
  }

  pause(endpointId: string, reason: string): Promise<void> {
    this.#jobs.pause(endpointId, reason);
    return Promise.resolve();
  }

  resume(endpointId: string): Promise<boolean> {
    return Promise.resolve(this.#jobs.resume(endpointId));
  }

  deadLetters(filter: DeadLetterFilter, limit: number): Promise<readonly DeadLetter[]> {
    return Promise.resolve(
      this.#jobs.dead
        .find(filter, limit)
        .map(({ job, reason, attempts, buriedAtMs }) => ({ job, reason, attempts, buriedAtMs })),
    );
  }

  replay(filter: DeadLetterFilter): Promise<number> {
    return Promise.resolve(this.#jobs.replay(filter));
  }

  prune({
    maxAgeMs,
    maxEntries,
  }: {
    readonly maxAgeMs: number;
    readonly maxEntries: number;
  }): Promise<number> {
    return Promise.resolve(this.#jobs.prune(maxEntries, this.#jobs.clock.now() - maxAgeMs));
  }
}
