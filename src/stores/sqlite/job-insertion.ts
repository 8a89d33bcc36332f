import type { Database, Statement } from "bun:sqlite";
import { splitJob, type Job } from "../../protocol/job.ts";
import { endpointIdOf } from "../../protocol/webhook.ts";

/** Puts jobs into the table, inside a transaction of the caller's. */
export class JobInsertion {
  readonly #insert: Statement;

  constructor(db: Database) {
    this.#insert = db.prepare(
      `INSERT INTO jobs (app, endpoint, version, job, body, waiting_since, due_at, changed_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
  }

  insert(job: Job, nowMs: number): void {
    const endpoint = endpointIdOf(job.appId, job.webhookId);
    const { json, body } = splitJob(job);
    const { appId, version, createdAtMs } = job;
    this.#insert.run(appId, endpoint, version, json, body, createdAtMs, nowMs, nowMs);
  }
}
