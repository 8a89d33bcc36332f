import type { Clock } from "../../../packager/ports/clock.ts";
import {
  OwnershipLost,
  type LoggedEvent,
  type Ownership,
  type Settlement,
} from "../../../packager/ports/event-log.ts";
import type { WebhookEvent } from "../../../protocol/webhook-event.ts";
import type { RedisConnection, Reply } from "../connection.ts";
import { endOfSlice } from "./job-slices.ts";
import type { Keys } from "../keys.ts";
import appendJobsSource from "../lua/append-jobs.lua" with { type: "text" };
import fenceSource from "../lua/fence.lua" with { type: "text" };
import readSource from "../lua/read-events.lua" with { type: "text" };
import settleSource from "../lua/settle-events.lua" with { type: "text" };
import stageSource from "../lua/stage-jobs.lua" with { type: "text" };
import timeSource from "../lua/time.lua" with { type: "text" };
import { Outbox, type AddJobs } from "./outbox.ts";
import { script } from "../script.ts";
import type { StoreTime } from "../time.ts";

const READ = script("read-events", timeSource, fenceSource, readSource);
const STAGE = script("stage-jobs", fenceSource, appendJobsSource, stageSource);
const SETTLE = script("settle-events", fenceSource, appendJobsSource, settleSource);

/** A settlement of any size is made in much less, or its maker is dead. */
const STAGED_FOR_MS = 10 * 60 * 1_000;

export interface PartitionDependencies {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly time: StoreTime;
  readonly packagerId: string;
  readonly addJobs: AddJobs;
}

/**
 * The events of one partition, under one ownership of it. Everything is checked where it happens, in the store; whoever is
 * told `OwnershipLost` once has no more use for it.
 *
 * A settlement is one step, in which its jobs come into the outbox of the partition; from there they are taken to the queue.
 * If it has too many for one call, they are brought there before, and count from that step on.
 */
export class OwnedPartition {
  readonly ownership: Ownership;
  readonly #dependencies: PartitionDependencies;
  readonly #outbox: Outbox;
  /** Settlements that the store has, as it answered last. */
  #settlements = 0;
  #settling: Promise<unknown> = Promise.resolve();
  #isConcluded = false;

  constructor(ownership: Ownership, dependencies: PartitionDependencies) {
    const { connection, keys, addJobs } = dependencies;
    this.ownership = ownership;
    this.#dependencies = dependencies;
    this.#outbox = new Outbox(connection, keys, ownership.partition, addJobs);
  }

