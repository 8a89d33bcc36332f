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
import { Leases, type TakenJob } from "./leases.ts";
import { LineCursors, type PlaceInLine } from "./line-cursors.ts";
import { DELAYED, DUE } from "./schema.ts";

interface JobRow {
  readonly seq: number;
  readonly job: string;
  readonly body: string | null;
  readonly attempts: number;
  readonly spent_ms: number;
  readonly first_attempt_at: number | null;
}

interface Settling {
  readonly lease: Lease;
  readonly outcome: JobOutcome;
  readonly resolve: (isSettled: boolean) => void;
}

interface Place {
  readonly app: string;
  readonly endpoint: string;
}

/** Jobs that are delivered are deleted when there are so many of them, or after this long. */
const SWEEP_JOBS = 250;
const SWEEP_INTERVAL_MS = 200;
/** Leases that ended, and jobs that others delayed, are looked for this often. */
const LOOK_INTERVAL_MS = 500;
/** Jobs that `expire` looks at in one transaction: others wait for the same thread. */
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
 * `due_at` is when a job may be taken, `changed_at` when it came into its state: one that lies in the future tells that the
 * clock was set back since.
 */
export class SqliteJobQueue implements JobQueue {
  readonly #commits: GroupCommit;
  readonly #changes: ChangePoll;
  readonly #clock: Clock;
  readonly #dead: DeadLetterBox;
  readonly #due: DueEndpoints;
  readonly #leases: Leases;
  readonly #selectFree: Statement<PlaceInLine, [string, string, number, string]>;
  readonly #selectBeside: Statement<PlaceInLine, [string, string, number, number, number]>;
  readonly #selectBehind: Statement<PlaceInLine, [string, string, number, number]>;
  readonly #read: Statement<JobRow, [string]>;
  readonly #paused: Statement<{ endpoint: string }, []>;
  readonly #cursors = new LineCursors();
  readonly #wake: Statement<Place, [number]>;
  readonly #wakeFromFuture: Statement<Place, [number, number]>;
  readonly #nextDue: Statement<{ due_at: number | null }, []>;
  readonly #places: Statement<Place, [string]>;
  readonly #delete: Statement;
  readonly #retry: Statement;
  readonly #return: Statement;
  readonly #overdue: Statement<{ seq: number }, [string, string, number, number, string]>;
  readonly #pause: Statement;
  /** What the next transaction settles; undefined while nothing waits for one. */
  #settling: Settling[] | undefined;
  #sweptAtMs = Number.NEGATIVE_INFINITY;
  #nextDueMs = Number.NEGATIVE_INFINITY;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(db: Database, commits: GroupCommit, changes: ChangePoll, clock: Clock) {
    this.#commits = commits;
    this.#changes = changes;
    this.#clock = clock;
    this.#dead = new DeadLetterBox(db);
    this.#due = new DueEndpoints(db);
    this.#leases = new Leases(db);
    const select = (which: string): string =>
      `SELECT seq AS sequence, due_at AS dueAtMs FROM jobs INDEXED BY jobs_due
       WHERE state = ${DUE} AND app = ?1 AND endpoint = ?2 AND version <= ${JOB_VERSION} AND ${which}
       ORDER BY due_at, seq LIMIT ?3`;
    this.#selectFree = db.prepare(select("seq NOT IN (SELECT value FROM json_each(?4))"));
    // Two in place of one with (due_at, seq) > (?, ?), which would walk along all that became due at that millisecond.
    this.#selectBeside = db.prepare(select("due_at = ?4 AND seq > ?5"));
    this.#selectBehind = db.prepare(select("due_at > ?4"));
    this.#read = db.prepare(
      `SELECT seq, job, body, attempts, spent_ms, first_attempt_at FROM jobs
       WHERE seq IN (SELECT value FROM json_each(?))`,
    );
    this.#paused = db.prepare("SELECT endpoint FROM paused");
    this.#wake = db.prepare(
      `UPDATE jobs SET state = ${DUE} WHERE state = ${DELAYED} AND due_at <= ? RETURNING app, endpoint`,
    );
    this.#wakeFromFuture = db.prepare(
      `UPDATE jobs SET state = ${DUE}, due_at = ?1, changed_at = ?1
       WHERE state = ${DELAYED} AND changed_at > ?2 RETURNING app, endpoint`,
    );
    this.#nextDue = db.prepare(
      `SELECT min(due_at) AS due_at FROM jobs INDEXED BY jobs_delayed WHERE state = ${DELAYED}`,
    );
    this.#places = db.prepare(
      "SELECT DISTINCT app, endpoint FROM jobs WHERE seq IN (SELECT value FROM json_each(?))",
    );
    this.#delete = db.prepare("DELETE FROM jobs WHERE seq = ?");
    this.#retry = db.prepare(
      `UPDATE jobs SET state = ${DELAYED}, due_at = ?1, changed_at = ?2, attempts = attempts + 1, spent_ms = ?3,
         first_attempt_at = coalesce(first_attempt_at, ?4)
       WHERE seq = ?5 AND state = ${DUE}`,
    );
    this.#return = db.prepare(
      `UPDATE jobs SET state = ${DELAYED}, due_at = ?, changed_at = ? WHERE seq = ? AND state = ${DUE}`,
    );
    this.#overdue = db.prepare(
      `SELECT seq FROM (
         SELECT seq, job, waiting_since FROM jobs INDEXED BY jobs_due
         WHERE state = ${DUE} AND app = ?1 AND endpoint = ?2 AND version <= ${JOB_VERSION}
           AND seq NOT IN (SELECT value FROM json_each(?5))
         ORDER BY due_at, seq LIMIT ${EXPIRY_PAGE})
       WHERE json_valid(job) AND ?4 - max(?3, waiting_since) > job ->> 'retryWindowMs'`,
    );
    this.#pause = db.prepare(
      "INSERT INTO paused (endpoint, reason, at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason",
    );
  }

  async lease(request: LeaseRequest): Promise<readonly LeasedJob[]> {
    let leased: LeasedJob[] | undefined;
    let token: number | undefined;
    let finished: number[] | undefined;
    let isRepeated = false;
    await this.#commits.write(() => {
      this.#leases.forget(token);
      if (isRepeated) this.#cursors.anybodyMayHaveComeBack();
      isRepeated = true;
      [leased, token, finished] = [undefined, undefined, undefined];
      const nowMs = this.#clock.now();
      // Whoever could not be read is buried, and takes nobody's place: the round begins again without it.
      while (leased === undefined) {
        const left = request.max();
        if (left <= 0) return;
        finished ??= this.#makeDue(nowMs);
        const taken = this.#handOut(left, request);
        if (taken.length === 0) return;
        leased = this.#readAll(taken, nowMs);
        if (leased === undefined) this.#beginAgain(taken);
        else {
          const untilMs = nowMs + request.leaseMs;
          token = this.#leases.take(taken, nowMs, untilMs, this.#clock.elapsedMs());
        }
      }
    });
    this.#leases.looked();
    if (finished !== undefined) this.#leases.swept(finished, this.#clock.elapsedMs());
    return leased ?? [];
  }

  async renew(leases: readonly Lease[], leaseMs: number): Promise<readonly Lease[]> {
    const renewal = await this.#commits.write(() => {
      const nowMs = this.#clock.now();
      return this.#leases.renew(leases, nowMs, nowMs + leaseMs);
    });
    this.#leases.renewed(renewal);
    return renewal.lost;
  }

  settle(lease: Lease, outcome: JobOutcome): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const entry = { lease, outcome, resolve };
      if (this.#settling === undefined) this.#settleSoon([entry]).catch(reject);
      else this.#settling.push(entry);
    });
  }

  async expire(endpointId: string, sinceMs: number, reason: string): Promise<number> {
    const appId = endpointId.slice(0, endpointId.indexOf("/"));
    let buried = 0;
    for (;;) {
      const found = await this.#commits.write(() => {
        const nowMs = this.#clock.now();
        const taken = this.#leases.takenJson(endpointId);
        const overdue = this.#overdue.all(appId, endpointId, sinceMs, nowMs, taken);
        for (const { seq } of overdue) this.#dead.bury(seq, reason, undefined, nowMs);
        return overdue.length;
      });
      buried += found;
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

  #beginAgain(taken: readonly TakenJob[]): void {
    this.#cursors.anybodyMayHaveComeBack();
    for (const { endpoint } of taken)
      this.#due.add(endpoint.slice(0, endpoint.indexOf("/")), endpoint);
  }

  /** Decides by the index alone, which holds no job's text. */
  #handOut(left: number, request: LeaseRequest): TakenJob[] {
    const taken: TakenJob[] = [];
    const paused = new Set(this.#paused.all().map(({ endpoint }) => endpoint));
    this.#due.goRound<PlaceInLine>(left, {
      room: (app, endpoint) => (paused.has(endpoint) ? 0 : request.room(app, endpoint)),
      next: (app, endpoint, most) => this.#next(app, endpoint, most, taken),
      take: (app, endpoint, place) => {
        taken.push({ sequence: place.sequence, endpoint });
        this.#cursors.took(endpoint, place);
        request.took(app, endpoint, 1);
      },
    });
    return taken;
  }

  /**
   * The first of the endpoint's line that nobody has. It goes on behind what was leased last, for there no job needs to be
   * compared with those that are out, unless another process leases too; only where that gives too few it looks along the
   * whole line.
   */
  #next(app: string, endpoint: string, most: number, taken: readonly TakenJob[]): PlaceInLine[] {
    const cursor = this.#cursors.start(endpoint);
    if (cursor !== undefined && !this.#leases.hasOthers) {
      const { dueAtMs, sequence } = cursor;
      const places = this.#selectBeside.all(app, endpoint, most, dueAtMs, sequence);
      if (places.length < most)
        places.push(...this.#selectBehind.all(app, endpoint, most - places.length, dueAtMs));
      if (places.length === most) return places;
    }
    const out = this.#leases.takenJson(endpoint, taken);
    const free = this.#selectFree.all(app, endpoint, most, out);
    this.#cursors.found(endpoint, free[0]);
    return free;
  }

  /** The jobs in the order of taking, under the token of the lease to come; undefined when one had to be buried. */
  #readAll(taken: readonly TakenJob[], nowMs: number): LeasedJob[] | undefined {
    const found = new Map<number, LeasedJob>();
    let areAllReadable = true;
    for (const row of this.#read.all(JSON.stringify(taken.map(({ sequence }) => sequence)))) {
      const parsed = parseJob(row.job, row.body);
      if ("fault" in parsed) {
        areAllReadable = false;
        this.#dead.bury(row.seq, parsed.fault, undefined, nowMs);
        continue;
      }
      found.set(row.seq, {
        lease: { sequence: row.seq, token: this.#leases.nextToken },
        job: parsed.job,
        attempts: row.attempts,
        spentMs: row.spent_ms,
        firstAttemptAtMs: row.first_attempt_at ?? undefined,
      });
    }
    if (!areAllReadable) return undefined;
    return taken.flatMap(({ sequence }) => found.get(sequence) ?? []);
  }

  /** Takes more of them until its turn comes. */
  async #settleSoon(settling: Settling[]): Promise<void> {
    this.#settling = settling;
    const settled = await this.#commits.write(() => {
      if (this.#settling === settling) this.#settling = undefined;
      return this.#settleAll(settling);
    });
    for (const [i, { lease, outcome, resolve }] of settling.entries()) {
      const isSettled = settled[i] === true;
      if (isSettled) this.#leases.settled(lease, outcome.kind === "delivered");
      resolve(isSettled);
    }
  }

  #settleAll(settling: readonly Settling[]): boolean[] {
    const nowMs = this.#clock.now();
    const seen = new Set<number>();
    const rows = new Map<number, boolean>();
    const done: number[] = [];
    const settled = settling.map(({ lease, outcome }) => {
      const { sequence } = lease;
      const held = seen.has(sequence) ? "no" : this.#leases.holds(lease, rows);
      if (held === "no") return false;
      seen.add(sequence);
      if (outcome.kind === "delivered") {
        if (held === "late") this.#delete.run(sequence);
        else done.push(sequence);
      } else if (outcome.kind === "buried") {
        this.#dead.bury(sequence, outcome.reason, outcome.attempts, nowMs);
      } else {
        this.#delay(lease, outcome, nowMs);
      }
      return true;
    });
    if (done.length > 0) this.#leases.noteDone(done);
    return settled;
  }

  #delay(
    lease: Lease,
    outcome: Extract<JobOutcome, { kind: "retry" | "returned" }>,
    nowMs: number,
  ): void {
    const dueAtMs = nowMs + Math.ceil(outcome.delayMs);
    this.#nextDueMs = Math.min(this.#nextDueMs, dueAtMs);
    this.#leases.putBack(lease);
    if (outcome.kind === "returned") {
      this.#return.run(dueAtMs, nowMs, lease.sequence);
      return;
    }
    const attemptAtMs = this.#leases.takenAtMs(lease);
    this.#retry.run(dueAtMs, nowMs, Math.round(outcome.spentMs), attemptAtMs, lease.sequence);
  }

  /** Brings home whatever is due by now, and finds out who has it. Answers leases that are at their end, if it looked. */
  #makeDue(nowMs: number): number[] | undefined {
    const found: Place[] = [];
    const elapsedMs = this.#clock.elapsedMs();
    const isLookDue = elapsedMs - this.#lookedAtMs >= LOOK_INTERVAL_MS;
    let finished: number[] | undefined;
    // What others delivered before they died is done as well: it goes before their leases end.
    if (isLookDue || this.#isSweepDue(elapsedMs)) {
      this.#sweptAtMs = elapsedMs;
      finished = this.#leases.sweep();
    }
    if (isLookDue) {
      this.#lookedAtMs = elapsedMs;
      const futureMs = nowMs + CLOCK_TOLERANCE_MS;
      found.push(...this.#wakeFromFuture.all(nowMs, futureMs));
      const freed = this.#leases.end(nowMs, futureMs);
      if (freed.length > 0) found.push(...this.#places.all(JSON.stringify(freed)));
    }
    // Other processes delay jobs too, so now and then it looks without knowing of any.
    if (isLookDue || nowMs >= this.#nextDueMs) {
      found.push(...this.#wake.all(nowMs));
      this.#nextDueMs = this.#nextDue.get()?.due_at ?? Number.POSITIVE_INFINITY;
    }
    this.#leases.look();
    if (isLookDue) {
      this.#cursors.anybodyMayHaveComeBack();
      this.#cursors.keep(this.#leases.endpoints());
    }
    for (const { app, endpoint } of found) {
      this.#due.add(app, endpoint);
      this.#cursors.cameBack(endpoint);
    }
    this.#due.look(elapsedMs);
    return finished;
  }

  #isSweepDue(elapsedMs: number): boolean {
    const { doneJobs } = this.#leases;
    return (
      doneJobs >= SWEEP_JOBS || (doneJobs > 0 && elapsedMs - this.#sweptAtMs >= SWEEP_INTERVAL_MS)
    );
  }
}
