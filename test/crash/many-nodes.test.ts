import { test } from "node:test";
import { pause } from "../e2e/support/wait.ts";
import { isInstalled, RedisServer } from "../support/redis-server.ts";
import { CRASH_SEED } from "./support/chance.ts";
import { chaos } from "./support/chaos.ts";

const RESTARTS = 3;

const skip = isInstalled("redis-server") ? false : "redis-server is not installed";

test(
  `Seven processes on one Redis, killed and stopped at any instant, the Redis restarted, tell every webhook exactly what is true (CRASH_SEED=${CRASH_SEED})`,
  { skip },
  async (t) => {
    const redis = await RedisServer.start({ isLasting: true });
    t.after(() => redis.close());
    await chaos(t, {
      redis: { url: `redis://127.0.0.1:${redis.port}` },
      troublesEach: 5,
      async troubleStore(chance) {
        for (let restarts = 0; restarts < RESTARTS; restarts++) {
          await pause(chance.between(3_000, 8_000));
          await redis.kill();
          await pause(chance.below(1_500));
          await redis.start();
        }
        return `${RESTARTS} restarts of Redis`;
      },
    });
  },
);