  async read(afterSequence: number, max: number): Promise<readonly LoggedEvent[]> {
    if (this.#isConcluded) throw this.#lost();
    await this.#outbox.empty();
    const { connection, clock, time } = this.#dependencies;
    const reply = await connection.run(
      READ,
      this.#keysOf("owner", "events", "sequence", "handled"),
      [time(), ...this.#fence(), `${afterSequence}`, `${max}`],
    );
    if (reply === null) throw this.#lost();
    const [storeUs, ...fields] = reply as readonly string[];
    const storeMs = Number(storeUs) / 1_000;
    const nowMs = clock.now();
    const events: LoggedEvent[] = [];
    for (let i = 0; i + 3 < fields.length; i += 4) {
      const [number = "", appId = "", json = "", webhooks = ""] = fields.slice(i, i + 4);
      const sequence = Number(number);
      // Numbers are ahead of the time where more than one was given in a microsecond, or a clock was set back.
      const ageMs = Math.max(0, storeMs - sequence / 1_000);
      const event = JSON.parse(json) as WebhookEvent;
      events.push({
        id: `${this.ownership.partition}-${number}`,
        sequence,
        // The store's clock may be another than ours; both tell how long ago it was.
        atMs: Math.floor(nowMs - ageMs),
        appId,
        channel: event.channel,
        name: event.name,
        userId: userOf(event),
        json,
        handledFor: webhooks === "" ? [] : webhooks.split(" "),
      });
    }
    return events;
  }

  settle(settlement: Settlement): Promise<void> {
    if (this.#isConcluded) return Promise.reject(this.#lost());
    const settling = this.#settle(settlement);
    this.#settling = Promise.allSettled([this.#settling, settling]);
    return settling;
  }

  /** Removes what need not be in the outbox any more. */
  clear(): Promise<void> {
    return this.#outbox.clear();
  }

  /** Finishes what is under way, so that the next owner need not do it again, and begins nothing more. */
  async conclude(): Promise<void> {
    this.#isConcluded = true;
    await this.#settling;
    // Whoever owns it next can do without.
    await this.clear().catch(() => {});
  }

  async #settle({ jobs, settled, handled }: Settlement): Promise<void> {
    const name = jobs.length === 0 ? "" : nameOf(jobs.map(({ id }) => id));
    const texts = jobs.map((job) => JSON.stringify(job));
    const events = settled.map(numberOf);
    const marks = handled.flatMap(({ eventId, webhookId }) => [numberOf(eventId), webhookId]);
    let outcome: string;
    do {
      const staged = await this.#stage(name, texts);
      outcome = await this.#settleIn(name, texts, staged, events, marks);
    } while (outcome === "unstaged");
    if (outcome === "noted") await this.#outbox.deliver(name, jobs);
  }

  /** Brings all jobs but those that go with the settlement itself; answers how many. */
  async #stage(name: string, texts: readonly string[]): Promise<number> {
    const { connection } = this.#dependencies;
    let start = 0;
    for (;;) {
      const end = endOfSlice(texts, start);
      if (end === texts.length) return start;
      const slice = texts.slice(start, end);
      const staged = await connection.run(
        STAGE,
        [...this.#keysOf("owner", "outbox"), this.#outbox.jobsPrefix + name],
        [...this.#fence(), name, `${STAGED_FOR_MS}`, `${start}`, `${slice.length}`, ...slice],
      );
      if (staged === null) throw this.#lost();
      start = Number(staged);
    }
  }

  async #settleIn(
    name: string,
    texts: readonly string[],
    staged: number,
    events: readonly string[],
    marks: readonly string[],
  ): Promise<string> {
    const { connection } = this.#dependencies;
    const reached = this.#outbox.takeReached();
    const lists = [texts.slice(staged), events, marks, reached];
    let reply: Reply;
    try {
      reply = await connection.run(
        SETTLE,
        [...this.#keysOf("owner", "events", "handled", "outbox")],
        [
          ...this.#fence(),
          this.#outbox.jobsPrefix,
          name,
          `${texts.length}`,
          `${staged}`,
          ...lists.flatMap((list) => [`${list.length}`, ...list]),
        ],
      );
    } catch (error) {
      this.#outbox.giveBack(reached);
      throw error;
    }
    if (reply === null) throw this.#lost();
    const [settlements, outcome] = reply as readonly Reply[];
    this.#settlements = Number(settlements);
    return String(outcome);
  }

  #fence(): [string, string, string] {
    const { packagerId } = this.#dependencies;
    return [packagerId, `${this.ownership.epoch}`, `${this.#settlements}`];
  }

  #keysOf(...names: readonly string[]): string[] {
    return names.map((name) => this.#dependencies.keys.in(this.ownership.partition, name));
  }

  #lost(): OwnershipLost {
    const { partition, epoch } = this.ownership;
    return new OwnershipLost(
      `Partition ${partition} is not ours any more under epoch ${epoch}, or has lost writes.`,
    );
  }
}

/** The same for the same jobs. */
function nameOf(jobIds: readonly string[]): string {
  return new Bun.CryptoHasher("sha1").update(jobIds.join("\n")).digest("hex");
}

/** Of `<partition>-<number>`. */
function numberOf(eventId: string): string {
  return eventId.slice(eventId.indexOf("-") + 1);
}

function userOf(event: WebhookEvent): string | undefined {
  return event.name === "member_added" || event.name === "member_removed"
    ? event.user_id
    : undefined;
}
