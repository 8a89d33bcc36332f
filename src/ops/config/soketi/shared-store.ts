import { fieldByPath } from "../app-entry.ts";
import { isMapping } from "../path.ts";
import { isOn } from "./app.ts";
import type { Note } from "./note.ts";
import type { SoketiSetting } from "./source.ts";

const DRIVER = "adapter.driver";
const SERVERS = "database.redis.";
const ADAPTER = "adapter.redis.";

const TAKEN_OVER: ReadonlySet<string> = new Set([
  `${ADAPTER}clusterMode`,
  `${ADAPTER}prefix`,
  ...["clusterNodes", "db", "host", "keyPrefix", "name", "password", "port"].map(
    (name) => SERVERS + name,
  ),
  ...["sentinelPassword", "sentinels", "username"].map((name) => SERVERS + name),
]);

/** Whether the option is about what several nodes share, or that they share something. */
export function isOfSharedStore(option: string): boolean {
  return option === DRIVER || option.startsWith(SERVERS) || option.startsWith("adapter.");
}

/**
 * Turns the options of soketi's Redis adapter into our `redis`. Undefined where it has another or none: then one process is
 * all there is, and what is said of servers is noted.
 */
export function translateSharedStore(
  settings: readonly SoketiSetting[],
  note: Note,
): Readonly<Record<string, unknown>> | undefined {
  return new SharedStoreTranslation(settings, note).translate();
}

class SharedStoreTranslation {
  readonly #settings: readonly SoketiSetting[];
  readonly #note: Note;

  constructor(settings: readonly SoketiSetting[], note: Note) {
    this.#settings = settings.filter(({ option }) => isOfSharedStore(option));
    this.#note = note;
  }

  translate(): Readonly<Record<string, unknown>> | undefined {
    const driver = this.#last(DRIVER);
    if (driver?.value !== "redis") {
      for (const setting of this.#settings) this.#noteWithoutRedis(setting);
      return undefined;
    }
    for (const { option, name } of this.#settings) {
      if (option === `${ADAPTER}requestsTimeout`)
        this.#note(name, "no node asks the others anything, so there is nothing to wait for");
      else if (option !== DRIVER && !TAKEN_OVER.has(option))
        this.#note(
          name,
          "options of soketi's Redis library are not read: TLS is redis.tls and redis.caFile here",
        );
    }
    const place = this.#sentinels() ?? this.#cluster() ?? this.#server();
    if (place === undefined) {
      this.#note(driver.name, "names no server that could be taken over; give it as redis.url");
      return undefined;
    }
    return {
      ...place,
      ...this.#text("username", `${SERVERS}username`),
      ...this.#text("password", `${SERVERS}password`),
      ...("clusterNodes" in place ? {} : this.#database()),
      ...this.#keyPrefix(),
    };
  }

  #noteWithoutRedis({ option, name, value }: SoketiSetting): void {
    if (option === DRIVER && value === "local") return;
    this.#note(
      name,
      option.startsWith(SERVERS)
        ? "one process needs no server; several share a Redis or Valkey, which is redis.url here"
        : "several nodes share a Redis or Valkey, and find each other through it alone: give it as redis.url",
    );
  }

  #last(option: string): SoketiSetting | undefined {
    return this.#settings.findLast(
      (setting) =>
        setting.option === option && setting.value !== null && `${String(setting.value)}` !== "",
    );
  }

  #sentinels(): Readonly<Record<string, unknown>> | undefined {
    const sentinelNodes = nodesIn(this.#last(`${SERVERS}sentinels`)?.value);
    if (sentinelNodes.length === 0) return undefined;
    const name = this.#last(`${SERVERS}name`)?.value ?? "mymaster";
    return {
      sentinelNodes,
      sentinelPrimaryName: String(name),
      ...this.#text("sentinelPassword", `${SERVERS}sentinelPassword`),
    };
  }

  #cluster(): Readonly<Record<string, unknown>> | undefined {
    if (!isOn(this.#last(`${ADAPTER}clusterMode`)?.value)) return undefined;
    const clusterNodes = nodesIn(this.#last(`${SERVERS}clusterNodes`)?.value);
    return clusterNodes.length === 0 ? undefined : { clusterNodes };
  }

  #server(): Readonly<Record<string, unknown>> | undefined {
    const host = this.#last(`${SERVERS}host`)?.value ?? "127.0.0.1";
    const port = this.#last(`${SERVERS}port`)?.value ?? 6_379;
    const node = nodeOf({ host, port });
    return node === undefined ? undefined : { url: `redis://${node}` };
  }

  #text(name: string, option: string): Readonly<Record<string, unknown>> {
    const setting = this.#last(option);
    if (setting === undefined) return {};
    return this.#fitting(name, String(setting.value), setting);
  }

  #database(): Readonly<Record<string, unknown>> {
    const setting = this.#last(`${SERVERS}db`);
    if (setting === undefined || Number(setting.value) === 0) return {};
    return this.#fitting("database", Number(setting.value), setting);
  }

  /** One of two, for soketi puts both before its names. */
  #keyPrefix(): Readonly<Record<string, unknown>> {
    const setting = this.#last(`${SERVERS}keyPrefix`) ?? this.#last(`${ADAPTER}prefix`);
    if (setting === undefined) return {};
    return this.#fitting("keyPrefix", String(setting.value).replace(/:+$/, ""), setting);
  }

  #fitting(
    name: string,
    value: unknown,
    setting: SoketiSetting,
  ): Readonly<Record<string, unknown>> {
    if (takes(name, value)) return { [name]: value };
    this.#note(setting.name, `redis.${name} does not take this value; its default is kept`);
    return {};
  }
}

function takes(name: string, value: unknown): boolean {
  return fieldByPath.get(`redis.${name}`)?.schema.safeParse(value).success === true;
}

/** Those that have the right form. */
function nodesIn(list: unknown): string[] {
  return Array.isArray(list) ? list.flatMap((entry) => nodeOf(entry) ?? []) : [];
}

function nodeOf(entry: unknown): string | undefined {
  if (!isMapping(entry)) return undefined;
  const host = String(entry["host"]);
  const node = `${host.includes(":") ? `[${host}]` : host}:${String(entry["port"])}`;
  return takes("clusterNodes", [node]) ? node : undefined;
}
