import type { RedisFault } from "../../stores/redis/connection.ts";
import { FORMAT } from "../../stores/redis/format.ts";
import type { RedisFacts, ServerFacts } from "../../stores/redis/client/inspection.ts";
import type { RedisPlace } from "../../stores/redis/settings.ts";
import { finding, type Finding } from "./finding.ts";
import { durabilityFindings } from "./redis-durability.ts";
import { limitFindings } from "./redis-limits.ts";

/** What of the configuration the judgement depends on. */
export interface RedisExpectations {
  readonly mode: RedisPlace["mode"];
  readonly keyPrefix: string;
  readonly partitions: number;
  /** Whether any app has a webhook: only then is anything in the store owed to somebody. */
  readonly owesWebhooks: boolean;
}

const OLDEST_VERSION = 7;
const SLOW_MS = 5;
const CLOCKS_APART_MS = 5_000;
const COMMANDS_SHOWN = 5;

/** Judges what was seen of a store. Nothing is looked at here. */
export function redisFindings(facts: RedisFacts, expected: RedisExpectations): Finding[] {
  if (facts.fault !== undefined) return [unreachable(facts.fault, null)];
  return [
    ...facts.servers.flatMap((server) => serverFindings(server, expected)),
    ...coverage(facts, expected),
    ...format(facts, expected),
  ];
}

function serverFindings(server: ServerFacts, expected: RedisExpectations): Finding[] {
  const { address, fault } = server;
  if (fault !== undefined) return [unreachable(fault, address)];
  const about = (found: Finding): Finding => ({ ...found, where: address });
  return [
    ...[reachable(server), ...identity(server, expected), clock(server), rights(server)].map(about),
    ...durabilityFindings(server, expected),
    ...limitFindings(server),
    ...(server.config === undefined
      ? [
          about(
            finding(
              "configuration",
              "unknown",
              "CONFIG GET is not allowed, as is usual where somebody else runs the server: see there that appendfsync is " +
                "everysec, min-replicas-to-write 1 where there are replicas, and client-output-buffer-limit pubsub at least 32mb 8mb 60",
            ),
          ),
        ]
      : []),
    about(foreignKeys(server, expected)),
  ];
}

function unreachable({ kind, message }: RedisFault, where: string | null): Finding {
  const advice = {
    denied: "give redis.username and redis.password as the server has them",
    refused: "correct redis.url, or give redis.clusterNodes or redis.sentinelNodes",
    full: "give it more memory or disk",
    "not-ready": "wait until it is, or see why it is not",
    timeout: "see whether it stands still, or a firewall is in between",
    unreachable: "start it, or correct the address, the port and TLS",
  }[kind];
  return finding("reachable", "problem", `${message.replace(/\.$/, "")}; ${advice}`, where);
}

function reachable({ latencyMs }: ServerFacts): Finding {
  if (latencyMs === undefined) return finding("reachable", "ok", "connected");
  const told = `answers in ${latencyMs.toFixed(latencyMs < 10 ? 2 : 0)} ms`;
  if (latencyMs <= SLOW_MS) return finding("reachable", "ok", told);
  return finding(
    "reachable",
    "warning",
    `${told}: each subscription and each message waits for that; put the server nearer, or see what keeps it busy (SLOWLOG)`,
  );
}

function identity({ info }: ServerFacts, { mode }: RedisExpectations): Finding[] {
  if (info === undefined)
    return [
      finding(
        "version",
        "problem",
        "INFO is not allowed, by which a process finds out at its start what the server is; allow +info",
      ),
    ];
  const version = info.get("redis_version") ?? "";
  const valkey = info.get("valkey_version");
  const name = valkey === undefined ? `Redis ${version}` : `Valkey ${valkey}`;
  const found: Finding[] = [];
  if (Number.parseInt(version, 10) >= OLDEST_VERSION) found.push(finding("version", "ok", name));
  else
    found.push(
      finding("version", "problem", `${name}; ${OLDEST_VERSION} or later is needed, or Valkey`),
    );
  if (info.get("redis_mode") === "sentinel")
    found.push(
      finding("role", "problem", "this is a Sentinel, not a store; give it as redis.sentinelNodes"),
    );
  else if (info.get("role") === "slave")
    found.push(
      finding(
        "role",
        "problem",
        "this is a replica, which takes no writes; give the primary, or redis.sentinelNodes, which know it",
      ),
    );
  else if (mode !== "cluster" && info.get("cluster_enabled") === "1")
    found.push(
      finding(
        "role",
        "problem",
        "this is a node of a Cluster, and has only some of the keys; give it as redis.clusterNodes in place of redis.url",
      ),
    );
  return found;
}

