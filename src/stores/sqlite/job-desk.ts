import type { Database, SQLQueryBindings } from "bun:sqlite";
import type { Clock } from "../../channels/ports/clock.ts";
import { parseJob, type Job } from "../../protocol/job.ts";
import { endpointIdOf } from "../../protocol/webhook.ts";
import type {
  DeadLetter,
  DeadLetterFilter,
  EndpointLoad,
  JobDesk,
  QueueFigures,
} from "../../sender/ports/job-desk.ts";
import type { ChangePoll } from "./change-poll.ts";
import { conditionOf, type Condition } from "./condition.ts";
import type { GroupCommit } from "./group-commit.ts";
import { JobInsertion } from "./job-insertion.ts";
import { DELAYED } from "./schema.ts";

interface DeadRow {
  readonly id: string;
  readonly endpoint: string;
  readonly version: number;
  readonly job: string;
  readonly body: string | null;
  readonly reason: string;
  readonly attempts: number;
  readonly at: number;
}

interface EndpointRow {
  readonly endpoint: string;
  readonly due: number;
  readonly leased: number;
  readonly delayed: number;
  readonly dead: number;
  readonly url: string | null;
  readonly reason: string | null;
  readonly at: number | null;
}

interface JobsRow {
  readonly due: number;
  readonly deliverable: number;
  readonly leased: number;
  readonly delayed: number;
  readonly oldest: number | null;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * By the clock, for a sender may have been away: a lease that has ended holds nothing, and a wait that is over makes due.
 * ?1 is now.
 */
const WHERE_JOBS_ARE = `
  gone AS (SELECT value AS seq FROM done, json_each(done.jobs)),
  taken AS (SELECT value AS seq, max(until) AS until FROM leases, json_each(leases.jobs) GROUP BY value),
  placed AS (
    SELECT jobs.seq, app, endpoint, max(due_at, coalesce(until, 0)) AS due_since,
      CASE WHEN until > ?1 THEN 'leased' WHEN due_at > ?1 AND state = ${DELAYED} THEN 'delayed' ELSE 'due' END AS place
    FROM jobs LEFT JOIN taken USING (seq) WHERE jobs.seq NOT IN gone)`;

/** What people do with the jobs table. */
export class SqliteJobDesk implements JobDesk {
  readonly #db: Database;
  readonly #commits: GroupCommit;
  readonly #changes: ChangePoll;
  readonly #clock: Clock;
  readonly #jobs: JobInsertion;

  constructor(db: Database, commits: GroupCommit, changes: ChangePoll, clock: Clock) {
    this.#db = db;
    this.#commits = commits;
    this.#changes = changes;
    this.#clock = clock;
    this.#jobs = new JobInsertion(db);
  }

  figures(blocked: ReadonlySet<string> = NONE): Promise<QueueFigures> {
    return Promise.resolve(this.#count(JSON.stringify([...blocked])));
  }

  endpoints(): Promise<readonly EndpointLoad[]> {
    const rows = this.#db
      .query<EndpointRow, [number]>(
        `WITH ${WHERE_JOBS_ARE}, load AS (
           SELECT endpoint, sum(place = 'due') AS due, sum(place = 'leased') AS leased,
             sum(place = 'delayed') AS delayed, max(seq) AS newest FROM placed GROUP BY endpoint),
         dead AS (SELECT endpoint, count(*) AS dead, max(seq) AS newest FROM dead_letters GROUP BY endpoint),
         everywhere AS (SELECT endpoint FROM load UNION SELECT endpoint FROM dead UNION SELECT endpoint FROM paused)
         SELECT endpoint, coalesce(due, 0) AS due, coalesce(leased, 0) AS leased, coalesce(delayed, 0) AS delayed,
           coalesce(dead, 0) AS dead, reason, at,
           coalesce((SELECT CASE WHEN json_valid(job) THEN job ->> 'url' END FROM jobs WHERE seq = load.newest),
             (SELECT CASE WHEN json_valid(job) THEN job ->> 'url' END FROM dead_letters WHERE seq = dead.newest)) AS url
         FROM everywhere LEFT JOIN load USING (endpoint) LEFT JOIN dead USING (endpoint)
           LEFT JOIN paused USING (endpoint) ORDER BY endpoint`,
      )
      .all(this.#clock.now());
    return Promise.resolve(
      rows.map(({ endpoint, due, leased, delayed, dead, url, reason, at }) => ({
        ...placeOf(endpoint),
        url: url ?? "",
        due,
        leased,
        delayed,
        dead,
        paused: reason === null || at === null ? null : { reason, sinceMs: at },
      })),
    );
  }

  async add(job: Job): Promise<boolean> {
    const endpoint = endpointIdOf(job.appId, job.webhookId);
    const isKnown = this.#db.query<object, [string, string]>(
      `SELECT 1 FROM jobs WHERE endpoint = ?1 AND json_valid(job) AND job ->> 'id' = ?2
         AND seq NOT IN (SELECT value FROM done, json_each(done.jobs))
       UNION ALL SELECT 1 FROM dead_letters WHERE endpoint = ?1 AND id = ?2`,
    );
    const isAdded = await this.#commits.write(() => {
      if (isKnown.get(endpoint, job.id) !== null) return false;
      this.#jobs.insert(job, this.#clock.now());
      return true;
    });
    if (isAdded) this.#changed();
    return isAdded;
  }

