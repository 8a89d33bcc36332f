import type { Database, Statement } from "bun:sqlite";
import type { Lease } from "../../sender/ports/job-queue.ts";
import { DUE } from "./schema.ts";

interface OwnJob {
  /** Of the lease under which it was handed out. */
  readonly token: number;
  readonly endpoint: string;
  readonly takenAtMs: number;
  /** The same in elapsed time: a clock that is set makes nobody work longer. */
  readonly takenAtElapsedMs: number;
  /** The row of `leases` in which it stands: that of its token until it was renewed apart from others. */
  row: number;
  /** It is not settled. */
  isOpen: boolean;
}

/** A job that a transaction takes or is about to. */
export interface TakenJob {
  readonly sequence: number;
  readonly endpoint: string;
}

interface LeaseRow {
  readonly token: number;
  readonly taken_at: number;
  readonly until: number;
  readonly jobs: string;
}

/** What a renewal did; for `renewed`. */
export interface Renewal {
  readonly lost: readonly Lease[];
  readonly moved: readonly { readonly sequence: number; readonly row: number }[];
}

/** Nobody works on a job for longer. */
const FORGET_AFTER_MS = 10 * 60_000;

/**
 * Who has which jobs. What this process has it knows by heart; what others have it reads.
 *
 * Methods marked (T) run inside a transaction of the caller's, which may be run again from its start: apart from `look`
 * and `take`, whose traces `forget` removes, they change nothing but the database. The others are for when it is committed.
 */
export class Leases {
  readonly #insert: Statement;
  readonly #delete: Statement;
  readonly #without: Statement;
  readonly #prolong: Statement;
  readonly #exists: Statement<object, [number]>;
  readonly #isFree: Statement<object, [number, number]>;
  readonly #all: Statement<Pick<LeaseRow, "token" | "jobs">, []>;
  readonly #end: Statement<LeaseRow, [number, number]>;
  readonly #release: Statement;
  readonly #noteDone: Statement;
  readonly #deleteDone: Statement;
  readonly #clearDone: Statement;
  /** By sequence. One whose lease has ended stays until it is settled: nobody else may have taken it. */
  readonly #own = new Map<number, OwnJob>();
  /** By row: our jobs in it that are in the table still, delivered or not. */
  readonly #rows = new Map<number, Set<number>>();
  /** What other processes have. */
  /** Rows of ours that the transaction under way did not find: they are over if it comes to its end. */
  readonly #gone = new Set<number>();
  #others: readonly number[] = [];
  #doneJobs = 0;
  /** Tokens of two processes differ, and so do two leases of one. */
  #lastToken = (1 + crypto.getRandomValues(new Uint16Array(1))[0]!) * 2 ** 32;

