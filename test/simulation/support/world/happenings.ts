import { placeText, type ChannelsNode, type Place } from "./channels-node.ts";
import { APP_IDS, type World } from "./world.ts";

/** What may happen, and how often next to the others. It says what it did, or undefined where it could not. */
export type Happening = readonly [weight: number, happen: (world: World) => string | undefined];

/** Two apps have channels of the same names, and each one of its own. */
const CHANNELS = ["plain", "presence-a", "presence-b"];
const USERS = ["u1", "u2", "u3", "u4"];
const MAX_NODES = 4;
const MAX_VISITS = 12;
const CROWD = 70;
const LONG_MS = 9_000;

export function places(): Place[] {
  return APP_IDS.flatMap((appId) =>
    [...CHANNELS, `only-of-${appId}`].map((channel) => ({ appId, channel })),
  );
}

export function usersOf(appId: string): string[] {
  return USERS.map((user) => `${user}-of-${appId}`);
}

/** What happens where all is well. */
export const LIFE: readonly Happening[] = [
  [
    30,
    (world) => {
      const { random } = world;
      const node = aNode(world);
      const place = random.pick(places());
      if (node === undefined || place === undefined || node.visits.size >= MAX_VISITS)
        return undefined;
      const isPresence = place.channel.startsWith("presence-");
      const user = isPresence ? random.pick(usersOf(place.appId)) : undefined;
      const sockets = !isPresence && random.chance(0.15) ? CROWD : 1;
      void node.join(place, sockets, user);
      return `${sockets} of ${node.process.name} join ${place.appId}/${place.channel} ${user ?? ""}`;
    },
  ],
  [
    24,
    (world) => {
      const node = aNode(world);
      const visit = world.random.pick(
        [...(node?.visits ?? [])].filter(({ isSettled }) => isSettled),
      );
      if (node === undefined || visit === undefined) return undefined;
      void node.leave(visit);
      return `${visit.sockets} of ${node.process.name} leave ${visit.appId}/${visit.channel} ${visit.user ?? ""}`;
    },
  ],
  [
    4,
    (world) => {
      const { random } = world;
      const [node, appId] = [aNode(world), anApp(world)];
      const user = random.pick(usersOf(appId));
      if (node === undefined || user === undefined) return undefined;
      const sockets = random.below(3);
      node.signIn(appId, user, sockets);
      return `${user} signs in ${sockets} times at ${node.process.name}`;
    },
  ],
  [
    3,
    (world) => {
      const [node, appId] = [aNode(world), anApp(world)];
      const sockets = world.random.below(5);
      node?.connect(appId, sockets);
      return node && `${node.process.name} has ${sockets} connections of app ${appId}`;
    },
  ],
  [
    2,
    (world) => {
      const [node, place] = [aNode(world), world.random.pick(places())];
      if (node === undefined || place === undefined) return undefined;
      node.missCache(place);
      return `a cache miss at ${node.process.name} on ${place.appId}/${place.channel}`;
    },
  ],
  [
    6,
    (world) => {
      const [node, place] = [aNode(world), world.random.pick(places())];
      if (node === undefined || place === undefined) return undefined;
      const text = placeText(place);
      node.sendFromClient(place, (data) => world.acknowledged.push([text, data]));
      return `a client of ${node.process.name} sends on ${text}`;
    },
  ],
  [
    6,
    (world) => {
      const [node, place] = [aNode(world), world.random.pick(places())];
      if (node === undefined || place === undefined) return undefined;
      node.publish(place, "hello");
      return `${node.process.name} publishes on ${place.appId}/${place.channel}`;
    },
  ],
  [
    2,
    (world) => {
      if (world.nodes.size >= MAX_NODES) return undefined;
      return `${world.startNode().process.name} starts`;
    },
  ],
  [
    1,
    (world) => {
      const node = aNode(world);
      if (node === undefined || world.nodes.size < 2) return undefined;
      world.forget(node);
      void node.drain();
      return `${node.process.name} drains`;
    },
  ],
  [
    1,
    (world) => {
      if (!world.hasWebhooks) return undefined;
      const packager = world.random.pick([...world.packagers]);
      if (packager?.process.isRunning !== true) return undefined;
      world.forget(packager);
      world.startPackager();
      void packager.drain();
      return `${packager.process.name} drains, and another starts`;
    },
  ],
  [
    2,
    (world) => {
      const ms = world.random.between(0, LONG_MS);
      world.pass(ms);
      return `nothing, for ${ms.toFixed(0)} ms`;
    },
  ],
];

function aNode({ nodes, random }: World): ChannelsNode | undefined {
  return random.pick([...nodes].filter(({ process }) => process.isRunning));
}

function anApp({ random }: World): string {
  return random.pick(APP_IDS) ?? "";
}
