import {
  OwnershipLost,
  type EventLog,
  type LoggedEvent,
  type Ownership,
  type Settlement,
} from "../../packager/ports/event-log.ts";
import type { Clock } from "../../packager/ports/clock.ts";
import type { Job } from "../../protocol/job.ts";
import type { WebhookEvent } from "../../protocol/webhook-event.ts";
import type { RedisConnection, RedisSubscriber, Reply } from "./connection.ts";
import type { Keys } from "./keys.ts";
import countSource from "./lua/count-events.lua" with { type: "text" };
import readSource from "./lua/read-events.lua" with { type: "text" };
import settleSource from "./lua/settle-events.lua" with { type: "text" };
import timeSource from "./lua/time.lua" with { type: "text" };
import { Outbox } from "./outbox.ts";
import { PartitionOwnership } from "./partition-ownership.ts";
import { script } from "./script.ts";
import type { StoreTime } from "./time.ts";

const READ = script("read-events", timeSource, readSource);
const SETTLE = script("settle-events", settleSource);
const COUNT = script("count-events", timeSource, countSource);

export interface EventLogDependencies {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly time: StoreTime;
  readonly packagerId: string;
  /** Puts them into the queue. One that the queue has is not added again. */
  addJobs(jobs: readonly Job[]): Promise<void>;
}

export interface EventLogFigures {
  /** Not settled, in all partitions. */
  readonly events: number;
  readonly oldestEventMs: number;
}

/**
 * The packager's side of the log: a stream for each partition.
 *
 * The queue is in another slot than a partition, so a settlement takes two steps: with the events, their jobs go to the
 * partition's outbox; from there to the queue. Whoever owns the partition next looks into the outbox first.
 */
export class RedisEventLog implements EventLog {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #time: StoreTime;
  readonly #addJobs: (jobs: readonly Job[]) => Promise<void>;
  readonly #ownership: PartitionOwnership;
  readonly #outboxes = new Map<number, Outbox>();
  readonly #listeners = new Set<() => void>();
  readonly #doorbells = new Set<string>();
  #subscriber: RedisSubscriber | undefined;

  constructor({ connection, keys, clock, time, packagerId, addJobs }: EventLogDependencies) {
    this.#connection = connection;
    this.#keys = keys;
    this.#clock = clock;
    this.#time = time;
    this.#addJobs = addJobs;
    this.#ownership = new PartitionOwnership(connection, keys, time, packagerId);
  }

  /** Partitions that this process owns. */
  get owned(): number {
    return this.#ownership.owned.size;
  }

