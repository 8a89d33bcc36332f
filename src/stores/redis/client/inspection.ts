import type { Clock } from "../../../channels/ports/clock.ts";
import { deniedCommands, type Denial } from "./command-rights.ts";
import type { RedisFault, Reply } from "../connection.ts";
import { faultOf } from "./fault.ts";
import { Keys } from "../keys.ts";
import { ServerLink } from "./server-link.ts";
import { accessOf, addressText, type RedisAddress, type RedisSettings } from "../settings.ts";
import { slotOf } from "./slot.ts";
import type { SlotMap } from "./slot-map.ts";
import { topologyOf } from "./topology.ts";

/** What the store says of itself. */
export interface StoredFormat {
  readonly format: number;
  /** The oldest format whose programs may use it. */
  readonly readableBy: number;
  readonly partitions: number;
}

/** What one server told. Undefined is what it did not let us see. */
export interface ServerFacts {
  readonly address: string;
  /** Why there is nothing else. */
  readonly fault: RedisFault | undefined;
  /** Of a call, the median of some. */
  readonly latencyMs: number | undefined;
  /** How much later it is there than here. */
  readonly clockAheadMs: number | undefined;
  /** The answer to INFO. */
  readonly info: ReadonlyMap<string, string> | undefined;
  /** The answer to CONFIG GET. */
  readonly config: ReadonlyMap<string, string> | undefined;
  readonly denied: readonly Denial[] | undefined;
  /** Some keys that begin as ours do and are none of ours. */
  readonly foreignKeys: readonly string[] | undefined;
}

export interface RedisFacts {
  /** Why no server could be found. */
  readonly fault: RedisFault | undefined;
  /** Those that have any of our keys, or would. */
  readonly servers: readonly ServerFacts[];
  /** Null in a store that is new; undefined where it could not be read. */
  readonly stored: StoredFormat | null | undefined;
  /** Hash tags that no server of the Cluster is responsible for. */
  readonly uncovered: readonly string[];
}

export interface InspectionOptions {
  readonly settings: RedisSettings;
  readonly keyPrefix: string;
  /** Of a new store. */
  readonly partitions: number;
  readonly clock: Clock;
}

const LOOKED_AT = [
  "appendfsync",
  "client-output-buffer-limit",
  "min-replicas-to-write",
  "save",
  "tcp-keepalive",
  "timeout",
];
const TIMED_CALLS = 11;
const SCAN_PAGES = 20;
const SCAN_PAGE = 1_000;
const FOREIGN_KEYS_SHOWN = 3;

/** Looks at a store without changing it, on connections of its own. */
export async function inspectRedis(options: InspectionOptions): Promise<RedisFacts> {
  const { settings, keyPrefix, partitions, clock } = options;
  const access = accessOf(settings);
  let map: SlotMap;
  try {
    map = await topologyOf(settings, clock).survey([]);
  } catch (error) {
    return { fault: faultOf(error), servers: [], stored: undefined, uncovered: [] };
  }
  const open = (address: RedisAddress): Promise<ServerLink> =>
    ServerLink.open(address, access, clock);
  const stored = await readFormat(map, new Keys(keyPrefix, partitions).nodes("meta"), open);
  const keys = new Keys(keyPrefix, stored?.partitions ?? partitions);
  const ours = [
    keys.nodes("doctor"),
    keys.jobs("doctor"),
    ...Array.from({ length: keys.partitions }, (_, partition) => keys.in(partition, "doctor")),
  ];
  const servers = map.addresses.flatMap((address) => {
    const key = ours.find((candidate) => map.addressOf(slotOf(candidate)) === address);
    return key === undefined ? [] : [{ address, key }];
  });
  return {
    fault: undefined,
    servers: await Promise.all(
      servers.map(({ address, key }) => inspectServer(address, key, keyPrefix, open, clock)),
    ),
    stored,
    uncovered: ours
      .filter((key) => map.addressOf(slotOf(key)) === undefined)
      .map((key) => key.slice(key.indexOf("{"), key.indexOf("}") + 1)),
  };
}

type Opener = (address: RedisAddress) => Promise<ServerLink>;

