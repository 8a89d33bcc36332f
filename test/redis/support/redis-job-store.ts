import { endpointIdOf } from "../../../src/protocol/webhook.ts";
import { RedisDeliveryLog } from "../../../src/stores/redis/sender/delivery-log.ts";
import { RedisFleet } from "../../../src/stores/redis/sender/fleet.ts";
import { RedisJobDesk } from "../../../src/stores/redis/sender/job-desk.ts";
import { RedisJobQueue } from "../../../src/stores/redis/sender/job-queue.ts";
import { RedisJobs } from "../../../src/stores/redis/sender/jobs.ts";
import type { RedisSettings } from "../../../src/stores/redis/settings.ts";
import { Keys } from "../../../src/stores/redis/keys.ts";
import type { Clock } from "../../../src/sender/ports/clock.ts";
import type { JobStoreEngine, JobStoreHandles } from "../../conformance/job-store.ts";
import { connect } from "./connect.ts";
import { MarkedConnection } from "./marked-connection.ts";

let made = 0;

/** Every store is a prefix of its own on the server. */
export function redisJobStore(settings: () => RedisSettings): JobStoreEngine {
  return {
    latenessMs: 0,
    async make({ clock }) {
      const keys = new Keys(`jobs${++made}`, 4);
      const connections: MarkedConnection[] = [];
      const logs: RedisDeliveryLog[] = [];
      async function open(own: Clock): Promise<JobStoreHandles & { readonly jobs: RedisJobs }> {
        const connection = new MarkedConnection(await connect(settings()), keys);
        connections.push(connection);
        const jobs = new RedisJobs(connection, keys, () => `${own.now()}`);
        const log = new RedisDeliveryLog(connection, keys, own);
        logs.push(log);
        return {
          jobs,
          log,
          queue: new RedisJobQueue(connection, jobs, own),
          desk: new RedisJobDesk(jobs),
          fleet: new RedisFleet(connection, keys, () => `${own.now()}`),
        };
      }
      const { jobs, ...handles } = await open(clock);
      async function flush(): Promise<void> {
        for (const log of logs) await log.flush();
        for (const connection of connections) await connection.allHeard();
      }
      return {
        ...handles,
        // As a program would that knows the script.
        async putRaw(raws) {
          await jobs.put(
            raws.map(({ id, appId, webhookId, version, json }) => ({
              id,
              endpointId: endpointIdOf(appId, webhookId),
              version,
              url: "",
              retryWindowMs: 300_000,
              waitsSinceMs: undefined,
              json,
              body: undefined,
            })),
          );
        },
        figures: () => handles.desk.figures(),
        flush,
        second: open,
        async reopen(nextClock) {
          return open(nextClock);
        },
        async close() {
          for (const connection of connections) await connection.close();
        },
      };
    },
  };
}
