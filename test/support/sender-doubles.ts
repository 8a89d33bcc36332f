import type { Job } from "../../src/protocol/job.ts";
import { endpointIdOf } from "../../src/protocol/webhook.ts";
import type {
  Attempt,
  AttemptSummary,
  DeliveryLog,
  VersionSummary,
} from "../../src/sender/ports/delivery-log.ts";
import type {
  JobOutcome,
  JobQueue,
  Lease,
  LeasedJob,
  LeaseRequest,
} from "../../src/sender/ports/job-queue.ts";
import type { Transport, WebhookReply, WebhookRequest } from "../../src/sender/transport.ts";
import { Gate } from "./doubles.ts";
import type { FakeClock } from "./fake-clock.ts";

/** One request that the transport was given. */
export interface SentRequest {
  readonly url: string;
  readonly body: string;
  readonly timeoutMs: number;
  /** Elapsed time. */
  readonly atMs: number;
  readonly isOpen: boolean;
  /** Ends it, if it has not ended. */
  end(reply: WebhookReply): void;
}

export interface Behaviour {
  readonly reply: WebhookReply;
  readonly afterMs?: number;
}

/** What is at a URL. Undefined: it hangs. */
export type Receiver = (request: SentRequest) => Behaviour | undefined;

export function status(code: number, retryAfter: string | null = null): WebhookReply {
  const snippet = code >= 200 && code < 300 ? "" : `body of a ${code}`;
  return { kind: "answer", status: code, retryAfter, snippet };
}

export function failure(
  result: Extract<WebhookReply, { kind: "failure" }>["result"],
  detail = `detail of ${result}`,
): WebhookReply {
  return { kind: "failure", result, detail };
}

/** The world outside, where each URL behaves as it is told to. One that is not told hangs until the timeout. */
export class FakeTransport implements Transport {
  readonly requests: SentRequest[] = [];
  readonly #clock: FakeClock;
  readonly #receivers = new Map<string, Receiver>();
  readonly #open = new Set<SentRequest>();
  aborts = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  at(url: string, receiver: Receiver): void {
    this.#receivers.set(url, receiver);
  }

  get open(): SentRequest[] {
    return [...this.#open];
  }

  openTo(url: string): number {
    return this.open.filter((request) => request.url === url).length;
  }

  to(url: string): SentRequest[] {
    return this.requests.filter((request) => request.url === url);
  }

  send({ url, body, timeoutMs }: WebhookRequest): Promise<WebhookReply> {
    return new Promise((resolve) => {
      const open = this.#open;
      const request: SentRequest = {
        url,
        body,
        timeoutMs,
        atMs: this.#clock.elapsedMs(),
        get isOpen() {
          return open.has(request);
        },
        end: (reply) => {
          if (open.delete(request)) resolve(reply);
        },
      };
      open.add(request);
      this.requests.push(request);
      const behaviour = this.#receivers.get(url)?.(request);
      if (behaviour !== undefined && behaviour.afterMs === undefined) request.end(behaviour.reply);
      else if (behaviour !== undefined && behaviour.afterMs! < timeoutMs)
        this.#clock.after(behaviour.afterMs!, () => request.end(behaviour.reply));
      else this.#clock.after(timeoutMs, () => request.end(failure("timeout")));
    });
  }

  abort(): void {
    this.aborts++;
    for (const request of this.open) request.end(failure("shutdown"));
  }
}

interface HeldJob {
  readonly sequence: number;
  readonly job: Job;
  readonly endpointId: string;
  attempts: number;
  spentMs: number;
  firstAttemptAtMs: number | undefined;
  /** Wall time: of a leased one, when its lease ends. */
  dueAtMs: number;
  /** 0 when nobody has it. */
  token: number;
}

export interface FakeDeadLetter {
  readonly job: Job;
  readonly reason: string;
  readonly attempts: number;
  readonly spentMs: number;
}

/** A queue that keeps the port's promises in the plainest way. It decides late: never in the turn of the call. */
export class FakeJobQueue implements JobQueue {
  readonly dead: FakeDeadLetter[] = [];
  readonly delivered: string[] = [];
  readonly paused = new Map<string, string>();
  /** Every outcome that changed something, by job. */
  readonly outcomes: { readonly jobId: string; readonly outcome: JobOutcome }[] = [];
  readonly #clock: FakeClock;
  readonly #jobs = new Map<number, HeldJob>();
  readonly #listeners = new Set<() => void>();
  readonly #servedAt = new Map<string, number>();
  #lastSequence = 0;
  #lastToken = 0;
  #served = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#jobs.size;
  }

