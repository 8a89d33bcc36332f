import type { ServerFacts } from "../../stores/redis/client/inspection.ts";
import { finding, type Finding } from "./finding.ts";

const MIB = 1_048_576;
const FULL_AT = 0.8;
const SMALL_BUFFER_BYTES = 8 * MIB;
/** Processes say something every few seconds. */
const SHORT_TIMEOUT_SECONDS = 60;

/** Limits of a server that end connections, or take away what was stored. */
export function limitFindings({ info, config, address }: ServerFacts): Finding[] {
  return [...memory(info), ...pubSubBuffer(config), ...timeouts(config)].map((found) => ({
    ...found,
    where: address,
  }));
}

function memory(info: ServerFacts["info"]): Finding[] {
  if (info === undefined) return [];
  const used = Number(info.get("used_memory") ?? 0);
  const max = Number(info.get("maxmemory") ?? 0);
  const policy = info.get("maxmemory_policy") ?? "noeviction";
  const told =
    max === 0 ? `${mib(used)} used, no maxmemory` : `${mib(used)} of ${mib(max)} (maxmemory) used`;
  const found: Finding[] = [];
  if (max > 0 && used > FULL_AT * max)
    found.push(
      finding(
        "memory",
        "warning",
        `${told}: when it is full, Redis refuses writes, so nobody can subscribe and no webhook is made; give it more`,
      ),
    );
  else found.push(finding("memory", "ok", told));
  if (policy === "noeviction")
    found.push(finding("eviction", "ok", "maxmemory-policy noeviction: nothing is thrown away"));
  else
    found.push(
      finding(
        "eviction",
        // Whoever sets the limit later will not think of this.
        max === 0 ? "warning" : "problem",
        `maxmemory-policy ${policy}: ${max === 0 ? "once there is a maxmemory" : "when memory is full"}, Redis throws away ` +
          `${evicted(policy)}; set maxmemory-policy noeviction`,
      ),
    );
  return found;
}

function evicted(policy: string): string {
  // Those alone have an end: last events of cache channels, and marks that keep a webhook from being made twice.
  if (policy.startsWith("volatile"))
    return "what has an end of life: the last events of cache channels and what keeps jobs from being made twice";
  return (
    "keys of ours without an error: who is subscribed (wrong counts and presence lists), events and queued webhooks (never " +
    "sent), dead letters"
  );
}

/** `normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60` */
function pubSubBuffer(config: ServerFacts["config"]): Finding[] {
  const words = config?.get("client-output-buffer-limit")?.split(" ") ?? [];
  const at = words.indexOf("pubsub");
  if (at === -1) return [];
  const [hard = 0, soft = 0, seconds = 0] = words.slice(at + 1, at + 4).map(Number);
  const check = "pub/sub buffer";
  if (hard === 0 && soft === 0)
    return [
      finding(
        check,
        "warning",
        "client-output-buffer-limit pubsub has no bound: messages for a process that stands still fill the server's memory",
      ),
    ];
  const bounds = [hard > 0 ? mib(hard) : "", soft > 0 ? `${mib(soft)} for ${seconds} s` : ""];
  const told = `a process that is behind by ${bounds.filter((bound) => bound !== "").join(", or ")} is cut off, and misses messages`;
  const least = Math.min(...[hard, soft].filter((bytes) => bytes > 0));
  if (least < SMALL_BUFFER_BYTES)
    return [
      finding(
        check,
        "warning",
        `${told} in bursts already; set client-output-buffer-limit "pubsub 32mb 8mb 60" or more`,
      ),
    ];
  return [finding(check, "ok", told)];
}

function timeouts(config: ServerFacts["config"]): Finding[] {
  if (config === undefined) return [];
  const check = "timeouts";
  const timeout = Number(config.get("timeout") ?? 0);
  if (timeout > 0 && timeout < SHORT_TIMEOUT_SECONDS)
    return [
      finding(
        check,
        "warning",
        `timeout ${timeout}: Redis closes connections that are idle for so long, which makes processes unready for moments; set it to 0`,
      ),
    ];
  if (config.get("tcp-keepalive") === "0")
    return [
      finding(
        check,
        "warning",
        "tcp-keepalive 0: connections of machines that are gone stay for ever; set it to 300",
      ),
    ];
  return [finding(check, "ok", "idle connections stay, dead ones are found")];
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;
}
