import { describeJobDesk } from "./job-desk.ts";
import { sqliteJobStore } from "./sqlite-job-store.ts";

describeJobDesk("SqliteJobDesk", sqliteJobStore);