async function readFormat(
  map: SlotMap,
  meta: string,
  open: Opener,
): Promise<StoredFormat | null | undefined> {
  const address = map.addressOf(slotOf(meta));
  if (address === undefined) return undefined;
  let link: ServerLink | undefined;
  try {
    link = await open(address);
    const reply = await link.send(["HMGET", meta, "format", "readable-by", "partitions"]);
    const [format, readableBy, partitions] = reply as readonly Reply[];
    if (format === null) return null;
    return {
      format: Number(format),
      readableBy: Number(readableBy),
      partitions: Number(partitions),
    };
  } catch {
    return undefined;
  } finally {
    link?.close();
  }
}

async function inspectServer(
  address: RedisAddress,
  key: string,
  prefix: string,
  open: Opener,
  clock: Clock,
): Promise<ServerFacts> {
  let link: ServerLink;
  try {
    link = await open(address);
  } catch (error) {
    return { ...UNSEEN, address: addressText(address), fault: faultOf(error) };
  }
  try {
    const info = await asked(link, ["INFO"]);
    const config = await asked(link, ["CONFIG", "GET", ...LOOKED_AT]);
    return {
      address: addressText(address),
      fault: undefined,
      ...(await measure(link, clock)),
      info: info === undefined ? undefined : linesOf(String(info)),
      config: config === undefined ? undefined : pairsOf(config as readonly string[]),
      denied: await deniedCommands(link, key),
      foreignKeys: await foreignKeys(link, prefix),
    };
  } finally {
    link.close();
  }
}

const UNSEEN = {
  latencyMs: undefined,
  clockAheadMs: undefined,
  info: undefined,
  config: undefined,
  denied: undefined,
  foreignKeys: undefined,
};

/** Undefined where the server does not answer, be it that it is not allowed or not known there. */
async function asked(link: ServerLink, command: readonly string[]): Promise<Reply | undefined> {
  try {
    return await link.send(command);
  } catch {
    return undefined;
  }
}

async function measure(
  link: ServerLink,
  clock: Clock,
): Promise<Pick<ServerFacts, "latencyMs" | "clockAheadMs">> {
  const calls: { readonly tookMs: number; readonly aheadMs: number }[] = [];
  for (let i = 0; i < TIMED_CALLS; i++) {
    const [sentMs, sentAtMs] = [clock.elapsedMs(), clock.now()];
    const reply = await asked(link, ["TIME"]);
    if (!Array.isArray(reply)) return { latencyMs: undefined, clockAheadMs: undefined };
    const tookMs = clock.elapsedMs() - sentMs;
    const [seconds, microseconds] = reply.map(Number) as [number, number];
    const thereMs = seconds * 1_000 + microseconds / 1_000;
    calls.push({ tookMs, aheadMs: thereMs - (sentAtMs + tookMs / 2) });
  }
  const middle = calls.toSorted((a, b) => a.tookMs - b.tookMs)[Math.floor(TIMED_CALLS / 2)];
  return { latencyMs: middle?.tookMs, clockAheadMs: middle?.aheadMs };
}

/** Looks at some thousand keys: in a large store, that may be few of them. */
async function foreignKeys(
  link: ServerLink,
  prefix: string,
): Promise<readonly string[] | undefined> {
  const isOurs = new RegExp(`^${RegExp.escape(prefix)}:\\{(\\d+|jobs|nodes)\\}:`);
  const found: string[] = [];
  let cursor = "0";
  for (let page = 0; page < SCAN_PAGES && found.length < FOREIGN_KEYS_SHOWN; page++) {
    const reply = await asked(link, [
      "SCAN",
      cursor,
      "MATCH",
      `${prefix}:*`,
      "COUNT",
      `${SCAN_PAGE}`,
    ]);
    if (!Array.isArray(reply)) return undefined;
    const [next, names] = reply as unknown as readonly [string, readonly string[]];
    found.push(...names.filter((name) => !isOurs.test(name)));
    cursor = next;
    if (cursor === "0") break;
  }
  return found.slice(0, FOREIGN_KEYS_SHOWN);
}

/** `name:value` lines, with headings between them. */
function linesOf(text: string): Map<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith("#") && line.includes(":"));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );
}

function pairsOf(flat: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.set(flat[i] ?? "", flat[i + 1] ?? "");
  return pairs;
}
