import { watchersChannel } from "../../../protocol/channel-name.ts";
import type { Reply, RedisConnection } from "../connection.ts";
import type { Keys } from "../keys.ts";
import inventorySource from "../lua/inventory.lua" with { type: "text" };
import {
  connectionsOperation,
  holdOperation,
  silentHoldOperation,
  userOperation,
  type Operation,
} from "./operation.ts";
import type { Said, SaidChannel } from "./said.ts";
import { script } from "../script.ts";

/** What a node holds in a partition, to the store's knowledge: by entry, as in lua/write.lua. */
export type Inventory = Map<string, InventoryEntry>;

interface InventoryEntry {
  readonly number: number;
  /** Connections by user id as JSON. */
  readonly members: ReadonlyMap<string, number>;
}

const INVENTORY = script("inventory", inventorySource);
const PAGE_ENTRIES = 250;
/** Who was accepted before is not asked again whether there is room. */
const ANY_NUMBER = 1_000_000_000;

/** Looks through all that the store has of the node in this partition. */
export async function readInventory(
  connection: RedisConnection,
  keys: Keys,
  partition: number,
  nodeId: string,
): Promise<Inventory> {
  const inventory: Inventory = new Map();
  for (let cursor = "0"; ;) {
    cursor = await readPage(connection, keys, partition, nodeId, cursor, inventory);
    if (cursor === "0") return inventory;
  }
}

/** The first page alone: for whoever makes the store forget what is on it and comes again. */
export async function readFirstPage(
  connection: RedisConnection,
  keys: Keys,
  partition: number,
  nodeId: string,
): Promise<Inventory> {
  const inventory: Inventory = new Map();
  await readPage(connection, keys, partition, nodeId, "0", inventory);
  return inventory;
}

/** The operations that bring the store from what it has to what was said. */
export function differences(said: Said, inventory: Inventory): Operation[] {
  const operations: Operation[] = [];
  for (const [place, channel] of said.channels)
    operations.push(...channelDifferences(channel, inventory.get(`c${place}`)));
  const users = new Map<string, number>();
  for (const user of said.users.values()) {
    const entry = `u${user.appId}/${watchersChannel(user.userId)}`;
    users.set(entry, user.connections);
    if (inventory.get(entry)?.number !== user.connections) operations.push(userOperation(user));
  }
  for (const [appId, connections] of said.connections) {
    if (inventory.get(`n${appId}`)?.number !== connections)
      operations.push(connectionsOperation(appId, connections));
  }
  for (const [entry, found] of inventory) {
    const place = entry.slice(1);
    const slash = place.indexOf("/");
    const appId = place.slice(0, slash);
    if (entry.startsWith("c") && !said.channels.has(place))
      operations.push(...withdrawal(appId, place.slice(slash + 1), found));
    else if (entry.startsWith("u") && !users.has(entry))
      operations.push(
        userOperation({
          appId,
          userId: place.slice(slash + 1 + WATCHERS_PREFIX.length),
          connections: 0,
        }),
      );
    else if (entry.startsWith("n") && !said.connections.has(place))
      operations.push(connectionsOperation(place, 0));
  }
  return operations;
}

const WATCHERS_PREFIX = watchersChannel("");

function channelDifferences(
  { appId, channel, subscribers, recording, announcesCount, members }: SaidChannel,
  found: InventoryEntry | undefined,
): Operation[] {
  const about = { appId, channel, subscribers, recording, announcesCount };
  const extras = { causeSocketId: undefined, maxMembers: ANY_NUMBER };
  const operations: Operation[] = [];
  for (const [user, { info, connections }] of members ?? []) {
    if (found?.members.get(user) !== connections)
      operations.push(holdOperation({ ...about, member: { user, info, connections } }, extras));
  }
  for (const user of found?.members.keys() ?? []) {
    if (members?.has(user) !== true)
      operations.push(
        holdOperation({ ...about, member: { user, info: "", connections: 0 } }, extras),
      );
  }
  if (operations.length === 0 && found?.number !== subscribers)
    operations.push(holdOperation({ ...about, member: undefined }, extras));
  return operations;
}

/** Members leave one after the other, and the channel with the last. */
function withdrawal(
  appId: string,
  channel: string,
  { number, members }: InventoryEntry,
): Operation[] {
  const users = [...members.keys()];
  if (users.length === 0)
    return [silentHoldOperation({ appId, channel, subscribers: 0, member: undefined })];
  return users.map((user, i) =>
    silentHoldOperation({
      appId,
      channel,
      subscribers: i === users.length - 1 ? 0 : number,
      member: { user, info: "", connections: 0 },
    }),
  );
}

async function readPage(
  connection: RedisConnection,
  keys: Keys,
  partition: number,
  nodeId: string,
  cursor: string,
  into: Inventory,
): Promise<string> {
  const reply = await connection.run(
    INVENTORY,
    [keys.in(partition, `node:${nodeId}`)],
    [keys.in(partition, ""), nodeId, cursor, `${PAGE_ENTRIES}`],
  );
  const [next, ...rest] = reply as readonly Reply[];
  for (let i = 0; i + 2 < rest.length; i += 3) {
    const members = new Map<string, number>();
    const flat = rest[i + 2] as readonly string[];
    for (let j = 0; j + 1 < flat.length; j += 2) members.set(flat[j] ?? "", Number(flat[j + 1]));
    into.set(String(rest[i]), { number: Number(rest[i + 1]), members });
  }
  return String(next);
}
