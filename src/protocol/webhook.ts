import type { WebhookEventName } from "./webhook-event.ts";

/** One receiver of an app's events, as the app's owner set it up. */
export interface Webhook {
  /** Unique in its app; stays the same while the webhook does, across restarts. Letters, digits, `-` and `_`. */
  readonly id: string;
  /** `http:` or `https:`. */
  readonly url: string;
  /** The events it wants; at least one. */
  readonly events: readonly WebhookEventName[];
  /** Only channels whose name starts, or ends, with this; null means all. */
  readonly channelPrefix: string | null;
  readonly channelSuffix: string | null;
  /** Sent along; never a header that Ringmaster sets itself. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** From the start of an attempt to the end of its answer. */
  readonly timeoutMs: number;
  /** How long a delivery that fails is tried again, from its first attempt on. */
  readonly retryWindowMs: number;
}

export function wantsEvent(
  { events, channelPrefix, channelSuffix }: Webhook,
  name: WebhookEventName,
  channel: string,
): boolean {
  return (
    events.includes(name) &&
    (channelPrefix === null || channel.startsWith(channelPrefix)) &&
    (channelSuffix === null || channel.endsWith(channelSuffix))
  );
}

/** A webhook of an app, among all webhooks of all apps. */
export function endpointIdOf(appId: string, webhookId: string): string {
  return `${appId}/${webhookId}`;
}

/** How often Pusher would have it: within 4 s, again for 5 minutes (contract 4). */
export const PUSHER_TIMEOUT_MS = 4_000;
export const PUSHER_RETRY_WINDOW_MS = 5 * 60 * 1_000;
/** The most events of one body, and how long they are gathered, where the app batches (contract 4). */
export const MAX_EVENTS_PER_WEBHOOK = 20;
export const BATCH_WINDOW_MS = 250;
/** How long a leaving waits for its return (contract 4). */
export const DEBOUNCE_MS = 3_000;
/** One `cache_miss` of a channel in this time is told, unless the channel had an event meanwhile. */
export const CACHE_MISS_INTERVAL_MS = 10_000;
