import { afterAll, beforeAll } from "bun:test";
import { RedisBus } from "../../src/stores/redis/bus.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { describeBus } from "../conformance/bus.ts";
import { startRedis } from "../support/plain-redis.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";
import { MarkedConnection } from "./support/marked-connection.ts";

let server: Awaited<ReturnType<typeof startRedis>>;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

let made = 0;

describeBus("RedisBus", async (count) => {
  const keys = new Keys(`bus${++made}`, 4);
  const connections = await Promise.all(
    Array.from(
      { length: count },
      async () =>
        new MarkedConnection(await connect(redisSettings(server.port)), keys.nodes("marker")),
    ),
  );
  return {
    nodes: connections.map((connection) => new RedisBus(connection, keys)),
    async settle() {
      for (const connection of connections) await connection.allHeard();
    },
    async close() {
      for (const connection of connections) await connection.close();
    },
  };
});
