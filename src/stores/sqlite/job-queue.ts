import type { Database, Statement } from "bun:sqlite";
import type { Clock } from "../../channels/ports/clock.ts";
import { JOB_VERSION, parseJob } from "../../protocol/job.ts";
import type {
  JobOutcome,
  JobQueue,
  Lease,
  LeaseRequest,
  LeasedJob,
} from "../../sender/ports/job-queue.ts";
import type { ChangePoll } from "./change-poll.ts";
import { DeadLetterBox } from "./dead-letter-box.ts";
import { DueEndpoints } from "./due-endpoints.ts";
import type { GroupCommit } from "./group-commit.ts";
import { DELAYED, DUE, LEASED } from "./schema.ts";

interface JobRow {
  readonly seq: number;
  readonly job: string;
  readonly attempts: number;
  readonly spent_ms: number;
  readonly first_attempt_at: number | null;
}

interface Place {
  readonly app: string;
  readonly endpoint: string;
}

/** Leases that ended are looked for this often. */
const EXPIRY_LOOK_INTERVAL_MS = 500;
const EXPIRY_PAGE = 500;
/** A clock that goes back by less is being adjusted, not set. */
const CLOCK_TOLERANCE_MS = 1_000;

/**
 * The jobs table as a sender sees it; several processes may.
 *
 *   due ──lease──▶ leased ──delivered──▶ (gone)
 *    ▲ ▲             │ │ └───buried─────▶ dead letter
 *    │ └─lease ended─┘ └─retry, returned─▶ delayed
 *    └───────────────(its time)──────────────┘
 *
 * `due_at` is when a job may be taken: of a leased one the end of the lease, of a delayed one the end of the wait.
 * `changed_at` is when it came into its state; one that lies in the future tells that the clock was set back since.
 */
export class SqliteJobQueue implements JobQueue {
  readonly #commits: GroupCommit;
  readonly #changes: ChangePoll;
  readonly #clock: Clock;
  readonly #dead: DeadLetterBox;
  readonly #due: DueEndpoints;
  readonly #select: Statement<JobRow, [string, string, number]>;
  readonly #lease: Statement;
  readonly #wake: Statement<Place, [number]>;
  readonly #nextDue: Statement<{ due_at: number | null }, []>;
  readonly #wakeFromFuture: Statement<Place, [number, number]>;
  readonly #endLeases: Statement<Place, [number]>;
  readonly #renew: Statement;
  readonly #delete: Statement;
  readonly #retry: Statement;
  readonly #return: Statement;
  readonly #overdue: Statement<{ seq: number }, [string, string, number, number]>;
  readonly #pause: Statement;
  /** Tokens of two processes differ, and so do two leases of one. */
  #lastToken = crypto.getRandomValues(new Uint16Array(1))[0]! * 2 ** 32;
  #nextDueMs = Number.NEGATIVE_INFINITY;
  #expiryLookedAtMs = Number.NEGATIVE_INFINITY;
  #lastNowMs = Number.POSITIVE_INFINITY;

