import { describeJobQueue } from "./job-queue.ts";
import { sqliteJobStore } from "./sqlite-job-store.ts";

describeJobQueue("SqliteJobQueue", sqliteJobStore);
