import { JOB_VERSION } from "../../../protocol/job.ts";
import type { Clock } from "../../../sender/ports/clock.ts";
import type {
  JobOutcome,
  JobQueue,
  Lease,
  LeaseRequest,
  LeasedJob,
} from "../../../sender/ports/job-queue.ts";
import type { RedisConnection, RedisSubscriber } from "../connection.ts";
import { DueEndpoints } from "./due-endpoints.ts";
import { JOB_SCRIPTS } from "./job-scripts.ts";
import { JobSettlements } from "./job-settlements.ts";
import { WAKE_JOBS, type RedisJobs } from "./jobs.ts";
import type { PlannedLease } from "./lease-plan.ts";
import { readTaken, type UnreadableJob } from "./taken-jobs.ts";

/** Bound how long the server is busy with one call. */
const LEASE_BATCH = 200;
const RENEW_BATCH = 500;
const EXPIRY_PAGE = 200;
/** Somebody else may be quicker again and again. */
const MAX_LOST_ROUNDS = 3;

/**
 * The queue as a sender sees it; any number of them may.
 *
 *   due ──lease──▶ leased ──delivered──▶ (gone)
 *    ▲ ▲             │ │ └───buried─────▶ dead letter
 *    │ └─lease ended─┘ └─retry, returned─▶ delayed
 *    └───────────────(its time)──────────────┘
 *
 * What a sender has room for is decided here, by what the store said a moment ago of who has jobs; then it is taken, if it
 * is still there.
 */
export class RedisJobQueue implements JobQueue {
  readonly #connection: RedisConnection;
  readonly #jobs: RedisJobs;
  readonly #clock: Clock;
  readonly #dueEndpoints: DueEndpoints;
  readonly #settlements: JobSettlements;
  readonly #listeners = new Set<() => void>();
  #subscriber: RedisSubscriber | undefined;

  constructor(connection: RedisConnection, jobs: RedisJobs, clock: Clock) {
    this.#connection = connection;
    this.#jobs = jobs;
    this.#clock = clock;
    this.#dueEndpoints = new DueEndpoints(jobs);
    this.#settlements = new JobSettlements(jobs);
  }

  async lease(request: LeaseRequest): Promise<readonly LeasedJob[]> {
    const leased: LeasedJob[] = [];
    try {
      for (let lost = 0; lost < MAX_LOST_ROUNDS;) {
        const planned = await this.#dueEndpoints.plan(request, leased);
        const unreadable: UnreadableJob[] = [];
        let missing = 0;
        for (const batch of batchesOf(planned)) {
          const taken = await this.#take(batch, request.leaseMs);
          leased.push(...taken.jobs);
          unreadable.push(...taken.unreadable);
          missing += batch.reduce((sum, { count }) => sum + count, -taken.jobs.length);
        }
        await Promise.all(unreadable.map((job) => this.#buryUnread(job)));
        if (missing === 0) break;
        // Whoever was quicker, or what could not be read, took a place that is free again.
        if (unreadable.length === 0) lost++;
      }
    } catch (error) {
      // What is leased already is ours, and would be nobody's until its end.
      if (leased.length === 0) throw error;
    }
    return leased;
  }

  async renew(leases: readonly Lease[], leaseMs: number): Promise<readonly Lease[]> {
    const lost: Lease[] = [];
    for (let i = 0; i < leases.length; i += RENEW_BATCH) {
      const batch = leases.slice(i, i + RENEW_BATCH);
      const args = batch.flatMap(({ sequence, token }) => [`${sequence}`, `${token}`]);
      const reply = await this.#jobs.run(JOB_SCRIPTS.renew, "leased", [`${leaseMs}`, ...args]);
      const held = reply as readonly number[];
      lost.push(...batch.filter((_, place) => held[place] !== 1));
    }
    return lost;
  }

  settle(lease: Lease, outcome: JobOutcome): Promise<boolean> {
    return this.#settlements.settle(lease, outcome);
  }

  async expire(endpointId: string, sinceMs: number, reason: string): Promise<number> {
    // How long that is, for the store has another clock.
    const downMs = Math.max(0, this.#clock.now() - sinceMs);
    let buried = 0;
    for (let version = 1; version <= JOB_VERSION; version++) {
      const about = [`${downMs}`, reason];
      const line = `due:${version}:${endpointId}`;
      for (let place = 0; ;) {
        const page = [`${place}`, `${place + EXPIRY_PAGE - 1}`, `${WAKE_JOBS}`];
        const reply = await this.#jobs.run(JOB_SCRIPTS.expire, line, [...about, ...page]);
        const [looked = 0, found = 0] = reply as readonly number[];
        buried += found;
        place += looked - found;
        if (looked < EXPIRY_PAGE) break;
      }
    }
    return buried;
  }

  async pause(endpointId: string, reason: string): Promise<void> {
    await this.#jobs.pause(endpointId, reason);
  }

  onDue(listener: () => void): () => void {
    // Two subscriptions of one function are two.
    const own = (): void => listener();
    this.#listeners.add(own);
    this.#subscriber ??= this.#listen();
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size > 0) return;
      void this.#subscriber?.close();
      this.#subscriber = undefined;
    };
  }

  async #take(
    planned: readonly PlannedLease[],
    leaseMs: number,
  ): Promise<ReturnType<typeof readTaken>> {
    const of = planned.flatMap(({ version, endpointId, count }) => [
      version,
      endpointId,
      `${count}`,
    ]);
    return readTaken(await this.#jobs.run(JOB_SCRIPTS.lease, "leased", [`${leaseMs}`, ...of]));
  }

  #buryUnread({ lease, attempts, spentMs, fault }: UnreadableJob): Promise<boolean> {
    return this.settle(lease, { kind: "buried", reason: fault, attempts, spentMs });
  }

  #listen(): RedisSubscriber {
    const tell = (): void => {
      for (const listener of this.#listeners) listener();
    };
    const subscriber = this.#connection.subscriber({ message: tell, missed: tell });
    subscriber.subscribe(this.#jobs.doorbell).then(tell, () => {});
    return subscriber;
  }
}

/** In their order, so many jobs in each at most. */
function* batchesOf(planned: readonly PlannedLease[]): Generator<readonly PlannedLease[]> {
  let batch: PlannedLease[] = [];
  let room = LEASE_BATCH;
  for (const lease of planned) {
    for (let left = lease.count; left > 0;) {
      const count = Math.min(left, room);
      batch.push({ ...lease, count });
      left -= count;
      room -= count;
      if (room > 0) continue;
      yield batch;
      batch = [];
      room = LEASE_BATCH;
    }
  }
  if (batch.length > 0) yield batch;
}
