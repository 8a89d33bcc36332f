import type { Job } from "../../src/protocol/job.ts";
import type { Clock } from "../../src/sender/ports/clock.ts";
import type { DeliveryLog } from "../../src/sender/ports/delivery-log.ts";
import type { Fleet } from "../../src/sender/ports/fleet.ts";
import type { JobDesk, QueueFigures } from "../../src/sender/ports/job-desk.ts";
import type { JobQueue, LeasedJob } from "../../src/sender/ports/job-queue.ts";
import type { FakeClock } from "../support/fake-clock.ts";

/** What one process has of a store of jobs. */
export interface JobStoreHandles {
  readonly queue: JobQueue;
  readonly desk: JobDesk;
  readonly log: DeliveryLog;
  readonly fleet: Fleet;
}

/** A job's text as another program may have put it into the queue, and what that program said it is. */
export interface RawJob {
  readonly version: number;
  readonly id: string;
  readonly appId: string;
  readonly webhookId: string;
  readonly json: string;
}

export interface JobStoreUnderTest extends JobStoreHandles {
  /** In this order. */
  putRaw(jobs: readonly RawJob[]): Promise<void>;
  /** The desk's figures of this moment, where it answers with old ones for a while. */
  figures(): Promise<QueueFigures>;
  /** Resolves when what was recorded can be read, and hints have been given. */
  flush(): Promise<void>;
  /** Another process with the same store. */
  second?(clock: Clock): Promise<JobStoreHandles>;
  /** All processes die as they stand, and another opens the store. */
  reopen?(clock: Clock): Promise<JobStoreHandles>;
  close(): Promise<void>;
}

export interface JobStoreEngine {
  /** Why `second` is missing, where it is. */
  readonly whyAlone?: string;
  /** Why `reopen` is missing, where it is. */
  readonly whyForgetful?: string;
  /** How long the queue may take to notice that a job's time has come, or what another process did. */
  readonly latenessMs: number;
  /** An empty store. Its calls get done while the clock stands still. */
  make(setting: { readonly clock: Clock }): Promise<JobStoreUnderTest>;
}

/** Any text may be an id or a URL, and stores have characters of their own. */
export const STRANGE = [
  "__proto__",
  "constructor",
  "a:b",
  "{x}",
  "%_*?",
  'it\'s "quoted" `so`',
  String.raw`back\slash`,
  "; DROP TABLE jobs; --",
  "ü 😀",
  "\n",
  " ",
  "",
  "a\u0000b",
  "a\u0000c",
];

let made = 0;

export function testJob(changes: Partial<Job> = {}): Job {
  made++;
  return {
    version: 1,
    id: `job_${made}`,
    appId: "1",
    webhookId: "w",
    method: "POST",
    url: "https://example.com/hook",
    headers: { "content-type": "application/json", "x-pusher-key": "k" },
    body: `{"time_ms":1750000000000,"events":[{"name":"channel_occupied","channel":"c${made}"}]}`,
    createdAtMs: 1_750_000_000_000,
    events: ["channel_occupied"],
    timeoutMs: 4_000,
    retryWindowMs: 300_000,
    ...changes,
  };
}

export interface LeaseOptions {
  readonly max?: number;
  /** For this lease, of every endpoint or by its id. */
  readonly room?: number | ((endpointId: string, appId: string) => number);
  readonly leaseMs?: number;
}

export const LEASE_MS = 10_000;

/** Leases all that is due, unless told otherwise. */
export function leaseFrom(
  queue: JobQueue,
  { max = 100_000, room = 100_000, leaseMs = LEASE_MS }: LeaseOptions = {},
): Promise<readonly LeasedJob[]> {
  const taken = new Map<string, number>();
  const takenOf = (endpointId: string): number => taken.get(endpointId) ?? 0;
  return queue.lease({
    max() {
      taken.clear();
      return max;
    },
    room(appId, endpointId) {
      const most = typeof room === "number" ? room : room(endpointId, appId);
      return Math.max(0, most - takenOf(endpointId));
    },
    took(_appId, endpointId, jobs) {
      taken.set(endpointId, takenOf(endpointId) + jobs);
    },
    leaseMs,
  });
}

/** Lets the queue notice that time has passed, as a sender does that polls and has no room. */
export async function notice(clock: FakeClock, queue: JobQueue, latenessMs: number): Promise<void> {
  if (latenessMs === 0) return;
  clock.advance(latenessMs);
  await leaseFrom(queue, { room: 0 });
}

export function rawOf(job: Job): RawJob {
  const { version, id, appId, webhookId } = job;
  return { version, id, appId, webhookId, json: JSON.stringify(job) };
}

export function ids(found: readonly { readonly job: Job }[]): string[] {
  return found.map(({ job }) => job.id);
}

/** The one that must be there. */
export function only<T>(list: readonly T[]): T {
  const [first] = list;
  if (list.length !== 1 || first === undefined) throw new Error(`${list.length} in place of one`);
  return first;
}

/** The clock of another process on the same machine: the same wall, another start. */
export function clockOfAnotherProcess(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    elapsedMs: () => clock.elapsedMs() - 9_000,
    after: (delayMs, callback) => clock.after(delayMs, callback),
  };
}
