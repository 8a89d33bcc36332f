import type { Clock } from "./ports/clock.ts";
import type { DeliveryLog } from "./ports/delivery-log.ts";
import type { JobQueue } from "./ports/job-queue.ts";
import type { Log } from "./ports/log.ts";
import type { SenderSettings } from "./settings.ts";
import type { Transport } from "./transport.ts";

/** What a sender works with. */
export interface SenderDependencies {
  readonly settings: SenderSettings;
  readonly queue: JobQueue;
  readonly log: DeliveryLog;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly logger: Log;
  /** At least 0, less than 1. */
  readonly random: () => number;
  /** Stands with each attempt in the log, so that two versions on one queue can be told apart. */
  readonly senderVersion: string;
}
