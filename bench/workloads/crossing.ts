import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../bench.ts";
import { startSoketi } from "../contestants/soketi.ts";
import { monotonicNs, processCpuNs } from "../cpu-clock.ts";
import type { Child } from "../child.ts";
import { Crowd } from "../crowd.ts";
import { figureOf } from "../figure.ts";
import { ratioGoal } from "../goal.ts";
import { post } from "../http-post.ts";
import { Nodes, settle } from "../nodes.ts";
import { publishRequest } from "../pusher-api.ts";
import { RedisProcess } from "../redis-process.ts";
import { takeTurns } from "../rounds.ts";
import { failedRow } from "../rows.ts";
import type { Section } from "../section.ts";
import type { Workload } from "../workload.ts";

const SOCKETS = 100;
const CHANNEL = "bench-crossing";
const PUBLISHES_PER_SECOND = 200;
const MARKER = /@(\d{16})@/;
const STALL_MS = 15_000;

interface Crossed {
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly cpuNs: number;
  readonly deliveries: number;
}

interface Pair {
  readonly name: "ringmaster" | "soketi";
  start(redis: RedisProcess): Promise<{ ports: [number, number]; children: Child[] }>;
}

const PAIRS: readonly Pair[] = [
  {
    name: "ringmaster",
    async start(redis) {
      const { processes } = await Nodes.start(redis, 2);
      const [one, other] = processes;
      return {
        ports: [one?.port ?? 0, other?.port ?? 0],
        children: processes.map(({ child }) => child),
      };
    },
  },
  {
    name: "soketi",
    async start(redis) {
      const [one, other] = [await startSoketi(redis.port), await startSoketi(redis.port)];
      return { ports: [one.port, other.port], children: [one.child, other.child] };
    },
  },
];

/** Two processes on one Redis: from a publish on one of them to the sockets of the other. */
export const CROSSING: Workload = {
  name: "crossing",
  async run(bench: Bench): Promise<Section[]> {
    const chosen = PAIRS.filter(({ name }) =>
      bench.contestants.some((contestant) => contestant.name === name),
    );
    if (chosen.length === 0) return [];
    const redis = await RedisProcess.start();
    try {
      const publishes = PUBLISHES_PER_SECOND * (bench.quick ? 2 : 8);
      const outcomes = await takeTurns(bench, {
        contestants: chosen,
        rounds: bench.quick ? 2 : 5,
        open: (pair) => CrossingSession.open(redis, pair),
        async prepare(session) {
          await session.publish(publishes, 0);
        },
        measure: (session, round) => session.publish(publishes, round + 1),
      });
      const p99Of = (name: string): number[] | null =>
        outcomes
          .find(({ contestant, failure }) => contestant === name && failure === null)
          ?.rounds.map(({ p99Ns }) => p99Ns) ?? null;
      return [
        {
          title: `crossing: ${PUBLISHES_PER_SECOND} publishes a second on one node to ${SOCKETS} sockets on another; CPU of both nodes per delivery, latency from when a publish was due`,
          rows: outcomes.map(({ contestant, rounds, failure }) =>
            failure !== null || rounds.length === 0
              ? failedRow(contestant, failure ?? "no round was run")
              : {
                  contestant,
                  failure: null,
                  figure: figureOf(
                    rounds.map(({ cpuNs, deliveries }) => cpuNs / 1_000 / deliveries),
                  ),
                  unit: "us/delivery",
                  p50Us: figureOf(rounds.map(({ p50Ns }) => p50Ns / 1_000)).median,
                  p99Us: figureOf(rounds.map(({ p99Ns }) => p99Ns / 1_000)).median,
                  basis: `${rounds.reduce((sum, round) => sum + round.deliveries, 0).toLocaleString("en")} deliveries in ${rounds.length} rounds`,
                },
          ),
          goals: [ratioGoal("p99 against soketi's", 1, p99Of("ringmaster"), p99Of("soketi"))],
        },
      ];
    } finally {
      await redis.stop();
    }
  },
};

class CrossingSession {
  readonly #ports: readonly [number, number];
  readonly #children: readonly Child[];
  #crowd: Crowd | undefined;
  #nextId = 1;
  #delivered = 0;
  readonly #dueNs = new Map<number, number>();
  #latenciesNs: number[] = [];

  private constructor(ports: readonly [number, number], children: readonly Child[]) {
    this.#ports = ports;
    this.#children = children;
  }

  static async open(redis: RedisProcess, pair: Pair): Promise<CrossingSession> {
    const { ports, children } = await pair.start(redis);
    const session = new CrossingSession(ports, children);
    session.#crowd = await Crowd.open(ports[1], SOCKETS, (payload) => session.#hear(payload));
    await session.#crowd.subscribe(() => [CHANNEL]);
    return session;
  }

  async publish(publishes: number, seed: number): Promise<Crossed> {
    this.#latenciesNs = [];
    const wanted = this.#delivered + publishes * SOCKETS;
    const before = this.#delivered;
    const cpuBefore = this.#cpuNs();
    const random = randomUnits(seed);
    const sent: Promise<void>[] = [];
    let dueNs = monotonicNs();
    while (sent.length < publishes) {
      while (dueNs <= monotonicNs() && sent.length < publishes) {
        const id = this.#nextId++;
        this.#dueNs.set(id, dueNs);
        sent.push(post(this.#ports[0], publishRequest([{ channel: CHANNEL, id }])));
        dueNs += (-Math.log(random()) / PUBLISHES_PER_SECOND) * 1e9;
      }
      await sleep(0);
    }
    await Promise.all(sent);
    const deadlineMs = performance.now() + STALL_MS;
    while (this.#delivered < wanted) {
      if (performance.now() > deadlineMs)
        throw new Error(`only ${this.#delivered - before} of ${wanted - before} deliveries came`);
      await sleep(5);
    }
    await settle();
    const cpuNs = this.#cpuNs() - cpuBefore;
    const sorted = this.#latenciesNs.toSorted((left, right) => left - right);
    const share = (part: number): number =>
      sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN;
    return { p50Ns: share(0.5), p99Ns: share(0.99), cpuNs, deliveries: sorted.length };
  }

  async close(): Promise<void> {
    this.#crowd?.close();
    await Promise.all(this.#children.map((child) => child.stop()));
  }

  describe(error: unknown): string {
    const text = error instanceof Error ? error.message : String(error);
    const ended = this.#children.find((child) => child.ended);
    return ended === undefined ? text : `${text}; a server ended: ${ended.lastWords}`;
  }

  #cpuNs(): number {
    return this.#children.reduce((sum, { pid }) => sum + processCpuNs(pid), 0);
  }

  #hear(payload: Buffer): void {
    const id = Number(MARKER.exec(payload.toString("latin1"))?.[1]);
    const dueNs = this.#dueNs.get(id);
    if (dueNs === undefined) return;
    this.#delivered++;
    this.#latenciesNs.push(monotonicNs() - dueNs);
  }
}

/** Greater than 0, at most 1; the same for the same seed. */
function randomUnits(seed: number): () => number {
  let state = ((seed + 1) * 2_654_435_761) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 1) / 2 ** 32;
  };
}
