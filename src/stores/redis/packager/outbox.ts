import type { Job } from "../../../protocol/job.ts";
import type { RedisConnection } from "../connection.ts";
import type { Keys } from "../keys.ts";
import clearSource from "../lua/clear-outbox.lua" with { type: "text" };
import jobsSource from "../lua/outbox-jobs.lua" with { type: "text" };
import outboxSource from "../lua/outbox.lua" with { type: "text" };
import { script } from "../script.ts";

const OUTBOX = script("outbox", outboxSource);
const JOBS = script("outbox-jobs", jobsSource);
const CLEAR = script("clear-outbox", clearSource);

const PAGE_JOBS = 100;

/** Puts them into the queue, in their order. One that the queue has is not added again. */
export type AddJobs = (jobs: readonly Job[]) => Promise<void>;

/**
 * Jobs on their way from one partition to the queue, which is in another slot: by the settlement that made them.
 *
 *   none ──settled──▶ noted ──the queue has them all──▶ reached ──cleared, with the next settlement or soon after──▶ none
 *
 * Invariants: what is noted leaves it only after it has reached the queue, whoever takes it there. What has reached it may
 * be taken there again, as the same jobs, by an owner who cannot know.
 */
export class Outbox {
  readonly #connection: RedisConnection;
  readonly #addJobs: AddJobs;
  readonly #key: string;
  #reached: string[] = [];
  #emptying: Promise<void> | undefined;

  constructor(connection: RedisConnection, keys: Keys, partition: number, addJobs: AddJobs) {
    this.#connection = connection;
    this.#addJobs = addJobs;
    this.#key = keys.in(partition, "outbox");
  }

  get key(): string {
    return this.#key;
  }

  /** The name of a settlement behind it is the key of its jobs. */
  get jobsPrefix(): string {
    return `${this.#key}:`;
  }

  /** Takes to the queue, once, what owners before this one have left. */
  empty(): Promise<void> {
    this.#emptying ??= this.#takeOver().catch((error: unknown) => {
      this.#emptying = undefined;
      throw error;
    });
    return this.#emptying;
  }

  /** Takes the jobs of a settlement that is noted to the queue. */
  async deliver(name: string, jobs: readonly Job[]): Promise<void> {
    await this.#addJobs(jobs);
    this.#reached.push(name);
  }

  /** Names of settlements that can be cleared, for whoever does. */
  takeReached(): readonly string[] {
    return this.#reached.splice(0);
  }

  /** They were not cleared after all, or nobody knows. */
  giveBack(names: readonly string[]): void {
    this.#reached.push(...names);
  }

  async clear(): Promise<void> {
    const names = this.takeReached();
    if (names.length === 0) return;
    try {
      await this.#connection.run(CLEAR, [this.#key], [this.jobsPrefix, ...names]);
    } catch (error) {
      this.giveBack(names);
      throw error;
    }
  }

  async #takeOver(): Promise<void> {
    const names = (await this.#connection.run(OUTBOX, [this.#key], [])) as readonly string[];
    for (const name of names) {
      for (let first = 0; ; first += PAGE_JOBS) {
        const args = [`${first}`, `${first + PAGE_JOBS - 1}`];
        const reply = await this.#connection.run(JOBS, [this.jobsPrefix + name], args);
        const texts = reply as readonly string[];
        if (texts.length > 0) await this.#addJobs(texts.map((text) => JSON.parse(text) as Job));
        if (texts.length < PAGE_JOBS) break;
      }
      this.#reached.push(name);
    }
  }
}
