import type { Database, Statement } from "bun:sqlite";

/** Moves jobs to the dead letters, inside a transaction of the caller's. */
export class DeadLetterBox {
  readonly #copy: Statement;
  readonly #delete: Statement;

  constructor(db: Database) {
    // A job that is not JSON has no id of its own.
    this.#copy = db.prepare(
      `INSERT INTO dead_letters (id, app, endpoint, version, job, body, reason, attempts, at)
       SELECT coalesce(CASE WHEN json_valid(job) THEN job ->> 'id' END, 'unreadable-' || seq),
         app, endpoint, version, job, body, ?1, coalesce(?2, attempts), ?3 FROM jobs WHERE seq = ?4`,
    );
    this.#delete = db.prepare("DELETE FROM jobs WHERE seq = ?");
  }

  /** `attempts` are those of the job unless given. False when there is no such job. */
  bury(sequence: number, reason: string, attempts: number | undefined, nowMs: number): boolean {
    this.#copy.run(reason, attempts ?? null, nowMs, sequence);
    return this.#delete.run(sequence).changes > 0;
  }
}
