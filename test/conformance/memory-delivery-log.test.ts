import { describeDeliveryLog } from "./delivery-log.ts";
import { memoryJobStore } from "./memory-job-store.ts";

describeDeliveryLog("MemoryDeliveryLog", memoryJobStore);
