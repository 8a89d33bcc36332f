import type { Job } from "../../protocol/job.ts";
import { endpointIdOf } from "../../protocol/webhook.ts";
import type { Clock } from "../../sender/ports/clock.ts";
import type { DeadLetterFilter } from "../../sender/ports/job-desk.ts";
import type { Lease, LeasedJob } from "../../sender/ports/job-queue.ts";
import { DeadLetterBox } from "./dead-letter-box.ts";
import { DueHints } from "./due-hints.ts";
import { DueLine } from "./due-line.ts";
import { LinkedList } from "./linked-list.ts";
import {
  readJob,
  type MemoryEndpoint,
  type RawJob,
  type ReadJob,
  type StoredJob,
} from "./stored-job.ts";
import { WaitingJobs } from "./waiting-jobs.ts";

/**
 * The jobs of one process, which its JobQueue and its JobDesk share. They last as long as it does.
 *
 *   put ─▶ due ──lease──▶ leased ──settled──▶ gone, or a dead letter
 *          ▲ ▲               │ │
 *          │ └──lease ended──┘ └──retry, returned──▶ delayed
 *          └──────────────────(its time)────────────────┘
 *
 * Invariants: whatever changes or counts jobs first makes due what is due by now (`wake`), so that they become due in the
 * order of their times, which is the order of an endpoint's `due`. In `line` stands who has such jobs and is not paused. An
 * endpoint of which nothing is left is forgotten.
 *
 * A job goes in as its text and comes out as what that says, as from any engine that lasts: it is nobody else's object, and
 * what no sender could read is buried.
 */
