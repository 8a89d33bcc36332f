import { webhookBody } from "../src/protocol/webhook-event.ts";
import type { WebhookEvent } from "../src/protocol/webhook-event.ts";

/** A webhook to deliver, the same for every contestant. Its id is in its body, where the sink finds it. */
export interface WebhookJob {
  readonly id: number;
  /** Which of the endpoints it is for, from 0 on. */
  readonly endpoint: number;
  readonly url: string;
  readonly body: string;
}

const EVENTS_PER_BODY = 4;
const MARKER_DIGITS = 16;

/** How the sink recognises an event. */
export function marker(id: number): string {
  return `@${String(id).padStart(MARKER_DIGITS, "0")}@`;
}

/** Four client events, about 700 bytes: what an app with batches on sends when it is not busy. */
export function bodyOf(id: number): string {
  const events = Array.from({ length: EVENTS_PER_BODY }, (_, index): WebhookEvent => ({
    name: "client_event",
    channel: `private-room-${id % 1_000}`,
    event: "client-typing",
    data: JSON.stringify({ id: index === 0 ? marker(id) : "", text: "x".repeat(24) }),
    socket_id: "123456789.987654321",
  }));
  return webhookBody(
    Date.now(),
    events.map((event) => JSON.stringify(event)),
  );
}
