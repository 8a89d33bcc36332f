import { JOB_VERSION, parseJob, type Job } from "../../protocol/job.ts";
import type { Pause } from "../../sender/ports/job-desk.ts";
import type { Linked, LinkedList } from "./linked-list.ts";

/** A job's text, and what whoever put it says it is. */
export interface RawJob {
  readonly version: number;
  readonly id: string;
  readonly appId: string;
  readonly webhookId: string;
  readonly json: string;
}

/** What a text turned out to be. */
export interface ReadJob {
  readonly id: string;
  /** As far as it could be read. */
  readonly job: Job;
  /** Why it is no job; undefined where it is one. */
  readonly fault: string | undefined;
  /** For a newer sender. */
  readonly isNewer: boolean;
}

/** A job in the queue. Durations are measured by the clock that never goes back; what people see is wall time. */
export interface StoredJob extends ReadJob, Linked<StoredJob> {
  readonly sequence: number;
  readonly endpoint: MemoryEndpoint;
  /** Wall time from which its retry window counts at the earliest. */
  readonly waitsSinceMs: number;
  attempts: number;
  spentMs: number;
  firstAttemptAtMs: number | undefined;
  state: "due" | "leased" | "delayed";
  /** Elapsed time at which it became due, or does: at the end of its lease, or of its delay. */
  dueAtMs: number;
  /** Of the last lease, which holds until somebody else has one; undefined when there is none. */
  token: number | undefined;
  /** Wall time at which that began. */
  leasedAtMs: number;
}

/** The jobs of one endpoint by where they are. */
export interface MemoryEndpoint {
  readonly id: string;
  readonly appId: string;
  readonly webhookId: string;
  /** Of its newest job. */
  url: string;
  /** In the order in which they became due. */
  readonly due: LinkedList<StoredJob>;
  /** Due as well, but for a newer sender. */
  readonly newer: LinkedList<StoredJob>;
  leased: number;
  delayed: number;
  dead: number;
  pause: Pause | undefined;
}

export function readJob({ version, id, appId, webhookId, json }: RawJob): ReadJob {
  const isNewer = version > JOB_VERSION;
  const parsed = parseJob(json);
  if ("job" in parsed) return { id, job: parsed.job, fault: undefined, isNewer };
  const job: Job = {
    version,
    id,
    appId,
    webhookId,
    method: "POST",
    url: "",
    headers: {},
    body: json,
    createdAtMs: 0,
    events: [],
    timeoutMs: 0,
    retryWindowMs: 0,
  };
  return { id, job, fault: isNewer ? undefined : parsed.fault, isNewer };
}
