import { afterAll, beforeAll } from "bun:test";
import { describeDeliveryLog } from "../conformance/delivery-log.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisJobStore } from "./support/redis-job-store.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.close());

describeDeliveryLog(
  "RedisDeliveryLog",
  redisJobStore(() => server.port),
);
