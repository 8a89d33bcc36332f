import { LATE_BY_AT_MOST_MS } from "../redis/simulated-link.ts";
import { placeText, type ChannelsNode } from "./channels-node.ts";
import { places, usersOf } from "./happenings.ts";
import { occupancyText } from "./story.ts";
import { APP_IDS, PARTITIONS, type World } from "./world.ts";

/** By then commands that were late have arrived. */
const LATEST_MS = LATE_BY_AT_MOST_MS + 1_000;
const LOOK_EVERY_MS = 4_000;
/** One that died while it cleaned up after another is given up on after a minute. */
const PATIENCE_MS = 140_000;

/** All faults end. What the cluster thinks must become what is true, and stay so. */
export function heal(world: World, losesData: boolean): void {
  endFaults(world);
  world.pass(LATEST_MS);
  let wrong: string | undefined = "nobody has looked";
  for (let ms = 0; ms < PATIENCE_MS && wrong !== undefined; ms += LOOK_EVERY_MS) {
    world.pass(LOOK_EVERY_MS);
    if (world.failure !== undefined) return;
    wrong = whatIsWrong(world, losesData);
  }
  if (wrong !== undefined) world.fail(`it does not heal: ${wrong}`);
}

function endFaults(world: World): void {
  const { redis } = world;
  redis.ambushes.forget();
  for (const process of world.processes) {
    redis.rejoin(process);
    process.resume();
  }
  if (world.nodes.size === 0) world.startNode();
  world.note("all faults end");
}

function whatIsWrong(world: World, losesData: boolean): string | undefined {
  return (
    askedOfNodes(world) ??
    inTheLog(world, losesData) ??
    onTheBus(world) ??
    (world.hasWebhooks ? ofWebhooks(world, losesData) : undefined)
  );
}

/** What each node answers. */
function askedOfNodes(world: World): string | undefined {
  const problems: string[] = [];
  const unanswered = new Set<string>();
  for (const node of world.nodes) {
    unanswered.add(node.process.name);
    ask(world, node)
      .then((wrong) => {
        if (wrong !== undefined) problems.push(`${node.process.name}: ${wrong}`);
        unanswered.delete(node.process.name);
      })
      .catch((error: unknown) => problems.push(`${node.process.name}: ${String(error)}`));
  }
  world.pass(3_000);
  return problems[0] ?? (unanswered.size > 0 ? `${[...unanswered].join()} waits` : undefined);
}

async function ask(
  world: World,
  { roster, connections }: ChannelsNode,
): Promise<string | undefined> {
  const truth = world.occupancy();
  for (const place of places()) {
    const { appId, channel } = place;
    const { subscribers, members } = await roster.channel(appId, channel);
    const believed = `${subscribers} (${members
      .map(({ userId }) => userId)
      .toSorted()
      .join(" ")})`;
    const users = [...(truth.get(placeText(place)) ?? [])].toSorted().join(" ");
    const isTrue = `${world.subscribers(place)} (${users})`;
    if (believed !== isTrue) return `${appId}/${channel} has ${believed}, and true is ${isTrue}`;
  }
  for (const appId of APP_IDS) {
    const channels = await roster.channels(appId, "");
    const believed = channels.map(({ channel, subscribers }) => `${channel} ${subscribers}`);
    const isTrue = places()
      .filter((place) => place.appId === appId && world.subscribers(place) > 0)
      .map((place) => `${place.channel} ${world.subscribers(place)}`);
    if (`${believed.toSorted()}` !== `${isTrue.toSorted()}`)
      return `app ${appId} has ${believed}, and true is ${isTrue}`;
    const online = await roster.online(appId, usersOf(appId));
    const isOnline = usersOf(appId).filter((user) => world.isOnline(appId, user));
    if (`${online}` !== `${isOnline}`) return `${online} are online, and true is ${isOnline}`;
    const sockets = await roster.holdConnections(appId, connections.get(appId) ?? 0);
    if (sockets !== world.connections(appId))
      return `app ${appId} has ${sockets} connections, and true is ${world.connections(appId)}`;
  }
  return undefined;
}

function inTheLog(world: World, losesData: boolean): string | undefined {
  const { story } = world.auditor;
  const [told, isTrue] = [story.toString(), occupancyText(world.occupancy())];
  if (told !== isTrue) return `the log tells ${told}, and true is ${isTrue}`;
  for (const place of places()) {
    const count = story.counts.get(placeText(place));
    if (count !== undefined && count !== world.subscribers(place))
      return `the last count of ${placeText(place)} is ${count}, and true is ${world.subscribers(place)}`;
  }
  const lost = world.acknowledged.find(([place, data]) => !story.hasHeard(place, data));
  if (lost !== undefined && !losesData)
    return `the log does not tell what ${lost.join(" sent by ")}`;
  return undefined;
}

/** A last message on each channel must reach all that listen. */
function onTheBus(world: World): string | undefined {
  const [speaker] = world.nodes;
  for (const place of places()) speaker?.publish(place, "last");
  world.pass(2_500);
  for (const { process, heard } of world.nodes) {
    for (const [place, last] of heard.lastHeard()) {
      const slash = place.indexOf("/");
      const name = world.keys.busChannel(place.slice(0, slash), place.slice(slash + 1));
      if (last !== world.auditor.placeOf(name))
        return `${process.name} heard ${last} of ${world.auditor.placeOf(name)} messages of ${place}`;
    }
  }
  return undefined;
}

function ofWebhooks(world: World, losesData: boolean): string | undefined {
  const { db } = world.redis.server;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const events = db.find(world.keys.in(partition, "events"), "stream")?.entries.length ?? 0;
    if (events > 0) return `${events} events of partition ${partition} are not settled`;
    // A failover may bring jobs back that had left the outbox: the next owner takes them to the queue once more.
    for (const name of losesData ? ["handled"] : ["outbox", "handled"])
      if (db.kindOf(world.keys.in(partition, name)) !== undefined)
        return `something is left in ${name} of partition ${partition}`;
  }
  const jobs = db.find(world.keys.jobs("ids"), "hash")?.size ?? 0;
  if (jobs > 0) return `${jobs} jobs are in the queue`;
  if (losesData) return undefined;
  const truth = world.occupancy();
  for (const customer of world.customers.values()) {
    const wrong = customer.contradiction(truth, world.auditor.story);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
