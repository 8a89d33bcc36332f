import { Document } from "yaml";
import { appEntrySchema, fieldByPath } from "../app-entry.ts";
import { largestBodyBytes, largestEventFrameBytes } from "../contradictions.ts";
import type { Environment } from "../environment.ts";
import { isMapping, valueAt } from "../path.ts";
import {
  isOn,
  type SoketiApp,
  type SoketiLimits,
  type TranslatedApp,
  translateApp,
} from "./app.ts";
import { APPS_OPTION, OMISSIONS, TRANSLATED_OPTIONS } from "./option.ts";
import { isOfSharedStore, translateSharedStore } from "./shared-store.ts";
import { readSoketi, type SoketiSetting } from "./source.ts";

/** A setting of soketi's that was not taken over as it was, and why. Holds no value but an app's id. */
export interface SoketiNote {
  readonly setting: string;
  readonly why: string;
}

export interface SoketiTranslation {
  /** Our configuration file. The secrets stand in it in the clear. */
  readonly yaml: string;
  readonly notes: readonly SoketiNote[];
}

/** Turns soketi's configuration into ours. The result is right: `config check` finds nothing wrong but missing files. */
export function translateSoketi(
  file: Readonly<Record<string, unknown>>,
  env: Environment,
): SoketiTranslation {
  return new Translation(file, env).translate();
}

const BYTES_PER_MB = 1_048_576;
const MOST_BODY_BYTES = 1_073_741_824;
const OTHER_OPS_PORT = 9_602;

class Translation {
  readonly #settings: readonly SoketiSetting[];
  readonly #unknownVariables: readonly string[];
  readonly #notes: SoketiNote[] = [];
  readonly #output: Record<string, unknown> = {};

  constructor(file: Readonly<Record<string, unknown>>, env: Environment) {
    const { settings, unknownVariables } = readSoketi(file, env);
    this.#settings = settings;
    this.#unknownVariables = unknownVariables;
  }

