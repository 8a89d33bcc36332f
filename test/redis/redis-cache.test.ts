import { afterAll, beforeAll } from "bun:test";
import { RedisCache } from "../../src/stores/redis/cache.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { describeCache } from "../conformance/cache.ts";
import { startRedis } from "../support/plain-redis.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";

let server: Awaited<ReturnType<typeof startRedis>>;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

let made = 0;

describeCache("RedisCache", async () => {
  const connection = await connect(redisSettings(server.port));
  return {
    cache: new RedisCache(connection, new Keys(`cache${++made}`, 4)),
    advance: (ms) => Bun.sleep(ms),
    close: () => connection.close(),
  };
});
