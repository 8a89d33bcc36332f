import type { Database } from "bun:sqlite";
import type { Clock } from "../../channels/ports/clock.ts";
import { parseReport, type Fleet, type SenderReport } from "../../sender/ports/fleet.ts";
import type { GroupCommit } from "./group-commit.ts";

/** Reports as rows of `senders`. The machine's clock ends them. */
export class SqliteFleet implements Fleet {
  readonly #db: Database;
  readonly #commits: GroupCommit;
  readonly #clock: Clock;

  constructor(db: Database, commits: GroupCommit, clock: Clock) {
    this.#db = db;
    this.#commits = commits;
    this.#clock = clock;
  }

  async report(report: SenderReport, ttlMs: number): Promise<void> {
    const json = JSON.stringify(report);
    await this.#commits.write(() => {
      const nowMs = this.#clock.now();
      this.#db.run("DELETE FROM senders WHERE NOT (until > ?1 AND until - ttl_ms <= ?1)", [nowMs]);
      this.#db.run(
        "INSERT OR REPLACE INTO senders (id, until, ttl_ms, report) VALUES (?, ?, ?, ?)",
        [report.senderId, nowMs + ttlMs, ttlMs, json],
      );
    });
  }

  async withdraw(senderId: string): Promise<void> {
    await this.#commits.write(() => {
      this.#db.run("DELETE FROM senders WHERE id = ?", [senderId]);
    });
  }

  /** One that holds for longer than it was given for is of before the clock was set back. */
  reports(): Promise<readonly SenderReport[]> {
    const rows = this.#db
      .query<{ report: string }, [number]>(
        "SELECT report FROM senders WHERE until > ?1 AND until - ttl_ms <= ?1 ORDER BY id",
      )
      .all(this.#clock.now());
    return Promise.resolve(
      rows.map(({ report }) => parseReport(report)).filter((report) => report !== undefined),
    );
  }
}