  get leased(): number {
    return [...this.#jobs.values()].filter(({ token }) => token !== 0).length;
  }

  held(jobId: string): Readonly<HeldJob> | undefined {
    return [...this.#jobs.values()].find(({ job }) => job.id === jobId);
  }

  add(...jobs: readonly Job[]): void {
    this.addSilently(...jobs);
    for (const listener of this.#listeners) listener();
  }

  /** The hint is missed. */
  addSilently(...jobs: readonly Job[]): void {
    for (const job of jobs) {
      this.#jobs.set(++this.#lastSequence, {
        sequence: this.#lastSequence,
        job,
        endpointId: endpointIdOf(job.appId, job.webhookId),
        attempts: 0,
        spentMs: 0,
        firstAttemptAtMs: undefined,
        dueAtMs: this.#clock.now(),
        token: 0,
      });
    }
  }

  resume(endpointId: string): void {
    this.paused.delete(endpointId);
  }

  async lease(request: LeaseRequest): Promise<readonly LeasedJob[]> {
    await Promise.resolve();
    const max = request.max();
    const leased: LeasedJob[] = [];
    if (max === 0) return leased;
    const due = this.#dueByEndpoint();
    while (leased.length < max) {
      const next = this.#next(request, due);
      if (next === undefined) break;
      next.token = ++this.#lastToken;
      next.dueAtMs = this.#clock.now() + request.leaseMs;
      const { sequence, job, token, attempts, spentMs, firstAttemptAtMs } = next;
      request.took(job.appId, next.endpointId, 1);
      leased.push({ lease: { sequence, token }, job, attempts, spentMs, firstAttemptAtMs });
    }
    return leased;
  }

  async renew(leases: readonly Lease[], leaseMs: number): Promise<readonly Lease[]> {
    await Promise.resolve();
    return leases.filter((lease) => {
      const held = this.#held(lease);
      if (held !== undefined) held.dueAtMs = this.#clock.now() + leaseMs;
      return held === undefined;
    });
  }

  async settle(lease: Lease, outcome: JobOutcome): Promise<boolean> {
    await Promise.resolve();
    const held = this.#held(lease);
    if (held === undefined) return false;
    this.outcomes.push({ jobId: held.job.id, outcome });
    if (outcome.kind === "delivered") {
      this.#jobs.delete(held.sequence);
      this.delivered.push(held.job.id);
    } else if (outcome.kind === "buried") {
      this.#bury(held, outcome.reason, outcome.attempts, outcome.spentMs);
    } else {
      held.token = 0;
      held.dueAtMs = this.#clock.now() + outcome.delayMs;
      if (outcome.kind === "retry") {
        held.attempts++;
        held.spentMs = outcome.spentMs;
      }
    }
    return true;
  }

  async expire(endpointId: string, sinceMs: number, reason: string): Promise<number> {
    await Promise.resolve();
    const nowMs = this.#clock.now();
    let buried = 0;
    for (const held of this.#jobs.values()) {
      const { job, token, dueAtMs, attempts, spentMs } = held;
      if (held.endpointId !== endpointId || token !== 0 || dueAtMs > nowMs) continue;
      if (nowMs - Math.max(sinceMs, job.createdAtMs) <= job.retryWindowMs) continue;
      this.#bury(held, reason, attempts, spentMs);
      buried++;
    }
    return buried;
  }

  async pause(endpointId: string, reason: string): Promise<void> {
    await Promise.resolve();
    this.paused.set(endpointId, reason);
  }

  onDue(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #held({ sequence, token }: Lease): HeldJob | undefined {
    const held = this.#jobs.get(sequence);
    return held?.token === token ? held : undefined;
  }

  #bury(held: HeldJob, reason: string, attempts: number, spentMs: number): void {
    this.#jobs.delete(held.sequence);
    this.dead.push({ job: held.job, reason, attempts, spentMs });
  }

