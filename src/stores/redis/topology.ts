import type { Clock } from "../../channels/ports/clock.ts";
import { RedisFault, type Reply } from "./connection.ts";
import { faultOf } from "./fault.ts";
import { ServerLink } from "./server-link.ts";
import {
  accessOf,
  addressText,
  type Access,
  type RedisAddress,
  type RedisSettings,
} from "./settings.ts";
import { SlotMap, type SlotRange } from "./slot-map.ts";

/** Finds out which servers there are. */
export interface Topology {
  /** Whether it may change by itself. */
  readonly isFixed: boolean;
  /** Asks those that are known already as well. Rejects with `RedisFault`. */
  survey(known: readonly RedisAddress[]): Promise<SlotMap>;
}

export function topologyOf(settings: RedisSettings, clock: Clock): Topology {
  const { place } = settings;
  const access = accessOf(settings);
  switch (place.mode) {
    case "standalone":
      return { isFixed: true, survey: () => Promise.resolve(SlotMap.of(place.address)) };
    case "sentinel": {
      const { username, password } = place;
      const sentinelAccess = { ...access, username, password, database: 0 };
      return {
        isFixed: false,
        survey: () =>
          firstAnswer(place.sentinels, (sentinel) =>
            askSentinel(sentinel, place.primaryName, sentinelAccess, access, clock),
          ),
      };
    }
    case "cluster":
      return {
        isFixed: false,
        survey: (known) =>
          firstAnswer([...known, ...place.nodes], (node) => askNode(node, access, clock)),
      };
  }
}

/** One after the other, until one knows. */
async function firstAnswer(
  addresses: readonly RedisAddress[],
  ask: (address: RedisAddress) => Promise<SlotMap>,
): Promise<SlotMap> {
  let fault = new RedisFault("unreachable", "There is nobody to ask.");
  for (const address of addresses) {
    try {
      return await ask(address);
    } catch (error) {
      const found = faultOf(error);
      fault = new RedisFault(found.kind, `${addressText(address)}: ${found.message}`, error);
    }
  }
  throw fault;
}

async function askSentinel(
  sentinel: RedisAddress,
  primaryName: string,
  sentinelAccess: Access,
  access: Access,
  clock: Clock,
): Promise<SlotMap> {
  const command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", primaryName];
  const answer = await askOnce(sentinel, command, sentinelAccess, clock);
  if (!Array.isArray(answer))
    throw new RedisFault("refused", `this Sentinel knows no primary called ${primaryName}`);
  const [host, port] = answer as readonly string[];
  const primary = { host: host ?? "", port: Number(port) };
  // Sentinels take a while to notice that it is none any more.
  const role = await askOnce(primary, ["ROLE"], access, clock);
  if (!Array.isArray(role) || role[0] !== "master")
    throw new RedisFault("not-ready", `${addressText(primary)} is no primary yet, or no more`);
  return SlotMap.of(primary);
}

async function askNode(node: RedisAddress, access: Access, clock: Clock): Promise<SlotMap> {
  const answer = (await askOnce(node, ["CLUSTER", "SLOTS"], access, clock)) as readonly Reply[];
  const ranges: SlotRange[] = [];
  for (const range of answer) {
    const [first, last, primary] = range as readonly Reply[];
    const [host, port] = primary as readonly Reply[];
    // A node that does not know its own name leaves it empty.
    const name = host === null || host === "" || host === "?" ? node.host : String(host);
    const address = { host: name, port: Number(port) };
    ranges.push({ first: Number(first), last: Number(last), address });
  }
  if (ranges.length === 0) throw new RedisFault("not-ready", "the Cluster has no slots yet");
  return new SlotMap(ranges);
}

async function askOnce(
  address: RedisAddress,
  command: readonly string[],
  access: Access,
  clock: Clock,
): Promise<Reply> {
  const link = await ServerLink.open(address, access, clock);
  try {
    return await link.send(command);
  } finally {
    link.close();
  }
}
