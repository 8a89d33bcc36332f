import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ChannelHolding } from "../../src/channels/ports/roster.ts";
import type { Ownership } from "../../src/packager/ports/event-log.ts";
import type { Job } from "../../src/protocol/job.ts";
import { RedisCache } from "../../src/stores/redis/cache.ts";
import type { RedisConnection } from "../../src/stores/redis/connection.ts";
import { RedisEventLog } from "../../src/stores/redis/event-log.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { connectPlainly, startRedis } from "../support/plain-redis.ts";
import { ComparingConnection } from "./support/comparing-connection.ts";
import { rosterNode } from "./support/roster-node.ts";

let server: Awaited<ReturnType<typeof startRedis>>;
let connection: RedisConnection;
beforeAll(async () => {
  server = await startRedis();
  connection = await connectPlainly(server.port);
});
afterAll(async () => {
  await connection.close();
  await server.stop();
});

const app = fc.constantFrom("1", "2");
const node = fc.constantFrom(0, 1, 2);
const holding = fc.record({
  node,
  appId: app,
  channel: fc.constantFrom("c", "presence-d", "ä"),
  subscribers: fc.constantFrom(0, 0, 1, 2, 150),
  user: fc.constantFrom("a", "b", 'q"ü'),
  connections: fc.constantFrom(0, 1, 2),
  announceCount: fc.boolean(),
  record: fc.constantFrom("nothing", "edges", "edges-and-counts"),
} as const);

type Step =
  | {
      readonly kind: "hold";
      readonly holding: typeof holding extends fc.Arbitrary<infer T> ? T : never;
    }
  | { readonly kind: "user"; readonly node: number; readonly connections: number }
  | { readonly kind: "connections"; readonly node: number; readonly connections: number }
  | { readonly kind: "miss" | "forget" | "rejoin"; readonly node: number }
  | { readonly kind: "look"; readonly appId: string }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "reap"; readonly node: number }
  | { readonly kind: "own" | "settle" | "release" | "cache"; readonly node: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("hold"), holding } as const) },
  fc.record({ kind: fc.constant("user"), node, connections: fc.constantFrom(0, 1, 3) } as const),
  fc.record({
    kind: fc.constant("connections"),
    node,
    connections: fc.constantFrom(0, 1, 9),
  } as const),
  fc.record({ kind: fc.constantFrom("miss", "forget", "rejoin"), node } as const),
  fc.record({ kind: fc.constant("look"), appId: app } as const),
  fc.record({ kind: fc.constant("wait"), ms: fc.constantFrom(1, 700, 5_000, 61_000) } as const),
  fc.record({ kind: fc.constant("reap"), node } as const),
  fc.record({ kind: fc.constantFrom("own", "settle", "release", "cache"), node } as const),
);

describe("the scripts on the simulated Redis", () => {
  let made = 0;

  test("answer as on a real server, and leave the same keys", () =>
    fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 60 }), async (all) => {
        const keys = new Keys(`s${++made}`, 2);
        const both = new ComparingConnection(connection, `${keys.prefix}:`);
        const world = new World(both, keys);
        for (const each of all) {
          await world.do(each);
          expect(both.differences).toEqual([]);
        }
        await world.close();
        expect(both.differences).toEqual([]);
        const { real, simulated } = await both.dumps();
        expect(simulated).toEqual(real);
        for (const name of both.scripts) seen.add(name);
      }),
      { numRuns: 120 },
    ));

  const seen = new Set<string>();
  test("are all compared", async () => {
    const folder = new URL("../../src/stores/redis/lua/", import.meta.url).pathname;
    const names = Array.from(new Bun.Glob("*.lua").scanSync(folder), (file) => file.slice(0, -4));
    expect([...seen].toSorted()).toEqual(names.filter((name) => name !== "time").toSorted());
  });
});

/** Three nodes, each a packager as well, that do one thing after the other. */
class World {
  readonly #clock = new FakeClock();
  readonly #nodes: ReturnType<typeof rosterNode>[];
  readonly #logs: RedisEventLog[];
  readonly #cache: RedisCache;