  translate(): SoketiTranslation {
    this.#noteOmissions();
    this.#listeners();
    this.#put("ops.host", "metrics.host");
    this.#opsPort();
    this.#put("pathPrefix", "pathPrefix", withSlashes);
    this.#put("log.level", "debug", (value) =>
      value === true || value === 1 ? "debug" : undefined,
    );
    this.#put("websocket.authorizationTimeoutMs", "userAuthenticationTimeout", Number);
    const given = this.#settings.filter(({ value }) => !isNothing(value));
    const redis = translateSharedStore(given, (setting, why) => this.#note(setting, why));
    if (redis !== undefined) this.#output["redis"] = redis;
    const apps = this.#apps();
    this.#sizes(apps);
    if (apps.length > 0) this.#output["apps"] = apps.map(({ id, fields }) => ({ id, ...fields }));
    else this.#note("apps", "none is left, so there is one default app with new credentials");

    const document = new Document(this.#output);
    document.commentBefore = this.#header();
    return { yaml: document.toString({ lineWidth: 0 }), notes: this.#notes };
  }

  #header(): string {
    const lines = [
      "Made from soketi's configuration by `ringmaster config from-soketi`.",
      "The secrets stand here in the clear: keep this file as you keep them, or move them out with",
      "`secret: { env: NAME }` or `secret: { file: PATH }`.",
      ...(this.#notes.length > 0 ? ["", "Not taken over as it was:"] : []),
      ...this.#notes.map(({ setting, why }) => `- ${setting}: ${why}`),
    ];
    return lines.map((line) => ` ${line}`).join("\n");
  }

  #note(setting: string, why: string): void {
    if (this.#notes.some((note) => note.setting === setting && note.why === why)) return;
    this.#notes.push({ setting, why });
  }

  #noteOmissions(): void {
    for (const setting of this.#settings) {
      const { option, value } = setting;
      if (TRANSLATED_OPTIONS.has(option) || option.startsWith(`${APPS_OPTION}.`)) continue;
      if (isOfSharedStore(option)) continue;
      if (!isNothing(value)) this.#noteOmission(setting);
    }
    for (const name of this.#unknownVariables) this.#note(name, "soketi does not read it either");
  }

  #noteOmission({ option, name, value }: SoketiSetting): void {
    const omission = OMISSIONS.find((candidate) =>
      candidate.option.endsWith(".")
        ? option.startsWith(candidate.option)
        : option === candidate.option,
    );
    if (omission === undefined) {
      this.#note("the file", "an option that soketi does not know is passed over, as soketi does");
    } else if (omission.harmless === undefined || value !== omission.harmless) {
      this.#note(name, omission.why);
    }
  }

  /** The last one given: variables come after the file. */
  #last(option: string): SoketiSetting | undefined {
    return this.#settings.findLast(
      (setting) => setting.option === option && !isNothing(setting.value),
    );
  }

  /** Takes an option over, if our field takes the value. */
  #put(
    path: string,
    option: string,
    convert: (value: unknown) => unknown = (value) => value,
  ): void {
    const setting = this.#last(option);
    if (setting === undefined) return;
    const value = convert(setting.value);
    if (value === undefined) return;
    const field = fieldByPath.get(path);
    if (field?.schema.safeParse(value).success !== true) {
      this.#note(setting.name, `${path} does not take this value; its default is kept`);
    } else if (value !== field.defaultValue) {
      this.#set(path, value);
    }
  }

  #set(path: string, value: unknown): void {
    const [section = "", name] = path.split(".");
    if (name === undefined) this.#output[section] = value;
    else {
      const others = this.#output[section];
      this.#output[section] = { ...(isMapping(others) ? others : {}), [name]: value };
    }
  }

  /** With a certificate, soketi's one port speaks TLS and nothing else. */
  #listeners(): void {
    this.#put("host", "host");
    this.#put("port", "port", Number);
    const cert = this.#last("ssl.certPath");
    const key = this.#last("ssl.keyPath");
    const chain = this.#last("ssl.caPath");
    const given = cert ?? key ?? chain;
    if (given === undefined) return;
    if (typeof cert?.value !== "string" || typeof key?.value !== "string") {
      this.#note(given.name, "TLS needs a certificate and a key; no TLS listener is set up");
      return;
    }
    this.#set("tls.port", this.#output["port"] ?? 6_001);
    this.#set("port", null);
    this.#put("tls.certFile", "ssl.certPath");
    this.#put("tls.keyFile", "ssl.keyPath");
    this.#put("tls.caFile", "ssl.caPath");
    for (const setting of [cert, key, chain]) {
      if (setting === undefined || String(setting.value).startsWith("/")) continue;
      this.#note(
        setting.name,
        "a relative path counts from the folder of this file, not from the working folder",
      );
    }
  }

  #opsPort(): void {
    this.#put("ops.port", "metrics.port", Number);
    const main = valueAt(this.#output, ["tls", "port"]) ?? valueAt(this.#output, ["port"]) ?? 6_001;
    if (main !== (valueAt(this.#output, ["ops", "port"]) ?? 9_601)) return;
    this.#set("ops.port", main === OTHER_OPS_PORT ? OTHER_OPS_PORT + 1 : OTHER_OPS_PORT);
    this.#note(
      this.#last("metrics.port")?.name ?? "metrics.port",
      "was the port of the sockets too; took another",
    );
  }

  #apps(): readonly TranslatedApp[] {
    const limits: SoketiLimits = {
      maxPresenceMembersPerChannel: this.#last("presence.maxMembersPerChannel")?.value ?? 100,
      maxPresenceMemberSizeInKb: this.#last("presence.maxMemberSizeInKb")?.value ?? 2,
      maxChannelNameLength: this.#last("channelLimits.maxNameLength")?.value ?? 200,
      maxEventChannelsAtOnce: this.#last("eventLimits.maxChannelsAtOnce")?.value ?? 100,
      maxEventNameLength: this.#last("eventLimits.maxNameLength")?.value ?? 200,
      maxEventPayloadInKb: this.#last("eventLimits.maxPayloadInKb")?.value ?? 100,
      maxEventBatchSize: this.#last("eventLimits.maxBatchSize")?.value ?? 10,
      cacheTtl: this.#last("channelLimits.cacheTtl")?.value ?? 3_600,
    };
    const batchWebhooks = isOn(this.#last("webhooks.batching.enabled")?.value);
    const shared = { limits, batchWebhooks };
    const translated = this.#listedApps().map((app, index) =>
      translateApp(app, `apps[${index}]`, shared, (setting, why) => this.#note(setting, why)),
    );
    return this.#withUsableIds(this.#usable(translated));
  }

  /** soketi's list, with single fields of it, such as those from variables, put over it. */
  #listedApps(): readonly SoketiApp[] {
    const list = this.#last(APPS_OPTION)?.value;
    const apps = (Array.isArray(list) ? list : [{}]).map(
      (app) => new Map(Object.entries(isMapping(app) ? app : {})),
    );
    for (const { option, value } of this.#settings) {
      const [, index, field] = /^appManager\.array\.apps\.([0-9]{1,4})\.(\w+)$/.exec(option) ?? [];
      if (index === undefined || field === undefined) continue;
      while (apps.length <= Number(index)) apps.push(new Map());
      apps[Number(index)]?.set(field, value);
    }
    return apps.map((app) => Object.fromEntries(app));
  }

  /** soketi looks for the first app that fits, so that a second one of the same id or key was never found. */
  #usable(apps: readonly TranslatedApp[]): readonly TranslatedApp[] {
    const ids = new Set<string>();
    const keys = new Set<string>();
    return apps.filter(({ id, key }, index) => {
      if (!appEntrySchema.shape.keys.element.shape.key.safeParse(key).success) {
        this.#note(
          `apps[${index}]`,
          "left out: its key has characters that do not fit into a URL; give it another key",
        );
        return false;
      }
      if (ids.has(id) || keys.has(key)) {
        this.#note(
          `apps[${index}]`,
          "left out: an app before it has the same id or key, so soketi never used it",
        );
        return false;
      }
      ids.add(id);
      keys.add(key);
      return true;
    });
  }

  #withUsableIds(apps: readonly TranslatedApp[]): readonly TranslatedApp[] {
    const isOurs = (id: string) => appEntrySchema.shape.id.safeParse(id).success;
    const taken = new Set(apps.map(({ id }) => id).filter(isOurs));
    return apps.map((app) => {
      if (isOurs(app.id)) {
        if (!/^[0-9]+$/.test(app.id)) {
          this.#note(
            `app ${JSON.stringify(app.id)}`,
            "kept, but the Go and Python libraries take only ids of digits, as Pusher's are",
          );
        }
        return app;
      }
      let number = 1;
      while (taken.has(String(number))) number++;
      const id = String(number);
      taken.add(id);
      this.#note(
        `app ${JSON.stringify(app.id)}`,
        `an id has only letters, digits, - and _: it became ${JSON.stringify(id)}, so give your servers that`,
      );
      return { ...app, id, fields: { name: app.id.slice(0, 200), ...app.fields } };
    });
  }

  /** soketi's events may be ten times as large as Pusher's, so what carries them must be larger too. */
  #sizes(apps: readonly TranslatedApp[]): void {
    const frameBytes = Math.max(0, ...apps.map(({ limits }) => largestEventFrameBytes(limits)));
    const bodyBytes = Math.max(0, ...apps.map(({ limits }) => largestBodyBytes(limits)));
    this.#raise("websocket.maxFrameBytes", frameBytes);
    this.#raise("websocket.sendQueueBytes", frameBytes);

    const asked = this.#last("httpApi.requestLimitInMb");
    const askedBytes = Math.min(MOST_BODY_BYTES, Math.floor(Number(asked?.value) * BYTES_PER_MB));
    if (asked !== undefined && askedBytes >= bodyBytes) {
      this.#put("http.maxBodyBytes", "httpApi.requestLimitInMb", () => askedBytes);
      return;
    }
    if (asked !== undefined)
      this.#note(
        asked.name,
        "http.maxBodyBytes must carry the largest batch, and was raised to it",
      );
    this.#raise("http.maxBodyBytes", bodyBytes);
  }

  #raise(path: string, neededBytes: number): void {
    const byDefault = Number(fieldByPath.get(path)?.defaultValue);
    if (neededBytes > byDefault) this.#set(path, 2 ** Math.ceil(Math.log2(neededBytes)));
  }
}

/** What soketi's defaults hold where an option is not used. */
function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function withSlashes(value: unknown): string {
  const trimmed = String(value).replaceAll(/^\/+|\/+$/g, "");
  return trimmed === "" ? "" : `/${trimmed}`;
}
