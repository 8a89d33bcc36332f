import * as z from "zod";
import { PUSHER_RETRY_WINDOW_MS, PUSHER_TIMEOUT_MS, type Webhook } from "../../protocol/webhook.ts";
import { WEBHOOK_EVENT_NAMES } from "../../protocol/webhook-event.ts";
import { noted } from "./field.ts";
import { HEADER_NAME } from "./header-name.ts";
import { secretEntry } from "./secret-entry.ts";
import { webhookId } from "./webhook-id.ts";
import { webhookUrlFault } from "./webhook-url.ts";

const MAX_TIMEOUT_MS = 30_000;
const MAX_RETRY_WINDOW_MS = 3 * 24 * 60 * 60 * 1_000;

/** Latin-1 that can be seen, with spaces inside: what fetch sends as it stands and servers take. */
const HEADER_VALUE = /^[!-~¡-ÿ]([ -~\u00a0-ÿ]*[!-~¡-ÿ])?$/;

/** The value of a header, or where it is. */
export const headerValueSchema = secretEntry(z.string().regex(HEADER_VALUE));

const channelPart = () => z.string().min(1).nullable().default(null);

/** One webhook as a file lists it; its headers may still say where their values are. */
export const webhookSchema = z.strictObject({
  id: noted(
    z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/)
      .optional(),
    {
      about:
        "Names the webhook in logs, metrics and the delivery log, and what waits for it in the queue. Without one it is made of " +
        "url, events, channelPrefix and channelSuffix, so that changing one of those makes a new webhook.",
      right: "1 to 64 letters, digits, - and _, or leave it out",
    },
  ),
  url: noted(
    z.string().refine((text) => webhookUrlFault(text) === undefined),
    {
      about:
        "Where the events are POSTed to: http or https, without user name and password, which go into `headers`.",
      fault: webhookUrlFault,
      right: "an absolute URL such as https://example.com/webhooks",
    },
  ),
  events: noted(
    z
      .array(z.enum(WEBHOOK_EVENT_NAMES))
      .min(1)
      .overwrite((given) => WEBHOOK_EVENT_NAMES.filter((name) => given.includes(name)))
      .default([...WEBHOOK_EVENT_NAMES]),
    { about: "The events to tell of." },
  ),
  channelPrefix: noted(channelPart(), {
    about: "Only channels whose name starts with this; null means all.",
  }),
  channelSuffix: noted(channelPart(), {
    about: "Only channels whose name ends with this; null means all.",
  }),
  headers: noted(z.record(z.string().regex(HEADER_NAME), headerValueSchema).default({}), {
    about:
      "Headers to send along, for example `authorization`. Each value is a secret like `keys[].secret`: a text, " +
      "`{env: NAME}` or `{file: PATH}`. Not those that Ringmaster or HTTP sets (`content-type`, `host`, `x-pusher-*` …).",
    secret: true,
  }),
  timeoutMs: noted(z.int().min(100).max(MAX_TIMEOUT_MS).default(PUSHER_TIMEOUT_MS), {
    about: "How long one attempt may take, from its start to the end of the answer.",
    unit: "ms",
  }),
  retryWindowMs: noted(z.int().min(0).max(MAX_RETRY_WINDOW_MS).default(PUSHER_RETRY_WINDOW_MS), {
    about:
      "How long a delivery that fails is tried again, from its first attempt on, with growing pauses; then it is a dead " +
      "letter. 0 tries once.",
    unit: "ms",
  }),
});

export type WebhookEntry = z.output<typeof webhookSchema>;

/** The webhooks of one app; `headersOf` answers those of the one at that position, their values fetched. */
export function webhooksFrom(
  entries: readonly WebhookEntry[],
  headersOf: (index: number) => Webhook["headers"],
): readonly Webhook[] {
  const taken = new Set(entries.flatMap(({ id }) => id ?? []));
  return entries.map(({ id: given, ...entry }, index) => {
    const id = given ?? webhookId(entry, taken);
    taken.add(id);
    return { id, ...entry, headers: headersOf(index) };
  });
}
