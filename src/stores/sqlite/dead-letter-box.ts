import type { Database, Statement } from "bun:sqlite";

/** Moves jobs to the dead letters, inside a transaction of the caller's. */
export class DeadLetterBox {
  readonly #copy: Statement;
  readonly #copyLeased: Statement;
  readonly #delete: Statement;

  constructor(db: Database) {
    // A job that is not JSON has no id of its own.
    const copy = (attempts: string, which: string): string => `
      INSERT INTO dead_letters (id, app, endpoint, version, job, reason, attempts, at)
      SELECT coalesce(CASE WHEN json_valid(job) THEN job ->> 'id' END, 'unreadable-' || seq),
        app, endpoint, version, job, ?1, ${attempts}, ?2 FROM jobs WHERE ${which}`;
    this.#copy = db.prepare(copy("attempts", "seq = ?3"));
    this.#copyLeased = db.prepare(copy("?3", "seq = ?4 AND token = ?5"));
    this.#delete = db.prepare("DELETE FROM jobs WHERE seq = ?");
  }

  bury(sequence: number, reason: string, nowMs: number): void {
    this.#copy.run(reason, nowMs, sequence);
    this.#delete.run(sequence);
  }

  /** False when the lease was lost. */
  buryLeased(
    sequence: number,
    token: number,
    reason: string,
    attempts: number,
    nowMs: number,
  ): boolean {
    if (this.#copyLeased.run(reason, nowMs, attempts, sequence, token).changes === 0) return false;
    this.#delete.run(sequence);
    return true;
  }
}
