import type { EventLog } from "../../../channels/ports/event-log.ts";
import { CACHE_MISS_INTERVAL_MS } from "../../../protocol/webhook.ts";
import type { WebhookEvent } from "../../../protocol/webhook-event.ts";
import { eventOperation, forgetMissOperation, missOperation } from "./operation.ts";
import type { PartitionWriters } from "./partition-writers.ts";

/** Records events that are no edges. They go the way of the edges, so they keep their order among each other. */
export class RedisEventRecorder implements EventLog {
  readonly #writers: PartitionWriters;

  constructor(writers: PartitionWriters) {
    this.#writers = writers;
  }

  async append(appId: string, event: WebhookEvent): Promise<void> {
    await this.#writers.of(appId, event.channel).write(eventOperation(appId, event));
  }

  async appendCacheMiss(appId: string, channel: string): Promise<void> {
    const operation = missOperation(appId, channel, CACHE_MISS_INTERVAL_MS);
    await this.#writers.of(appId, channel).write(operation);
  }

  forgetCacheMiss(appId: string, channel: string): void {
    this.#writers
      .of(appId, channel)
      .write(forgetMissOperation(appId, channel))
      // It is forgotten by itself a few seconds later.
      .catch(() => {});
  }
}