  async own(): Promise<readonly Ownership[]> {
    await this.#ownership.refresh();
    const { owned } = this.#ownership;
    for (const [partition, { epoch }] of this.#outboxes)
      if (owned.get(partition) !== epoch) this.#outboxes.delete(partition);
    this.#followDoorbells();
    await Promise.all(Array.from(this.#outboxes.values(), (outbox) => outbox.clear()));
    return Array.from(owned, ([partition, epoch]) => ({ partition, epoch }));
  }

  async read(
    ownership: Ownership,
    afterSequence: number,
    max: number,
  ): Promise<readonly LoggedEvent[]> {
    const { partition, epoch } = ownership;
    await this.#outbox(ownership).empty();
    const reply = await this.#connection.run(
      READ,
      ["owner", "events", "handled"].map((name) => this.#keys.in(partition, name)),
      [this.#time(), this.#ownership.packagerId, `${epoch}`, `${afterSequence}`, `${max}`],
    );
    if (reply === null) throw this.#lost(ownership);
    const [storeUs, ...flat] = reply as readonly string[];
    const events: LoggedEvent[] = [];
    const nowMs = this.#clock.now();
    const storeMs = Number(storeUs) / 1_000;
    for (let i = 0; i + 3 < flat.length; i += 4) {
      const [id = "", appId = "", json = "", handledFor = ""] = flat.slice(i, i + 4);
      const event = JSON.parse(json) as WebhookEvent;
      const sequence = Number.parseInt(id, 10);
      events.push({
        id: `${partition}-${sequence}`,
        sequence,
        // By the clock of this process, which may be another than the store's.
        atMs: Math.floor(nowMs - Math.max(0, storeMs - sequence / 1_000)),
        appId,
        channel: event.channel,
        name: event.name,
        userId:
          event.name === "member_added" || event.name === "member_removed"
            ? event.user_id
            : undefined,
        json,
        handledFor: handledFor === "" ? [] : handledFor.split(" "),
      });
    }
    return events;
  }

  async settle(ownership: Ownership, { jobs, settled, handled }: Settlement): Promise<void> {
    const { partition, epoch } = ownership;
    const outbox = this.#outbox(ownership);
    const done = outbox.takeDone();
    const lists: readonly (readonly string[])[] = [
      settled.map(numberOf),
      handled.flatMap(({ eventId, webhookId }) => [numberOf(eventId), webhookId]),
      done,
      jobs.flatMap((job) => [job.id, JSON.stringify(job)]),
    ];
    let reply: Reply;
    try {
      reply = await this.#connection.run(
        SETTLE,
        ["owner", "events", "handled", "outbox"].map((name) => this.#keys.in(partition, name)),
        [
          this.#ownership.packagerId,
          `${epoch}`,
          ...lists.flatMap((list) => [`${list.length}`, ...list]),
        ],
      );
    } catch (error) {
      outbox.noteDone(done);
      throw error;
    }
    if (reply === null) throw this.#lost(ownership);
    const noted = new Set(reply as readonly string[]);
    const added = jobs.filter(({ id }) => noted.has(id));
    if (added.length === 0) return;
    await this.#addJobs(added);
    outbox.noteDone([...noted]);
  }

  async release(): Promise<void> {
    await Promise.all(Array.from(this.#outboxes.values(), (outbox) => outbox.clear()));
    this.#outboxes.clear();
    await this.#ownership.release();
  }

  onAppend(listener: () => void): () => void {
    // Two subscriptions of one function are two.
    const own = (): void => listener();
    this.#listeners.add(own);
    this.#subscriber ??= this.#connection.subscriber({
      message: () => this.#ring(),
      missed: () => this.#ring(),
    });
    this.#followDoorbells();
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size > 0) return;
      void this.#subscriber?.close();
      this.#subscriber = undefined;
      this.#doorbells.clear();
    };
  }

  /** Of all partitions, whoever owns them. */
  async figures(): Promise<EventLogFigures> {
    const counts = await Promise.all(
      Array.from({ length: this.#keys.partitions }, (_, partition) =>
        this.#connection.run(COUNT, [this.#keys.in(partition, "events")], [this.#time()]),
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
    return { events, oldestEventMs: Math.round(oldestEventMs) };
  }

  #outbox({ partition, epoch }: Ownership): Outbox {
    let outbox = this.#outboxes.get(partition);
    if (outbox?.epoch !== epoch) {
      const key = this.#keys.in(partition, "outbox");
      outbox = new Outbox(this.#connection, key, epoch, this.#addJobs);
      this.#outboxes.set(partition, outbox);
    }
    return outbox;
  }

  #lost({ partition, epoch }: Ownership): OwnershipLost {
    if (this.#ownership.owned.get(partition) === epoch) this.#ownership.lose(partition);
    return new OwnershipLost(
      `Partition ${partition} is not this process's any more under epoch ${epoch}.`,
    );
  }

  #followDoorbells(): void {
    if (this.#subscriber === undefined) return;
    const wanted = new Set(
      Array.from(this.#ownership.owned.keys(), (partition) => this.#keys.in(partition, "doorbell")),
    );
    for (const name of this.#doorbells) {
      if (wanted.has(name)) continue;
      this.#doorbells.delete(name);
      this.#subscriber.unsubscribe(name);
    }
    for (const name of wanted) {
      if (this.#doorbells.has(name)) continue;
      this.#doorbells.add(name);
      this.#subscriber.subscribe(name).then(
        () => this.#ring(),
        () => {},
      );
    }
  }

  #ring(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Of `<partition>-<number>`. */
function numberOf(eventId: string): string {
  return eventId.slice(eventId.indexOf("-") + 1);
}
