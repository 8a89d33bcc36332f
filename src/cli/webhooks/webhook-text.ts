import type { ShownWebhook } from "../../ops/admin/webhook-overview.ts";
import { WEBHOOK_EVENT_NAMES } from "../../protocol/webhook-event.ts";
import { memberOf } from "../client/channel-attributes.ts";
import { printable } from "../client/printable.ts";

/** How a person names a webhook to these commands. */
export function nameOf({
  app,
  webhook,
}: {
  readonly app: string;
  readonly webhook: string;
}): string {
  return printable(`${app}/${webhook}`);
}

/** Names of events on one line, each once, with how many there are of it. */
export function eventsText(events: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const event of events) counts.set(event, (counts.get(event) ?? 0) + 1);
  if (WEBHOOK_EVENT_NAMES.every((name) => counts.get(name) === 1)) return "all";
  const texts = Array.from(counts, ([event, count]) =>
    count === 1 ? event : `${event} ×${count}`,
  );
  return texts.length === 0 ? "-" : printable(texts.join(", "));
}

/** The outcome of an attempt in a word or two. */
export function outcomeText({
  result,
  status,
}: {
  readonly result: string;
  readonly status: number | null;
}): string {
  return printable(status === null ? result : `${result} ${status}`);
}

/** What keeps it from getting anything, the most lasting first. */
export function stateText({
  configured,
  paused,
  sender,
}: Pick<ShownWebhook, "configured" | "paused" | "sender">): string {
  const states = [
    ...(configured ? [] : ["gone"]),
    ...(paused === null ? [] : [`paused (${paused.reason})`]),
    ...(sender === null || sender.breaker === "closed"
      ? []
      : [`broken off (${sender.consecutiveFailures} failures)`]),
  ];
  return states.length === 0 ? "active" : printable(states.join(", "));
}

/** The webhook that an answer is about. */
export function nameIn(answer: unknown): string {
  return nameOf({
    app: String(memberOf(answer, "app")),
    webhook: String(memberOf(answer, "webhook")),
  });
}
