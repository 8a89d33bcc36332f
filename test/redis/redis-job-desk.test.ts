import { afterAll, beforeAll } from "bun:test";
import { describeJobDesk } from "../conformance/job-desk.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisJobStore } from "./support/redis-job-store.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.close());

describeJobDesk(
  "RedisJobDesk",
  redisJobStore(() => server.port),
);