  constructor(db: Database) {
    this.#insert = db.prepare(
      "INSERT INTO leases (token, taken_at, until, jobs) VALUES (?, ?, ?, ?)",
    );
    this.#delete = db.prepare("DELETE FROM leases WHERE token = ?");
    this.#without = db.prepare(
      `UPDATE leases SET jobs = (SELECT json_group_array(value) FROM json_each(jobs)
         WHERE value NOT IN (SELECT value FROM json_each(?)))
       WHERE token = ?`,
    );
    this.#prolong = db.prepare("UPDATE leases SET until = ? WHERE token = ?");
    this.#exists = db.prepare("SELECT 1 FROM leases WHERE token = ?");
    this.#isFree = db.prepare(
      `SELECT 1 FROM jobs WHERE seq = ?1 AND state = ${DUE} AND changed_at <= ?2
         AND seq NOT IN (SELECT value FROM leases, json_each(leases.jobs))
         AND seq NOT IN (SELECT value FROM done, json_each(done.jobs))`,
    );
    this.#all = db.prepare("SELECT token, jobs FROM leases");
    this.#end = db.prepare(
      "DELETE FROM leases WHERE until <= ? OR taken_at > ? RETURNING token, taken_at, until, jobs",
    );
    this.#release = db.prepare(
      "UPDATE jobs SET due_at = ?, changed_at = ? WHERE seq IN (SELECT value FROM json_each(?))",
    );
    this.#noteDone = db.prepare("INSERT INTO done (jobs) VALUES (?)");
    this.#deleteDone = db.prepare(
      "DELETE FROM jobs WHERE seq IN (SELECT value FROM done, json_each(done.jobs))",
    );
    this.#clearDone = db.prepare("DELETE FROM done");
  }

  /** Jobs of ours that are delivered and not deleted yet. */
  get doneJobs(): number {
    return this.#doneJobs;
  }

  /** Those of which a job of ours is in the table still, delivered or not. */
  endpoints(): ReadonlySet<string> {
    return new Set(Array.from(this.#own.values(), ({ endpoint }) => endpoint));
  }

  /** Whether other processes have any. */
  get hasOthers(): boolean {
    return this.#others.length > 0;
  }

  /**
   * Jobs of the endpoint that somebody has or had, or is about to take, as a JSON list. Those of other processes may be of
   * any endpoint.
   */
  takenJson(endpoint: string, about: readonly TakenJob[] = []): string {
    const taken: number[] = [...this.#others];
    for (const job of about) if (job.endpoint === endpoint) taken.push(job.sequence);
    for (const [row, jobs] of this.#rows) {
      if (this.#gone.has(row)) continue;
      for (const sequence of jobs) {
        if (this.#own.get(sequence)?.endpoint === endpoint) taken.push(sequence);
      }
    }
    return JSON.stringify(taken);
  }

  /** The token that `take` will give. */
  get nextToken(): number {
    return this.#lastToken + 1;
  }

  /** (T) Answers the token. */
  take(jobs: readonly TakenJob[], nowMs: number, untilMs: number, elapsedMs: number): number {
    const sequences = jobs.map(({ sequence }) => sequence);
    const token = this.#insertRow(sequences, nowMs, untilMs);
    this.#rows.set(token, new Set(sequences));
    const taken = { token, takenAtMs: nowMs, takenAtElapsedMs: elapsedMs, row: token };
    for (const { sequence, endpoint } of jobs)
      this.#own.set(sequence, { ...taken, endpoint, isOpen: true });
    return token;
  }

  /** The transaction that looked, and took these if any, did not come to its end. */
  forget(token: number | undefined): void {
    this.#gone.clear();
    if (token === undefined) return;
    for (const sequence of this.#rows.get(token) ?? []) this.#own.delete(sequence);
    this.#rows.delete(token);
  }

  /** (T) Jobs that others in their row are not renewed with get a row of their own. */
  renew(leases: readonly Lease[], nowMs: number, untilMs: number): Renewal {
    const lost: Lease[] = [];
    const moved: { sequence: number; row: number }[] = [];
    const byRow = new Map<number, number[]>();
    for (const lease of leases) {
      const job = this.#openJob(lease);
      if (job === undefined || !this.#isRow(job.row)) lost.push(lease);
      else byRow.set(job.row, [...(byRow.get(job.row) ?? []), lease.sequence]);
    }
    for (const [row, sequences] of byRow) {
      if (sequences.length === this.#openIn(row)) {
        this.#prolong.run(untilMs, row);
        continue;
      }
      this.#without.run(JSON.stringify(sequences), row);
      const apart = this.#insertRow(sequences, nowMs, untilMs);
      for (const sequence of sequences) moved.push({ sequence, row: apart });
    }
    return { lost, moved };
  }

  renewed({ moved }: Renewal): void {
    for (const { sequence, row } of moved) {
      const job = this.#own.get(sequence);
      if (job === undefined) continue;
      this.#rows.get(job.row)?.delete(sequence);
      job.row = row;
      const jobs = this.#rows.get(row);
      if (jobs === undefined) this.#rows.set(row, new Set([sequence]));
      else jobs.add(sequence);
    }
  }

  /** (T) `late`: the lease has ended, but nobody has had the job since. `rows`: what this transaction knows of them. */
  holds(lease: Lease, rows: Map<number, boolean>): "yes" | "late" | "no" {
    const job = this.#openJob(lease);
    if (job === undefined) return "no";
    const isRow = rows.get(job.row) ?? this.#isRow(job.row);
    rows.set(job.row, isRow);
    if (isRow) return "yes";
    return this.#isFree.get(lease.sequence, job.takenAtMs) === null ? "no" : "late";
  }

  takenAtMs({ sequence }: Lease): number {
    return this.#own.get(sequence)?.takenAtMs ?? 0;
  }

  /** (T) These are delivered: they stay leased until they are deleted. */
  noteDone(sequences: readonly number[]): void {
    this.#noteDone.run(JSON.stringify(sequences));
  }

  /** (T) The job stays in the table, and is anybody's again. */
  putBack({ sequence }: Lease): void {
    this.#without.run(JSON.stringify([sequence]), this.#own.get(sequence)?.row ?? 0);
  }

  settled({ sequence, token }: Lease, isDone: boolean): void {
    const job = this.#own.get(sequence);
    if (job?.token !== token) return;
    job.isOpen = false;
    const jobs = this.#rows.get(job.row);
    if (isDone && jobs !== undefined) {
      this.#doneJobs++;
      return;
    }
    jobs?.delete(sequence);
    this.#own.delete(sequence);
  }

  /** (T) Deletes what is done, whoever did it, and the rows of ours that came to their end by it. Answers those. */
  sweep(): number[] {
    this.#deleteDone.run();
    this.#clearDone.run();
    const finished: number[] = [];
    for (const row of this.#rows.keys()) {
      if (this.#openIn(row) > 0) continue;
      finished.push(row);
      this.#delete.run(row);
    }
    return finished;
  }

  swept(finished: readonly number[], elapsedMs: number): void {
    for (const row of finished) this.#rows.delete(row);
    for (const [sequence, { isOpen, row, takenAtElapsedMs }] of this.#own) {
      const isRecent = elapsedMs - takenAtElapsedMs < FORGET_AFTER_MS;
      if (isOpen && (this.#rows.has(row) || isRecent)) continue;
      this.#rows.get(row)?.delete(sequence);
      this.#own.delete(sequence);
    }
    this.#doneJobs = 0;
  }

  /** (T) Ends what is over, and what was taken in the future: the clock was set back. Answers the jobs that are free now. */
  end(nowMs: number, futureMs: number): number[] {
    const freed: number[] = [];
    for (const { taken_at, until, jobs } of this.#end.all(nowMs, futureMs)) {
      this.#release.run(Math.min(until, nowMs), Math.min(taken_at, nowMs), jobs);
      freed.push(...(JSON.parse(jobs) as number[]));
    }
    return freed;
  }

  /** (T) Learns what is whose. */
  look(): void {
    const others: number[] = [];
    const alive = new Set<number>();
    for (const { token, jobs } of this.#all.all()) {
      if (this.#rows.has(token)) alive.add(token);
      else others.push(...(JSON.parse(jobs) as number[]));
    }
    this.#others = others;
    for (const row of this.#rows.keys()) if (!alive.has(row)) this.#gone.add(row);
  }

  looked(): void {
    for (const row of this.#gone) this.#rows.delete(row);
    this.#gone.clear();
  }

  #insertRow(sequences: readonly number[], nowMs: number, untilMs: number): number {
    const row = ++this.#lastToken;
    this.#insert.run(row, nowMs, untilMs, JSON.stringify(sequences));
    return row;
  }

  #isRow(row: number): boolean {
    return this.#exists.get(row) !== null;
  }

  #openJob({ sequence, token }: Lease): OwnJob | undefined {
    const job = this.#own.get(sequence);
    return job?.token === token && job.isOpen ? job : undefined;
  }

  #openIn(row: number): number {
    let open = 0;
    for (const sequence of this.#rows.get(row) ?? []) {
      if (this.#own.get(sequence)?.isOpen === true) open++;
    }
    return open;
  }
}
