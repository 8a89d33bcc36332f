import { GIVEN_BACK, type Delivery } from "./delivery.ts";
import type { SenderDependencies } from "./dependencies.ts";
import { LEASE_MS, type Leases } from "./leases.ts";
import type { JobOutcome } from "./ports/job-queue.ts";
import type { QueueOutage } from "./queue-outage.ts";

/**
 * Tells the queue what became of the deliveries.
 *
 * An outcome is told until the queue has answered, for one that is lost is a webhook that is sent twice. While any waits,
 * nothing new is leased, so no more of them wait than there were deliveries under way when the queue began to fail.
 */
export class Settlements {
  readonly #dependencies: SenderDependencies;
  readonly #leases: Leases;
  readonly #outage: QueueOutage;
  /** The queue rejected these. */
  readonly #waiting = new Set<Delivery>();

  constructor(dependencies: SenderDependencies, leases: Leases, outage: QueueOutage) {
    this.#dependencies = dependencies;
    this.#leases = leases;
    this.#outage = outage;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  async settle(delivery: Delivery, outcome: JobOutcome): Promise<void> {
    delivery.outcome = outcome;
    if (await this.#tell(delivery, outcome)) this.#leases.delete(delivery);
    else this.#waiting.add(delivery);
  }

  /** Tells again what was rejected. Answers whether jobs may be leased: what still waits has a lease that has run out. */
  async repeat(): Promise<boolean> {
    const told = Array.from(this.#waiting, async (delivery) => {
      const { outcome } = delivery;
      if (outcome !== undefined && (await this.#tell(delivery, outcome))) this.#drop(delivery);
    });
    await Promise.all(told);
    for (const delivery of this.#waiting) if (!this.#hasRunOut(delivery)) return false;
    return true;
  }

  /**
   * The queue leases again, but rejected these right before; as their leases have run out, somebody else has the jobs or will
   * have them. One outcome that can never be told must not keep all others waiting.
   */
  giveUp(): void {
    for (const delivery of this.#waiting) {
      if (!this.#hasRunOut(delivery)) continue;
      const { id: jobId, appId, webhookId } = delivery.job;
      this.#dependencies.logger.error(
        { appId, webhookId, jobId, outcome: delivery.outcome?.kind },
        "the job queue does not take the outcome of a job; it will be sent again",
      );
      this.#leases.lose(delivery);
      this.#drop(delivery);
    }
  }

  /** False when the queue rejected. */
  async #tell(delivery: Delivery, first: JobOutcome): Promise<boolean> {
    let outcome = first;
    try {
      for (;;) {
        const { lease } = delivery;
        const isSettled = await this.#dependencies.queue.settle(lease, outcome);
        if (delivery.lease === lease) {
          if (!isSettled) this.#leases.lose(delivery);
          return true;
        }
        // Leased once more meanwhile. The outcome is the new lease's, unless the old one was in time.
        if (isSettled) outcome = GIVEN_BACK;
      }
    } catch (error) {
      this.#outage.failed(error);
      return false;
    }
  }

  #hasRunOut({ leasedAtMs }: Delivery): boolean {
    return this.#dependencies.clock.elapsedMs() - leasedAtMs > LEASE_MS;
  }

  #drop(delivery: Delivery): void {
    this.#waiting.delete(delivery);
    this.#leases.delete(delivery);
  }
}
