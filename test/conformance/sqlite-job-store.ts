import { Database } from "bun:sqlite";
import { endpointIdOf } from "../../src/protocol/webhook.ts";
import type { SqliteStore } from "../../src/stores/sqlite/store.ts";
import type { JobStoreEngine, JobStoreHandles } from "./job-store.ts";
import { SqliteFiles } from "./sqlite-files.ts";

export const sqliteJobStore: JobStoreEngine = {
  latenessMs: 1_000,
  async make({ clock }) {
    const files = new SqliteFiles();
    const store = files.open(clock);
    return {
      ...handlesOf(store),
      // As a program would that knows the tables.
      async putRaw(raws) {
        const db = new Database(files.file);
        const insert = db.prepare(
          "INSERT INTO jobs (app, endpoint, version, job, waiting_since, due_at, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        );
        for (const { appId, webhookId, version, json } of raws) {
          const nowMs = clock.now();
          insert.run(appId, endpointIdOf(appId, webhookId), version, json, nowMs, nowMs, nowMs);
        }
        db.close();
      },
      async figures() {
        const another = files.open(clock);
        return another.desk.figures();
      },
      flush: () => files.written(),
      second: async (otherClock) => handlesOf(files.open(otherClock)),
      async reopen(nextClock) {
        files.crash();
        return handlesOf(files.open(nextClock));
      },
      close: async () => files.close(),
    };
  },
};

function handlesOf(store: SqliteStore): JobStoreHandles {
  return { queue: store.queue, desk: store.desk, log: store.deliveries, fleet: store.fleet };
}
