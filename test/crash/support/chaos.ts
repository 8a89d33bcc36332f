import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { Ringmaster } from "../../e2e/support/ringmaster.ts";
import { Member } from "../../e2e/support/member.ts";
import { occupancyList, occupancyOf, type Occupancy } from "../../e2e/support/occupancy.ts";
import { eventually, pause } from "../../e2e/support/wait.ts";
import { Chance, CRASH_SEED } from "./chance.ts";
import { World } from "./world.ts";

/** A process with channels has a port of its own, behind which there is always some process. */
const CHANNELS_NODES = 3;
const OTHERS = ["packager", "packager", "sender", "sender"];
const NODE_TIMEOUT_MS = 3_000;
const MIN_LIFE_MS = 300;
const MAX_LIFE_MS = 5_000;
const MAX_GAP_MS = 2_000;
/** Around the time after which a node is taken for dead, and a lease of a packager or sender ends. */
const MAX_PAUSE_MS = 3 * NODE_TIMEOUT_MS;
const HEALED_WITHIN_MS = 60_000;

export interface ChaosPlan {
  /** Where the store is, as in the file. */
  readonly redis: Readonly<Record<string, unknown>>;
  /** Kills and pauses of each process. */
  readonly troublesEach: number;
  /** What happens to the store meanwhile; answers what that was. */
  troubleStore(chance: Chance): Promise<string>;
}

/**
 * Three processes with channels, two packagers and two senders on one store, with visitors who come and go and a real
 * pusher-js for each app that stays. Whatever happens to all of them: afterwards every node answers what is true, so does
 * what pusher-js has put together, and so do the webhooks, replayed.
 */
export async function chaos(t: TestContext, plan: ChaosPlan): Promise<void> {
  console.log(`CRASH_SEED=${CRASH_SEED}`);
  const redis = { nodeTimeoutMs: NODE_TIMEOUT_MS, commandTimeoutMs: 2_000, ...plan.redis };
  const world = await World.open({ nodes: CHANNELS_NODES, settings: { redis } });
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
    for (let troubles = 0; troubles < plan.troublesEach; troubles++) {
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

  const nodes = Array.from({ length: CHANNELS_NODES }, (_, node) =>
    live("channels", node, `channels ${node}`),
  );
  const others = OTHERS.map((roles, place) => live(roles, 0, `${roles} ${place}`));
  const [servers, storeTroubles] = await Promise.all([
    Promise.all(nodes),
    plan.troubleStore(new Chance("fate of the store")),
    ...others,
  ]);
  for (const server of servers)
    await eventually(
      "the node is ready",
      async () => (await server.ops("/readyz")).ok,
      HEALED_WITHIN_MS,
    );

  const truths = (await world.rest()).map((truth, place) => withMember(truth, members[place]));
  for (const [place, { app }] of world.customers.entries()) {
    const truth = occupancyList(truths[place] ?? new Map());
    for (const port of world.ports) {
      let seen: string[] | undefined;
      await eventually(
        `node ${port} sees who is where`,
        async () => {
          seen = await occupancyOf(app, port).then(occupancyList, () => undefined);
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
    `${kills} kills, ${pauses} pauses, ${storeTroubles}; ${events} events in ${webhooks} webhooks, ` +
      `${deliveries} deliveries, ${deliveries - webhooks} of them repeated an id`,
  );
  assert.ok(events > 500, "too little happened to say anything");
}

function withMember(truth: Occupancy, member: Member | undefined): Occupancy {
  if (member === undefined) return truth;
  const there = new Set([...(truth.get(member.channel) ?? []), member.userId]);
  return new Map([...truth, [member.channel, there]]);
}
