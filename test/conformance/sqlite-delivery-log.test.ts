import { describeDeliveryLog } from "./delivery-log.ts";
import { sqliteJobStore } from "./sqlite-job-store.ts";

describeDeliveryLog("SqliteDeliveryLog", sqliteJobStore);
