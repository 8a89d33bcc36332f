import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BusMessage } from "../../src/channels/ports/bus.ts";
import type { WebhookEvent } from "../../src/protocol/webhook-event.ts";
import { MemoryBus } from "../../src/stores/memory/bus.ts";
import { MemoryRoster } from "../../src/stores/memory/roster.ts";
import { SqliteStore } from "../../src/stores/sqlite/store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { recorder, settled } from "../support/ring.ts";
import { describeRoster } from "./roster.ts";

describeRoster("MemoryRoster with its journal in SQLite", {
  maxNodes: 1,
  async make() {
    const folder = mkdtempSync(join(tmpdir(), "ringmaster-roster-"));
    const file = join(folder, "ringmaster.db");
    const [clock, bus, heard] = [new FakeClock(), new MemoryBus(), new Map<string, BusMessage[]>()];
    bus.receive((message) => heard.get(`${message.appId} ${message.channel}`)?.push(message));
    const store = new SqliteStore({
      file,
      durability: "process",
      commitIntervalMs: 0,
      clock,
      log: recorder([]),
    });
    const roster = new MemoryRoster(bus, clock, store.recorder);
    const reader = new Database(file);
    return {
      nodes: [roster],
      async listen(appId, channel) {
        const messages: BusMessage[] = [];
        heard.set(`${appId} ${channel}`, messages);
        await bus.subscribe(appId, channel);
        return messages;
      },
      advance: async (ms) => clock.advance(ms),
      async settle() {
        await settled();
        clock.advance(0);
      },
      recorded: async () =>
        reader
          .query<{ app: string; json: string }, []>("SELECT app, json FROM events ORDER BY seq")
          .all()
          .map(({ app, json }) => ({ appId: app, event: JSON.parse(json) as WebhookEvent })),
      async close() {
        await roster.close();
        reader.close();
        store.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
});
