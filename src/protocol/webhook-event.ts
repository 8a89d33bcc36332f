/** The events that webhooks tell of (contract 4). */
export const WEBHOOK_EVENT_NAMES = [
  "channel_occupied",
  "channel_vacated",
  "member_added",
  "member_removed",
  "client_event",
  "cache_miss",
  "subscription_count",
] as const;

export type WebhookEventName = (typeof WEBHOOK_EVENT_NAMES)[number];

/** An event of a channel, exactly as it stands in the body of a webhook. */
export type WebhookEvent =
  | {
      readonly name: "channel_occupied" | "channel_vacated" | "cache_miss";
      readonly channel: string;
    }
  | {
      readonly name: "member_added" | "member_removed";
      readonly channel: string;
      /** A text even where the client gave a number: Go's library cannot read one. */
      readonly user_id: string;
    }
  | {
      readonly name: "client_event";
      readonly channel: string;
      readonly event: string;
      /** A text, whatever the client sent. */
      readonly data: string;
      readonly socket_id: string;
      /** On presence channels only. */
      readonly user_id?: string;
    }
  | {
      readonly name: "subscription_count";
      readonly channel: string;
      readonly subscription_count: number;
    };

/** The body of a webhook; `eventsJson` are events as JSON text. `timeMs` is when the webhook was made. */
export function webhookBody(timeMs: number, eventsJson: readonly string[]): string {
  return `{"time_ms":${timeMs},"events":[${eventsJson.join(",")}]}`;
}
