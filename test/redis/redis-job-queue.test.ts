import { afterAll, beforeAll } from "bun:test";
import { describeJobQueue } from "../conformance/job-queue.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisJobStore } from "./support/redis-job-store.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.close());

describeJobQueue(
  "RedisJobQueue",
  redisJobStore(() => server.port),
);
