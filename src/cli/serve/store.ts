import { dirname } from "node:path";
import type { Logger } from "pino";
import { systemClock } from "../../channels/ports/clock.ts";
import type { LoadedConfig } from "../../ops/config/load.ts";
import { DatabaseFault } from "../../stores/sqlite/database.ts";
import { SqliteStore } from "../../stores/sqlite/store.ts";

/** The store, and whether what is in it outlives the process. */
export interface OpenedStore {
  readonly store: SqliteStore;
  readonly isLasting: boolean;
}

/**
 * Opens the database. Where no app has a webhook nothing in it is owed to anybody, so a file that cannot be had (a read-only
 * container, or two servers in one folder) is replaced by memory; otherwise this throws `DatabaseFault`.
 */
export function openStore({ settings, apps }: LoadedConfig, log: Logger): OpenedStore {
  const { file, durability, commitIntervalMs } = settings.database;
  const options = { durability, commitIntervalMs, clock: systemClock, log };
  try {
    const store = new SqliteStore({ ...options, file });
    try {
      if (settings.roles.includes("channels")) claim(store, file);
      return { store, isLasting: true };
    } catch (error) {
      store.close();
      throw error;
    }
  } catch (error) {
    if (!(error instanceof DatabaseFault) || apps.some(({ webhooks }) => webhooks.length > 0))
      throw error;
    log.warn(
      { err: error },
      "no database: what webhooks are owed would be kept in memory; no app has one",
    );
    return { store: new SqliteStore({ ...options, file: ":memory:" }), isLasting: false };
  }
}

function claim(store: SqliteStore, file: string): void {
  if (store.claimChannels()) return;
  throw new DatabaseFault(
    `Another process serves channels with the database ${file}. On one machine one process does; give this one a ` +
      `database.file or dataDir of its own (now ${dirname(file)}), or roles without channels`,
  );
}