  constructor(both: ComparingConnection, keys: Keys) {
    const clock = this.#clock;
    const about = { connection: both, keys, clock, time: () => `${clock.now()}` };
    const ids = ["n0", "n1", "n2"];
    this.#nodes = ids.map((nodeId) =>
      rosterNode({ ...about, nodeId, nodeTimeoutMs: 60_000, random: () => 0.5 }),
    );
    this.#logs = ids.map(
      (packagerId) => new RedisEventLog({ ...about, packagerId, addJobs: async () => {} }),
    );
    this.#cache = new RedisCache(both, keys);
  }

  async do(step: Step): Promise<void> {
    const [{ roster, registry, writers, recorder, reaper }, log] = [
      this.#nodes["node" in step ? step.node : step.kind === "hold" ? step.holding.node : 0],
      this.#logs["node" in step ? step.node : 0],
    ] as [ReturnType<typeof rosterNode>, RedisEventLog];
    switch (step.kind) {
      case "hold":
        await roster.hold(holdingOf(step.holding));
        break;
      case "user":
        await roster.holdUser("1", "a", step.connections);
        break;
      case "connections":
        await roster.holdConnections("1", step.connections);
        break;
      case "miss":
        await recorder.appendCacheMiss("1", "cache-c");
        break;
      case "forget":
        recorder.forgetCacheMiss("1", "cache-c");
        break;
      case "rejoin":
        await writers.verify();
        break;
      case "look":
        await roster.channels(step.appId, "");
        await roster.channel(step.appId, "presence-d");
        await roster.online(step.appId, ["a", "b"]);
        await this.#logs[0]?.figures();
        break;
      case "wait":
        this.#clock.advance(step.ms);
        await registry.start();
        break;
      case "reap":
        await reaper.reap(`n${step.node}`);
        await registry.leave();
        break;
      case "own":
        await log.own();
        break;
      case "settle":
        for (const ownership of await log.own()) await settleSome(log, ownership);
        break;
      case "release":
        await log.release();
        break;
      default:
        await this.#cache.get("1", "cache-c");
        await this.#cache.set("1", "cache-c", { event: "e", data: "ü" }, 600_000);
        await this.#cache.get("1", "cache-c");
    }
    for (const each of this.#nodes) await each.writers.rest();
  }

  async close(): Promise<void> {
    for (const { registry, writers, roster } of this.#nodes) {
      registry.close();
      writers.close();
      await roster.close();
    }
  }
}

async function settleSome(log: RedisEventLog, ownership: Ownership): Promise<void> {
  const [first, second, third] = await log.read(ownership, 0, 3);
  if (first === undefined) return;
  const settlement = {
    jobs: [jobOf(first.id)],
    settled: [first.id],
    handled: [second, third].flatMap((event) =>
      event === undefined ? [] : [{ eventId: event.id, webhookId: `w${event.appId}` }],
    ),
  };
  await log.settle(ownership, settlement);
  await log.settle(ownership, settlement);
}

function jobOf(id: string): Job {
  return {
    version: 1,
    id: `j${id}`,
    appId: "1",
    webhookId: "w1",
    method: "POST",
    url: "https://example.com/",
    headers: {},
    body: "{}",
    createdAtMs: 0,
    events: ["channel_occupied"],
    timeoutMs: 4_000,
    retryWindowMs: 300_000,
  };
}

function holdingOf({
  node: _node,
  user,
  connections,
  ...rest
}: typeof holding extends fc.Arbitrary<infer T> ? T : never): ChannelHolding {
  const isPresence = rest.channel.startsWith("presence-");
  return {
    ...rest,
    causeSocketId: "1.1",
    member: isPresence
      ? {
          member: { userId: user, infoJson: '{"name":"Zoë"}' },
          connections: rest.subscribers === 0 ? 0 : connections,
          maxMembers: 2,
        }
      : undefined,
  };
}
