import { parseJob, type Job } from "../../protocol/job.ts";
import type {
  DeadLetter,
  DeadLetterFilter,
  EndpointLoad,
  JobDesk,
  Pause,
  QueueFigures,
} from "../../sender/ports/job-desk.ts";
import type { Reply } from "./connection.ts";
import { WAKE_JOBS } from "./job-queue.ts";
import { JOB_SCRIPTS } from "./job-scripts.ts";
import type { RedisJobs } from "./jobs.ts";

const PAGE = 200;
/** As good as never: later than any wall time. */
const END_OF_TIME_MS = 9_007_199_254_740_991;

interface FoundLetter {
  readonly number: string;
  readonly letter: DeadLetter;
}

/** What people do with the queue. */
export class RedisJobDesk implements JobDesk {
  readonly #jobs: RedisJobs;

  constructor(jobs: RedisJobs) {
    this.#jobs = jobs;
  }

  async figures(): Promise<QueueFigures> {
    const reply = await this.#jobs.run(JOB_SCRIPTS.figures, "clock", [`${WAKE_JOBS}`]);
    const [due = 0, leased = 0, delayed = 0, dead = 0, oldestDueMs = 0, pausedEndpoints = 0] =
      reply as readonly number[];
    return { due, leased, delayed, dead, oldestDueMs, pausedEndpoints };
  }

  async endpoints(): Promise<readonly EndpointLoad[]> {
    // What is there all the time comes at least once, perhaps twice.
    const loads = new Map<string, EndpointLoad>();
    for (let cursor = "0"; ;) {
      const args = [cursor, `${PAGE}`, `${WAKE_JOBS}`];
      const reply = await this.#jobs.run(JOB_SCRIPTS.endpointLoads, "endpoints", args);
      const [next, ...flat] = reply as readonly Reply[];
      for (let i = 0; i + 6 < flat.length; i += 7) {
        const [endpoint, url, due, leased, delayed, dead, paused] = flat.slice(i, i + 7);
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
      cursor = String(next);
      if (cursor === "0") return [...loads.values()];
    }
  }

  async add(job: Job): Promise<boolean> {
    const [isNew = false] = await this.#jobs.add([job]);
    return isNew;
  }

  async pause(endpointId: string, reason: string): Promise<void> {
    await this.#jobs.run(JOB_SCRIPTS.pause, "paused", [endpointId, reason]);
  }

  async resume(endpointId: string): Promise<boolean> {
    return (await this.#jobs.run(JOB_SCRIPTS.resume, "paused", [endpointId])) === 1;
  }

  async deadLetters(filter: DeadLetterFilter, limit: number): Promise<readonly DeadLetter[]> {
    const letters: DeadLetter[] = [];
    for await (const found of this.#find(filter)) {
      for (const { letter } of found) if (letters.length < limit) letters.push(letter);
      if (letters.length >= limit) break;
    }
    return letters;
  }

  async replay(filter: DeadLetterFilter): Promise<number> {
    const numbers: string[] = [];
    for await (const found of this.#find(filter))
      numbers.push(...found.map(({ number }) => number));
    numbers.reverse();
    let replayed = 0;
    for (let i = 0; i < numbers.length; i += PAGE) {
      const page = numbers.slice(i, i + PAGE);
      replayed += Number(await this.#jobs.run(JOB_SCRIPTS.replay, "dead", page));
    }
    return replayed;
  }

  async prune({
    maxAgeMs,
    maxEntries,
  }: {
    readonly maxAgeMs: number;
    readonly maxEntries: number;
  }): Promise<number> {
    const args = [`${maxAgeMs}`, `${maxEntries}`, `${PAGE}`];
    for (let forgotten = 0; ;) {
      const found = Number(await this.#jobs.run(JOB_SCRIPTS.prune, "dead", args));
      forgotten += found;
      if (found < PAGE) return forgotten;
    }
  }

  /** Newest first, in pages. */
  async *#find(filter: DeadLetterFilter): AsyncGenerator<FoundLetter[]> {
    const { appId, webhookId, jobId, sinceMs = 0, untilMs = END_OF_TIME_MS } = filter;
    const texts = [appId, webhookId, jobId].map((text) => (text === undefined ? "" : `=${text}`));
    const meant = [...texts, `${sinceMs}`, `${untilMs}`];
    for (let place = 0; ; place += PAGE) {
      const args = [`${place}`, `${place + PAGE - 1}`, ...meant];
      const reply = await this.#jobs.run(JOB_SCRIPTS.deadLetters, "dead", args);
      const [looked, ...flat] = reply as readonly Reply[];
      const found: FoundLetter[] = [];
      for (let i = 0; i + 8 < flat.length; i += 9) found.push(letterOf(flat.slice(i, i + 9)));
      yield found;
      if (Number(looked) < PAGE) return;
    }
  }
}

function letterOf(fields: readonly Reply[]): FoundLetter {
  const [number, id, endpoint, version, json, body, reason, attempts, at] = fields;
  const beside = typeof body === "string" ? body : null;
  const parsed = parseJob(String(json), beside);
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
          body: beside ?? String(json),
          createdAtMs: Number(at),
          events: [],
          timeoutMs: 0,
          retryWindowMs: 0,
        };
  const letter = {
    job: shown,
    reason: String(reason),
    attempts: Number(attempts),
    buriedAtMs: Number(at),
  };
  return { number: String(number), letter };
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
