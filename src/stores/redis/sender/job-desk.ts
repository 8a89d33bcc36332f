import type { Job } from "../../../protocol/job.ts";
import type {
  DeadLetter,
  DeadLetterFilter,
  EndpointLoad,
  JobDesk,
  Pause,
  QueueFigures,
} from "../../../sender/ports/job-desk.ts";
import type { Reply } from "../connection.ts";
import { JOB_SCRIPTS } from "./job-scripts.ts";
import { WAKE_JOBS, type RedisJobs } from "./jobs.ts";
import { parseStored, partsOf } from "./stored-text.ts";

const PAGE = 200;
/** As good as never: later than any wall time. */
const END_OF_TIME_MS = 9_007_199_254_740_991;

const NONE: ReadonlySet<string> = new Set();

/** What people do with the queue. */
export class RedisJobDesk implements JobDesk {
  readonly #jobs: RedisJobs;

  constructor(jobs: RedisJobs) {
    this.#jobs = jobs;
  }

  async figures(blocked: ReadonlySet<string> = NONE): Promise<QueueFigures> {
    const args = [`${WAKE_JOBS}`, ...blocked];
    const reply = await this.#jobs.run(JOB_SCRIPTS.figures, "clock", args);
    const [
      due = 0,
      deliverable = 0,
      leased = 0,
      delayed = 0,
      dead = 0,
      oldestDueMs = 0,
      pausedEndpoints = 0,
    ] = reply as readonly number[];
    return { due, deliverable, leased, delayed, dead, oldestDueMs, pausedEndpoints };
  }

  async endpoints(): Promise<readonly EndpointLoad[]> {
    // What is there all the time comes at least once, perhaps twice.
    const loads = new Map<string, EndpointLoad>();
    for (let cursor = "0"; ;) {
      const args = [cursor, `${PAGE}`, `${WAKE_JOBS}`];
      const reply = await this.#jobs.run(JOB_SCRIPTS.endpointLoads, "endpoints", args);
      const [next, ...rows] = reply as readonly [string, ...(readonly Reply[])[]];
      for (const [endpoint, url, due, leased, delayed, dead, paused] of rows) {
        loads.set(String(endpoint), {
          ...placeOf(String(endpoint)),
          url: String(url),
          due: Number(due),
          leased: Number(leased),
          delayed: Number(delayed),
          dead: Number(dead),
          paused: typeof paused === "string" ? pauseOf(paused) : null,
        });
      }
      cursor = next;
      if (cursor === "0") return [...loads.values()];
    }
  }

  async add(job: Job): Promise<boolean> {
    const [isNew = false] = await this.#jobs.add([job]);
    return isNew;
  }

  async pause(endpointId: string, reason: string): Promise<void> {
    await this.#jobs.pause(endpointId, reason);
  }

  async resume(endpointId: string): Promise<boolean> {
    return (await this.#jobs.run(JOB_SCRIPTS.resume, "paused", [endpointId])) === 1;
  }

  async deadLetters(filter: DeadLetterFilter, limit: number): Promise<readonly DeadLetter[]> {
    const letters: DeadLetter[] = [];
    for (let from = "+inf"; letters.length < limit;) {
      const args = [from, `${PAGE}`, `${limit - letters.length}`, ...argumentsOf(filter)];
      const reply = await this.#jobs.run(JOB_SCRIPTS.deadLetters, "dead", args);
      const [next, ...rows] = reply as readonly [string, ...(readonly Reply[])[]];
      letters.push(...rows.map(letterOf));
      if (next === "") break;
      from = `(${next}`;
    }
    return letters;
  }

  async replay(filter: DeadLetterFilter): Promise<number> {
    let replayed = 0;
    for (let [from, until] = ["-inf", ""]; ;) {
      const args = [from, until, `${PAGE}`, ...argumentsOf(filter)];
      const reply = await this.#jobs.run(JOB_SCRIPTS.replay, "dead", args);
      const [count, next, last] = reply as readonly Reply[];
      replayed += Number(count);
      if (next === "") return replayed;
      [from, until] = [`(${String(next)}`, String(last)];
    }
  }

  async prune({
    maxAgeMs,
    maxEntries,
  }: {
    readonly maxAgeMs: number;
    readonly maxEntries: number;
  }): Promise<number> {
    const args = [`${maxAgeMs}`, `${maxEntries}`, `${PAGE}`];
    let forgotten = 0;
    for (let found = PAGE; found === PAGE; forgotten += found)
      found = Number(await this.#jobs.run(JOB_SCRIPTS.prune, "dead", args));
    // To look at the endpoints is to forget those that have nothing any more.
    await this.endpoints();
    return forgotten;
  }
}

/** Which dead letters, as the scripts take it. */
function argumentsOf({
  appId,
  webhookId,
  jobId,
  sinceMs = 0,
  untilMs = END_OF_TIME_MS,
}: DeadLetterFilter): string[] {
  const texts = [appId, webhookId, jobId].map((text) => (text === undefined ? "" : `=${text}`));
  return [...texts, `${sinceMs}`, `${untilMs}`];
}

function letterOf(fields: readonly Reply[]): DeadLetter {
  const [id, endpoint, version, text = null, attempts, at, reason] = fields;
  const parsed = parseStored(text);
  const { json, body } = partsOf(String(text));
  const shown: Job =
    "job" in parsed
      ? parsed.job
      : // What cannot be read is shown as far as it can: the text itself as the body.
        {
          version: Number(version),
          id: String(id),
          ...placeOf(String(endpoint)),
          method: "POST",
          url: "",
          headers: {},
          body: body ?? json,
          createdAtMs: Number(at),
          events: [],
          timeoutMs: 0,
          retryWindowMs: 0,
        };
  return {
    job: shown,
    reason: String(reason),
    attempts: Number(attempts),
    buriedAtMs: Number(at),
  };
}

function placeOf(endpoint: string): { readonly appId: string; readonly webhookId: string } {
  const slash = endpoint.indexOf("/");
  return { appId: endpoint.slice(0, slash), webhookId: endpoint.slice(slash + 1) };
}

/** `<since> <reason>`. */
function pauseOf(text: string): Pause {
  const space = text.indexOf(" ");
  return { sinceMs: Number(text.slice(0, space)), reason: text.slice(space + 1) };
}
