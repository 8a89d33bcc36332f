import type { RedisFacts, ServerFacts } from "../../../../src/stores/redis/client/inspection.ts";
import type { Finding, Verdict } from "../../../../src/cli/doctor/finding.ts";

const INFO = {
  redis_version: "7.0.15",
  redis_mode: "standalone",
  role: "master",
  connected_slaves: "1",
  used_memory: "1000000",
  maxmemory: "0",
  maxmemory_policy: "noeviction",
  aof_enabled: "1",
  aof_last_write_status: "ok",
  rdb_last_bgsave_status: "ok",
  cluster_enabled: "0",
};

const CONFIG = {
  appendfsync: "everysec",
  save: "3600 1",
  "min-replicas-to-write": "1",
  "client-output-buffer-limit":
    "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
  timeout: "0",
  "tcp-keepalive": "300",
};

export interface ServerChanges extends Partial<Omit<ServerFacts, "info" | "config">> {
  readonly info?: Readonly<Record<string, string>> | null;
  readonly config?: Readonly<Record<string, string>> | null;
}

/** A server that nothing is wrong with, but for the changes; null is what it does not show. */
export function serverFacts({
  info = {},
  config = {},
  ...changes
}: ServerChanges = {}): ServerFacts {
  return {
    address: "redis:6379",
    fault: undefined,
    latencyMs: 0.3,
    clockAheadMs: 12,
    info: info === null ? undefined : new Map(Object.entries({ ...INFO, ...info })),
    config: config === null ? undefined : new Map(Object.entries({ ...CONFIG, ...config })),
    denied: [],
    foreignKeys: [],
    ...changes,
  };
}

export function redisFacts(
  server: ServerChanges = {},
  changes: Partial<RedisFacts> = {},
): RedisFacts {
  return {
    fault: undefined,
    servers: [serverFacts(server)],
    stored: { format: 1, readableBy: 1, partitions: 64 },
    uncovered: [],
    ...changes,
  };
}

/** What is not well, as `check: verdict`. */
export function troublesIn(findings: readonly Finding[]): string[] {
  return findings
    .filter(({ verdict }) => verdict !== "ok")
    .map(({ check, verdict }) => `${check}: ${verdict}`);
}

export function textOf(findings: readonly Finding[], check: string, verdict: Verdict): string {
  const found = findings.filter((one) => one.check === check && one.verdict === verdict);
  if (found.length !== 1) throw new Error(`${found.length} findings are ${check}: ${verdict}`);
  return found[0]?.text ?? "";
}
