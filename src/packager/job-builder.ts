import { JOB_VERSION, type Job } from "../protocol/job.ts";
import type { AppKey } from "../protocol/app.ts";
import { sign } from "../protocol/signature.ts";
import { endpointIdOf, type Webhook } from "../protocol/webhook.ts";
import { webhookBody } from "../protocol/webhook-event.ts";
import type { LoggedEvent } from "./ports/event-log.ts";

/** Hex digits of a job's id: enough that two jobs never share one. */
const ID_DIGITS = 32;

/**
 * One webhook, ready to be sent: signed with the app's key, and told from every other by an id that the same endpoint and
 * events always give.
 *
 * The body's events stand in the order of the log. The header `ringmaster-sequence` has their places in it: of two events
 * about the same thing (a channel's being occupied, one member, one count) the one with the higher number is the newer,
 * however late the other was delivered.
 */
export function buildJob(
  appId: string,
  key: AppKey,
  webhook: Webhook,
  told: readonly LoggedEvent[],
  wallMs: number,
): Job {
  const events = told.toSorted((a, b) => a.sequence - b.sequence);
  const id = jobId(appId, webhook.id, events);
  // What is signed is what is sent: half of a surrogate pair has no UTF-8, and would be replaced on its way.
  const body = webhookBody(
    wallMs,
    events.map(({ json }) => json),
  ).toWellFormed();
  return {
    version: JOB_VERSION,
    id,
    appId,
    webhookId: webhook.id,
    method: "POST",
    url: webhook.url,
    headers: {
      ...inLowerCase(webhook.headers),
      // Exactly this: Pusher's library for Node refuses a webhook whose type has a charset (contract 4).
      "content-type": "application/json",
      "x-pusher-key": key.key,
      "x-pusher-signature": sign(key.secret, body),
      "webhook-id": id,
      "ringmaster-sequence": events.map(({ sequence }) => sequence).join(","),
    },
    body,
    createdAtMs: wallMs,
    events: events.map(({ name }) => name),
    timeoutMs: webhook.timeoutMs,
    retryWindowMs: webhook.retryWindowMs,
  };
}

function jobId(appId: string, webhookId: string, events: readonly LoggedEvent[]): string {
  const hash = new Bun.CryptoHasher("sha256").update(endpointIdOf(appId, webhookId));
  for (const event of events) hash.update(`\n${event.id}`);
  return `job_${hash.digest("hex").slice(0, ID_DIGITS)}`;
}

/** Another spelling of one of our names would go along beside ours. */
function inLowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}
