import type { SenderDependencies } from "./dependencies.ts";
import type { Lanes } from "./lanes.ts";
import { LEASE_MS, type Leases } from "./leases.ts";
import type { LeasedJob, LeaseRequest } from "./ports/job-queue.ts";
import type { QueueOutage } from "./queue-outage.ts";
import type { Settlements } from "./settlements.ts";

export interface IntakeParts {
  readonly lanes: Lanes;
  readonly leases: Leases;
  readonly settlements: Settlements;
  readonly outage: QueueOutage;
}

/**
 * Takes jobs from the queue, as many as there are slots free for them, whenever something may have changed.
 *
 * One lease call is under way at most, and what it takes is decided when the engine comes to it. There are no batches: a slot
 * that is freed is filled at once, whatever the others do. While the queue fails, outcomes that it has not taken come before
 * new jobs: otherwise it might hand out once more the very jobs that were delivered.
 */
export class Intake {
  readonly #dependencies: SenderDependencies;
  readonly #parts: IntakeParts;
  readonly #begin: (leased: LeasedJob, askedAtMs: number) => void;
  readonly #request: LeaseRequest;
  #isOpen = true;
  #isLooking = false;
  #mustLookAgain = false;
  /** What the engine was last told to take at most; Infinity if it did not ask. */
  #max = 0;
  /** Whether it asked for anybody's room, which it does for those that have something due. */
  #wasAskedForRoom = false;
  #isQueueEmpty = false;
  #lastTurnMs: number;

  constructor(
    dependencies: SenderDependencies,
    parts: IntakeParts,
    begin: (leased: LeasedJob, askedAtMs: number) => void,
  ) {
    this.#dependencies = dependencies;
    this.#parts = parts;
    this.#begin = begin;
    const { clock } = dependencies;
    const { lanes } = parts;
    this.#lastTurnMs = clock.elapsedMs();
    this.#request = {
      max: () => {
        lanes.letGoOfTaken();
        return (this.#max = this.#maxNow());
      },
      room: (appId, endpointId) => {
        this.#wasAskedForRoom = true;
        return lanes.room(appId, endpointId, clock.elapsedMs());
      },
      took: (appId, endpointId, jobs) =>
        lanes.take(lanes.lane(appId, endpointId, clock.elapsedMs()), jobs),
      leaseMs: LEASE_MS,
    };
  }

  get isLooking(): boolean {
    return this.#isLooking;
  }

  /** Nothing was due when we last looked, so that a slot that is freed is no reason to look. */
  get isQueueEmpty(): boolean {
    return this.#isQueueEmpty;
  }

  /** When it last began to look, or had an answer: to wait for one is no progress. In the clock's elapsed time. */
  get lastTurnMs(): number {
    return this.#lastTurnMs;
  }

  /** From now on only outcomes are told. A lease call that is under way still answers. */
  stop(): void {
    this.#isOpen = false;
  }

  async look(): Promise<void> {
    this.#mustLookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#noteTurn();
    const { outage, settlements } = this.#parts;
    try {
      while (this.#mustLookAgain && !outage.isWaiting) {
        this.#mustLookAgain = false;
        if (outage.isOn && !(await settlements.repeat())) break;
        if (this.#isOpen) await this.#lease();
        if (settlements.waiting === 0) outage.ended();
      }
    } catch (error) {
      outage.failed(error);
    } finally {
      this.#isLooking = false;
    }
  }

  async #lease(): Promise<void> {
    const { clock, queue } = this.#dependencies;
    const { lanes, settlements } = this.#parts;
    const askedAtMs = clock.elapsedMs();
    this.#max = Infinity;
    this.#wasAskedForRoom = false;
    // Until the answer says so, for a slot that is freed meanwhile may be one that the engine has not seen.
    this.#isQueueEmpty = false;
    let jobs: readonly LeasedJob[];
    try {
      jobs = await queue.lease(this.#request);
    } finally {
      lanes.letGoOfTaken();
      this.#noteTurn();
    }
    settlements.giveUp();
    this.#isQueueEmpty = !this.#wasAskedForRoom && this.#max > 0;
    for (const leased of jobs) this.#begin(leased, askedAtMs);
  }

  #noteTurn(): void {
    this.#lastTurnMs = this.#dependencies.clock.elapsedMs();
  }

  #maxNow(): number {
    const { lanes, leases } = this.#parts;
    // Outcomes that the queue is slow to take hold no slot, but memory.
    const isFlooded = leases.size >= 2 * this.#dependencies.settings.slots;
    return this.#isOpen && !isFlooded ? lanes.free : 0;
  }
}
