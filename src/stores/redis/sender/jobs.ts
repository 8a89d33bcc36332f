import { splitJob, type Job } from "../../../protocol/job.ts";
import { endpointIdOf } from "../../../protocol/webhook.ts";
import type { RedisConnection, Reply } from "../connection.ts";
import { JOB_SCRIPTS } from "./job-scripts.ts";
import type { Keys } from "../keys.ts";
import type { Script } from "../script.ts";
import { storedText } from "./stored-text.ts";
import type { StoreTime } from "../time.ts";

/** Bounds how long the server is busy with what became due at one moment. */
export const WAKE_JOBS = 500;

const BATCH_JOBS = 100;
const BATCH_BYTES = 262_144;

/** A job's text as it goes into the queue, and what is said of it beside. */
export interface PutJob {
  readonly id: string;
  readonly endpointId: string;
  readonly version: number;
  readonly url: string;
  readonly retryWindowMs: number;
  /** Wall time from which its retry window counts at the earliest; undefined: now. */
  readonly waitsSinceMs: number | undefined;
  readonly json: string;
  /** Undefined where it is in the JSON. Where it is not, that is in one line. */
  readonly body: string | undefined;
}

/** The keys of the queue, and the way into it. They are all in one slot. */
export class RedisJobs {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #time: StoreTime;

  constructor(connection: RedisConnection, keys: Keys, time: StoreTime) {
    this.#connection = connection;
    this.#keys = keys;
    this.#time = time;
  }

  /** On which it is told that jobs have become due. */
  get doorbell(): string {
    return this.#keys.jobs("doorbell");
  }

  /** Runs one of the queue's scripts; `args` come behind the time and the prefix. */
  run(script: Script, key: string, args: readonly string[]): Promise<Reply> {
    const head = [this.#time(), this.#keys.jobs("")];
    return this.#connection.run(script, [this.#keys.jobs(key)], [...head, ...args]);
  }

  async pause(endpointId: string, reason: string): Promise<void> {
    await this.run(JOB_SCRIPTS.pause, "paused", [endpointId, reason]);
  }

  /** Those whose id the queue or the dead letters have are not added again. Answers which were added. */
  async add(jobs: readonly Job[]): Promise<readonly boolean[]> {
    return this.put(
      jobs.map((job) => ({
        id: job.id,
        endpointId: endpointIdOf(job.appId, job.webhookId),
        version: job.version,
        url: job.url,
        retryWindowMs: job.retryWindowMs,
        waitsSinceMs: job.createdAtMs,
        ...splitJob(job),
      })),
    );
  }

  async put(jobs: readonly PutJob[]): Promise<readonly boolean[]> {
    const added: boolean[] = [];
    let args: string[] = [];
    let [count, bytes] = [0, 0];
    for (const [i, job] of jobs.entries()) {
      args.push(...argumentsOf(job));
      count++;
      bytes += job.json.length + (job.body?.length ?? 0);
      if (i < jobs.length - 1 && count < BATCH_JOBS && bytes < BATCH_BYTES) continue;
      const reply = (await this.run(JOB_SCRIPTS.put, "ids", args)) as readonly number[];
      added.push(...reply.map((isNew) => isNew === 1));
      args = [];
      [count, bytes] = [0, 0];
    }
    return added;
  }
}

function argumentsOf(job: PutJob): string[] {
  const { id, endpointId, version, url, retryWindowMs, waitsSinceMs, json, body } = job;
  const since = waitsSinceMs === undefined ? "" : `${Math.round(waitsSinceMs)}`;
  const text = storedText(json, body);
  return [id, endpointId, `${version}`, url, `${retryWindowMs}`, since, text];
}
