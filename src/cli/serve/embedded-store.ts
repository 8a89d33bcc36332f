import { dirname } from "node:path";
import type { Logger } from "pino";
import { systemClock } from "../../channels/ports/clock.ts";
import type { LoadedConfig } from "../../ops/config/load.ts";
import type { DatabaseFigures, EventFigures } from "../../ops/metrics/metric.ts";
import { MemoryBus } from "../../stores/memory/bus.ts";
import { MemoryCache } from "../../stores/memory/cache.ts";
import { MemoryRoster } from "../../stores/memory/roster.ts";
import { DatabaseFault } from "../../stores/sqlite/database.ts";
import { SqliteStore } from "../../stores/sqlite/store.ts";
import type { ChannelsStore, ProcessStore } from "./process-store.ts";

interface MemoryParts extends ChannelsStore {
  readonly roster: MemoryRoster;
  readonly cache: MemoryCache;
}

/** The store of one machine: memory, and a database for what must outlast the process. */
export class EmbeddedStore implements ProcessStore {
  readonly channels: MemoryParts | undefined;
  readonly isLasting: boolean;
  readonly #database: SqliteStore;
  readonly #log: Logger;

  private constructor(
    database: SqliteStore,
    isLasting: boolean,
    { settings }: LoadedConfig,
    log: Logger,
  ) {
    this.#database = database;
    this.#log = log;
    this.isLasting = isLasting;
    if (!settings.roles.includes("channels")) return;
    const bus = new MemoryBus();
    this.channels = {
      bus,
      roster: new MemoryRoster(bus, systemClock, database.recorder),
      cache: new MemoryCache(systemClock, settings.cache.maxBytes),
      events: database.recorder,
    };
  }

  /**
   * Opens the database. Where no app has a webhook nothing in it is owed to anybody, so a file that cannot be had (a
   * read-only container, or two servers in one folder) is replaced by memory; otherwise this throws `DatabaseFault`.
   */
  static open(config: LoadedConfig, log: Logger): EmbeddedStore {
    const { settings, apps } = config;
    const { file, durability, commitIntervalMs } = settings.database;
    const options = { durability, commitIntervalMs, clock: systemClock, log };
    try {
      const database = new SqliteStore({ ...options, file });
      try {
        if (settings.roles.includes("channels")) claim(database, file);
        return new EmbeddedStore(database, true, config, log);
      } catch (error) {
        database.close();
        throw error;
      }
    } catch (error) {
      if (!(error instanceof DatabaseFault) || apps.some(({ webhooks }) => webhooks.length > 0))
        throw error;
      log.warn(
        { err: error },
        "no database: what webhooks are owed would be kept in memory; no app has one",
      );
      const database = new SqliteStore({ ...options, file: ":memory:" });
      return new EmbeddedStore(database, false, config, log);
    }
  }

  get events() {
    return this.#database.events;
  }

  get queue() {
    return this.#database.queue;
  }

  get desk() {
    return this.#database.desk;
  }

  get deliveries() {
    return this.#database.deliveries;
  }

  get fleet() {
    return this.#database.fleet;
  }

  /** A database that cannot be written is no reason to send clients elsewhere: there is nothing else. */
  troubles(): readonly string[] {
    return [];
  }

  cacheBytes(): number {
    return this.channels?.cache.bytes ?? 0;
  }

  database(): DatabaseFigures {
    const { waiting, isWell } = this.#database.figures();
    return { waiting, isWell };
  }

  redis(): undefined {
    return undefined;
  }

  eventFigures(): Promise<EventFigures> {
    return Promise.resolve(this.#database.figures());
  }

  async takeOver(): Promise<void> {
    if (this.channels === undefined) return;
    const edges = await this.#database.recorder.reap();
    if (edges > 0)
      this.#log.info(
        { edges },
        "the process before this one ended without saying goodbye: done now",
      );
  }

  async close(): Promise<void> {
    const { channels } = this;
    await channels?.cache.close();
    await channels?.roster.close();
    await channels?.bus.close();
    if (!this.#database.close())
      throw new Error("The database could not be written: what waited for it is lost.");
  }
}

function claim(database: SqliteStore, file: string): void {
  if (database.claimChannels()) return;
  throw new DatabaseFault(
    `Another process serves channels with the database ${file}. On one machine one process does; give this one a ` +
      `database.file or dataDir of its own (now ${dirname(file)}), roles without channels, or many of them a redis.url`,
  );
}
