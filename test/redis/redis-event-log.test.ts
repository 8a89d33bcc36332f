import { NO_JOURNAL, type Journal } from "../../src/channels/ports/journal.ts";
import type { Job } from "../../src/protocol/job.ts";
import { OWNER_TIMEOUT_MS, RedisEventLog } from "../../src/stores/redis/packager/event-log.ts";
import { Keys } from "../../src/stores/redis/keys.ts";

import { describeEventLog, type LogHandles } from "../conformance/event-log.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { connect } from "./support/connect.ts";
import { MarkedConnection } from "./support/marked-connection.ts";
import { onEachStore } from "./support/on-each-store.ts";
import { rosterNode, type RosterNode } from "./support/roster-node.ts";

let made = 0;

onEachStore((kind, settings) => {
  for (const partitions of [1, 4]) {
    describeEventLog(`RedisEventLog of ${partitions} partitions on ${kind}`, {
      async make() {
        const clock = new FakeClock();
        const keys = new Keys(`log${++made}`, partitions);
        const time = (): string => `${clock.now()}`;
        const jobs: Job[] = [];
        const connections: MarkedConnection[] = [];
        const nodes: RosterNode[] = [];
        async function handles(): Promise<LogHandles> {
          const connection = new MarkedConnection(await connect(settings()), keys);
          connections.push(connection);
          const nodeId = `n${connections.length}`;
          const about = { connection, keys, clock, time };
          const node = rosterNode({ ...about, nodeId, nodeTimeoutMs: 60_000 });
          nodes.push(node);
          const log = new RedisEventLog({
            ...about,
            packagerId: nodeId,
            async addJobs(added) {
              for (const job of added) if (!jobs.some(({ id }) => id === job.id)) jobs.push(job);
            },
          });
          return { journal: journalOf(node), recorder: node.recorder, log };
        }
        const first = await handles();
        return {
          ...first,
          jobs: async () => jobs,
          now: () => clock.now(),
          async advance(ms) {
            clock.advance(ms);
            for (const connection of connections) await connection.allHeard();
          },
          async written() {
            for (const { writers } of nodes) await writers.rest();
          },
          async reopen() {
            // What the dead owned is free when its time is over.
            clock.advance(OWNER_TIMEOUT_MS + 1);
            return handles();
          },
          second: handles,
          async kill() {
            clock.advance(OWNER_TIMEOUT_MS + 1);
          },
          async close() {
            for (const { writers } of nodes) writers.close();
            for (const connection of connections) await connection.close();
          },
        };
      },
    });
  }
});

/** What of a process writes its edges; here it is told them. */
function journalOf({ recorder }: RosterNode): Journal {
  return {
    ...NO_JOURNAL,
    record(appId, events) {
      for (const event of events) void recorder.append(appId, event);
      return undefined;
    },
  };
}
