import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/channels/ports/clock.ts";
import type { ChannelHolding } from "../../src/channels/ports/roster.ts";
import type { RedisConnection } from "../../src/stores/redis/connection.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { script } from "../../src/stores/redis/script.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { connectPlainly, startRedis } from "../support/plain-redis.ts";
import { settled } from "../support/ring.ts";
import { recordedEvents, rosterNode, type RosterNode } from "./support/roster-node.ts";
import { troubled, type Trouble } from "./support/troubled-connection.ts";

const APP = "1";
const NODE_TIMEOUT_MS = 60_000;
const FLUSH = script("flush", "return redis.call('FLUSHALL')");
/** But those that go by themselves. */
const KEYS_LEFT = script(
  "keys-left",
  `local left = {}
   for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
     if redis.call('PTTL', key) < 0 then table.insert(left, key) end
   end
   return left`,
);
const SNAPSHOT = script("snapshot", "return redis.call('HGET', KEYS[1], ARGV[1])");
const ROLL_BACK = script("roll-back", "return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])");

let server: Awaited<ReturnType<typeof startRedis>>;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

describe("a node of the Redis roster", () => {
  let made = 0;
  let keys: Keys;
  let clock: FakeClock;
  let connection: RedisConnection;
  let nodes: RosterNode[];
  /** Calls of all nodes that have no answer yet. */
  const underWay = new Set<Promise<unknown>>();

  beforeEach(async () => {
    keys = new Keys(`heal${++made}`, 4);
    clock = new FakeClock();
    connection = await connectPlainly(server.port);
    nodes = [];
  });
  afterEach(async () => {
    for (const { registry, roster, writers } of nodes) {
      registry.close();
      writers.close();
      await roster.close();
    }
    await connection.close();
  });

  async function start(next: (name: string) => Trouble = () => undefined): Promise<RosterNode> {
    const node = rosterNode({
      connection: watched(troubled(connection, next)),
      keys,
      nodeId: `n${nodes.length}`,
      // Back-offs must pass by themselves; what others are told of time is the fake clock's.
      clock: { ...systemClock, elapsedMs: () => clock.elapsedMs(), after: backOffs(clock) },
      time: () => `${clock.now()}`,
      nodeTimeoutMs: NODE_TIMEOUT_MS,
    });
    nodes.push(node);
    await node.registry.start();
    return node;
  }

  function watched(inner: RedisConnection): RedisConnection {
    return {
      ...inner,
      async run(...call) {
        const reply = inner.run(...call);
        underWay.add(reply);
        try {
          return await reply;
        } finally {
          underWay.delete(reply);
        }
      },
    };
  }

  /** Short waits are back-offs and pass; long ones are the fake clock's. */
  function backOffs(fake: FakeClock): FakeClock["after"] {
    return (delayMs, callback) =>
      delayMs <= 1_000 ? systemClock.after(1, callback) : fake.after(delayMs, callback);
  }

  function holding(
    channel: string,
    subscribers: number,
    more: Partial<ChannelHolding> = {},
  ): ChannelHolding {
    return {
      appId: APP,
      channel,
      subscribers,
      member: undefined,
      causeSocketId: "1.1",
      announceCount: false,
      record: "edges",
      ...more,
    };
  }

  function member(userId: string, connections: number): ChannelHolding["member"] {
    return { member: { userId, infoJson: null }, connections, maxMembers: 100 };
  }

  async function fill(node: RosterNode): Promise<void> {
    await node.roster.hold(holding("c", 2));
    await node.roster.hold(holding("presence-c", 1, { member: member("a", 1) }));
    await node.roster.hold(holding("presence-c", 3, { member: member("b", 2) }));
    await node.roster.holdUser(APP, "a", 1);
    await node.roster.holdConnections(APP, 5);
  }

  async function expectFilled(node: RosterNode): Promise<void> {
    expect((await node.roster.channel(APP, "c")).subscribers).toBe(2);
    const { subscribers, members } = await node.roster.channel(APP, "presence-c");
    expect(subscribers).toBe(3);
    expect(members.map(({ userId }) => userId).toSorted()).toEqual(["a", "b"]);
    expect(await node.roster.online(APP, ["a", "b"])).toEqual(["a"]);
  }

  async function told(): Promise<string[]> {
    return (await recordedEvents(connection, keys)).map(({ event }) =>
      Object.values(event).join(" "),
    );
  }

  /** Lets so much time pass that others have noticed, at the pace of their signs of life. */
  async function beat(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      clock.advance(NODE_TIMEOUT_MS / 5);
      await rest();
    }
  }

  /** Resolves when nothing is under way: what follows an answer is asked for in the turn in which that comes. */
  async function rest(): Promise<void> {
    do {
      await settled();
      for (const { writers } of nodes) await writers.rest();
    } while (underWay.size > 0);
  }

  test("announces itself again when the store was emptied, although nothing happens on it", async () => {
    const node = await start();
    await fill(node);
    await connection.run(FLUSH, [], []);
    expect((await node.roster.channel(APP, "c")).subscribers).toBe(0);
    await beat(1);
    await expectFilled(node);
    expect(await node.roster.holdConnections(APP, 5)).toBe(5);
  });

  test("announces itself again with the next write when the store was emptied", async () => {
    const node = await start();
    await fill(node);
    await connection.run(FLUSH, [], []);
    const outcome = await node.roster.hold(holding("presence-c", 4, { member: member("c", 1) }));
    expect(outcome).toMatchObject({ accepted: true, state: { subscribers: 4 } });
    const { members } = await node.roster.channel(APP, "presence-c");
    expect(members.map(({ userId }) => userId).toSorted()).toEqual(["a", "b", "c"]);
  });

  test("makes good what a replica had not got when it took over", async () => {
    const node = await start();
    await node.roster.hold(holding("c", 1));
    const partition = keys.partitionOf(APP, "c");
    const places = ["nodes", "node:n0", `channel:${APP}/c`].map((name) => keys.in(partition, name));
    const before = await connection.run(SNAPSHOT, [places[0] ?? ""], ["n0"]);
    await node.roster.hold(holding("c", 7));
    // The last write is lost: its number, and what it changed.
    await connection.run(ROLL_BACK, [places[0] ?? ""], ["n0", String(before)]);
    await connection.run(ROLL_BACK, [places[2] ?? ""], ["t", "1"]);
    await connection.run(ROLL_BACK, [places[2] ?? ""], ["n:n0", "1"]);
    expect((await node.roster.channel(APP, "c")).subscribers).toBe(1);
    await beat(1);
    expect((await node.roster.channel(APP, "c")).subscribers).toBe(7);
    expect(await told()).toEqual(["channel_occupied c"]);
  });

  test("that died is cleaned up after by one that lives, edges and all", async () => {
    const [dead, other] = [await start(), await start()];
    await fill(dead);
    await other.roster.hold(holding("c", 1));
    dead.registry.close();
    await beat(8);
    expect(other.registry.figures()).toEqual({ nodes: 1, reaped: 1 });
    expect(await other.roster.channels(APP, "")).toEqual([
      { channel: "c", subscribers: 1, users: 0 },
    ]);
    expect((await told()).slice(-3).toSorted()).toEqual([
      "channel_vacated presence-c",
      "member_removed presence-c a",
      "member_removed presence-c b",
    ]);
    expect(await connection.run(KEYS_LEFT, [], [`${keys.prefix}:*n0*`])).toEqual([]);
  });

  test("that stood still, was taken for dead and wakes up says all of it again", async () => {
    const [sleeper, other] = [await start(), await start()];
    await fill(sleeper);
    sleeper.registry.close();
    await beat(8);
    expect((await other.roster.channel(APP, "c")).subscribers).toBe(0);
    await sleeper.roster.hold(holding("d", 1));
    await sleeper.writers.verify();
    await sleeper.writers.rest();
    await expectFilled(sleeper);
    expect(await told()).toContain("channel_vacated c");
    expect((await told()).filter((event) => event === "channel_occupied c")).toHaveLength(2);
  });

  test("that lives is not taken for dead because the store was away", async () => {
    const [a, b] = [await start(), await start()];
    await fill(a);
    await fill(b);
    clock.advance(10 * NODE_TIMEOUT_MS);
    await beat(2);
    expect([a.registry.figures(), b.registry.figures()]).toEqual([
      { nodes: 2, reaped: 0 },
      { nodes: 2, reaped: 0 },
    ]);
    expect((await a.roster.channel(APP, "c")).subscribers).toBe(4);
  });

  test("that leaves takes everything with it at once", async () => {
    const [leaving, other] = [await start(), await start()];
    await fill(leaving);
    await leaving.registry.leave();
    expect(await other.roster.channels(APP, "")).toEqual([]);
    expect(await other.roster.online(APP, ["a"])).toEqual([]);
    expect(await connection.run(KEYS_LEFT, [], [`${keys.prefix}:*n0*`])).toEqual([]);
    await beat(1);
    expect(other.registry.figures().nodes).toBe(1);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "whose calls and answers get lost at random tells each edge once, in order (seed %d)",
    async (seed) => {
      const random = seededRandom(seed);
      const node = await start((name) => {
        const chance = random();
        if (name === "beat" || chance > 0.5) return undefined;
        return chance < 0.25 ? "call lost" : "answer lost";
      });
      const said: Promise<unknown>[] = [];
      for (let i = 0; i < 40; i++) {
        said.push(node.roster.hold(holding(`c${i % 3}`, i % 2 === 0 ? 1 : 0)));
        said.push(node.recorder.append(APP, { name: "cache_miss", channel: `e${i}` }));
        if (random() < 0.3) await Promise.all(said.splice(0));
      }
      await Promise.all(said);
      const events = await told();
      for (const channel of ["c0", "c1", "c2"]) {
        const edges = events.filter((event) => event.endsWith(` ${channel}`));
        for (const [i, edge] of edges.entries())
          expect(edge.startsWith(i % 2 === 0 ? "channel_occupied" : "channel_vacated")).toBe(true);
      }
      expect(events.filter((event) => event.startsWith("cache_miss"))).toHaveLength(40);
    },
  );

  test("whose callers gave up brings the store to what they said when it is back", async () => {
    let isAway = false;
    const node = await start((name) => (isAway && name !== "beat" ? "call lost" : undefined));
    await fill(node);
    isAway = true;
    const refused = Promise.allSettled([
      node.roster.hold(holding("c", 0)),
      node.roster.hold(holding("d", 3)),
      node.roster.hold(holding("presence-c", 2, { member: member("b", 1) })),
      node.roster.hold(holding("presence-c", 1, { member: member("b", 0) })),
      node.recorder.append(APP, { name: "cache_miss", channel: "e" }),
    ]);
    clock.advance(10_000);
    expect((await refused).map(({ status }) => status)).toEqual(Array(5).fill("rejected"));
    isAway = false;
    await node.writers.rest();
    expect(
      (await node.roster.channels(APP, "")).toSorted((x, y) => (x.channel < y.channel ? -1 : 1)),
    ).toEqual([
      { channel: "d", subscribers: 3, users: 0 },
      { channel: "presence-c", subscribers: 1, users: 1 },
    ]);
  });
});

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
