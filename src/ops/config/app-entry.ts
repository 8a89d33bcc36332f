import * as z from "zod";
import { PUSHER_LIMITS, type AppLimits } from "../../protocol/limits.ts";
import { type Field, fieldsOf, noted } from "./field.ts";
import { secretEntry } from "./secret-entry.ts";
import { settingsSchema } from "./settings.ts";
import { webhookSchema } from "./webhook-entry.ts";

const MAX_COUNT = 10_000_000;
const MAX_EVENT_BYTES = 16_777_216;

/** What `config print` shows in place of a key that the first start will make. */
export const NOT_YET_GENERATED = "(generated at the first start)";

const count = () => z.int().min(1).max(MAX_COUNT);

const limitFields = {
  connections: noted(count().nullable().default(PUSHER_LIMITS.connections), {
    about: "Sockets open at once; one more is closed with 4004.",
  }),
  subscriptionsPerConnection: noted(
    count().nullable().default(PUSHER_LIMITS.subscriptionsPerConnection),
    {
      about: "Channels that one socket may be subscribed to.",
    },
  ),
  channelNameLength: noted(z.int().min(1).max(1_024).default(PUSHER_LIMITS.channelNameLength), {
    about: "Length of a channel's name, its prefix included.",
    unit: "characters",
  }),
  eventNameLength: noted(z.int().min(1).max(1_024).default(PUSHER_LIMITS.eventNameLength), {
    about: "Length of an event's name.",
    unit: "characters",
  }),
  eventBytes: noted(z.int().min(1).max(MAX_EVENT_BYTES).default(PUSHER_LIMITS.eventBytes), {
    about: "The `data` of one event, in UTF-8.",
    unit: "bytes",
  }),
  channelsPerEvent: noted(z.int().min(1).max(10_000).default(PUSHER_LIMITS.channelsPerEvent), {
    about: "Channels that one publish may name.",
  }),
  eventsPerBatch: noted(z.int().min(1).max(10_000).default(PUSHER_LIMITS.eventsPerBatch), {
    about: "Events that one batch may hold.",
  }),
  presenceMembers: noted(count().default(PUSHER_LIMITS.presenceMembers), {
    about: "Distinct users on one presence channel.",
  }),
  presenceUserInfoBytes: noted(
    z.int().min(1).max(MAX_EVENT_BYTES).default(PUSHER_LIMITS.presenceUserInfoBytes),
    {
      about: "The `user_info` of one member, as JSON in UTF-8.",
      unit: "bytes",
    },
  ),
  userIdLength: noted(z.int().min(1).max(1_024).default(PUSHER_LIMITS.userIdLength), {
    about: "Length of a user's id.",
    unit: "characters",
  }),
  clientEventsPerSecond: noted(count().nullable().default(PUSHER_LIMITS.clientEventsPerSecond), {
    about:
      "Client events of one socket; one more is refused with error 4301 and the socket stays open.",
  }),
  apiRequestsPerSecond: noted(count().nullable().default(PUSHER_LIMITS.apiRequestsPerSecond), {
    about: "HTTP API requests of the app that this process takes; one more is answered 429.",
  }),
  watchlistUsers: noted(count().default(PUSHER_LIMITS.watchlistUsers), {
    about:
      "Users that one signed-in user may watch; the rest is ignored and reported with error 4302.",
  }),
  cacheTtlMs: noted(z.int().min(1).max(2_147_483_647).default(PUSHER_LIMITS.cacheTtlMs), {
    about: "How long a cache channel keeps its last event.",
    unit: "ms",
  }),
} satisfies Record<keyof AppLimits, z.ZodType>;

const key = z.strictObject({
  key: noted(z.string().regex(/^[A-Za-z0-9._~@+=-]{1,200}$/), {
    about: "The public half, which clients connect with.",
    right: "1 to 200 letters, digits and . _ ~ @ + = -",
  }),
  secret: noted(secretEntry(), {
    about:
      "The secret half: a text, or where the text is: `{env: NAME}` for a variable, `{file: PATH}` for a file such as a " +
      "mounted Kubernetes Secret (a newline at its end is not part of it).",
    secret: true,
    right: "a non-empty string, {env: NAME} or {file: PATH}",
  }),
  active: noted(z.boolean().default(true), {
    about: "An inactive key opens no connection, signs nothing and verifies nothing.",
  }),
});

const HOST_PATTERN = String.raw`[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*`;
const ORIGIN = new RegExp(
  String.raw`^((\*\.)?${HOST_PATTERN}|[a-z][a-z0-9+.-]*://${HOST_PATTERN}(:[0-9]{1,5})?)$`,
);

/** One app as a file lists it; its secrets may still say where they are. */
export const appEntrySchema = z.strictObject({
  id: noted(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/), {
    about:
      "Best a number: the Go and Python libraries, and every URL that names an app, take only digits. Others are for apps " +
      "that have theirs already.",
    right: '1 to 64 letters, digits, - and _, for example "1"',
  }),
  name: noted(z.string().min(1).max(200).optional(), {
    about: "For people: logs and the console. The id where there is none.",
    right: "a text of up to 200 characters",
  }),
  enabled: noted(z.boolean().default(true), {
    about: "A disabled app refuses sockets with 4003 and API calls with 403.",
  }),
  keys: z.array(key).min(1),
  forceTls: noted(z.boolean().default(false), {
    about: "Refuse plain sockets with 4000, which makes pusher-js switch to TLS.",
  }),
  clientEvents: noted(z.boolean().default(false), {
    about: "Clients may send `client-` events to private and presence channels.",
  }),
  authorizedConnections: noted(z.boolean().default(false), {
    about:
      "Close sockets that neither sign in nor subscribe to a private or presence channel in time.",
  }),
  subscriptionCount: noted(z.boolean().default(false), {
    about:
      "Send `pusher_internal:subscription_count` to subscribers, and answer `subscription_count` in the HTTP API.",
  }),
  watchlist: noted(z.boolean().default(false), {
    about: "Tell a signed-in user when the users it watches come and go.",
  }),
  allowedOrigins: noted(z.array(z.string().regex(ORIGIN)).min(1).nullable().default(null), {
    about:
      "The `Origin` headers that may connect: hosts (`app.example.com`, `*.example.com`) or full origins " +
      "(`https://app.example.com`). Null allows every one.",
    right:
      "a list of hosts (app.example.com, *.example.com) or full origins (https://app.example.com)",
  }),
  webhooks: z.array(webhookSchema).default([]),
  batchWebhooks: noted(z.boolean().default(true), {
    about:
      "Gather the events of a quarter of a second, up to 20, into one webhook; else each is a webhook of its own.",
  }),
  limits: z.strictObject(limitFields).prefault({}),
});

/** A whole configuration file. */
export const fileSchema = settingsSchema.extend({
  apps: noted(z.array(appEntrySchema).min(1).optional(), {
    about: "The apps. Without this list there is one default app, with every optional feature on.",
    effect: "live",
  }),
});

/** Every leaf of a configuration file. */
export const fileFields = fieldsOf(fileSchema);

/** By path: `drain.windowMs`, `apps[].keys[].secret`. */
export const fieldByPath: ReadonlyMap<string, Field> = new Map(
  fileFields.map((field) => [field.path, field]),
);