  async pause(endpointId: string, reason: string): Promise<void> {
    await this.#commits.write(() => {
      this.#db.run(
        "INSERT INTO paused (endpoint, reason, at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason",
        [endpointId, reason, this.#clock.now()],
      );
    });
    this.#changed();
  }

  async resume(endpointId: string): Promise<boolean> {
    const wasPaused = await this.#commits.write(
      () => this.#db.run("DELETE FROM paused WHERE endpoint = ?", [endpointId]).changes > 0,
    );
    this.#changed();
    return wasPaused;
  }

  deadLetters(filter: DeadLetterFilter, limit: number): Promise<readonly DeadLetter[]> {
    const { where, values } = narrowed(filter);
    const rows = this.#db
      .query<DeadRow, SQLQueryBindings[]>(
        `SELECT id, endpoint, version, job, body, reason, attempts, at FROM dead_letters ${where} ORDER BY seq DESC LIMIT ?`,
      )
      .all(...values, limit);
    return Promise.resolve(rows.map(deadLetterOf));
  }

  async replay(filter: DeadLetterFilter): Promise<number> {
    const { where, values } = narrowed(filter);
    const replayed = await this.#commits.write(() => {
      const nowMs = this.#clock.now();
      this.#db.run(
        `INSERT INTO jobs (app, endpoint, version, job, body, waiting_since, due_at, changed_at)
         SELECT app, endpoint, version, job, body, ?, ?, ? FROM dead_letters ${where} ORDER BY seq`,
        [nowMs, nowMs, nowMs, ...values],
      );
      return this.#db.run(`DELETE FROM dead_letters ${where}`, values).changes;
    });
    if (replayed > 0) this.#changed();
    return replayed;
  }

  async prune({
    maxAgeMs,
    maxEntries,
  }: {
    readonly maxAgeMs: number;
    readonly maxEntries: number;
  }): Promise<number> {
    return await this.#commits.write(() => {
      const old = this.#db.run("DELETE FROM dead_letters WHERE at < ?", [
        this.#clock.now() - maxAgeMs,
      ]);
      const many = this.#db.run(
        "DELETE FROM dead_letters WHERE seq <= (SELECT seq FROM dead_letters ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        [maxEntries],
      );
      return old.changes + many.changes;
    });
  }

  #changed(): void {
    this.#changes.tell();
  }

  /** `blocked`: a JSON list. */
  #count(blocked: string): QueueFigures {
    const nowMs = this.#clock.now();
    const jobs = this.#db
      .query<JobsRow, [number, string]>(
        `WITH ${WHERE_JOBS_ARE}, placed_and_paused AS (SELECT *, endpoint IN (SELECT endpoint FROM paused) AS is_paused FROM placed)
         SELECT count(*) FILTER (WHERE place = 'due' AND NOT is_paused) AS due,
           count(*) FILTER (WHERE place = 'due' AND NOT is_paused
             AND endpoint NOT IN (SELECT value FROM json_each(?2))) AS deliverable,
           count(*) FILTER (WHERE place = 'leased') AS leased, count(*) FILTER (WHERE place = 'delayed') AS delayed,
           min(due_since) FILTER (WHERE place = 'due' AND NOT is_paused) AS oldest FROM placed_and_paused`,
      )
      .get(nowMs, blocked);
    const oldest = jobs?.oldest ?? null;
    const others = this.#db
      .query<{ dead: number; paused: number }, []>(
        "SELECT (SELECT count(*) FROM dead_letters) AS dead, (SELECT count(*) FROM paused) AS paused",
      )
      .get();
    return {
      due: jobs?.due ?? 0,
      deliverable: jobs?.deliverable ?? 0,
      leased: jobs?.leased ?? 0,
      delayed: jobs?.delayed ?? 0,
      dead: others?.dead ?? 0,
      oldestDueMs: oldest === null ? 0 : Math.max(0, nowMs - oldest),
      pausedEndpoints: others?.paused ?? 0,
    };
  }
}

function placeOf(endpoint: string): { readonly appId: string; readonly webhookId: string } {
  const slash = endpoint.indexOf("/");
  return { appId: endpoint.slice(0, slash), webhookId: endpoint.slice(slash + 1) };
}

function narrowed({ appId, webhookId, jobId, sinceMs, untilMs }: DeadLetterFilter): Condition {
  return conditionOf([
    ["app = ?", appId],
    ["substr(endpoint, instr(endpoint, '/') + 1) = ?", webhookId],
    ["id = ?", jobId],
    ["at >= ?", sinceMs],
    ["at < ?", untilMs],
  ]);
}

/** What cannot be read is shown as far as it can: the text itself as the body. */
function deadLetterOf(row: DeadRow): DeadLetter {
  const { id, endpoint, version, job, body, reason, attempts, at } = row;
  const parsed = parseJob(job, body);
  const shown: Job =
    "job" in parsed
      ? parsed.job
      : {
          version,
          id,
          ...placeOf(endpoint),
          method: "POST",
          url: "",
          headers: {},
          body: body ?? job,
          createdAtMs: at,
          events: [],
          timeoutMs: 0,
          retryWindowMs: 0,
        };
  return { job: shown, reason, attempts, buriedAtMs: at };
}
