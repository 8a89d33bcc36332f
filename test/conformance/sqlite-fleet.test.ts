import { describeFleet } from "./fleet.ts";
import { sqliteJobStore } from "./sqlite-job-store.ts";

describeFleet("SqliteFleet", sqliteJobStore);
