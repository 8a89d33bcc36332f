import type { Clock } from "../../../channels/ports/clock.ts";
import type { Log } from "../../../channels/ports/log.ts";
import { RedisFault, type Reply } from "../connection.ts";
import { faultOf } from "./fault.ts";
import { SentinelWatch } from "./sentinel-watch.ts";
import { ServerLink } from "./server-link.ts";
import {
  accessOf,
  addressText,
  type Access,
  type RedisAddress,
  type RedisSettings,
} from "../settings.ts";
import { SlotMap, type SlotRange } from "./slot-map.ts";

export interface WatchOptions {
  readonly log: Log;
  random(): number;
  onNews(): void;
}

/** Finds out which servers there are. */
export interface Topology {
  /** Whether it may change by itself. */
  readonly isFixed: boolean;
  /** Asks those that are known already as well. Rejects with `RedisFault`. */
  survey(known: readonly RedisAddress[], signal?: AbortSignal): Promise<SlotMap>;
  /** Calls back when there may be news, if anybody tells. Ends when the returned function is called. */
  watch(about: WatchOptions): () => void;
}

const watchNothing = (): (() => void) => () => {};

/** Puts a command to a server. */
type Ask = (command: readonly string[]) => Promise<Reply>;

export function topologyOf(settings: RedisSettings, clock: Clock): Topology {
  const { place } = settings;
  const access = accessOf(settings);
  switch (place.mode) {
    case "standalone":
      return {
        isFixed: true,
        survey: () => Promise.resolve(SlotMap.of(place.address)),
        watch: watchNothing,
      };
    case "sentinel": {
      const { primaryName, sentinels, username, password } = place;
      const sentinelAccess = { ...access, username, password, database: 0 };
      return {
        isFixed: false,
        survey: (_known, signal) =>
          firstAnswer(sentinels, async (address) => {
            const ask = asking(address, sentinelAccess, clock, signal);
            const primary = await askSentinel(ask, primaryName);
            // Sentinels take a while to notice that it is none any more: it is looked at whether it takes writes.
            const link = await ServerLink.open(primary, access, clock, { mustServe: true, signal });
            link.close();
            return SlotMap.of(primary);
          }),
        watch({ log, random, onNews }) {
          const about = { sentinels, access: sentinelAccess, clock, log, random };
          const watch = new SentinelWatch({ ...about, onSwitch: onNews });
          return () => watch.close();
        },
      };
    }
    case "cluster":
      return {
        isFixed: false,
        survey: (known, signal) =>
          firstAnswer(withoutRepeats([...known, ...place.nodes]), (address) =>
            askNode(asking(address, access, clock, signal), address),
          ),
        watch: watchNothing,
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
      const { kind, message } = faultOf(error);
      // What only people can put right must not be hidden by one who was not reached.
      if (fault.kind !== "denied" && (fault.kind !== "refused" || kind === "denied"))
        fault = new RedisFault(kind, `${addressText(address)}: ${message}`, error);
    }
  }
  throw fault;
}

async function askSentinel(ask: Ask, primaryName: string): Promise<RedisAddress> {
  const answer = await ask(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", primaryName]);
  if (!Array.isArray(answer))
    throw new RedisFault("refused", `this Sentinel knows no primary called ${primaryName}`);
  const [host = "", port] = answer as readonly string[];
  return { host, port: Number(port) };
}

async function askNode(ask: Ask, node: RedisAddress): Promise<SlotMap> {
  const answer = (await ask(["CLUSTER", "SLOTS"])) as readonly Reply[];
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

/** On a connection of its own: any server may tell, also one that does not serve us. */
function asking(
  address: RedisAddress,
  access: Access,
  clock: Clock,
  signal: AbortSignal | undefined,
): Ask {
  return async (command) => {
    const link = await ServerLink.open(address, access, clock, { signal });
    try {
      return await link.send(command);
    } finally {
      link.close();
    }
  };
}

function withoutRepeats(addresses: readonly RedisAddress[]): RedisAddress[] {
  return [...new Map(addresses.map((address) => [addressText(address), address])).values()];
}
