import { type AppLimits, PUSHER_LIMITS } from "../../../protocol/limits.ts";
import { fieldByPath } from "../app-entry.ts";
import type { Note } from "./note.ts";
import { translateWebhooks } from "./webhook.ts";

/** An app of soketi's list: its fields under any of the three spellings. */
export type SoketiApp = Readonly<Record<string, unknown>>;

/** Limits that soketi sets for all apps at once, under the names that an app overrides them with. */
export type SoketiLimits = Readonly<Record<(typeof SHARED_LIMITS)[number], unknown>>;

export const SHARED_LIMITS = [
  "maxPresenceMembersPerChannel",
  "maxPresenceMemberSizeInKb",
  "maxChannelNameLength",
  "maxEventChannelsAtOnce",
  "maxEventNameLength",
  "maxEventPayloadInKb",
  "maxEventBatchSize",
  "cacheTtl",
] as const;

/** What soketi sets for all apps at once. */
export interface SoketiShared {
  readonly limits: SoketiLimits;
  /** Gather events into one webhook, which soketi does not do by default. */
  readonly batchWebhooks: boolean;
}

/** Each field and the spellings it may have, the last one given counts: databases keep them in other cases. */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  id: ["id", "AppId"],
  key: ["key", "AppKey"],
  secret: ["secret", "AppSecret"],
  enabled: ["enabled", "Enabled"],
  maxConnections: ["maxConnections", "MaxConnections", "max_connections"],
  enableClientMessages: ["enableClientMessages", "EnableClientMessages", "enable_client_messages"],
  maxBackendEventsPerSecond: [
    "maxBackendEventsPerSecond",
    "MaxBackendEventsPerSecond",
    "max_backend_events_per_sec",
  ],
  maxClientEventsPerSecond: [
    "maxClientEventsPerSecond",
    "MaxClientEventsPerSecond",
    "max_client_events_per_sec",
  ],
  maxReadRequestsPerSecond: [
    "maxReadRequestsPerSecond",
    "MaxReadRequestsPerSecond",
    "max_read_req_per_sec",
  ],
  webhooks: ["webhooks", "Webhooks"],
  maxPresenceMembersPerChannel: [
    "maxPresenceMembersPerChannel",
    "MaxPresenceMembersPerChannel",
    "max_presence_members_per_channel",
  ],
  maxPresenceMemberSizeInKb: [
    "maxPresenceMemberSizeInKb",
    "MaxPresenceMemberSizeInKb",
    "max_presence_member_size_in_kb",
  ],
  maxChannelNameLength: ["maxChannelNameLength", "MaxChannelNameLength", "max_channel_name_length"],
  maxEventChannelsAtOnce: [
    "maxEventChannelsAtOnce",
    "MaxEventChannelsAtOnce",
    "max_event_channels_at_once",
  ],
  maxEventNameLength: ["maxEventNameLength", "MaxEventNameLength", "max_event_name_length"],
  maxEventPayloadInKb: ["maxEventPayloadInKb", "MaxEventPayloadInKb", "max_event_payload_in_kb"],
  maxEventBatchSize: ["maxEventBatchSize", "MaxEventBatchSize", "max_event_batch_size"],
  enableUserAuthentication: [
    "enableUserAuthentication",
    "EnableUserAuthentication",
    "enable_user_authentication",
  ],
};
const KNOWN: ReadonlySet<string> = new Set(Object.values(SPELLINGS).flat());

/** What soketi takes where an app names none, known to everybody who has read its documentation. */
const PUBLISHED = { id: "app-id", key: "app-key", secret: "app-secret" } as const;

/** More than these, and one request might need more memory than a body may have at all. */
const MOST_EVENT_BYTES = 1_048_576;
const MOST_EVENTS_PER_BATCH = 100;

/** An app of ours, as the file is to list it: only what differs from the defaults. */
export interface TranslatedApp {
  readonly id: string;
  readonly key: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly limits: AppLimits;
}

/** Translates one app. Its id is soketi's, which need not be one of ours. */
export function translateApp(
  source: SoketiApp,
  name: string,
  shared: SoketiShared,
  note: Note,
): TranslatedApp {
  return new AppTranslation(source, name, shared, note).translate();
}

class AppTranslation {
  readonly #source: SoketiApp;
  readonly #name: string;
  readonly #shared: SoketiShared;
  readonly #note: Note;

  constructor(source: SoketiApp, name: string, shared: SoketiShared, note: Note) {
    this.#source = source;
    this.#name = name;
    this.#shared = shared;
    this.#note = note;
  }

