import { describeJobDesk } from "./job-desk.ts";
import { memoryJobStore } from "./memory-job-store.ts";

describeJobDesk("MemoryJobDesk", memoryJobStore);
