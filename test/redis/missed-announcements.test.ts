import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/channels/ports/clock.ts";
import { RedisBus } from "../../src/stores/redis/channels/bus.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { MemberBelief, believedCount, believedOnline } from "../support/beliefs.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { Ring, type Client } from "../support/ring.ts";
import { connect } from "./support/connect.ts";
import { rosterNode } from "./support/roster-node.ts";

const NODE_TIMEOUT_MS = 5_000;
const PATIENCE_MS = 20_000;

/** One channels node on Redis; its ring's clock goes while the test waits. */
interface RedisNode {
  readonly ring: Ring;
  readonly bus: RedisBus;
  close(): Promise<void>;
}

let server: RedisServer;
let nodes: RedisNode[];
let made = 0;

beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.close());
beforeEach(async () => {
  const keys = new Keys(`missed${++made}`, 4);
  nodes = [await startNode(keys, "a"), await startNode(keys, "b")];
});
afterEach(async () => {
  for (const node of nodes) await node.close();
});

async function startNode(keys: Keys, nodeId: string): Promise<RedisNode> {
  const connection = await connect(redisSettings(server.port));
  const bus = new RedisBus(connection, keys);
  const { roster, registry, writers } = rosterNode({
    connection,
    keys,
    nodeId,
    clock: systemClock,
    time: () => "",
    nodeTimeoutMs: NODE_TIMEOUT_MS,
  });
  await registry.start();
  return {
    ring: new Ring({ bus: () => bus, roster: () => roster }),
    bus,
    async close() {
      registry.close();
      await roster.close();
      writers.close();
      await bus.close();
      await connection.close();
    },
  };
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const startedAtMs = systemClock.elapsedMs();
  while (!(await isSo())) {
    if (systemClock.elapsedMs() - startedAtMs > PATIENCE_MS)
      throw new Error(`It did not come true that ${what}.`);
    await Bun.sleep(5);
    for (const { ring } of nodes) ring.clock.advance(5);
  }
}

async function opened({ ring }: RedisNode): Promise<Client> {
  const client = ring.open();
  await until("the client is connected", () => client.frames.length > 0);
  return client;
}

async function member(node: RedisNode, userId: string): Promise<Client> {
  const client = await opened(node);
  client.enter("presence-c", userId, { name: userId });
  await until(`${userId} is on the channel`, () => listOf(client).includes(userId));
  return client;
}

function listOf(client: Client): string[] {
  return Object.keys(new MemberBelief(client, "presence-c").members ?? {}).toSorted();
}

function believe(clients: readonly Client[], userIds: readonly string[]): () => boolean {
  const truth = JSON.stringify(userIds.toSorted());
  return () => clients.every((client) => JSON.stringify(listOf(client)) === truth);
}

/** The node's subscriptions are cut, and stand again some time later. */
async function cut(): Promise<void> {
  await server.command("CLIENT", "KILL", "TYPE", "pubsub");
}

describe("when Redis cuts the subscriptions of the nodes", () => {
  test("all lists of members are true again, and nobody is told anything twice", async () => {
    const [here, there] = nodes as [RedisNode, RedisNode];
    const stays = [await member(here, "a"), await member(there, "b")];
    let coming: Client | undefined;
    for (let round = 0; round < 8; round++) {
      await cut();
      // In the same moment, before the line can stand again.
      coming?.drop();
      coming = there.ring.open();
      coming.enter("presence-c", `u${round}`);
      const own = here.ring.open();
      own.enter("presence-c", `own${round}`);
      await until("both lists are true", believe(stays, ["a", "b", `u${round}`, `own${round}`]));
      await until("so is that of who came", believe([coming, own], listOf(stays[0]!)));
      own.drop();
      await until("he has gone", believe(stays, ["a", "b", `u${round}`]));
    }
    expect(here.bus.gaps).toBeGreaterThanOrEqual(8);
  });

  test("watchers and counts are true again", async () => {
    const [here, there] = nodes as [RedisNode, RedisNode];
    const goes = await opened(there);
    goes.signIn("goes");
    goes.subscribe("c");
    await until("he is signed in", () => believedCount(goes, "c") === 1);
    const watcher = await opened(here);
    watcher.signIn("w", { watchlist: ["goes", "comes"] });
    watcher.subscribe("c");
    await until("he watches", () => believedCount(watcher, "c") === 2);
    expect(believedOnline(watcher)).toEqual({ goes: true, comes: false });
    await cut();
    goes.drop();
    for (let i = 0; i < 2; i++) {
      const comes = there.ring.open();
      comes.signIn("comes");
      comes.subscribe("c");
    }
    await until("the count is true", () => believedCount(watcher, "c") === 3);
    await until("so is who is online", () => {
      const { goes: isThere, comes } = believedOnline(watcher);
      return comes === true && isThere === false;
    });
  });

  test("and loses all of its data, all lists are true in the end, and what is published arrives", async () => {
    const [here, there] = nodes as [RedisNode, RedisNode];
    const stays = [await member(here, "a"), await member(there, "b")];
    const goes = await member(there, "goes");
    await server.kill();
    goes.drop();
    await server.start();
    await until("both lists are true", believe(stays, ["a", "b"]));
    await until("the store has told all", () => nodes.every(({ ring }) => ring.healing.ill === 0));
    await until("they still are", believe(stays, ["a", "b"]));
    await here.ring.publish("presence-c");
    await until("both have the event", () => stays.every(({ events }) => events.includes("e")));
  });
});