  translate(): TranslatedApp {
    for (const field of Object.keys(this.#source)) {
      if (!KNOWN.has(field))
        this.#note(this.#name, "a field that soketi does not know is passed over, as soketi does");
    }
    const id = this.#credential("id");
    const key = this.#credential("key");
    const secret = this.#credential("secret");
    const clientRate = this.#rate("maxClientEventsPerSecond");
    // A rate of 0 lets no client event through.
    const clientEvents = isOn(this.#get("enableClientMessages")) && clientRate !== 0;
    const webhooks = translateWebhooks(this.#get("webhooks"), this.#name, clientEvents, this.#note);
    const limits = this.#limits(clientRate);
    const defaults = new Map<string, unknown>(Object.entries(PUSHER_LIMITS));
    const changed = Object.entries(limits).filter(
      ([limit, value]) => value !== defaults.get(limit),
    );
    return {
      id,
      key,
      limits,
      fields: {
        ...(isOff(this.#get("enabled")) ? { enabled: false } : {}),
        keys: [{ key, secret }],
        ...(clientEvents ? { clientEvents } : {}),
        ...(isOn(this.#get("enableUserAuthentication")) ? { authorizedConnections: true } : {}),
        ...(webhooks.length > 0 ? { webhooks } : {}),
        ...(webhooks.length > 0 && !this.#shared.batchWebhooks ? { batchWebhooks: false } : {}),
        ...(changed.length > 0 ? { limits: Object.fromEntries(changed) } : {}),
      },
    };
  }

  #omit(field: string, why: string): void {
    this.#note(`${this.#name}.${field}`, why);
  }

  /** The last spelling that is given counts; soketi passes over null and empty ones. */
  #get(field: string): unknown {
    return (SPELLINGS[field] ?? [])
      .filter((spelling) => Object.hasOwn(this.#source, spelling))
      .map((spelling) => this.#source[spelling])
      .findLast((value) => value !== undefined && value !== null && value !== "");
  }

  #credential(field: keyof typeof PUBLISHED): string {
    const value = this.#get(field);
    if (typeof value === "string" || typeof value === "number") return String(value);
    this.#omit(
      field,
      "not set, so soketi takes its published default, and so does this; change it",
    );
    return PUBLISHED[field];
  }

  /** Null is no limit, which soketi writes as a negative number. */
  #rate(field: string): number | null {
    const value = this.#get(field);
    const rate = value === undefined ? -1 : Number.parseInt(String(value), 10);
    return Number.isNaN(rate) || rate < 0 ? null : rate;
  }

  #limits(clientRate: number | null): AppLimits {
    const connections = this.#rate("maxConnections");
    return {
      ...PUSHER_LIMITS,
      // In soketi 0 connections are no limit either.
      connections:
        connections === 0 ? null : this.#within("connections", "maxConnections", connections),
      channelNameLength: this.#count("channelNameLength", "maxChannelNameLength"),
      eventNameLength: this.#count("eventNameLength", "maxEventNameLength"),
      eventBytes: this.#count("eventBytes", "maxEventPayloadInKb", 1_024, MOST_EVENT_BYTES),
      channelsPerEvent: this.#count("channelsPerEvent", "maxEventChannelsAtOnce"),
      eventsPerBatch: this.#count("eventsPerBatch", "maxEventBatchSize", 1, MOST_EVENTS_PER_BATCH),
      presenceMembers: this.#count("presenceMembers", "maxPresenceMembersPerChannel"),
      presenceUserInfoBytes: this.#count(
        "presenceUserInfoBytes",
        "maxPresenceMemberSizeInKb",
        1_024,
      ),
      clientEventsPerSecond:
        clientRate === 0
          ? PUSHER_LIMITS.clientEventsPerSecond
          : this.#within("clientEventsPerSecond", "maxClientEventsPerSecond", clientRate),
      apiRequestsPerSecond: this.#apiRate(),
      cacheTtlMs: this.#count("cacheTtlMs", "cacheTtl", 1_000),
    };
  }

  /** soketi counts what is published apart from what is asked; we count requests. */
  #apiRate(): number | null {
    const published = this.#rate("maxBackendEventsPerSecond");
    const asked = this.#rate("maxReadRequestsPerSecond");
    if (published === null && asked === null) return null;
    if (published === null || asked === null || published + asked === 0) {
      const field = published === null ? "maxReadRequestsPerSecond" : "maxBackendEventsPerSecond";
      this.#omit(
        field,
        "limits.apiRequestsPerSecond counts publishes and questions together; left without a limit",
      );
      return null;
    }
    this.#omit(
      "maxBackendEventsPerSecond",
      "with maxReadRequestsPerSecond became limits.apiRequestsPerSecond, which counts requests, not events",
    );
    return this.#within("apiRequestsPerSecond", "maxBackendEventsPerSecond", published + asked);
  }

  #count(
    limit: NumericLimit,
    field: (typeof SHARED_LIMITS)[number],
    factor = 1,
    most = Infinity,
  ): number {
    const value = Number.parseFloat(String(this.#get(field) ?? this.#shared.limits[field]));
    return (
      this.#within(limit, field, Number.isNaN(value) ? 0 : Math.floor(value * factor), most) ??
      PUSHER_LIMITS[limit]
    );
  }

  /** The value if our limit takes it, else the nearest that it takes. */
  #within(
    limit: keyof AppLimits,
    field: string,
    value: number | null,
    most = Infinity,
  ): number | null {
    if (value === null) return null;
    const schema = fieldByPath.get(`apps[].limits.${limit}`)?.schema;
    if (value <= most && schema?.safeParse(value).success === true) return value;
    const nearest = value > most ? most : PUSHER_LIMITS[limit];
    this.#omit(
      field,
      `limits.${limit} does not go as far; it became ${nearest === null ? "no limit" : nearest}`,
    );
    return nearest;
  }
}

type NumericLimit = {
  [Limit in keyof AppLimits]: null extends AppLimits[Limit] ? never : Limit;
}[keyof AppLimits];

export function isOn(value: unknown): boolean {
  return value === true || value === 1 || value === "1" || value === "true";
}

function isOff(value: unknown): boolean {
  return value === false || value === 0 || value === "0" || value === "false";
}