function clock({ clockAheadMs }: ServerFacts): Finding {
  const check = "clock";
  if (clockAheadMs === undefined) return finding(check, "unknown", "TIME was not answered");
  const apart = `${Math.abs(clockAheadMs / 1_000).toFixed(Math.abs(clockAheadMs) < 10_000 ? 1 : 0)} s`;
  if (Math.abs(clockAheadMs) <= CLOCKS_APART_MS)
    return finding(check, "ok", `within ${apart} of this machine's`);
  return finding(
    check,
    "warning",
    `${apart} ${clockAheadMs > 0 ? "ahead of" : "behind"} this machine's: the times of events and attempts are told wrongly, and ` +
      "publishers whose requests are signed by another clock are refused; synchronise both (NTP)",
  );
}

function rights({ denied }: ServerFacts): Finding {
  const check = "rights";
  if (denied === undefined)
    return finding(
      check,
      "unknown",
      "MULTI is not allowed, with which this is tried without an effect: see that the user has the rights that docs/operations.md lists",
    );
  if (denied.length === 0)
    return finding(check, "ok", "every command that is needed is allowed under the prefix");
  const whats: string[] = [];
  const commands = denied.filter(({ reason }) => reason === "command");
  if (commands.length > 0) {
    const names = commands.map(({ command }) => command.toLowerCase());
    const more = names.length > COMMANDS_SHOWN ? ` and ${names.length - COMMANDS_SHOWN} more` : "";
    whats.push(`the commands ${names.slice(0, COMMANDS_SHOWN).join(", ")}${more}`);
  }
  if (denied.some(({ reason }) => reason === "key")) whats.push("keys under the prefix");
  if (denied.some(({ reason }) => reason === "channel"))
    whats.push("channels under the prefix (since Redis 7 a user has none by default)");
  return finding(
    check,
    "problem",
    `this user may not use ${whats.join(", nor ")}; give it what docs/operations.md lists`,
  );
}

function foreignKeys(
  { foreignKeys: found }: ServerFacts,
  { keyPrefix }: RedisExpectations,
): Finding {
  const check = "prefix";
  if (found === undefined)
    return finding(check, "unknown", "SCAN is not allowed: see that nobody else uses the prefix");
  if (found.length === 0)
    return finding(check, "ok", `no keys of others were found under ${keyPrefix}`);
  const names = found.map((name) => JSON.stringify(name)).join(", ");
  return finding(
    check,
    "warning",
    `another program has keys under ${keyPrefix}, such as ${names}; give one of the two another prefix`,
  );
}

function coverage({ uncovered }: RedisFacts, { mode }: RedisExpectations): Finding[] {
  if (mode !== "cluster") return [];
  if (uncovered.length === 0)
    return [finding("slots", "ok", "a server of the Cluster is there for every slot of ours")];
  return [
    finding(
      "slots",
      "problem",
      `no server of the Cluster has the slots of ${uncovered.slice(0, COMMANDS_SHOWN).join(", ")}` +
        `${uncovered.length > COMMANDS_SHOWN ? " and others" : ""}: channels there do not work; see CLUSTER SLOTS`,
    ),
  ];
}

function format({ stored }: RedisFacts, expected: RedisExpectations): Finding[] {
  const check = "format";
  if (stored === undefined)
    return [finding(check, "unknown", "what the store says of itself could not be read")];
  if (stored === null)
    return [
      finding(
        check,
        "ok",
        `the store under ${expected.keyPrefix} is new: the first process makes it, with ${expected.partitions} partitions`,
      ),
    ];
  const { format: number, readableBy, partitions } = stored;
  if (readableBy > FORMAT)
    return [
      finding(
        check,
        "problem",
        `the store under ${expected.keyPrefix} has the format ${number}, which this version cannot read; start a newer version, or give another redis.keyPrefix`,
      ),
    ];
  const told = `format ${number}, ${partitions} partitions`;
  if (partitions === expected.partitions) return [finding(check, "ok", told)];
  return [
    finding(
      check,
      "ok",
      `${told}: redis.partitions (${expected.partitions}) is for a new store, and does nothing here`,
    ),
  ];
}
