import { describeFleet } from "../conformance/fleet.ts";
import { onEachStore } from "./support/on-each-store.ts";
import { redisJobStore } from "./support/redis-job-store.ts";

onEachStore((kind, settings) => describeFleet(`RedisFleet on ${kind}`, redisJobStore(settings)));
