import { endpointIdOf } from "../protocol/webhook.ts";
import { Courier } from "./courier.ts";
import { Delivery, GIVEN_BACK } from "./delivery.ts";
import type { SenderDependencies } from "./dependencies.ts";
import type { EndpointState, SenderFigures, SenderWork } from "./figures.ts";
import { Intake } from "./intake.ts";
import { Judge } from "./judge.ts";
import { Lanes } from "./lanes.ts";
import { Leases } from "./leases.ts";
import type { JobOutcome, LeasedJob } from "./ports/job-queue.ts";
import { QueueOutage } from "./queue-outage.ts";
import { Settlements } from "./settlements.ts";

/** How long a job that became due without a hint, or a breaker whose time is up, waits to be noticed. */
const TURN_INTERVAL_MS = 250;
const FORGET_INTERVAL_MS = 60_000;
/** When the last request has ended: for the queue to take the outcomes. */
const SETTLE_TIMEOUT_MS = 5_000;

/**
 * The sender ring: takes jobs from the queue and POSTs them.
 *
 *   new ──start──▶ running ──drain──▶ draining ──close──▶ closed
 *
 *   running   leases a job whenever there is a slot for it.
 *   draining  leases nothing, and gives back what has not begun. Requests under way may end until the timeout; the others are
 *             cut off and given back, and count for nothing.
 *
 * Many senders may compete for one queue. None of them acts on what it knows of the others.
 */
