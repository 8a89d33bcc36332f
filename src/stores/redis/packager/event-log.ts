import {
  OwnershipLost,
  type EventLog,
  type LoggedEvent,
  type Ownership,
  type Settlement,
} from "../../../packager/ports/event-log.ts";
import type { Reply } from "../connection.ts";
import { Doorbells } from "./doorbells.ts";
import countSource from "../lua/count-events.lua" with { type: "text" };
import timeSource from "../lua/time.lua" with { type: "text" };
import { OwnedPartition, type PartitionDependencies } from "./owned-partition.ts";
import { PartitionOwnership } from "./partition-ownership.ts";
import { script } from "../script.ts";

const COUNT = script("count-events", timeSource, countSource);

/** A packager asks once a second. */
export const OWNER_TIMEOUT_MS = 10_000;

export interface EventLogDependencies extends PartitionDependencies {
  /** Without a sign of life from their owner for so long, others may have the partitions. */
  readonly ownerTimeoutMs?: number;
}

export interface EventLogFigures {
  /** Not settled, in all partitions. */
  readonly events: number;
  /** Age of the oldest of them; 0 when there is none. */
  readonly oldestEventMs: number;
}

/**
 * The packager's side of the log: a stream for each partition, spread over the packagers.
 *
 * The queue is in another slot than a partition. So a settlement notes its jobs with the events, and takes them to the queue
 * then; whoever owns the partition next looks first for what is noted.
 */
export class RedisEventLog implements EventLog {
  readonly #dependencies: PartitionDependencies;
  readonly #ownership: PartitionOwnership;
  readonly #partitions = new Map<number, OwnedPartition>();
  readonly #doorbells: Doorbells;

  constructor({ ownerTimeoutMs = OWNER_TIMEOUT_MS, ...dependencies }: EventLogDependencies) {
    const { connection, keys } = dependencies;
    this.#dependencies = dependencies;
    this.#ownership = new PartitionOwnership({
      ...dependencies,
      ownerTimeoutMs,
      conclude: async (partition) => this.#partitions.get(partition)?.conclude(),
    });
    this.#doorbells = new Doorbells(connection, keys);
  }

  /** Partitions that this process owns. */
  get owned(): number {
    return this.#ownership.owned.size;
  }

  async own(): Promise<readonly Ownership[]> {
    const cleared = Promise.allSettled(
      Array.from(this.#partitions.values(), (partition) => partition.clear()),
    );
    await this.#ownership.refresh();
    const { owned } = this.#ownership;
    for (const { ownership } of this.#partitions.values())
      if (owned.get(ownership.partition) !== ownership.epoch)
        this.#partitions.delete(ownership.partition);
    this.#doorbells.follow(owned.keys());
    await cleared;
    return Array.from(owned, ([partition, epoch]) => ({ partition, epoch })).toSorted(
      (one, other) => one.partition - other.partition,
    );
  }

  read(ownership: Ownership, afterSequence: number, max: number): Promise<readonly LoggedEvent[]> {
    return this.#use(ownership, (partition) => partition.read(afterSequence, max));
  }

  settle(ownership: Ownership, settlement: Settlement): Promise<void> {
    return this.#use(ownership, (partition) => partition.settle(settlement));
  }

  async release(): Promise<void> {
    this.#doorbells.follow([]);
    try {
      await this.#ownership.release();
    } finally {
      this.#partitions.clear();
    }
  }

  onAppend(listener: (partition?: number) => void): () => void {
    return this.#doorbells.listen(listener);
  }

  /** Asks every partition, whoever owns it: for metrics. */
  async figures(): Promise<EventLogFigures> {
    const { connection, keys, time } = this.#dependencies;
    const counts = await Promise.all(
      Array.from({ length: keys.partitions }, (_, partition) =>
        connection.run(COUNT, [keys.in(partition, "events")], [time()]),
      ),
    );
    let events = 0;
    let oldestEventMs = 0;
    for (const count of counts) {
      const [length, oldest, nowUs] = count as readonly Reply[];
      events += Number(length);
      if (oldest !== "")
        oldestEventMs = Math.max(oldestEventMs, (Number(nowUs) - Number(oldest)) / 1_000);
    }
    return { events, oldestEventMs: Math.floor(oldestEventMs) };
  }

  async #use<T>(ownership: Ownership, use: (partition: OwnedPartition) => Promise<T>): Promise<T> {
    const partition = this.#partition(ownership);
    try {
      return await use(partition);
    } catch (error) {
      if (error instanceof OwnershipLost) {
        const { partition: number, epoch } = ownership;
        if (this.#partitions.get(number) === partition) this.#partitions.delete(number);
        this.#ownership.lose(number, epoch);
      }
      throw error;
    }
  }

  /** Under an ownership that is over it is nobody's: the store will say so. */
  #partition(ownership: Ownership): OwnedPartition {
    const { partition: number, epoch } = ownership;
    const known = this.#partitions.get(number);
    if (known?.ownership.epoch === epoch) return known;
    const partition = new OwnedPartition(ownership, this.#dependencies);
    if (this.#ownership.owned.get(number) === epoch) this.#partitions.set(number, partition);
    return partition;
  }
}
