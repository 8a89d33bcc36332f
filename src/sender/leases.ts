import type { Delivery } from "./delivery.ts";
import type { SenderDependencies } from "./dependencies.ts";
import type { Lease } from "./ports/job-queue.ts";
import type { QueueOutage } from "./queue-outage.ts";

/** How long the jobs of a process that was killed wait for another. Longer requests have their leases renewed. */
export const LEASE_MS = 10_000;
/** Old enough to be renewed: two renewals may fail before the lease ends. Most requests never get that far. */
const RENEW_AFTER_MS = LEASE_MS / 3;
/** Beyond a request's timeout: for the resolving of its name, which is not in it, and for the settlement. */
const GRACE_MS = LEASE_MS;

/**
 * The deliveries under way, by job, and their leases.
 *
 * A job is never sent twice at the same time by one process. When the queue hands out one that is under way (the wall clock
 * jumped forward, or the process stood still, and the lease ended), the delivery goes on under the new lease.
 */
export class Leases {
  readonly #dependencies: SenderDependencies;
  readonly #outage: QueueOutage;
  readonly #deliveries = new Map<string, Delivery>();
  #isRenewing = false;
  #lost = 0;

  constructor(dependencies: SenderDependencies, outage: QueueOutage) {
    this.#dependencies = dependencies;
    this.#outage = outage;
  }

  /** Deliveries under way, those that are being settled included. */
  get size(): number {
    return this.#deliveries.size;
  }

  /** Leases that ended before their delivery did. */
  get lost(): number {
    return this.#lost;
  }

  underWay(jobId: string): Delivery | undefined {
    return this.#deliveries.get(jobId);
  }

  add(delivery: Delivery): void {
    this.#deliveries.set(delivery.job.id, delivery);
  }

  delete(delivery: Delivery): void {
    this.#deliveries.delete(delivery.job.id);
  }

  /** The job was leased once more, while it was under way. */
  goOnUnder(lease: Lease, delivery: Delivery, leasedAtMs: number): void {
    this.lose(delivery);
    delivery.isLost = false;
    delivery.lease = lease;
    delivery.leasedAtMs = leasedAtMs;
  }

  lose(delivery: Delivery): void {
    if (delivery.isLost) return;
    delivery.isLost = true;
    this.#lost++;
  }

  /**
   * Renews what is old enough. A delivery that is far beyond its own deadline gets no more: whatever holds it up here, the
   * job is better off with somebody else.
   */
  async renew(nowMs: number): Promise<void> {
    if (this.#isRenewing) return;
    const due: Delivery[] = [];
    for (const delivery of this.#deliveries.values()) {
      if (nowMs - delivery.leasedAtMs < RENEW_AFTER_MS || delivery.isLost) continue;
      if (nowMs < delivery.startedAtMs + delivery.job.timeoutMs + GRACE_MS) due.push(delivery);
    }
    if (due.length === 0) return;
    this.#isRenewing = true;
    const leases = due.map(({ lease }) => lease);
    try {
      const lost = await this.#dependencies.queue.renew(leases, LEASE_MS);
      const lostTokens = new Map(lost.map(({ sequence, token }) => [sequence, token]));
      for (const [place, delivery] of due.entries()) {
        const { lease, outcome } = delivery;
        // It may have a newer one by now.
        if (lease !== leases[place]) continue;
        if (lostTokens.get(lease.sequence) !== lease.token) delivery.leasedAtMs = nowMs;
        // One that is being settled has none any more as soon as it is: the settlement will tell.
        else if (outcome === undefined) this.lose(delivery);
      }
    } catch (error) {
      this.#outage.failed(error);
    } finally {
      this.#isRenewing = false;
    }
  }
}
