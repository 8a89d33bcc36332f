import { randomBytes } from "node:crypto";
import type { Clock } from "../../channels/ports/clock.ts";
import type { EventLog as RecordedEventLog } from "../../channels/ports/event-log.ts";
import type { Journal } from "../../channels/ports/journal.ts";
import {
  OwnershipLost,
  type EventLog,
  type LoggedEvent,
  type Ownership,
  type Settlement,
} from "../../packager/ports/event-log.ts";
import type { Job } from "../../protocol/job.ts";
import { CACHE_MISS_INTERVAL_MS } from "../../protocol/webhook.ts";
import type { WebhookEvent } from "../../protocol/webhook-event.ts";
import { UnsettledEvents } from "./unsettled-events.ts";

interface SharedPartition {
  readonly events: UnsettledEvents;
  /** Undefined while it is free. */
  owner: MemoryEventLog | undefined;
  epoch: number;
}

/** What the processes of one log have in common. */
interface SharedLog {
  readonly partitions: readonly SharedPartition[];
  readonly listeners: Set<() => void>;
  /** Elapsed time of the miss that was told last, by `app/channel`; the oldest first. */
  readonly misses: Map<string, number>;
}

/**
 * An EventLog, in both its meanings, and a Journal for one process: what is recorded lasts as long as that does.
 *
 * All of a call happens in one turn of the event loop, which is what makes it atomic. Whoever owns a partition has it until
 * he releases it, for no process outlives another here. Several that share one log (tests) are made with `another`.
 */
export class MemoryEventLog implements RecordedEventLog, Journal, EventLog {
  readonly #clock: Clock;
  readonly #addJobs: (jobs: readonly Job[]) => void;
  readonly #shared: SharedLog;

  constructor(
    clock: Clock,
    addJobs: (jobs: readonly Job[]) => void,
    shared: SharedLog = newLog(1),
  ) {
    this.#clock = clock;
    this.#addJobs = addJobs;
    this.#shared = shared;
  }

  /** One that is divided as only a log of several processes has to be. */
  static partitioned(
    partitions: number,
    clock: Clock,
    addJobs: (jobs: readonly Job[]) => void,
  ): MemoryEventLog {
    return new MemoryEventLog(clock, addJobs, newLog(partitions));
  }

  /** What another process would have of the same log. */
  another(): MemoryEventLog {
    return new MemoryEventLog(this.#clock, this.#addJobs, this.#shared);
  }

  record(appId: string, events: readonly WebhookEvent[]): undefined {
    for (const event of events) this.#add(appId, event);
    for (const listener of this.#shared.listeners) listener();
  }

  append(appId: string, event: WebhookEvent): Promise<void> {
    this.record(appId, [event]);
    return Promise.resolve();
  }

  appendCacheMiss(appId: string, channel: string): Promise<void> {
    const { misses } = this.#shared;
    const key = `${appId}/${channel}`;
    const nowMs = this.#clock.elapsedMs();
    for (const [old, toldAtMs] of misses) {
      if (nowMs - toldAtMs < CACHE_MISS_INTERVAL_MS) break;
      misses.delete(old);
    }
    if (misses.has(key)) return Promise.resolve();
    misses.set(key, nowMs);
    return this.append(appId, { name: "cache_miss", channel });
  }

  forgetCacheMiss(appId: string, channel: string): void {
    this.#shared.misses.delete(`${appId}/${channel}`);
  }

  own(): Promise<readonly Ownership[]> {
    const owned: Ownership[] = [];
    for (const [number, partition] of this.#shared.partitions.entries()) {
      if (partition.owner === undefined) {
        partition.owner = this;
        partition.epoch++;
      }
      if (partition.owner === this) owned.push({ partition: number, epoch: partition.epoch });
    }
    return Promise.resolve(owned);
  }

  read(ownership: Ownership, afterSequence: number, max: number): Promise<readonly LoggedEvent[]> {
    const events = this.#owned(ownership);
    return events === undefined
      ? lost(ownership)
      : Promise.resolve(events.read(afterSequence, max));
  }

  settle(ownership: Ownership, { jobs, settled, handled }: Settlement): Promise<void> {
    const events = this.#owned(ownership);
    if (events === undefined) return lost(ownership);
    let isNew = false;
    for (const { eventId, webhookId } of handled)
      if (events.handle(eventId, webhookId)) isNew = true;
    for (const id of settled) if (events.settle(id)) isNew = true;
    // One that changes no event was settled before, and its jobs are in the queue, or were.
    if (isNew && jobs.length > 0) this.#addJobs(jobs);
    return Promise.resolve();
  }

  release(): Promise<void> {
    for (const partition of this.#shared.partitions)
      if (partition.owner === this) partition.owner = undefined;
    return Promise.resolve();
  }

  onAppend(listener: () => void): () => void {
    // Two subscriptions of one function are two.
    const own = (): void => listener();
    this.#shared.listeners.add(own);
    return () => this.#shared.listeners.delete(own);
  }

  #add(appId: string, event: WebhookEvent): void {
    const { partitions } = this.#shared;
    const number = Bun.hash.crc32(`${appId}/${event.channel}`) % partitions.length;
    const isMember = event.name === "member_added" || event.name === "member_removed";
    partitions[number]?.events.add({
      atMs: this.#clock.now(),
      appId,
      channel: event.channel,
      name: event.name,
      userId: isMember ? event.user_id : undefined,
      json: JSON.stringify(event),
    });
  }

  #owned({ partition: number, epoch }: Ownership): UnsettledEvents | undefined {
    const partition = this.#shared.partitions[number];
    if (partition?.owner !== this || partition.epoch !== epoch) return undefined;
    return partition.events;
  }
}

function newLog(partitions: number): SharedLog {
  // Of this log, and of none that was before it: ids are unique for ever.
  const name = randomBytes(8).toString("hex");
  return {
    partitions: Array.from({ length: partitions }, (_, number) => ({
      events: new UnsettledEvents(`${name}-${number}`),
      owner: undefined,
      epoch: 0,
    })),
    listeners: new Set(),
    misses: new Map(),
  };
}

function lost({ partition, epoch }: Ownership): Promise<never> {
  return Promise.reject(
    new OwnershipLost(
      `Partition ${partition} is not this process's any more under epoch ${epoch}.`,
    ),
  );
}
