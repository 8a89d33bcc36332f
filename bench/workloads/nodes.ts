import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../bench.ts";
import { processCpuNs } from "../cpu-clock.ts";
import { Crowd } from "../crowd.ts";
import { figureOf } from "../figure.ts";
import { ratioGoal } from "../goal.ts";
import { post } from "../http-post.ts";
import { Nodes, settle } from "../nodes.ts";
import { publishRequest } from "../pusher-api.ts";
import { RedisProcess } from "../redis-process.ts";
import { type Outcome, takeTurns } from "../rounds.ts";
import { failedRow } from "../rows.ts";
import type { Row, Section } from "../section.ts";
import type { Workload } from "../workload.ts";

const SOCKETS = 1_000;
const CHANNEL = "bench-crowd";
const PUBLISHES_IN_FLIGHT = 8;
/** In CPU per delivery: 0.85 of linear. */
const MOST_OF_LINEAR = 1 / 0.85;
const STALL_MS = 15_000;

const SUBSCRIBERS = 20;
const CHANNELS_EACH = 400;
const MOST_OF_ONE_NODE = 1.1;

interface Variant {
  readonly name: string;
  readonly nodes: number;
}

function variants(...counts: readonly number[]): Variant[] {
  return counts.map((nodes) => ({ name: nodes === 1 ? "1 node" : `${nodes} nodes`, nodes }));
}

/** Many processes on one Redis: what a delivery and a subscribe cost with few of them and with many. */
export const NODES: Workload = {
  name: "nodes",
  async run(bench: Bench): Promise<Section[]> {
    if (!bench.contestants.some(({ name }) => name === "ringmaster")) return [];
    const redis = await RedisProcess.start();
    try {
      return [await runDeliveries(bench, redis), ...(await runSubscribes(bench, redis))];
    } finally {
      await redis.stop();
    }
  },
};

interface Delivered {
  readonly deliveries: number;
  readonly cpuNs: number;
}

async function runDeliveries(bench: Bench, redis: RedisProcess): Promise<Section> {
  const publishes = bench.quick ? 100 : 400;
  const outcomes = await takeTurns(bench, {
    contestants: variants(1, 2, 4),
    rounds: bench.quick ? 2 : 7,
    open: ({ nodes }) => DeliverySession.open(redis, nodes),
    async prepare(session) {
      await session.publish(publishes);
    },
    measure: (session) => session.publish(publishes),
  });
  const cpuUs = ({ cpuNs, deliveries }: Delivered): number => cpuNs / 1_000 / deliveries;
  return {
    title: `nodes: one publish to ${SOCKETS.toLocaleString("en")} sockets, spread over the nodes; CPU of all nodes per delivery, Redis not counted`,
    rows: outcomes.map((outcome) =>
      plainRow(
        outcome,
        cpuUs,
        "us/delivery",
        `${sum(outcome, (round) => round.deliveries)} deliveries`,
      ),
    ),
    goals: [2, 4].map((nodes) =>
      ratioGoal(
        `${nodes} nodes against 1, CPU per delivery`,
        MOST_OF_LINEAR,
        values(outcomes, `${nodes} nodes`, cpuUs),
        values(outcomes, "1 node", cpuUs),
      ),
    ),
  };
}

class DeliverySession {
  readonly #nodes: Nodes;
  readonly #crowds: Crowd[] = [];
  #delivered = 0;
  #wake: (() => void) | undefined;
  #nextId = 1;

  private constructor(nodes: Nodes) {
    this.#nodes = nodes;
  }

