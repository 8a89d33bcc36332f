import type { RedisAddress, RedisPlace, RedisSettings } from "../../stores/redis/settings.ts";
import type { FileReads } from "./file-reads.ts";
import { type PemProblem, PemReading } from "./pem.ts";
import type { Settings } from "./settings.ts";

const DEFAULT_PORT = 6_379;

/** The store that many processes share. */
export interface RedisConfig {
  readonly settings: RedisSettings;
  readonly keyPrefix: string;
  readonly partitions: number;
  readonly nodeTimeoutMs: number;
}

/** Reads and checks the files that `redis` names; null where there is no such store. */
export async function readRedis(
  redis: Settings["redis"],
  reads: FileReads,
): Promise<{ readonly config: RedisConfig | null; readonly problems: readonly PemProblem[] }> {
  const { url, caFile, certFile, keyFile, serverName } = redis;
  const parsed = url === null ? undefined : new URL(url);
  const place = placeOf(redis, parsed);
  if (place === undefined) return { config: null, problems: [] };
  const reading = new PemReading(reads);
  const ca =
    caFile === null
      ? null
      : ((await reading.certificates("redis.caFile", caFile, "those to believe")) ?? null);
  const pair =
    certFile === null || keyFile === null
      ? undefined
      : await reading.pair(
          { path: "redis.certFile", file: certFile },
          { path: "redis.keyFile", file: keyFile },
        );
  const hasTls = redis.tls || parsed?.protocol === "rediss:";
  const settings: RedisSettings = {
    place,
    username: redis.username ?? textOf(parsed?.username),
    password: redis.password ?? textOf(parsed?.password),
    tls: hasTls ? { ca, cert: pair?.cert ?? null, key: pair?.key ?? null, serverName } : null,
    connectTimeoutMs: redis.connectTimeoutMs,
    commandTimeoutMs: redis.commandTimeoutMs,
  };
  const { keyPrefix, partitions, nodeTimeoutMs } = redis;
  return {
    config: { settings, keyPrefix, partitions, nodeTimeoutMs },
    problems: reading.problems,
  };
}

function placeOf(redis: Settings["redis"], url: URL | undefined): RedisPlace | undefined {
  const { clusterNodes, sentinelNodes, sentinelPrimaryName, database } = redis;
  if (url !== undefined) {
    const port = url.port === "" ? DEFAULT_PORT : Number(url.port);
    const named = Number(url.pathname.slice(1));
    return {
      mode: "standalone",
      address: { host: unbracketed(url.hostname), port },
      database: named === 0 ? database : named,
    };
  }
  if (clusterNodes.length > 0) return { mode: "cluster", nodes: clusterNodes.map(addressOf) };
  if (sentinelNodes.length === 0 || sentinelPrimaryName === null) return undefined;
  return {
    mode: "sentinel",
    primaryName: sentinelPrimaryName,
    sentinels: sentinelNodes.map(addressOf),
    username: redis.sentinelUsername,
    password: redis.sentinelPassword,
    database,
  };
}

function addressOf(text: string): RedisAddress {
  const colon = text.lastIndexOf(":");
  return { host: unbracketed(text.slice(0, colon)), port: Number(text.slice(colon + 1)) };
}

function unbracketed(host: string): string {
  return host.startsWith("[") ? host.slice(1, -1) : host;
}

function textOf(encoded: string | undefined): string | null {
  return encoded === undefined || encoded === "" ? null : decodeURIComponent(encoded);
}
