import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import type { Clock } from "../../channels/ports/clock.ts";
import { endpointIdOf } from "../../protocol/webhook.ts";
import type {
  Attempt,
  AttemptFilter,
  AttemptResult,
  AttemptSummary,
  DeliveryLog,
  VersionSummary,
} from "../../sender/ports/delivery-log.ts";
import { summarized, type AttemptTally } from "../../sender/ports/version-tally.ts";
import { conditionOf, type Condition } from "./condition.ts";
import type { GroupCommit } from "./group-commit.ts";

interface AttemptRow {
  readonly at: number;
  readonly app: string;
  readonly webhook: string;
  readonly job: string;
  readonly events: string;
  readonly attempt: number;
  readonly result: AttemptResult;
  readonly status: number | null;
  readonly duration_ms: number;
  readonly age_ms: number;
  readonly detail: string | null;
  readonly sender_version: string;
}

const COLUMNS =
  "at, app, webhook, job, events, attempt, result, status, duration_ms, age_ms, detail, sender_version";
/** Attempts that may wait while the database cannot be written; the oldest give way. */
const MAX_WAITING = 50_000;

export class SqliteDeliveryLog implements DeliveryLog {
  readonly #db: Database;
  readonly #commits: GroupCommit;
  readonly #clock: Clock;
  readonly #insert: Statement;
  #waiting: Attempt[] | undefined;

  constructor(db: Database, commits: GroupCommit, clock: Clock) {
    this.#db = db;
    this.#commits = commits;
    this.#clock = clock;
    this.#insert = db.prepare(
      `INSERT INTO attempts (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
  }

  record(attempt: Attempt): void {
    if (this.#waiting !== undefined) {
      if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
      this.#waiting.push(attempt);
      return;
    }
    const attempts = [attempt];
    this.#waiting = attempts;
    void this.#commits
      .write(() => {
        // Sealed: what comes from here on is for the next transaction.
        if (this.#waiting === attempts) this.#waiting = undefined;
        for (const each of attempts) this.#write(each);
      })
      // Rejected for being wrong by itself: not worth more than a delivery.
      .catch(() => {});
  }

  attempts(filter: AttemptFilter, limit: number): Promise<readonly Attempt[]> {
    const { where, values } = narrowed(filter);
    const rows = this.#db
      .query<AttemptRow, SQLQueryBindings[]>(
        `SELECT ${COLUMNS} FROM attempts ${where} ORDER BY seq DESC LIMIT ?`,
      )
      .all(...values, limit);
    return Promise.resolve(rows.map(attemptOf));
  }

  summary(sinceMs: number): Promise<ReadonlyMap<string, AttemptSummary>> {
    const counts = this.#db
      .query<{ delivered: number; failed: number; newest: number }, [number]>(
        `SELECT sum(result = 'delivered') AS delivered, sum(result <> 'delivered') AS failed, max(seq) AS newest
         FROM attempts WHERE at >= ? GROUP BY app, webhook`,
      )
      .all(sinceMs);
    const newest = this.#db.query<AttemptRow, [number]>(
      `SELECT ${COLUMNS} FROM attempts WHERE seq = ?`,
    );
    const summaries = new Map<string, AttemptSummary>();
    for (const count of counts) {
      const row = newest.get(count.newest);
      if (row === null) continue;
      const last = attemptOf(row);
      const { delivered, failed } = count;
      summaries.set(endpointIdOf(last.appId, last.webhookId), { delivered, failed, last });
    }
    return Promise.resolve(summaries);
  }

  versions(sinceMs: number): Promise<ReadonlyMap<string, VersionSummary>> {
    const tallies = this.#db
      .query<AttemptTally, [number]>(
        `SELECT sender_version AS version, result, duration_ms AS durationMs, count(*) AS count,
           min(at) AS firstAtMs, max(at) AS lastAtMs
         FROM attempts WHERE at >= ? GROUP BY sender_version, result, duration_ms`,
      )
      .all(sinceMs);
    return Promise.resolve(summarized(tallies));
  }

  async prune({
    maxAgeMs,
    maxEntries,
  }: {
    readonly maxAgeMs: number;
    readonly maxEntries: number;
  }): Promise<number> {
    return await this.#commits.write(() => {
      // The log is in the order of time but for a clock that was set: its head tells what is old.
      const old = this.#db.run(
        "DELETE FROM attempts WHERE seq < coalesce((SELECT seq FROM attempts WHERE at >= ? ORDER BY seq LIMIT 1), 9e15)",
        [this.#clock.now() - maxAgeMs],
      );
      const many = this.#db.run(
        "DELETE FROM attempts WHERE seq <= (SELECT seq FROM attempts ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        [maxEntries],
      );
      return old.changes + many.changes;
    });
  }

  #write(attempt: Attempt): void {
    this.#insert.run(
      attempt.atMs,
      attempt.appId,
      attempt.webhookId,
      attempt.jobId,
      attempt.events.join(","),
      attempt.attempt,
      attempt.result,
      attempt.status,
      Math.round(attempt.durationMs),
      Math.round(attempt.ageMs),
      attempt.detail,
      attempt.senderVersion,
    );
  }
}

function attemptOf(row: AttemptRow): Attempt {
  return {
    atMs: row.at,
    appId: row.app,
    webhookId: row.webhook,
    jobId: row.job,
    events: row.events === "" ? [] : row.events.split(","),
    attempt: row.attempt,
    result: row.result,
    status: row.status,
    durationMs: row.duration_ms,
    ageMs: row.age_ms,
    detail: row.detail,
    senderVersion: row.sender_version,
  };
}

function narrowed({ appId, webhookId, jobId, failed, sinceMs, untilMs }: AttemptFilter): Condition {
  return conditionOf([
    ["app = ?", appId],
    ["webhook = ?", webhookId],
    ["job = ?", jobId],
    ["(result <> 'delivered') = ?", failed === undefined ? undefined : Number(failed)],
    ["at >= ?", sinceMs],
    ["at < ?", untilMs],
  ]);
}
