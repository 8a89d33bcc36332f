import type { App } from "../../protocol/app.ts";
import { WEBHOOK_EVENT_NAMES } from "../../protocol/webhook-event.ts";

/** Events that there are only where a setting of the app is on. */
const NEEDS = [
  { event: "client_event", setting: "clientEvents" },
  { event: "subscription_count", setting: "subscriptionCount" },
] as const;

/** An event that a webhook asks for and that its app never has. */
export interface SilentEvent {
  /** Position in `webhooks`. */
  readonly webhook: number;
  /** What is wrong; what would be right. */
  readonly message: string;
}

/** A list of all events asks for none of them in particular, and is what a webhook has whose owner gave no list. */
export function silentEvents(app: App): readonly SilentEvent[] {
  return app.webhooks.flatMap(({ events }, webhook) =>
    events.length === WEBHOOK_EVENT_NAMES.length
      ? []
      : NEEDS.filter(({ event, setting }) => events.includes(event) && !app[setting]).map(
          ({ event, setting }) => ({
            webhook,
            message:
              `has ${event}, which this app never has while its ${setting} is false; ` +
              "set that to true, or take the event out of the list",
          }),
        ),
  );
}
