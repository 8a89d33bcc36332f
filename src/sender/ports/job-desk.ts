import type { Job } from "../../protocol/job.ts";

/** Jobs of one endpoint by where they are. */
export interface EndpointLoad {
  readonly appId: string;
  readonly webhookId: string;
  readonly url: string;
  /** Due, and with nobody. */
  readonly due: number;
  readonly leased: number;
  /** Due later: they failed and wait. */
  readonly delayed: number;
  readonly dead: number;
  /** Null unless paused. */
  readonly paused: Pause | null;
}

export interface Pause {
  readonly reason: string;
  /** Wall time. */
  readonly sinceMs: number;
}

export interface QueueFigures {
  /** Without those of paused endpoints: more senders would not help them. */
  readonly due: number;
  /** Of the due: those of endpoints that the caller did not name as blocked. */
  readonly deliverable: number;
  readonly leased: number;
  readonly delayed: number;
  readonly dead: number;
  /** Of those that are due: how long the oldest has been; 0 when there is none. */
  readonly oldestDueMs: number;
  readonly pausedEndpoints: number;
}

export interface DeadLetter {
  readonly job: Job;
  readonly reason: string;
  readonly attempts: number;
  /** Wall time. */
  readonly buriedAtMs: number;
}

/** Which dead letters; every field narrows. */
export interface DeadLetterFilter {
  readonly appId?: string | undefined;
  readonly webhookId?: string | undefined;
  readonly jobId?: string | undefined;
  /** Buried at or after, before; wall time. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

/** What people do with the queue. Nothing here is on the way of a delivery. */
export interface JobDesk {
  /** `blocked`: ids of endpoints to which nothing is sent now. They are expected to be few. */
  figures(blocked?: ReadonlySet<string>): Promise<QueueFigures>;
  /** Endpoints that have jobs or dead letters, or are paused. */
  endpoints(): Promise<readonly EndpointLoad[]>;
  /** Adds a job that no event made; false if the queue has it already. */
  add(job: Job): Promise<boolean>;
  pause(endpointId: string, reason: string): Promise<void>;
  /** False when it was not paused. */
  resume(endpointId: string): Promise<boolean>;
  /** Newest first. */
  deadLetters(filter: DeadLetterFilter, limit: number): Promise<readonly DeadLetter[]>;
  /** Puts dead letters back into the queue, each with its id, its attempts and window fresh; answers how many. */
  replay(filter: DeadLetterFilter): Promise<number>;
  /** Forgets dead letters over the bounds, the oldest first; answers how many. */
  prune(bounds: { readonly maxAgeMs: number; readonly maxEntries: number }): Promise<number>;
}
