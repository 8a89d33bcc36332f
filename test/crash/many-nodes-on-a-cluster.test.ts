import { test } from "node:test";
import { pause } from "../e2e/support/wait.ts";
import { RedisCluster, until } from "../support/redis-cluster.ts";
import { isInstalled } from "../support/redis-server.ts";
import { CRASH_SEED } from "./support/chance.ts";
import { chaos } from "./support/chaos.ts";

const FAILOVERS = 4;

const skip = isInstalled("redis-server") ? false : "redis-server is not installed";

test(
  `Seven processes on a Redis Cluster whose replicas take over, killed and stopped at any instant, tell every webhook exactly what is true (CRASH_SEED=${CRASH_SEED})`,
  { skip },
  async (t) => {
    const cluster = await RedisCluster.start({ hasReplicas: true });
    t.after(() => cluster.close());
    await chaos(t, {
      redis: { clusterNodes: cluster.ports.map((port) => `127.0.0.1:${port}`) },
      troublesEach: 3,
      async troubleStore(chance) {
        for (let failovers = 0; failovers < FAILOVERS; failovers++) {
          await pause(chance.between(1_500, 4_000));
          // It takes over when it has all that the primary has: a failover that is planned loses nothing.
          const place = chance.below(cluster.primaries.length);
          const [one, other] = [cluster.primaries[place], cluster.replicas[place]];
          for (const server of [one, other]) {
            const role = (await server?.command("ROLE")) as unknown[] | undefined;
            if (server === undefined || role?.[0] !== "slave") continue;
            await server.command("CLUSTER", "FAILOVER");
            await until("the replica has taken over", async () => {
              const [now] = (await server.command("ROLE")) as unknown[];
              return now === "master";
            });
            break;
          }
        }
        return `${FAILOVERS} failovers`;
      },
    });
  },
);