export class MemoryJobs {
  readonly clock: Clock;
  readonly line = new DueLine();
  readonly dead = new DeadLetterBox();
  readonly hints: DueHints;
  readonly #endpoints = new Map<string, MemoryEndpoint>();
  readonly #bySequence = new Map<number, StoredJob>();
  readonly #ids = new Set<string>();
  readonly #waiting = new WaitingJobs();
  #lastSequence = 0;
  #lastToken = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    this.hints = new DueHints(clock, {
      nextDueMs: () => this.#waiting.first?.dueAtMs,
      wake: () => this.wake(),
    });
  }

  /** Those that have jobs or dead letters, or are paused. */
  get endpoints(): Iterable<MemoryEndpoint> {
    return this.#endpoints.values();
  }

  endpoint(endpointId: string): MemoryEndpoint | undefined {
    return this.#endpoints.get(endpointId);
  }

  /** What the packager made. Jobs that are here already are passed over. */
  add(jobs: readonly Job[]): void {
    for (const job of jobs) this.put({ ...job, json: JSON.stringify(job) });
  }

  /** False when a job of that id is here already. */
  put(raw: RawJob): boolean {
    if (this.#ids.has(raw.id) || this.dead.has(raw.id)) return false;
    this.wake();
    const read = readJob(raw);
    const endpoint = this.#endpointOf(endpointIdOf(raw.appId, raw.webhookId));
    if (read.job.url !== "") endpoint.url = read.job.url;
    this.#enter(read, endpoint, read.job.createdAtMs);
    this.hints.give();
    return true;
  }

  /** Makes due what is due by now; false when there was nothing. */
  wake(): boolean {
    const now = this.clock.elapsedMs();
    let isAny = false;
    for (;;) {
      const job = this.#waiting.first;
      if (job === undefined || job.dueAtMs > now) return isAny;
      isAny = true;
      this.#withdraw(job);
      this.#makeDue(job);
    }
  }

  /** Leases the job that has been due for longest; undefined when none is. */
  lease({ due }: MemoryEndpoint, leaseMs: number): LeasedJob | undefined {
    const stored = due.first;
    if (stored === undefined) return undefined;
    const token = ++this.#lastToken;
    this.#withdraw(stored);
    stored.token = token;
    stored.leasedAtMs = this.clock.now();
    this.#wait(stored, "leased", leaseMs);
    const { sequence, job, attempts, spentMs, firstAttemptAtMs } = stored;
    return { lease: { sequence, token }, job, attempts, spentMs, firstAttemptAtMs };
  }

  /** The job, unless the lease was lost. One that ended is lost only when the job has another. */
  leased({ sequence, token }: Lease): StoredJob | undefined {
    this.wake();
    const job = this.#bySequence.get(sequence);
    return job?.token === token ? job : undefined;
  }

  renew(job: StoredJob, leaseMs: number): void {
    this.#withdraw(job);
    this.#wait(job, "leased", leaseMs);
  }

  delay(job: StoredJob, delayMs: number): void {
    this.#withdraw(job);
    job.token = undefined;
    this.#wait(job, "delayed", delayMs);
  }

  remove(job: StoredJob): void {
    this.#withdraw(job);
    this.#bySequence.delete(job.sequence);
    this.#ids.delete(job.id);
    this.#forgetIfEmpty(job.endpoint);
  }

  bury(job: StoredJob, reason: string, attempts: number): void {
    this.#addLetter(job, job.endpoint, reason, attempts);
    this.remove(job);
  }

  /** Answers how many. */
  replay(filter: DeadLetterFilter): number {
    this.wake();
    const letters = this.dead.take(filter);
    for (const letter of letters) this.#enter(letter, letter.endpoint, this.clock.now());
    if (letters.length > 0) this.hints.give();
    return letters.length;
  }

  /** Answers how many. */
  prune(maxEntries: number, buriedBeforeMs: number): number {
    const letters = this.dead.takeBeyond(maxEntries, buriedBeforeMs);
    for (const { endpoint } of letters) this.#forgetIfEmpty(endpoint);
    return letters.length;
  }

  pause(endpointId: string, reason: string): void {
    const endpoint = this.#endpointOf(endpointId);
    endpoint.pause = { reason, sinceMs: endpoint.pause?.sinceMs ?? this.clock.now() };
    this.line.delete(endpoint);
  }

  /** False when it was not paused. */
  resume(endpointId: string): boolean {
    const endpoint = this.#endpoints.get(endpointId);
    if (endpoint?.pause === undefined) return false;
    endpoint.pause = undefined;
    if (endpoint.due.size > 0) this.line.add(endpoint);
    this.#forgetIfEmpty(endpoint);
    this.hints.give();
    return true;
  }

  #endpointOf(endpointId: string): MemoryEndpoint {
    let endpoint = this.#endpoints.get(endpointId);
    if (endpoint === undefined) {
      endpoint = emptyEndpoint(endpointId);
      this.#endpoints.set(endpointId, endpoint);
    }
    return endpoint;
  }

  #forgetIfEmpty({ id, due, newer, leased, delayed, dead, pause }: MemoryEndpoint): void {
    const isEmpty = due.size + newer.size + leased + delayed + dead === 0;
    if (isEmpty && pause === undefined) this.#endpoints.delete(id);
  }

  #enter(read: ReadJob, endpoint: MemoryEndpoint, waitsSinceMs: number): void {
    if (read.fault !== undefined) {
      this.#addLetter(read, endpoint, read.fault, 0);
      return;
    }
    const job: StoredJob = {
      ...read,
      sequence: ++this.#lastSequence,
      endpoint,
      waitsSinceMs,
      attempts: 0,
      spentMs: 0,
      firstAttemptAtMs: undefined,
      state: "due",
      dueAtMs: this.clock.elapsedMs(),
      token: undefined,
      leasedAtMs: 0,
      before: undefined,
      after: undefined,
    };
    this.#bySequence.set(job.sequence, job);
    this.#ids.add(job.id);
    this.#makeDue(job);
  }

  #addLetter(read: ReadJob, endpoint: MemoryEndpoint, reason: string, attempts: number): void {
    const { id, job, fault, isNewer } = read;
    const buriedAtMs = this.clock.now();
    this.dead.add({ id, job, fault, isNewer, endpoint, reason, attempts, buriedAtMs });
  }

  #makeDue(job: StoredJob): void {
    const { endpoint } = job;
    job.state = "due";
    if (job.isNewer) {
      endpoint.newer.add(job);
      return;
    }
    endpoint.due.add(job);
    if (endpoint.pause === undefined) this.line.add(endpoint);
  }

  #wait(job: StoredJob, state: "leased" | "delayed", ms: number): void {
    job.state = state;
    job.dueAtMs = this.clock.elapsedMs() + ms;
    job.endpoint[state]++;
    this.#waiting.add(job);
    this.hints.plan();
  }

  /** Takes the job from where it is. */
  #withdraw(job: StoredJob): void {
    const { endpoint, state } = job;
    if (state !== "due") {
      endpoint[state]--;
      this.#waiting.delete(job);
      return;
    }
    endpoint.due.delete(job);
    if (endpoint.due.size === 0) this.line.delete(endpoint);
  }
}

function emptyEndpoint(id: string): MemoryEndpoint {
  const slash = id.indexOf("/");
  return {
    id,
    appId: id.slice(0, slash),
    webhookId: id.slice(slash + 1),
    url: "",
    due: new LinkedList(),
    newer: new LinkedList(),
    leased: 0,
    delayed: 0,
    dead: 0,
    pause: undefined,
  };
}
