import type { Database, Statement } from "bun:sqlite";
import type { Clock } from "../../channels/ports/clock.ts";
import {
  OwnershipLost,
  type EventLog,
  type LoggedEvent,
  type Ownership,
  type Settlement,
} from "../../packager/ports/event-log.ts";
import type { WebhookEventName } from "../../protocol/webhook-event.ts";
import type { ChangePoll } from "./change-poll.ts";
import type { GroupCommit } from "./group-commit.ts";
import { JobInsertion } from "./job-insertion.ts";
import type { ProcessLock } from "./process-lock.ts";

/** All events are in one partition: one process packs more than one file can take. */
const PARTITION = 0;

interface EventRow {
  readonly seq: number;
  readonly at: number;
  readonly app: string;
  readonly channel: string;
  readonly name: WebhookEventName;
  readonly user: string | null;
  readonly json: string;
}

/**
 * The events table as the packager sees it.
 *
 * The owner is who holds the lock, so a packager that was killed is followed at once; the epoch in the table keeps an
 * owner that has let go from settling what is another's.
 */
export class SqliteEventLog implements EventLog {
  readonly #commits: GroupCommit;
  readonly #changes: ChangePoll;
  readonly #clock: Clock;
  readonly #lock: ProcessLock;
  readonly #jobs: JobInsertion;
  readonly #name: string;
  readonly #epoch: () => number;
  readonly #bumpEpoch: Statement;
  readonly #read: (after: number, max: number) => EventRow[];
  readonly #handledFor: (from: number, to: number) => { seq: number; webhook: string }[];
  readonly #delete: Statement;
  readonly #deleteHandled: Statement;
  readonly #insertHandled: Statement;
  #ownership: Ownership | undefined;

  constructor(
    db: Database,
    commits: GroupCommit,
    changes: ChangePoll,
    clock: Clock,
    lock: ProcessLock,
  ) {
    this.#commits = commits;
    this.#changes = changes;
    this.#clock = clock;
    this.#lock = lock;
    this.#jobs = new JobInsertion(db);
    this.#name =
      db.query<{ value: string }, []>("SELECT value FROM meta WHERE name = 'log'").get()?.value ??
      "";
    const epoch = db.query<{ epoch: number }, [number]>(
      "SELECT epoch FROM ownership WHERE partition = ?",
    );
    this.#epoch = () => epoch.get(PARTITION)?.epoch ?? 0;
    this.#bumpEpoch = db.prepare(
      "INSERT INTO ownership (partition, epoch) VALUES (?, 1) ON CONFLICT DO UPDATE SET epoch = epoch + 1",
    );
    const read = db.query<EventRow, [number, number]>(
      "SELECT seq, at, app, channel, name, user, json FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
    );
    this.#read = (after, max) => read.all(after, max);
    const handled = db.query<{ seq: number; webhook: string }, [number, number]>(
      "SELECT seq, webhook FROM handled WHERE seq BETWEEN ? AND ?",
    );
    this.#handledFor = (from, to) => handled.all(from, to);
    this.#delete = db.prepare("DELETE FROM events WHERE seq IN (SELECT value FROM json_each(?))");
    this.#deleteHandled = db.prepare(
      "DELETE FROM handled WHERE seq IN (SELECT value FROM json_each(?))",
    );
    this.#insertHandled = db.prepare("INSERT OR IGNORE INTO handled (seq, webhook) VALUES (?, ?)");
  }

  async own(): Promise<readonly Ownership[]> {
    if (this.#ownership !== undefined && this.#lock.isHeld) return [this.#ownership];
    if (!this.#lock.acquire()) return [];
    const epoch = await this.#commits.write(() => {
      this.#bumpEpoch.run(PARTITION);
      return this.#epoch();
    });
    this.#ownership = { partition: PARTITION, epoch };
    return [this.#ownership];
  }

  read(ownership: Ownership, afterSequence: number, max: number): Promise<readonly LoggedEvent[]> {
    if (this.#epoch() !== ownership.epoch) return Promise.reject(lost(ownership));
    const rows = this.#read(afterSequence, max);
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) return Promise.resolve([]);
    const handled = new Map<number, string[]>();
    for (const { seq, webhook } of this.#handledFor(first.seq, last.seq)) {
      const webhooks = handled.get(seq);
      if (webhooks === undefined) handled.set(seq, [webhook]);
      else webhooks.push(webhook);
    }
    return Promise.resolve(
      rows.map((row) => ({
        id: `${this.#name}-${row.seq}`,
        sequence: row.seq,
        atMs: row.at,
        appId: row.app,
        channel: row.channel,
        name: row.name,
        userId: row.user ?? undefined,
        json: row.json,
        handledFor: handled.get(row.seq) ?? NONE,
      })),
    );
  }

  async settle(ownership: Ownership, { jobs, settled, handled }: Settlement): Promise<void> {
    const isOwner = await this.#commits.write(() => {
      if (this.#epoch() !== ownership.epoch) return false;
      let changes = 0;
      for (const { eventId, webhookId } of handled)
        changes += this.#insertHandled.run(sequenceOf(eventId), webhookId).changes;
      if (settled.length > 0) {
        const sequences = JSON.stringify(settled.map(sequenceOf));
        changes += this.#delete.run(sequences).changes;
        this.#deleteHandled.run(sequences);
      }
      // Nothing left to settle: this was done before, and its jobs are there or delivered.
      if (changes === 0) return true;
      const nowMs = this.#clock.now();
      for (const job of jobs) this.#jobs.insert(job, nowMs);
      return true;
    });
    if (!isOwner) throw lost(ownership);
    if (jobs.length > 0) this.#changes.tell();
  }

  async release(): Promise<void> {
    if (this.#ownership === undefined) return;
    this.#ownership = undefined;
    // Whoever is still at work under the old epoch must not settle any more.
    await this.#commits.write(() => this.#bumpEpoch.run(PARTITION));
    this.#lock.release();
  }

  onAppend(listener: () => void): () => void {
    return this.#changes.listen(listener);
  }
}

const NONE: readonly string[] = [];

function sequenceOf(eventId: string): number {
  return Number(eventId.slice(eventId.lastIndexOf("-") + 1));
}

function lost({ partition, epoch }: Ownership): OwnershipLost {
  return new OwnershipLost(`Partition ${partition} has another owner than that of epoch ${epoch}.`);
}
