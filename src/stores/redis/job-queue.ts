import { JOB_VERSION, parseJob } from "../../protocol/job.ts";
import type {
  JobOutcome,
  JobQueue,
  Lease,
  LeaseRequest,
  LeasedJob,
} from "../../sender/ports/job-queue.ts";
import type { RedisConnection, RedisSubscriber, Reply } from "./connection.ts";
import { JOB_SCRIPTS } from "./job-scripts.ts";
import type { RedisJobs } from "./jobs.ts";
import { planLease, type DueEndpoint } from "./lease-plan.ts";

/** Who is not among them comes with the next lease, for those have had a turn by then. */
const MAX_APPS = 500;
const MAX_ENDPOINTS_PER_APP = 100;
/** Bounds how long the server is busy with what became due at one moment. */
export const WAKE_JOBS = 1_000;
const EXPIRY_PAGE = 500;
const SETTLE_BATCH = 200;
/** Somebody else may be quicker again and again. */
const MAX_LOST_ROUNDS = 5;

interface TakenJob {
  readonly sequence: number;
  readonly token: number;
  readonly json: string;
  readonly body: string | null;
  readonly attempts: number;
  readonly spentMs: number;
  readonly firstAttemptAtMs: number | undefined;
}

interface Settling {
  readonly lease: Lease;
  readonly outcome: JobOutcome;
  readonly resolve: (isSettled: boolean) => void;
  readonly reject: (error: unknown) => void;
}

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
  readonly #listeners = new Set<() => void>();
  #subscriber: RedisSubscriber | undefined;
  #settling: Settling[] = [];

  constructor(connection: RedisConnection, jobs: RedisJobs) {
    this.#connection = connection;
    this.#jobs = jobs;
  }

  async lease(request: LeaseRequest): Promise<readonly LeasedJob[]> {
    const leased: LeasedJob[] = [];
    for (let lost = 0; lost < MAX_LOST_ROUNDS; ) {
      const planned = planLease(await this.#dueEndpoints(), request, leased);
      if (planned.length === 0) break;
      const reply = await this.#jobs.run(JOB_SCRIPTS.lease, "leased", [
        `${request.leaseMs}`,
        ...planned.flatMap(({ version, endpointId, count }) => [version, endpointId, `${count}`]),
      ]);
      const { jobs, unreadable } = readable(takenOf(reply as readonly Reply[]));
      leased.push(...jobs);
      await Promise.all(unreadable.map(({ lease, reason }) => this.#buryUnread(lease, reason)));
      // Whoever was quicker, or what could not be read, took a place that is free again.
      const wanted = planned.reduce((sum, { count }) => sum + count, 0);
      if (jobs.length === wanted) break;
      if (unreadable.length === 0) lost++;
    }
    return leased;
  }

  async renew(leases: readonly Lease[], leaseMs: number): Promise<readonly Lease[]> {
    if (leases.length === 0) return [];
    const reply = (await this.#jobs.run(JOB_SCRIPTS.renew, "leased", [
      `${leaseMs}`,
      ...leases.flatMap(({ sequence, token }) => [`${sequence}`, `${token}`]),
    ])) as readonly number[];
    return leases.filter((_, i) => reply[i] !== 1);
  }

  settle(lease: Lease, outcome: JobOutcome): Promise<boolean> {
    return new Promise((resolve, reject) => {
      // What is settled in the same turn goes together.
      if (this.#settling.length === 0) queueMicrotask(() => this.#settleAll());
      this.#settling.push({ lease, outcome, resolve, reject });
    });
  }

  async expire(endpointId: string, sinceMs: number, reason: string): Promise<number> {
    let buried = 0;
    for (let version = 1; version <= JOB_VERSION; version++) {
      for (let place = 0; ;) {
        const [looked = 0, found = 0] = (await this.#jobs.run(
          JOB_SCRIPTS.expire,
          `due:${version}:${endpointId}`,
          [
            `${version}`,
            endpointId,
            `${sinceMs}`,
            reason,
            `${place}`,
            `${place + EXPIRY_PAGE - 1}`,
            `${WAKE_JOBS}`,
          ],
        )) as readonly number[];
        buried += found;
        place += looked - found;
        if (looked < EXPIRY_PAGE) break;
      }
    }
    return buried;
  }

  async pause(endpointId: string, reason: string): Promise<void> {
    await this.#jobs.run(JOB_SCRIPTS.pause, "paused", [endpointId, reason]);
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

  async #dueEndpoints(): Promise<DueEndpoint[]> {
    const flat = (await this.#jobs.run(JOB_SCRIPTS.dueEndpoints, "clock", [
      `${JOB_VERSION}`,
      `${MAX_APPS - 1}`,
      `${MAX_ENDPOINTS_PER_APP - 1}`,
      `${WAKE_JOBS}`,
    ])) as readonly Reply[];
    const due: DueEndpoint[] = [];
    for (let i = 0; i + 2 < flat.length; i += 3) {
      const endpointId = String(flat[i + 1]);
      const appId = endpointId.slice(0, endpointId.indexOf("/"));
      due.push({ version: String(flat[i]), appId, endpointId, due: Number(flat[i + 2]) });
    }
    return due;
  }

  #buryUnread(lease: Lease, reason: string): Promise<boolean> {
    return this.settle(lease, { kind: "buried", reason, attempts: 0, spentMs: 0 });
  }

  #settleAll(): void {
    const all = this.#settling;
    this.#settling = [];
    for (let i = 0; i < all.length; i += SETTLE_BATCH)
      void this.#settleBatch(all.slice(i, i + SETTLE_BATCH));
  }

  async #settleBatch(batch: readonly Settling[]): Promise<void> {
    const args = batch.flatMap(({ lease, outcome }) => [
      `${lease.sequence}`,
      `${lease.token}`,
      ...outcomeArguments(outcome),
    ]);
    try {
      const reply = await this.#jobs.run(JOB_SCRIPTS.settle, "delayed", args);
      const settled = reply as readonly number[];
      for (const [i, { resolve }] of batch.entries()) resolve(settled[i] === 1);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
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

function outcomeArguments(outcome: JobOutcome): [string, string, string] {
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

function takenOf(flat: readonly Reply[]): TakenJob[] {
  const taken: TakenJob[] = [];
  for (let i = 0; i + 8 < flat.length; i += 9) {
    const [number, token, , , json, body, attempts, spentMs, first] = flat.slice(i, i + 9);
    taken.push({
      sequence: Number(number),
      token: Number(token),
      json: String(json),
      body: typeof body === "string" ? body : null,
      attempts: Number(attempts),
      spentMs: Number(spentMs),
      firstAttemptAtMs: typeof first === "string" ? Number(first) : undefined,
    });
  }
  return taken;
}

function readable(taken: readonly TakenJob[]): {
  readonly jobs: LeasedJob[];
  readonly unreadable: { readonly lease: Lease; readonly reason: string }[];
} {
  const jobs: LeasedJob[] = [];
  const unreadable: { lease: Lease; reason: string }[] = [];
  for (const { sequence, token, json, body, attempts, spentMs, firstAttemptAtMs } of taken) {
    const lease = { sequence, token };
    const parsed = parseJob(json, body);
    if ("fault" in parsed) unreadable.push({ lease, reason: parsed.fault });
    else jobs.push({ lease, job: parsed.job, attempts, spentMs, firstAttemptAtMs });
  }
  return { jobs, unreadable };
}
