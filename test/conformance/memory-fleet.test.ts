import { describeFleet } from "./fleet.ts";
import { memoryJobStore } from "./memory-job-store.ts";

describeFleet("MemoryFleet", memoryJobStore);
