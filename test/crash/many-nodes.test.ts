import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { Ringmaster } from "../e2e/support/ringmaster.ts";
import { eventually, pause } from "../e2e/support/wait.ts";
import { isInstalled, RedisServer } from "../support/redis-server.ts";
import { Chance, CRASH_SEED } from "./support/chance.ts";
import type { Occupancy } from "./support/customer.ts";
import { Member } from "./support/member.ts";
import { occupancyOf } from "./support/seen.ts";
import { World } from "./support/world.ts";

/** A process with channels has a port of its own, behind which there is always some process. */
const CHANNELS_NODES = 3;
const OTHERS = ["packager", "packager", "sender", "sender"];
const NODE_TIMEOUT_MS = 3_000;
/** Kills and pauses of each process. */
const TROUBLES_EACH = 5;
const MIN_LIFE_MS = 300;
const MAX_LIFE_MS = 5_000;
const MAX_GAP_MS = 2_000;
/** Around the time after which a node is taken for dead, and a lease of a packager or sender ends. */
const MAX_PAUSE_MS = 3 * NODE_TIMEOUT_MS;
const STORE_RESTARTS = 3;
const HEALED_WITHIN_MS = 60_000;

const skip = isInstalled("redis-server") ? false : "redis-server is not installed";

test(
  `Seven processes on one Redis, killed and stopped at any instant, the Redis restarted, tell every webhook exactly what is true (CRASH_SEED=${CRASH_SEED})`,
  { skip },
  async (t) => {
    console.log(`CRASH_SEED=${CRASH_SEED}`);
    const redis = await RedisServer.start({ isLasting: true });
    t.after(() => redis.close());
    const world = await World.open({
      nodes: CHANNELS_NODES,
      settings: {
        redis: {
          url: `redis://127.0.0.1:${redis.port}`,
          nodeTimeoutMs: NODE_TIMEOUT_MS,
          commandTimeoutMs: 2_000,
        },
      },
    });
    t.after(() => world.close());
    const members = world.customers.map(
      ({ app }, place) =>
        new Member(app, world.ports[place % CHANNELS_NODES] ?? 0, `pusher-js-${place}`),
    );
    t.after(() => {
      for (const member of members) member.leave();
    });

    let [kills, pauses] = [0, 0];
    async function live(roles: string, node: number, name: string): Promise<Ringmaster> {
      const chance = new Chance(`fate of ${name}`);
      let server = await world.start(roles, node);
      for (let troubles = 0; troubles < TROUBLES_EACH; troubles++) {
        await pause(chance.between(MIN_LIFE_MS, MAX_LIFE_MS));
        if (chance.oneIn(3)) {
          pauses++;
          server.signal("SIGSTOP");
          await pause(chance.below(MAX_PAUSE_MS));
          server.signal("SIGCONT");
          continue;
        }
        kills++;
        await server.kill();
        await pause(chance.below(MAX_GAP_MS));
        server = await world.start(roles, node);
      }
      return server;
    }
    async function troubleRedis(): Promise<void> {
      const chance = new Chance("fate of redis");
      for (let restarts = 0; restarts < STORE_RESTARTS; restarts++) {
        await pause(chance.between(3_000, 8_000));
        await redis.kill();
        await pause(chance.below(1_500));
        await redis.start();
      }
    }

    const nodes = Array.from({ length: CHANNELS_NODES }, (_, node) =>
      live("channels", node, `channels ${node}`),
    );
    const others = OTHERS.map((roles, place) => live(roles, 0, `${roles} ${place}`));
    const [servers] = await Promise.all([Promise.all(nodes), troubleRedis(), ...others]);
    for (const server of servers)
      await eventually("the node is ready", async () => (await server.ops("/readyz")).ok);

    const truths = (await world.rest()).map((truth, place) => withMember(truth, members[place]));
    for (const [place, { app }] of world.customers.entries()) {
      const truth = listOf(truths[place] ?? new Map());
      for (const port of world.ports) {
        let seen: string[] | undefined;
        await eventually(
          `node ${port} sees who is where`,
          async () => {
            seen = await occupancyOf(app, port).then(listOf, () => undefined);
            return isDeepStrictEqual(seen, truth);
          },
          HEALED_WITHIN_MS,
        ).catch(() => assert.deepEqual(seen, truth, `what node ${port} sees`));
      }
    }
    for (const [place, member] of members.entries()) {
      const truth = [...(truths[place]?.get(member.channel) ?? [])].toSorted();
      await eventually("pusher-js knows the members", () =>
        isDeepStrictEqual(member.seen(), truth),
      ).catch(() => assert.deepEqual(member.seen(), truth, "whom pusher-js sees"));
    }
    for (const member of members) member.leave();
    const [first] = servers;
    assert.ok(first !== undefined);
    const { events, webhooks, deliveries } = await world.verify(first);
    t.diagnostic(
      `${kills} kills, ${pauses} pauses, ${STORE_RESTARTS} restarts of Redis; ${events} events in ${webhooks} webhooks, ` +
        `${deliveries} deliveries, ${deliveries - webhooks} of them repeated an id`,
    );
    assert.ok(events > 500, "too little happened to say anything");
  },
);

function withMember(truth: Occupancy, member: Member | undefined): Occupancy {
  if (member === undefined) return truth;
  const there = new Set([...(truth.get(member.channel) ?? []), member.userId]);
  return new Map([...truth, [member.channel, there]]);
}

/** As a list that an assertion can show. */
function listOf(occupancy: Occupancy): string[] {
  return Array.from(
    occupancy,
    ([channel, members]) => `${channel}: ${[...members].toSorted().join(" ")}`,
  ).toSorted();
}
