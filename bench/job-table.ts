import type { Database } from "bun:sqlite";
import type { Job } from "../src/protocol/job.ts";
import { openDatabase } from "../src/stores/sqlite/database.ts";
import { JobInsertion } from "../src/stores/sqlite/job-insertion.ts";

const BUSY_TIMEOUT_MS = 5_000;

/** The jobs of a Ringmaster that runs, seen from outside: another process on the same file. */
export class JobTable {
  readonly #db: Database;
  readonly #insertion: JobInsertion;

  constructor(file: string) {
    this.#db = openDatabase(file, "process");
    // This program has time to wait for the lock, which the sender takes turns with.
    this.#db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    this.#insertion = new JobInsertion(this.#db);
  }

  /** As a queue that has grown by one each millisecond until now. */
  add(jobs: readonly Job[]): void {
    const firstMs = Date.now() - jobs.length;
    const insertAll = this.#db.transaction(() => {
      for (const [index, job] of jobs.entries()) this.#insertion.insert(job, firstMs + index);
    });
    insertAll.immediate();
  }

  /** Jobs of the app that were not delivered. One that was given up spoils whatever is being measured. */
  waitingOf(appId: string): number {
    const buried = this.#count("SELECT count(*) AS n FROM dead_letters WHERE app = ?", appId);
    if (buried > 0) throw new Error(`${buried} jobs became dead letters`);
    return this.#count("SELECT count(*) AS n FROM jobs WHERE app = ?", appId);
  }

  pause(endpointIds: readonly string[]): void {
    this.#forEach(
      "INSERT OR IGNORE INTO paused (endpoint, reason, at) VALUES (?, 'bench', 0)",
      endpointIds,
    );
  }

  resume(endpointIds: readonly string[]): void {
    this.#forEach("DELETE FROM paused WHERE endpoint = ?", endpointIds);
  }

  close(): void {
    this.#db.close();
  }

  #count(sql: string, appId: string): number {
    return this.#db.query<{ n: number }, [string]>(sql).get(appId)?.n ?? 0;
  }

  #forEach(sql: string, endpointIds: readonly string[]): void {
    const statement = this.#db.query(sql);
    this.#db.transaction(() => endpointIds.forEach((id) => statement.run(id))).immediate();
  }
}
