import type { Job } from "../../protocol/job.ts";
import type { RedisConnection } from "./connection.ts";
import clearSource from "./lua/clear-outbox.lua" with { type: "text" };
import readSource from "./lua/read-outbox.lua" with { type: "text" };
import { script } from "./script.ts";

const READ = script("read-outbox", readSource);
const CLEAR = script("clear-outbox", clearSource);

/**
 * The jobs of one partition that are on their way to the queue, under one owner.
 *
 * A job leaves it when the queue has it, with the next settlement or a moment later: one that is found here may be in the
 * queue already, which is why the queue is asked to take it again.
 */
export class Outbox {
  readonly epoch: number;
  readonly #connection: RedisConnection;
  readonly #key: string;
  readonly #addJobs: (jobs: readonly Job[]) => Promise<void>;
  #emptying: Promise<void> | undefined;
  #done: string[] = [];

  constructor(
    connection: RedisConnection,
    key: string,
    epoch: number,
    addJobs: (jobs: readonly Job[]) => Promise<void>,
  ) {
    this.epoch = epoch;
    this.#connection = connection;
    this.#key = key;
    this.#addJobs = addJobs;
  }

  /** Takes to the queue what the owner before has left; once. */
  empty(): Promise<void> {
    this.#emptying ??= this.#takeOver().catch((error: unknown) => {
      this.#emptying = undefined;
      throw error;
    });
    return this.#emptying;
  }

  /** These have reached the queue. */
  noteDone(jobIds: readonly string[]): void {
    this.#done.push(...jobIds);
  }

  /** Ids of jobs that have reached the queue, for whoever removes them. */
  takeDone(): readonly string[] {
    return this.#done.splice(0);
  }

  /** Removes what has reached the queue. */
  async clear(): Promise<void> {
    const done = this.takeDone();
    if (done.length === 0) return;
    try {
      await this.#connection.run(CLEAR, [this.#key], done);
    } catch (error) {
      this.noteDone(done);
      throw error;
    }
  }

  async #takeOver(): Promise<void> {
    const flat = (await this.#connection.run(READ, [this.#key], [])) as readonly string[];
    if (flat.length === 0) return;
    const jobs = flat.filter((_, i) => i % 2 === 1).map((text) => JSON.parse(text) as Job);
    await this.#addJobs(jobs);
    this.noteDone(jobs.map(({ id }) => id));
  }
}
