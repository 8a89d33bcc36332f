import type { Database, Statement } from "bun:sqlite";
import type { Clock } from "../../channels/ports/clock.ts";
import type { EventLog } from "../../channels/ports/event-log.ts";
import type { Journal } from "../../channels/ports/journal.ts";
import type { WebhookEvent } from "../../protocol/webhook-event.ts";
import { CACHE_MISS_INTERVAL_MS } from "../../protocol/webhook.ts";
import type { ChangePoll } from "./change-poll.ts";
import type { GroupCommit } from "./group-commit.ts";

interface Recorded {
  readonly appId: string;
  readonly atMs: number;
  readonly event: WebhookEvent;
}

/** What one transaction records; it takes more until its turn comes. */
interface Batch {
  readonly recorded: Recorded[];
  readonly done: Promise<void>;
  isSealed: boolean;
}

/** Events that may wait in memory while the database cannot be written: about 20 MB. */
const MAX_WAITING = 50_000;
const MISS_SWEEP_SIZE = 10_000;

/**
 * Where the channels ring writes: edges with the state they belong to, and the other events. All of it goes through one
 * buffer, for the events of a channel keep their order whichever way they come.
 */
export class SqliteEventRecorder implements Journal, EventLog {
  readonly #db: Database;
  readonly #commits: GroupCommit;
  readonly #changes: ChangePoll;
  readonly #clock: Clock;
  readonly #insertEvent: Statement;
  readonly #occupy: Statement;
  readonly #vacate: Statement;
  readonly #tellCount: Statement;
  readonly #addMember: Statement;
  readonly #removeMember: Statement;
  /** `app/channel` of a miss that was told, and when, in elapsed time. */
  readonly #misses = new Map<string, number>();
  #batch: Batch | undefined;
  #waiting = 0;

  constructor(db: Database, commits: GroupCommit, changes: ChangePoll, clock: Clock) {
    this.#db = db;
    this.#commits = commits;
    this.#changes = changes;
    this.#clock = clock;
    this.#insertEvent = db.prepare(
      "INSERT INTO events (at, app, channel, name, user, json) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#occupy = db.prepare("INSERT OR IGNORE INTO channels (app, channel) VALUES (?, ?)");
    this.#vacate = db.prepare("DELETE FROM channels WHERE app = ? AND channel = ?");
    this.#tellCount = db.prepare(
      "UPDATE channels SET told_count = ? WHERE app = ? AND channel = ?",
    );
    this.#addMember = db.prepare(
      "INSERT OR IGNORE INTO members (app, channel, user) VALUES (?, ?, ?)",
    );
    this.#removeMember = db.prepare(
      "DELETE FROM members WHERE app = ? AND channel = ? AND user = ?",
    );
  }

  /** Events that are not on disk yet. */
  get waiting(): number {
    return this.#waiting;
  }

  record(appId: string, events: readonly WebhookEvent[]): Promise<void> | undefined {
    const batch = this.#openBatch();
    const atMs = this.#clock.now();
    for (const event of events) batch.recorded.push({ appId, atMs, event });
    this.#waiting += events.length;
    return this.#waiting > MAX_WAITING ? batch.done : undefined;
  }

  append(appId: string, event: WebhookEvent): Promise<void> {
    void this.record(appId, [event]);
    return this.#openBatch().done;
  }

  async appendCacheMiss(appId: string, channel: string): Promise<void> {
    const key = `${appId}/${channel}`;
    const nowMs = this.#clock.elapsedMs();
    const toldAtMs = this.#misses.get(key);
    if (toldAtMs !== undefined && nowMs - toldAtMs < CACHE_MISS_INTERVAL_MS) return;
    if (this.#misses.size >= MISS_SWEEP_SIZE) this.#sweepMisses(nowMs);
    this.#misses.set(key, nowMs);
    await this.append(appId, { name: "cache_miss", channel });
  }

  forgetCacheMiss(appId: string, channel: string): void {
    if (this.#misses.size > 0) this.#misses.delete(`${appId}/${channel}`);
  }

  /**
   * Says goodbye for a process that could not: whatever it held is left, with the events of that, in one step. Answers how
   * many edges that were. Only for who holds the lock of the channels ring.
   */
  reap(): Promise<number> {
    const channels = this.#db.query<{ app: string; channel: string; told_count: number }, []>(
      "SELECT app, channel, told_count FROM channels ORDER BY app, channel",
    );
    const members = this.#db.query<{ app: string; channel: string; user: string }, []>(
      "SELECT app, channel, user FROM members ORDER BY app, channel, user",
    );
    return this.#commits.write(() => {
      const atMs = this.#clock.now();
      let edges = 0;
      const leave = (appId: string, event: WebhookEvent): void => {
        edges++;
        this.#apply({ appId, atMs, event });
      };
      for (const { app, channel, user } of members.all())
        leave(app, { name: "member_removed", channel, user_id: user });
      for (const { app, channel, told_count } of channels.all()) {
        if (told_count > 0)
          leave(app, { name: "subscription_count", channel, subscription_count: 0 });
        leave(app, { name: "channel_vacated", channel });
      }
      return edges;
    });
  }

  #openBatch(): Batch {
    if (this.#batch !== undefined && !this.#batch.isSealed) return this.#batch;
    const recorded: Recorded[] = [];
    const done = this.#commits
      .write(() => {
        batch.isSealed = true;
        for (const entry of recorded) this.#apply(entry);
      })
      .then(() => {
        this.#waiting -= recorded.length;
        this.#changes.tell();
      });
    const batch: Batch = { recorded, done, isSealed: false };
    this.#batch = batch;
    return batch;
  }

  #apply({ appId, atMs, event }: Recorded): void {
    const { channel } = event;
    let user: string | null = null;
    switch (event.name) {
      case "channel_occupied":
        this.#occupy.run(appId, channel);
        break;
      case "channel_vacated":
        this.#vacate.run(appId, channel);
        break;
      case "member_added":
        user = event.user_id;
        this.#addMember.run(appId, channel, user);
        break;
      case "member_removed":
        user = event.user_id;
        this.#removeMember.run(appId, channel, user);
        break;
      case "subscription_count":
        this.#tellCount.run(event.subscription_count, appId, channel);
        break;
    }
    this.#insertEvent.run(atMs, appId, channel, event.name, user, JSON.stringify(event));
  }

  #sweepMisses(nowMs: number): void {
    for (const [key, toldAtMs] of this.#misses) {
      if (nowMs - toldAtMs >= CACHE_MISS_INTERVAL_MS) this.#misses.delete(key);
    }
  }
}
