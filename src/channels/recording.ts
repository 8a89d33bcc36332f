import type { App } from "../protocol/app.ts";
import type { WebhookEventName } from "../protocol/webhook-event.ts";
import { wantsEvent } from "../protocol/webhook.ts";
import type { EdgeRecording } from "./ports/roster.ts";

const EDGES: ReadonlySet<WebhookEventName> = new Set([
  "channel_occupied",
  "channel_vacated",
  "member_added",
  "member_removed",
]);

/**
 * What of the channel's edges is for somebody. Edges are recorded all or none, for each is half of a pair; counts, which
 * may be many, only if a webhook asks for them.
 */
export function edgeRecording({ webhooks }: App, channel: string): EdgeRecording {
  let wantsEdges = false;
  for (const webhook of webhooks) {
    if (wantsEvent(webhook, "subscription_count", channel)) return "edges-and-counts";
    wantsEdges ||= webhook.events.some(
      (name) => EDGES.has(name) && wantsEvent(webhook, name, channel),
    );
  }
  return wantsEdges ? "edges" : "nothing";
}

export function isRecorded({ webhooks }: App, name: WebhookEventName, channel: string): boolean {
  return webhooks.some((webhook) => wantsEvent(webhook, name, channel));
}
