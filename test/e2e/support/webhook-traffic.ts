import { webhooks } from "./admin.ts";
import { withKey, type AppEntry, type TestApp, type WebhookEntry } from "./apps.ts";
import type { RawClient } from "./raw-web-socket.ts";
import type { Receiver } from "./receiver.ts";
import type { Ringmaster } from "./ringmaster.ts";
import { eventually } from "./wait.ts";

/** How long a leaving waits for its return. */
export const DEBOUNCE_MS = 3_000;

/** The app with one webhook, `hook`, to the receiver. */
export function to(
  receiver: Receiver,
  app: TestApp,
  webhook: Partial<WebhookEntry> = {},
  more: Partial<AppEntry> = {},
): TestApp {
  const hook = { id: "hook", url: receiver.url(), ...webhook };
  return withKey({ ...app.entry, webhooks: [hook], ...more });
}

/** For a webhook that is told nothing when clients go. */
export const OCCUPIED: Partial<WebhookEntry> = { events: ["channel_occupied"] };
/** For an app whose events come one by one. */
export const SINGLE: Partial<AppEntry> = { batchWebhooks: false };

/** Asks for as many channels at once, so for as many events. */
export function occupy(client: RawClient, prefix: string, channels: number): void {
  for (let number = 0; number < channels; number++) client.askToSubscribe(`${prefix}${number}`);
}

/** All of them were told to the receiver, and taken by it. */
export async function occupiedOf(
  receiver: Receiver,
  prefix: string,
  channels: number,
): Promise<void> {
  for (let number = 0; number < channels; number++)
    await receiver.event("channel_occupied", `${prefix}${number}`);
}

/** Everything that has happened was told, or dropped, or given up. */
export async function allTold(server: Ringmaster): Promise<void> {
  await eventually(
    "no event waits",
    async () => (await server.metrics()).sum("ringmaster_webhook_events") === 0,
  );
  // Only now, for an event goes on as a webhook; and not from the metrics, which are a second old.
  await eventually("no webhook waits", async () =>
    (await webhooks(server)).every(({ due, leased, delayed }) => due + leased + delayed === 0),
  );
}
