import { WEBHOOK_EVENT_NAMES } from "../../../protocol/webhook-event.ts";
import { headerNameFault } from "../header-name.ts";
import { isMapping, valueAt } from "../path.ts";
import { headerValueSchema, webhookSchema } from "../webhook-entry.ts";
import { webhookUrlFault } from "../webhook-url.ts";
import type { Note } from "./note.ts";

/** A webhook of ours, as the file is to list it: only what differs from the defaults. */
export type TranslatedWebhook = Readonly<Record<string, unknown>>;

/** Translates the webhooks of an app that is called `name` in the notes; those that soketi would never send are left out. */
export function translateWebhooks(
  source: unknown,
  name: string,
  hasClientEvents: boolean,
  note: Note,
): readonly TranslatedWebhook[] {
  const entries = listIn(source);
  if (entries === undefined) {
    note(`${name}.webhooks`, "left out: this is no list, so soketi sends none either");
    return [];
  }
  return entries.flatMap((entry, index) => {
    const webhook = `${name}.webhooks[${index}]`;
    const ours = new WebhookTranslation(entry, webhook, hasClientEvents, note).translate();
    return ours === undefined ? [] : [ours];
  });
}

/** Databases keep the list as JSON; nothing is an empty list. */
function listIn(source: unknown): readonly unknown[] | undefined {
  if (source === undefined) return [];
  if (Array.isArray(source)) return source;
  if (typeof source !== "string") return undefined;
  try {
    const parsed: unknown = JSON.parse(source);
    return Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

class WebhookTranslation {
  readonly #source: unknown;
  readonly #name: string;
  readonly #hasClientEvents: boolean;
  readonly #note: Note;

  constructor(source: unknown, name: string, hasClientEvents: boolean, note: Note) {
    this.#source = source;
    this.#name = name;
    this.#hasClientEvents = hasClientEvents;
    this.#note = note;
  }

  /** Undefined when it is left out. */
  translate(): TranslatedWebhook | undefined {
    const address = this.#address();
    if (address === undefined) return undefined;
    const events = this.#events();
    if (events.length === 0) {
      this.#note(this.#name, "left out: it is for no event that there is here");
      return undefined;
    }
    const headers = { ...this.#headers(), ...address.headers };
    return {
      url: address.url,
      events,
      ...this.#channelPart("channelPrefix", "channel_name_starts_with"),
      ...this.#channelPart("channelSuffix", "channel_name_ends_with"),
      ...(Object.keys(headers).length > 0 ? { headers } : {}),
    };
  }

  #get(...path: string[]): unknown {
    return valueAt(this.#source, path);
  }

  /** The URL, and the headers for what soketi's HTTP client takes out of it. */
  #address(): { readonly url: string; readonly headers: Record<string, string> } | undefined {
    const url = this.#get("url");
    if (typeof url !== "string" || url === "") {
      const isLambda =
        this.#get("lambda_function") !== undefined || this.#get("lambda") !== undefined;
      this.#note(
        this.#name,
        isLambda
          ? "left out: functions are not called by their name; give one a URL (AWS calls that a function URL)"
          : "left out: it has no URL",
      );
      return undefined;
    }
    if (webhookUrlFault(url) === undefined) return { url, headers: {} };
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    const { username = "", password = "" } = parsed ?? {};
    if (parsed !== undefined) {
      parsed.username = "";
      parsed.password = "";
      parsed.hash = "";
    }
    const bare = parsed?.href ?? "";
    if (webhookUrlFault(bare) !== undefined) {
      this.#note(`${this.#name}.url`, "left out: this is no http or https URL");
      return undefined;
    }
    if (username === "" && password === "") return { url: bare, headers: {} };
    this.#note(
      `${this.#name}.url`,
      "has a user name and password in it, which became the header authorization",
    );
    const credentials = `${decoded(username)}:${decoded(password)}`;
    const authorization = `Basic ${Buffer.from(credentials).toString("base64")}`;
    return { url: bare, headers: { authorization } };
  }

  #events(): readonly string[] {
    const types = this.#get("event_types");
    const wanted: readonly unknown[] = Array.isArray(types) ? types : [];
    const setting = `${this.#name}.event_types`;
    const known = WEBHOOK_EVENT_NAMES.filter((name) => wanted.includes(name));
    if (new Set(wanted).size > known.length)
      this.#note(setting, "names what is no event of webhooks, which is passed over");
    // soketi counts subscriptions for nobody.
    const silent = new Set<string>(["subscription_count"]);
    if (!this.#hasClientEvents) silent.add("client_event");
    if (known.some((name) => silent.has(name)))
      this.#note(setting, "names an event that the app does not have, which is passed over");
    return known.filter((name) => !silent.has(name));
  }

  #channelPart(field: "channelPrefix" | "channelSuffix", option: string): object {
    const part = this.#get("filter", option);
    // soketi passes over empty ones.
    if (part === undefined || part === null || part === "") return {};
    if (webhookSchema.shape[field].safeParse(part).success) return { [field]: part };
    this.#note(`${this.#name}.filter`, `${field} takes only a text; left without`);
    return {};
  }

  #headers(): Record<string, string> {
    const given = this.#get("headers");
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(isMapping(given) ? given : {})) {
      const text = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
      const header = name.toLowerCase();
      if (headerNameFault(name) !== undefined) {
        this.#note(
          `${this.#name}.headers`,
          "a header is left out whose name no header can have, or that Ringmaster or HTTP sets itself",
        );
      } else if (typeof text !== "string" || !headerValueSchema.safeParse(text).success) {
        this.#note(
          `${this.#name}.headers`,
          "a header is left out whose value is no text that a header can have",
        );
      } else if (Object.hasOwn(headers, header)) {
        this.#note(`${this.#name}.headers`, "a header is there twice, and the first one is kept");
      } else {
        Object.defineProperty(headers, header, { value: text, enumerable: true });
      }
    }
    return headers;
  }
}

/** As it was written where that is no valid escape. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