export class Sender {
  readonly #dependencies: SenderDependencies;
  readonly #lanes: Lanes;
  readonly #outage: QueueOutage;
  readonly #leases: Leases;
  readonly #settlements: Settlements;
  readonly #courier: Courier;
  readonly #judge: Judge;
  readonly #intake: Intake;
  #state: "new" | "running" | "draining" | "closed" = "new";
  #forgetAtMs: number;
  #cancelTurn: (() => void) | undefined;
  #endHints: (() => void) | undefined;
  #draining: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(dependencies: SenderDependencies) {
    this.#dependencies = dependencies;
    this.#lanes = new Lanes(dependencies.settings);
    this.#outage = new QueueOutage(dependencies, () => void this.#look());
    this.#leases = new Leases(dependencies, this.#outage);
    this.#settlements = new Settlements(dependencies, this.#leases, this.#outage);
    this.#courier = new Courier(dependencies, this.#lanes);
    this.#judge = new Judge(dependencies, this.#outage);
    this.#intake = new Intake(
      dependencies,
      {
        lanes: this.#lanes,
        leases: this.#leases,
        settlements: this.#settlements,
        outage: this.#outage,
      },
      (leased, askedAtMs) => this.#begin(leased, askedAtMs),
    );
    this.#forgetAtMs = dependencies.clock.elapsedMs() + FORGET_INTERVAL_MS;
  }

  start(): void {
    if (this.#state !== "new") return;
    this.#state = "running";
    this.#endHints = this.#dependencies.queue.onDue(() => void this.#look());
    this.#turn();
  }

  /** Resolves when nothing is under way any more, or when the queue does not take what is left. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  /** Cuts off what is under way: its leases end by themselves. */
  close(): Promise<void> {
    if (this.#state !== "closed") {
      this.#state = "closed";
      this.#intake.stop();
      this.#outage.close();
      this.#cancelTurn?.();
      this.#endHints?.();
      if (this.#lanes.inFlight > 0) this.#dependencies.transport.abort();
    }
    return Promise.resolve();
  }

  /** When the loop last came round, in the clock's elapsed time: at least every second, unless the queue does not answer. */
  lastTurnMs(): number {
    return this.#intake.lastTurnMs;
  }

  figures(): SenderFigures {
    const nowMs = this.#dependencies.clock.elapsedMs();
    let openBreakers = 0;
    for (const { breaker } of this.#lanes.all())
      if (breaker.state(nowMs) !== "closed") openBreakers++;
    return {
      apps: [...this.#lanes.apps()],
      slots: this.#dependencies.settings.slots,
      inFlight: this.#lanes.inFlight,
      openBreakers,
      leasesLost: this.#leases.lost,
      attemptSeconds: this.#judge.attemptSeconds,
      deliveryAgeSeconds: this.#judge.deliveryAgeSeconds,
    };
  }

  work(): SenderWork {
    let answered = 0;
    for (const { attempts } of this.#lanes.apps()) answered += attempts.delivered + attempts.status;
    return {
      answered,
      slotLoadMs: this.#lanes.slotLoadMs(this.#dependencies.clock.elapsedMs()),
    };
  }

  /** Those that nothing is sent to, or a probe at most. */
  *blockedEndpoints(): Iterable<string> {
    const nowMs = this.#dependencies.clock.elapsedMs();
    for (const { endpointId, breaker } of this.#lanes.all())
      if (breaker.state(nowMs) !== "closed") yield endpointId;
  }

  endpointStates(): EndpointState[] {
    const nowMs = this.#dependencies.clock.elapsedMs();
    return Array.from(this.#lanes.all(), ({ endpointId, breaker, inFlight, limit }) => ({
      endpointId,
      breaker: breaker.state(nowMs),
      inFlight,
      limit: limit.value,
      consecutiveFailures: breaker.failures,
    }));
  }

  #turn(): void {
    const { clock } = this.#dependencies;
    // First, so that a fault in one turn does not end all later ones.
    this.#cancelTurn = clock.after(TURN_INTERVAL_MS, () => this.#turn());
    const nowMs = clock.elapsedMs();
    void this.#leases.renew(nowMs);
    if (nowMs >= this.#forgetAtMs) {
      this.#forgetAtMs = nowMs + FORGET_INTERVAL_MS;
      this.#lanes.forgetIdle(nowMs);
    }
    void this.#look();
  }

  async #look(): Promise<void> {
    await this.#intake.look();
    this.#noteIfIdle();
  }

  #begin(leased: LeasedJob, askedAtMs: number): void {
    const { job, lease } = leased;
    const underWay = this.#leases.underWay(job.id);
    if (underWay !== undefined) return this.#leases.goOnUnder(lease, underWay, askedAtMs);
    const nowMs = this.#dependencies.clock.elapsedMs();
    const endpointId = endpointIdOf(job.appId, job.webhookId);
    const lane = this.#lanes.lane(job.appId, endpointId, nowMs);
    const delivery = new Delivery(leased, lane, askedAtMs);
    this.#leases.add(delivery);
    // What was true when the engine asked may not be any more: the endpoint has begun to fail, or we to stop.
    if (this.#state !== "running" || this.#lanes.roomOf(lane, nowMs) === 0)
      void this.#settle(delivery, GIVEN_BACK);
    else void this.#deliver(delivery);
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const attempt = await this.#courier.attempt(delivery);
    const outcome = this.#judge.judge(attempt);
    this.#lanes.noteHealth(delivery.lane);
    const settling = this.#settle(delivery, outcome);
    if (!this.#intake.isQueueEmpty) void this.#look();
    await settling;
  }

  async #settle(delivery: Delivery, outcome: JobOutcome): Promise<void> {
    await this.#settlements.settle(delivery, outcome);
    this.#noteIfIdle();
  }

  get #isIdle(): boolean {
    return !this.#intake.isLooking && this.#leases.size === 0;
  }

  #noteIfIdle(): void {
    if (this.#whenIdle !== undefined && this.#isIdle) this.#whenIdle();
  }

  /** Resolves when nothing is under way, or after the time. */
  #idle(timeoutMs: number): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#dependencies.clock.after(timeoutMs, resolve);
      this.#whenIdle = () => {
        cancel();
        resolve();
      };
    });
  }

  async #drain(): Promise<void> {
    const wasRunning = this.#state === "running";
    if (this.#state !== "closed") this.#state = "draining";
    if (!wasRunning) return;
    this.#intake.stop();
    this.#endHints?.();
    const { settings, transport, logger } = this.#dependencies;
    await this.#idle(settings.stopTimeoutMs);
    if (this.#lanes.inFlight > 0) transport.abort();
    await this.#idle(SETTLE_TIMEOUT_MS);
    if (this.#leases.size > 0)
      logger.warn(
        { jobs: this.#leases.size },
        "jobs could not be given back; their leases end by themselves",
      );
  }
}
