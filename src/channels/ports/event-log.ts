import type { WebhookEvent } from "../../protocol/webhook-event.ts";

/**
 * Where the events go that are no edges of the Roster, to be told by webhooks.
 *
 * Guarantees:
 * - What an `append` resolved for is told in the end, also if this process dies the moment after.
 * - Events of one channel keep the order of the calls, among each other and with the edges of that channel.
 */
export interface EventLog {
  append(appId: string, event: WebhookEvent): Promise<void>;
  /** Appends `cache_miss` of the channel, unless that was done within `CACHE_MISS_INTERVAL_MS` and not forgotten since. */
  appendCacheMiss(appId: string, channel: string): Promise<void>;
  /** The channel has an event now: the next miss is a new one. */
  forgetCacheMiss(appId: string, channel: string): void;
}