  constructor(db: Database, commits: GroupCommit, changes: ChangePoll, clock: Clock) {
    this.#commits = commits;
    this.#changes = changes;
    this.#clock = clock;
    this.#dead = new DeadLetterBox(db);
    this.#due = new DueEndpoints(db);
    this.#select = db.prepare(
      `SELECT seq, job, attempts, spent_ms, first_attempt_at FROM jobs INDEXED BY jobs_due
       WHERE state = ${DUE} AND app = ?1 AND endpoint = ?2 AND version <= ${JOB_VERSION}
         AND NOT EXISTS (SELECT 1 FROM paused WHERE paused.endpoint = ?2)
       ORDER BY due_at, seq LIMIT ?3`,
    );
    this.#lease = db.prepare(
      `UPDATE jobs SET state = ${LEASED}, token = ?, due_at = ?, changed_at = ?
       WHERE seq IN (SELECT value FROM json_each(?))`,
    );
    this.#wake = db.prepare(
      `UPDATE jobs SET state = ${DUE} WHERE state = ${DELAYED} AND due_at <= ? RETURNING app, endpoint`,
    );
    this.#nextDue = db.prepare(
      `SELECT min(due_at) AS due_at FROM jobs INDEXED BY jobs_delayed WHERE state = ${DELAYED}`,
    );
    this.#wakeFromFuture = db.prepare(
      `UPDATE jobs SET state = ${DUE}, token = 0, due_at = ?1, changed_at = ?1
       WHERE state IN (${LEASED}, ${DELAYED}) AND changed_at > ?2 RETURNING app, endpoint`,
    );
    this.#endLeases = db.prepare(
      `UPDATE jobs SET state = ${DUE}, token = 0 WHERE state = ${LEASED} AND due_at <= ? RETURNING app, endpoint`,
    );
    this.#renew = db.prepare(
      `UPDATE jobs SET due_at = ?, changed_at = ? WHERE seq = ? AND token = ? AND state = ${LEASED}`,
    );
    this.#delete = db.prepare("DELETE FROM jobs WHERE seq = ? AND token = ?");
    this.#retry = db.prepare(
      `UPDATE jobs SET state = ${DELAYED}, token = 0, due_at = ?1, changed_at = ?2, attempts = attempts + 1,
         spent_ms = ?3, first_attempt_at = coalesce(first_attempt_at, ?2)
       WHERE seq = ?4 AND token = ?5`,
    );
    this.#return = db.prepare(
      `UPDATE jobs SET state = ${DELAYED}, token = 0, due_at = ?, changed_at = ? WHERE seq = ? AND token = ?`,
    );
    this.#overdue = db.prepare(
      `SELECT seq FROM (
         SELECT seq, job FROM jobs INDEXED BY jobs_due
         WHERE state = ${DUE} AND app = ?1 AND endpoint = ?2 AND version <= ${JOB_VERSION}
         ORDER BY due_at, seq LIMIT ${EXPIRY_PAGE})
       WHERE json_valid(job) AND ?4 - max(?3, job ->> 'createdAtMs') > job ->> 'retryWindowMs'`,
    );
    this.#pause = db.prepare(
      "INSERT INTO paused (endpoint, reason, at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason",
    );
  }

  lease(request: LeaseRequest): Promise<readonly LeasedJob[]> {
    return this.#commits.write(() => {
      const left = request.max();
      const leased: LeasedJob[] = [];
      if (left <= 0) return leased;
      const nowMs = this.#clock.now();
      this.#makeDue(nowMs);
      this.#due.goRound(
        left,
        (app, endpoint) => request.room(app, endpoint) > 0,
        (app, endpoint, most) => {
          const wanted = Math.min(most, request.room(app, endpoint));
          if (wanted <= 0) return 0;
          const before = leased.length;
          this.#leaseOf(app, endpoint, wanted, nowMs, request.leaseMs, leased);
          const taken = leased.length - before;
          if (taken > 0) request.took(app, endpoint, taken);
          return taken;
        },
      );
      return leased;
    });
  }

  renew(leases: readonly Lease[], leaseMs: number): Promise<readonly Lease[]> {
    return this.#commits.write(() => {
      const nowMs = this.#clock.now();
      return leases.filter(
        ({ sequence, token }) =>
          this.#renew.run(nowMs + leaseMs, nowMs, sequence, token).changes === 0,
      );
    });
  }

  settle(lease: Lease, outcome: JobOutcome): Promise<boolean> {
    return this.#commits.write(() => this.#settle(lease, outcome));
  }

  async expire(endpointId: string, sinceMs: number, reason: string): Promise<number> {
    const appId = endpointId.slice(0, endpointId.indexOf("/"));
    let buried = 0;
    for (;;) {
      const found = await this.#commits.write(() => {
        const nowMs = this.#clock.now();
        const overdue = this.#overdue.all(appId, endpointId, sinceMs, nowMs);
        for (const { seq } of overdue) this.#dead.bury(seq, reason, nowMs);
        return overdue.length;
      });
      buried += found;
      // A page at a time, for others wait for the same thread.
      if (found < EXPIRY_PAGE) return buried;
    }
  }

  async pause(endpointId: string, reason: string): Promise<void> {
    await this.#commits.write(() => {
      this.#pause.run(endpointId, reason, this.#clock.now());
    });
  }

  onDue(listener: () => void): () => void {
    return this.#changes.listen(listener);
  }

  #leaseOf(
    app: string,
    endpoint: string,
    wanted: number,
    nowMs: number,
    leaseMs: number,
    leased: LeasedJob[],
  ): void {
    const rows = this.#select.all(app, endpoint, wanted);
    if (rows.length < wanted) this.#due.delete(app, endpoint);
    if (rows.length === 0) return;
    const token = ++this.#lastToken;
    const sequences: number[] = [];
    for (const { seq, job: json, attempts, spent_ms, first_attempt_at } of rows) {
      const parsed = parseJob(json);
      if ("fault" in parsed) {
        this.#dead.bury(seq, parsed.fault, nowMs);
        continue;
      }
      sequences.push(seq);
      leased.push({
        lease: { sequence: seq, token },
        job: parsed.job,
        attempts,
        spentMs: spent_ms,
        firstAttemptAtMs: first_attempt_at ?? undefined,
      });
    }
    this.#lease.run(token, nowMs + leaseMs, nowMs, JSON.stringify(sequences));
  }

  #settle({ sequence, token }: Lease, outcome: JobOutcome): boolean {
    const nowMs = this.#clock.now();
    switch (outcome.kind) {
      case "delivered":
        return this.#delete.run(sequence, token).changes > 0;
      case "retry": {
        const dueAtMs = nowMs + outcome.delayMs;
        this.#nextDueMs = Math.min(this.#nextDueMs, dueAtMs);
        const spentMs = Math.round(outcome.spentMs);
        return this.#retry.run(dueAtMs, nowMs, spentMs, sequence, token).changes > 0;
      }
      case "returned": {
        const dueAtMs = nowMs + outcome.delayMs;
        this.#nextDueMs = Math.min(this.#nextDueMs, dueAtMs);
        return this.#return.run(dueAtMs, nowMs, sequence, token).changes > 0;
      }
      case "buried":
        return this.#dead.buryLeased(sequence, token, outcome.reason, outcome.attempts, nowMs);
    }
  }

  /** Brings home whatever is due by now, and finds out who has it. */
  #makeDue(nowMs: number): void {
    const found: Place[] = [];
    if (nowMs < this.#lastNowMs - CLOCK_TOLERANCE_MS)
      found.push(...this.#wakeFromFuture.all(nowMs, nowMs + CLOCK_TOLERANCE_MS));
    this.#lastNowMs = nowMs;
    const elapsedMs = this.#clock.elapsedMs();
    const isLookDue = elapsedMs - this.#expiryLookedAtMs >= EXPIRY_LOOK_INTERVAL_MS;
    if (isLookDue) {
      this.#expiryLookedAtMs = elapsedMs;
      found.push(...this.#endLeases.all(nowMs));
    }
    // Other processes delay jobs too, so now and then it looks without knowing of any.
    if (isLookDue || nowMs >= this.#nextDueMs) {
      found.push(...this.#wake.all(nowMs));
      this.#nextDueMs = this.#nextDue.get()?.due_at ?? Number.POSITIVE_INFINITY;
    }
    for (const { app, endpoint } of found) this.#due.add(app, endpoint);
    this.#due.look(elapsedMs);
  }
}
