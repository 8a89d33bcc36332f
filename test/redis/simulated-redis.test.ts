import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RedisConnection } from "../../src/stores/redis/connection.ts";
import { JOB_SCRIPTS } from "../../src/stores/redis/sender/job-scripts.ts";
import { connectPlainly, startRedis } from "../support/plain-redis.ts";
import { ComparingConnection } from "./support/comparing-connection.ts";
import { StepByStep, type Step } from "./support/step-by-step.ts";

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

/** Parts of other scripts, and those that simulated-jobs.test.ts compares. */
const ELSEWHERE = new Set([
  "append-jobs",
  "dead-letter",
  "fence",
  "jobs",
  "time",
  ...Object.values(JOB_SCRIPTS).map(({ name }) => name),
  "record-attempts",
  "read-attempts",
  "sum-attempts",
  "tally-attempts",
  "prune-attempts",
  "report-sender",
  "senders",
  "withdraw-sender",
]);
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
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("own", "settle", "release", "cache"),
      node,
    } as const),
  },
);

/** Steps that use every script, whatever chance makes of the others. */
function everything(): Step[] {
  const held = { node: 1, appId: "1", user: "a", connections: 1, announceCount: true } as const;
  const hold = (channel: string, subscribers: number): Step => ({
    kind: "hold",
    holding: { ...held, channel, subscribers, record: "edges" },
  });
  return [
    ...["c", "ä", "presence-d", "e", "f"].map((channel) => hold(channel, 1)),
    { kind: "miss", node: 1 },
    { kind: "own", node: 0 },
    { kind: "settle", node: 0 },
    { kind: "release", node: 0 },
    { kind: "settle", node: 1 },
    { kind: "own", node: 1 },
    { kind: "rejoin", node: 1 },
    { kind: "reap", node: 0 },
    { kind: "look", appId: "1" },
    { kind: "cache", node: 0 },
    { kind: "wait", ms: 61_000 },
  ];
}

describe("the scripts on the simulated Redis", () => {
  let made = 0;

  async function compare(all: readonly Step[]): Promise<ReadonlySet<string>> {
    const prefix = `s${++made}`;
    const both = new ComparingConnection(connection, `${prefix}:`);
    const world = await StepByStep.start(both, prefix);
    for (const each of all) {
      await world.do(each);
      expect(both.differences).toEqual([]);
    }
    await world.close();
    expect(both.differences).toEqual([]);
    const { real, simulated } = await both.dumps();
    expect(simulated).toEqual(real);
    return both.scripts;
  }

  test("answer as on a real server, and leave the same keys", () =>
    fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 60 }), async (all) => {
        await compare(all);
      }),
      { numRuns: 120 },
    ));

  test("are all compared", async () => {
    const folder = new URL("../../src/stores/redis/lua/", import.meta.url).pathname;
    const names = Array.from(new Bun.Glob("*.lua").scanSync(folder), (file) => file.slice(0, -4));
    const compared = await compare(everything());
    expect([...compared].toSorted()).toEqual(
      names.filter((name) => !ELSEWHERE.has(name)).toSorted(),
    );
  });
});
