import { Database } from "bun:sqlite";
import type { Job } from "../../src/protocol/job.ts";
import type { SqliteStore } from "../../src/stores/sqlite/store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { describeEventLog, type LogHandles } from "./event-log.ts";
import { SqliteFiles } from "./sqlite-files.ts";

describeEventLog("SqliteEventLog", {
  async make() {
    const clock = new FakeClock();
    const files = new SqliteFiles();
    let store = files.open(clock);
    return {
      ...handlesOf(store),
      async jobs() {
        const db = new Database(files.file, { readonly: true });
        const rows = db
          .query<{ job: string; body: string }, []>("SELECT job, body FROM jobs ORDER BY seq")
          .all();
        db.close();
        return rows.map(({ job, body }) => ({ ...JSON.parse(job), body }) as Job);
      },
      now: () => clock.now(),
      advance: async (ms) => clock.advance(ms),
      written: () => files.written(),
      async reopen() {
        files.crash();
        store = files.open(clock);
        return handlesOf(store);
      },
      second: async () => handlesOf(files.open(clock)),
      kill: async () => void store.close(),
      close: async () => files.close(),
    };
  },
});

function handlesOf(store: SqliteStore): LogHandles {
  return { journal: store.recorder, recorder: store.recorder, log: store.events };
}