  #dueByEndpoint(): Map<string, HeldJob[]> {
    const due = new Map<string, HeldJob[]>();
    for (const held of this.#jobs.values()) {
      if (held.dueAtMs > this.#clock.now() || this.paused.has(held.endpointId)) continue;
      held.token = 0;
      const jobs = due.get(held.endpointId);
      if (jobs === undefined) due.set(held.endpointId, [held]);
      else jobs.push(held);
    }
    for (const jobs of due.values())
      jobs.sort((a, b) => b.dueAtMs - a.dueAtMs || b.sequence - a.sequence);
    return due;
  }

  /** Of the app that was served longest ago, the endpoint that was, if it has room. */
  #next(request: LeaseRequest, due: Map<string, HeldJob[]>): HeldJob | undefined {
    let best: HeldJob | undefined;
    let bestTurn: readonly [number, number] = [Infinity, Infinity];
    for (const [endpointId, jobs] of due) {
      const first = jobs.at(-1);
      if (first === undefined) continue;
      const { appId } = first.job;
      const turn = [this.#servedAt.get(appId) ?? 0, this.#servedAt.get(endpointId) ?? 0] as const;
      if (turn[0] > bestTurn[0] || (turn[0] === bestTurn[0] && turn[1] >= bestTurn[1])) continue;
      if (request.room(appId, endpointId) <= 0) continue;
      best = first;
      bestTurn = turn;
    }
    if (best === undefined) return undefined;
    due.get(best.endpointId)?.pop();
    this.#served++;
    this.#servedAt.set(best.job.appId, this.#served).set(best.endpointId, this.#served);
    return best;
  }
}

type QueueMethod = Exclude<keyof JobQueue, "onDue">;

/** A queue that has its troubles. */
export class TroubledJobQueue implements JobQueue {
  readonly inner: JobQueue;
  readonly calls = new Map<QueueMethod, number>();
  readonly #gates = new Map<QueueMethod, Gate>();
  readonly #failing = new Set<QueueMethod>();

  constructor(inner: JobQueue) {
    this.inner = inner;
  }

  /** Where the answers wait. */
  gate(method: QueueMethod): Gate {
    let gate = this.#gates.get(method);
    if (gate === undefined) this.#gates.set(method, (gate = new Gate()));
    return gate;
  }

  fail(...methods: QueueMethod[]): void {
    for (const method of methods) this.#failing.add(method);
  }

  failAll(): void {
    this.fail("lease", "renew", "settle", "expire", "pause");
  }

  mend(): void {
    this.#failing.clear();
  }

  called(method: QueueMethod): number {
    return this.calls.get(method) ?? 0;
  }

  lease(request: LeaseRequest): Promise<readonly LeasedJob[]> {
    return this.#answer("lease", () => this.inner.lease(request));
  }

  renew(leases: readonly Lease[], leaseMs: number): Promise<readonly Lease[]> {
    return this.#answer("renew", () => this.inner.renew(leases, leaseMs));
  }

  settle(lease: Lease, outcome: JobOutcome): Promise<boolean> {
    return this.#answer("settle", () => this.inner.settle(lease, outcome));
  }

  expire(endpointId: string, sinceMs: number, reason: string): Promise<number> {
    return this.#answer("expire", () => this.inner.expire(endpointId, sinceMs, reason));
  }

  pause(endpointId: string, reason: string): Promise<void> {
    return this.#answer("pause", () => this.inner.pause(endpointId, reason));
  }

  onDue(listener: () => void): () => void {
    return this.inner.onDue(listener);
  }

  async #answer<T>(method: QueueMethod, call: () => Promise<T>): Promise<T> {
    this.calls.set(method, this.called(method) + 1);
    if (this.#failing.has(method)) throw new Error(`The queue failed in ${method}.`);
    const answer = await call();
    await this.#gates.get(method)?.pass();
    return answer;
  }
}

/** Keeps every attempt. */
export class FakeDeliveryLog implements DeliveryLog {
  readonly recorded: Attempt[] = [];
  isBroken = false;

  record(attempt: Attempt): void {
    if (this.isBroken) throw new Error("The log is broken.");
    this.recorded.push(attempt);
  }

  attempts(): Promise<readonly Attempt[]> {
    return Promise.resolve(this.recorded.toReversed());
  }

  summary(): Promise<ReadonlyMap<string, AttemptSummary>> {
    return Promise.resolve(new Map());
  }

  versions(): Promise<ReadonlyMap<string, VersionSummary>> {
    return Promise.resolve(new Map());
  }

  prune(): Promise<number> {
    return Promise.resolve(0);
  }
}
