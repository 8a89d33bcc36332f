import { expect, test } from "bun:test";
import fc from "fast-check";
import { MemberBelief, believedCount, believedOnline } from "../support/beliefs.ts";
import { settled, type Client } from "../support/ring.ts";
import { RingCluster } from "../support/ring-cluster.ts";

const NODES = 3;
const CLIENTS = 12;
const USERS = 5;
const RUNS = 1_000;

type Step =
  | { readonly kind: "come" | "go" | "drop"; readonly who: number }
  | { readonly kind: "message" | "cut" | "mend" | "away" | "back"; readonly node: number }
  | { readonly kind: "answer"; readonly node: number; readonly place: number }
  | { readonly kind: "wait"; readonly ms: number };

/** Of a user's sockets some are on one node and some on others. */
function userOf(n: number): string {
  return `u${Math.floor(n / 2) % USERS}`;
}

const who = fc.nat(CLIENTS - 1);
const node = fc.nat(NODES - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("come" as const), who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("go" as const, "drop"), who }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("message" as const), node }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("answer" as const), node, place: fc.nat(3) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("cut" as const, "mend", "mend", "away", "back"),
      node,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(4_000) }),
  },
);

/** How the clients of a world come and go, and what must be true of them when everything has arrived. */
interface World {
  come(client: Client, who: number): void;
  go(client: Client): void;
  check(cluster: RingCluster, clients: readonly (Client | undefined)[]): Promise<void>;
}

/** Plays the steps; a client that is gone comes back as another socket. */
async function play(steps: readonly Step[], world: World): Promise<void> {
  const cluster = new RingCluster(NODES);
  const clients: (Client | undefined)[] = Array.from({ length: CLIENTS });
  for (const taken of steps) {
    await take(taken);
    await settled();
  }
  for (const line of cluster.lines) {
    line.isStoreAway = false;
    line.mend();
  }
  await cluster.rest();
  await world.check(cluster, clients);

  async function take(taken: Step): Promise<void> {
    switch (taken.kind) {
      case "come": {
        const ring = cluster.rings[taken.who % NODES]!;
        const open = clients[taken.who];
        const client = open === undefined || open.closed !== undefined ? ring.open() : open;
        clients[taken.who] = client;
        return world.come(client, taken.who);
      }
      case "go": {
        const client = clients[taken.who];
        return client === undefined ? undefined : world.go(client);
      }
      case "drop":
        clients[taken.who]?.drop();
        clients[taken.who] = undefined;
        return;
      case "message":
        return void cluster.lines[taken.node]!.arriveMessage();
      case "answer":
        return void cluster.lines[taken.node]!.arriveAnswer(taken.place);
      case "cut":
        return cluster.lines[taken.node]!.cut();
      case "mend":
        return cluster.lines[taken.node]!.mend();
      case "away":
      case "back":
        cluster.lines[taken.node]!.isStoreAway = taken.kind === "away";
        return;
      case "wait":
        return cluster.clock.advance(taken.ms);
    }
  }
}

function holds(world: World): Promise<void> {
  return fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120, size: "max" }), (steps) =>
      play(steps, world),
    ),
    { numRuns: RUNS },
  );
}

test("whatever is late or lost: every list of members is true in the end, and nothing in it was told twice", () =>
  holds({
    // A user has another info on each of its sockets.
    come: (client, n) => client.enter("presence-c", userOf(n), { n }),
    go: (client) => client.unsubscribe("presence-c"),
    async check({ store }, clients) {
      const { members } = await store.roster.channel("3", "presence-c");
      const truth = Object.fromEntries(
        members.map(({ userId, infoJson }) => [userId, JSON.parse(infoJson ?? "null") as unknown]),
      );
      for (const client of clients) {
        if (client === undefined) continue;
        expect(client.closed).toBeUndefined();
        const believed = new MemberBelief(client, "presence-c").members;
        if (client.session.subscriptions?.has("presence-c") === true)
          expect(believed).toEqual(truth);
      }
    },
  }));

test("whatever is late or lost: the count that everybody heard last is true", () =>
  holds({
    come: (client) => client.subscribe("c"),
    go: (client) => client.unsubscribe("c"),
    async check({ store }, clients) {
      const { subscribers } = await store.roster.channel("3", "c");
      for (const client of clients) {
        if (client?.session.subscriptions?.has("c") === true)
          expect(believedCount(client, "c")).toBe(subscribers);
      }
    },
  }));

test("whatever is late or lost: everybody knows in the end who is online, and no change was told twice", () =>
  holds({
    come: (client, n) => client.signIn(userOf(n), { watchlist: ["u0", "u1", "u2", userOf(n + 2)] }),
    // Nobody signs out but by going.
    go: () => {},
    async check({ store }, clients) {
      for (const client of clients) {
        // One that could not be answered was closed, to start afresh.
        if (client === undefined || client.closed !== undefined) continue;
        const believed = believedOnline(client);
        const watched = Object.keys(believed);
        if (client.session.user !== undefined) expect(watched.length).toBeGreaterThanOrEqual(3);
        const online = new Set(await store.roster.online("3", watched));
        for (const userId of watched)
          expect([userId, believed[userId]]).toEqual([userId, online.has(userId)]);
      }
    },
  }));
