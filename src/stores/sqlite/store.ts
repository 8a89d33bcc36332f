import type { Database } from "bun:sqlite";
import type { Clock } from "../../channels/ports/clock.ts";
import type { Log } from "../../channels/ports/log.ts";
import { ChangePoll } from "./change-poll.ts";
import { openDatabase, type Durability } from "./database.ts";
import { SqliteDeliveryLog } from "./delivery-log.ts";
import { SqliteEventLog } from "./event-log.ts";
import { SqliteEventRecorder } from "./event-recorder.ts";
import { SqliteFleet } from "./fleet.ts";
import { GroupCommit } from "./group-commit.ts";
import { SqliteJobDesk } from "./job-desk.ts";
import { SqliteJobQueue } from "./job-queue.ts";
import { ProcessLock } from "./process-lock.ts";

export interface StoreOptions {
  /** `:memory:` lasts as long as the process. */
  readonly file: string;
  readonly durability: Durability;
  readonly commitIntervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface StoreFigures {
  /** Changes that are not on disk yet. */
  readonly waiting: number;
  /** Events that no webhook, and no decision against one, came of yet. */
  readonly events: number;
  /** How long the oldest of them has been there; 0 when there is none. */
  readonly oldestEventMs: number;
  readonly isWell: boolean;
}

/** One SQLite file, and everything that stands in it. Processes of one machine may share it. */
export class SqliteStore {
  readonly recorder: SqliteEventRecorder;
  readonly events: SqliteEventLog;
  readonly queue: SqliteJobQueue;
  readonly desk: SqliteJobDesk;
  readonly deliveries: SqliteDeliveryLog;
  readonly fleet: SqliteFleet;
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #commits: GroupCommit;
  readonly #changes: ChangePoll;
  readonly #channelsLock: ProcessLock;
  readonly #packagerLock: ProcessLock;
  #isClosed = false;

  /** Throws `DatabaseFault`. */
  constructor({ file, durability, commitIntervalMs, clock, log }: StoreOptions) {
    const db = openDatabase(file, durability);
    this.#db = db;
    this.#clock = clock;
    this.#commits = new GroupCommit(db, clock, commitIntervalMs, {
      began: (err) =>
        log.error({ err }, "the database cannot be written: everything waits until it can"),
      ended: (lastedMs) => log.info({ lastedMs }, "the database can be written again"),
    });
    this.#changes = new ChangePoll(db, clock);
    const parts = [db, this.#commits, this.#changes, clock] as const;
    this.#channelsLock = new ProcessLock(lockFile(file, "channels"));
    this.#packagerLock = new ProcessLock(lockFile(file, "packager"));
    this.recorder = new SqliteEventRecorder(...parts);
    this.events = new SqliteEventLog(...parts, this.#packagerLock);
    this.queue = new SqliteJobQueue(...parts);
    this.desk = new SqliteJobDesk(...parts);
    this.deliveries = new SqliteDeliveryLog(db, this.#commits, clock);
    this.fleet = new SqliteFleet(db, this.#commits, clock);
  }

  /**
   * Makes this process the one whose sockets the file tells of. False while another process is that; the right ends with
   * the process.
   */
  claimChannels(): boolean {
    return this.#channelsLock.acquire();
  }

  figures(): StoreFigures {
    const row = this.#db
      .query<{ events: number; oldest: number | null }, []>(
        "SELECT count(*) AS events, (SELECT at FROM events ORDER BY seq LIMIT 1) AS oldest FROM events",
      )
      .get();
    const oldest = row?.oldest ?? null;
    return {
      waiting: this.#commits.waiting,
      events: row?.events ?? 0,
      oldestEventMs: oldest === null ? 0 : Math.max(0, this.#clock.now() - oldest),
      isWell: this.#commits.isWell,
    };
  }

  get isWell(): boolean {
    return this.#commits.isWell;
  }

  /** Writes what waits, and lets go of the file. False when something could not be written. */
  close(): boolean {
    if (this.#isClosed) return true;
    this.#isClosed = true;
    const isWritten = this.#commits.flush();
    this.#changes.close();
    this.#commits.close();
    this.#channelsLock.release();
    this.#packagerLock.release();
    this.#db.close();
    return isWritten;
  }
}

/** Every `:memory:` is its own, and so are its locks. */
function lockFile(file: string, ring: string): string {
  return file === ":memory:" ? file : `${file}-${ring}.lock`;
}
