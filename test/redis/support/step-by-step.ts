import type { ChannelHolding } from "../../../src/channels/ports/roster.ts";
import type { Ownership } from "../../../src/packager/ports/event-log.ts";
import { RedisCache } from "../../../src/stores/redis/channels/cache.ts";
import { RedisEventLog } from "../../../src/stores/redis/packager/event-log.ts";
import { openFormat } from "../../../src/stores/redis/format.ts";
import type { Keys } from "../../../src/stores/redis/keys.ts";
import { testJob } from "../../conformance/job-store.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import type { ComparingConnection } from "./comparing-connection.ts";
import { rosterNode, type RosterNode } from "./roster-node.ts";

const PARTITIONS = 2;

export interface HoldingStep {
  readonly node: number;
  readonly appId: string;
  readonly channel: string;
  readonly subscribers: number;
  readonly user: string;
  readonly connections: number;
  readonly announceCount: boolean;
  readonly record: ChannelHolding["record"];
}

export type Step =
  | { readonly kind: "hold"; readonly holding: HoldingStep }
  | { readonly kind: "user" | "connections"; readonly node: number; readonly connections: number }
  | { readonly kind: "miss" | "forget" | "rejoin" | "reap"; readonly node: number }
  | { readonly kind: "look"; readonly appId: string }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "own" | "settle" | "release" | "cache"; readonly node: number };

/** Three nodes, each a packager as well, that do one thing after the other. */
export class StepByStep {
  readonly #clock = new FakeClock();
  readonly #nodes: readonly RosterNode[];
  readonly #logs: readonly RedisEventLog[];
  readonly #cache: RedisCache;
  readonly #connection: ComparingConnection;

  private constructor(connection: ComparingConnection, keys: Keys) {
    this.#connection = connection;
    const clock = this.#clock;
    const about = { connection, keys, clock, time: () => `${clock.now()}` };
    const ids = ["n0", "n1", "n2"];
    this.#nodes = ids.map((nodeId) =>
      rosterNode({ ...about, nodeId, nodeTimeoutMs: 60_000, random: () => 0.5 }),
    );
    this.#logs = ids.map(
      (packagerId) =>
        new RedisEventLog({
          ...about,
          packagerId,
          async addJobs() {
            // Its jobs stay in the outbox, for the next owner.
            if (packagerId === "n0") throw new Error("the queue is away");
          },
        }),
    );
    this.#cache = new RedisCache(connection, keys);
  }

  static async start(connection: ComparingConnection, prefix: string): Promise<StepByStep> {
    const keys = await openFormat(connection, prefix, PARTITIONS);
    const world = new StepByStep(connection, keys);
    for (const { registry } of world.#nodes) await registry.start();
    return world;
  }

  async do(step: Step): Promise<void> {
    const number = step.kind === "hold" ? step.holding.node : "node" in step ? step.node : 0;
    const [node, log] = [this.#nodes[number], this.#logs[number]];
    if (node === undefined || log === undefined) throw new Error(`There is no node ${number}.`);
    switch (step.kind) {
      case "hold":
        await node.roster.hold(holdingOf(step.holding));
        break;
      case "user":
        await node.roster.holdUser("1", "a", step.connections);
        break;
      case "connections":
        await node.roster.holdConnections("1", step.connections);
        break;
      case "miss":
        await node.recorder.appendCacheMiss("1", "cache-c");
        break;
      case "forget":
        node.recorder.forgetCacheMiss("1", "cache-c");
        break;
      case "rejoin":
        await node.writers.verify();
        break;
      case "reap":
        await node.reaper.reap(`n${(number + 1) % 3}`);
        break;
      case "look":
        await node.roster.channels(step.appId, "");
        await node.roster.channel(step.appId, "presence-d");
        await node.roster.online(step.appId, ["a", "b"]);
        await log.figures();
        break;
      case "wait":
        await this.#wait(step.ms);
        break;
      case "own":
        await log.own();
        break;
      case "settle":
        for (const ownership of await log.own()) await settleSome(log, ownership).catch(() => {});
        break;
      case "release":
        await log.release();
        break;
      default:
        await this.#cache.get("1", "cache-c");
        await this.#cache.set("1", "cache-c", { event: "e", data: "ü" }, 600_000);
        await this.#cache.get("1", "cache-c");
    }
    await this.#rest();
  }

  async close(): Promise<void> {
    const [leaving] = this.#nodes;
    await leaving?.registry.leave();
    for (const { registry, writers, roster } of this.#nodes) {
      registry.close();
      writers.close();
      await roster.close();
    }
    await this.#rest();
  }

  /** In steps that let what comes due on the way be done. */
  async #wait(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 12_000) {
      this.#clock.advance(Math.min(left, 12_000));
      await this.#rest();
    }
  }

  async #rest(): Promise<void> {
    await this.#connection.rest();
  }
}

async function settleSome(log: RedisEventLog, ownership: Ownership): Promise<void> {
  const [first, second, third] = await log.read(ownership, 0, 3);
  if (first === undefined) return;
  const settlement = {
    jobs: [testJob({ id: `j${first.id}` })],
    settled: [first.id],
    handled: [second, third].flatMap((event) =>
      event === undefined ? [] : [{ eventId: event.id, webhookId: `w${event.appId}` }],
    ),
  };
  await log.settle(ownership, settlement);
  await log.settle(ownership, settlement);
  // Too many for one call.
  const body = "x".repeat(120_000);
  if (second === undefined) return;
  const many = Array.from({ length: 6 }, (_, i) => testJob({ id: `j${second.id}-${i}`, body }));
  await log.settle(ownership, { jobs: many, settled: [second.id], handled: [] });
}

function holdingOf({ user, connections, ...step }: HoldingStep): ChannelHolding {
  const { appId, channel, subscribers, announceCount, record } = step;
  return {
    appId,
    channel,
    subscribers,
    announceCount,
    record,
    causeSocketId: "1.1",
    member: channel.startsWith("presence-")
      ? {
          member: { userId: user, infoJson: '{"name":"Zoë"}' },
          connections: subscribers === 0 ? 0 : connections,
          maxMembers: 2,
        }
      : undefined,
  };
}