  static async open(redis: RedisProcess, count: number): Promise<DeliverySession> {
    const session = new DeliverySession(await Nodes.start(redis, count));
    for (let node = 0; node < count; node++) {
      const crowd = await Crowd.open(session.#nodes.port(node), SOCKETS / count, () => {
        session.#delivered++;
        session.#wake?.();
      });
      await crowd.subscribe(() => [CHANNEL]);
      session.#crowds.push(crowd);
    }
    return session;
  }

  async publish(publishes: number): Promise<Delivered> {
    const wanted = this.#delivered + publishes * SOCKETS;
    const deliveredBefore = this.#delivered;
    const cpuBefore = this.#nodes.cpuNs();
    let left = publishes;
    const publishAll = async (): Promise<void> => {
      while (left > 0) {
        left--;
        const request = publishRequest([{ channel: CHANNEL, id: this.#nextId++ }]);
        const target = this.#delivered + SOCKETS;
        await post(this.#nodes.port(0), request);
        await this.#until(Math.min(target, wanted));
      }
    };
    await Promise.all(Array.from({ length: PUBLISHES_IN_FLIGHT }, publishAll));
    await this.#until(wanted);
    await settle();
    return {
      deliveries: this.#delivered - deliveredBefore,
      cpuNs: this.#nodes.cpuNs() - cpuBefore,
    };
  }

  async close(): Promise<void> {
    for (const crowd of this.#crowds) crowd.close();
    await this.#nodes.stop();
  }

  describe(error: unknown): string {
    return this.#nodes.describe(error);
  }

  async #until(count: number): Promise<void> {
    const deadlineMs = performance.now() + STALL_MS;
    while (this.#delivered < count) {
      if (performance.now() > deadlineMs)
        throw new Error(`only ${this.#delivered} of ${count} came`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        const before = this.#wake;
        this.#wake = () => {
          before?.();
          if (this.#delivered < count) return;
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }
}

interface Subscribed {
  readonly subscribes: number;
  readonly commands: number;
  readonly redisCpuNs: number;
  readonly nodeCpuNs: number;
}

async function runSubscribes(bench: Bench, redis: RedisProcess): Promise<Section[]> {
  const outcomes = await takeTurns(bench, {
    contestants: variants(1, 8),
    rounds: bench.quick ? 3 : 9,
    open: ({ nodes }) => SubscribeSession.open(redis, nodes),
    async prepare(session) {
      await session.comeAndGo();
    },
    measure: (session) => session.comeAndGo(),
  });
  const per = (read: (round: Subscribed) => number) => (round: Subscribed) =>
    read(round) / round.subscribes;
  const commands = per((round) => round.commands);
  const cpuUs = per((round) => (round.redisCpuNs + round.nodeCpuNs) / 1_000);
  const goal = (text: string, value: (round: Subscribed) => number) =>
    ratioGoal(
      text,
      MOST_OF_ONE_NODE,
      values(outcomes, "8 nodes", value),
      values(outcomes, "1 node", value),
    );
  const basis = (outcome: Outcome<Subscribed>): string =>
    `${sum(outcome, (round) => round.subscribes)} times in and out, signs of life subtracted`;
  return [
    {
      title: "nodes: a subscribe to a new channel and the unsubscribe; commands that Redis is sent",
      rows: outcomes.map((outcome) => plainRow(outcome, commands, "commands", basis(outcome))),
      goals: [goal("8 nodes against 1, commands", commands)],
    },
    {
      title:
        "nodes: a subscribe to a new channel and the unsubscribe; CPU of its node and of Redis",
      rows: outcomes.map((outcome) => plainRow(outcome, cpuUs, "us", basis(outcome))),
      goals: [goal("8 nodes against 1, CPU", cpuUs)],
    },
  ];
}

/** All subscribes happen on the first node; the others are there. */
class SubscribeSession {
  readonly #nodes: Nodes;
  readonly #redis: RedisProcess;
  readonly #crowd: Crowd;
  #round = 0;

  private constructor(nodes: Nodes, redis: RedisProcess, crowd: Crowd) {
    this.#nodes = nodes;
    this.#redis = redis;
    this.#crowd = crowd;
  }

  static async open(redis: RedisProcess, count: number): Promise<SubscribeSession> {
    const nodes = await Nodes.start(redis, count);
    const crowd = await Crowd.open(nodes.port(0), SUBSCRIBERS, () => {});
    return new SubscribeSession(nodes, redis, crowd);
  }

  async comeAndGo(): Promise<Subscribed> {
    const round = this.#round++;
    const channelsOf = (member: number): string[] =>
      Array.from({ length: CHANNELS_EACH }, (_, i) => `bench-${round}-${member}-${i}`);
    const busy = await this.#spent(async () => {
      await this.#crowd.subscribe(channelsOf);
      this.#crowd.unsubscribe(channelsOf);
    });
    // As long as that, while nothing happens but signs of life.
    const idle = await this.#spent(() => sleep(busy.elapsedMs));
    return {
      subscribes: SUBSCRIBERS * CHANNELS_EACH,
      commands: busy.commands - idle.commands,
      redisCpuNs: busy.redisCpuNs - idle.redisCpuNs,
      nodeCpuNs: busy.nodeCpuNs - idle.nodeCpuNs,
    };
  }

  async close(): Promise<void> {
    this.#crowd.close();
    await this.#nodes.stop();
  }

  describe(error: unknown): string {
    return this.#nodes.describe(error);
  }

  async #spent(work: () => Promise<unknown>) {
    const look = async () => ({
      commands: await this.#redis.commands(),
      redisCpuNs: processCpuNs(this.#redis.child.pid),
      nodeCpuNs: this.#nodes.cpuNsOf(0),
      atMs: performance.now(),
    });
    const before = await look();
    await work();
    // What was said last is still on its way.
    await sleep(300);
    const after = await look();
    return {
      commands: after.commands - before.commands,
      redisCpuNs: after.redisCpuNs - before.redisCpuNs,
      nodeCpuNs: after.nodeCpuNs - before.nodeCpuNs,
      elapsedMs: after.atMs - before.atMs - 300,
    };
  }
}

function plainRow<T>(
  { contestant, rounds, failure }: Outcome<T>,
  value: (round: T) => number,
  unit: string,
  basis: string,
): Row {
  if (failure !== null || rounds.length === 0)
    return failedRow(contestant, failure ?? "no round was run");
  return {
    contestant,
    failure: null,
    figure: figureOf(rounds.map(value)),
    unit,
    p50Us: null,
    p99Us: null,
    basis: `${basis} in ${rounds.length} rounds`,
  };
}

function values<T>(
  outcomes: readonly Outcome<T>[],
  name: string,
  value: (round: T) => number,
): number[] | null {
  const outcome = outcomes.find(({ contestant }) => contestant === name);
  if (outcome === undefined || outcome.failure !== null || outcome.rounds.length === 0) return null;
  return outcome.rounds.map(value);
}

function sum<T>({ rounds }: Outcome<T>, value: (round: T) => number): string {
  return rounds.reduce((total, round) => total + value(round), 0).toLocaleString("en");
}
