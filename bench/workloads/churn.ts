import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../bench.ts";
import { monotonicNs, processCpuNs } from "../cpu-clock.ts";
import { Crowd } from "../crowd.ts";
import { figureOf } from "../figure.ts";
import { CREDENTIALS } from "../pusher-api.ts";
import { RedisProcess } from "../redis-process.ts";
import { type RingmasterProcess, startRingmaster } from "../ringmaster-process.ts";
import { takeTurns } from "../rounds.ts";
import { failedRow } from "../rows.ts";
import type { Section } from "../section.ts";
import { LOOPBACK_NETWORK, Sink } from "../sink.ts";
import { marker } from "../webhook-job.ts";
import type { Workload } from "../workload.ts";

const SOCKETS = 200;
/** How long a leaving waits for its return. */
const DEBOUNCE_NS = 3e9;

interface Churned {
  readonly events: number;
  readonly cpuNs: number;
  readonly redisCpuNs: number;
  readonly elapsedNs: number;
}

interface Store {
  readonly name: string;
  readonly isShared: boolean;
}

const STORES: readonly Store[] = [
  { name: "on Redis", isShared: true },
  { name: "embedded", isShared: false },
];

/** Channels that are joined and left, every one of which is told by webhooks: through the whole pipeline of one process. */
export const CHURN: Workload = {
  name: "churn",
  async run(bench: Bench): Promise<Section[]> {
    if (!bench.contestants.some(({ name }) => name === "ringmaster")) return [];
    const channels = bench.quick ? 10_000 : 100_000;
    const [redis, sink] = [await RedisProcess.start(), await Sink.start()];
    try {
      const outcomes = await takeTurns(bench, {
        contestants: STORES,
        rounds: bench.quick ? 2 : 3,
        open: ({ isShared }) => ChurnSession.open(sink, isShared ? redis : undefined),
        async prepare(session) {
          await session.churn(5_000);
        },
        measure: (session) => session.churn(channels),
      });
      const row = (value: (round: Churned) => number, unit: string) =>
        outcomes.map(({ contestant, rounds, failure }) =>
          failure !== null || rounds.length === 0
            ? failedRow(contestant, failure ?? "no round was run")
            : {
                contestant,
                failure: null,
                figure: figureOf(rounds.map(value)),
                unit,
                p50Us: null,
                p99Us: null,
                basis: `${rounds.reduce((sum, { events }) => sum + events, 0).toLocaleString("en")} events, ${rounds.length} rounds; Redis ${figureOf(rounds.map(({ redisCpuNs, events }) => redisCpuNs / 1_000 / events)).median.toFixed(1)} us/event besides`,
              },
        );
      return [
        {
          title: `churn: ${channels.toLocaleString("en")} channels joined and left, all told by batched webhooks; CPU of the process per event`,
          rows: row(({ cpuNs, events }) => cpuNs / 1_000 / events, "us/event"),
          goals: [],
        },
        {
          title:
            "churn: the same, events a second from the sockets to the receiver, without the three seconds that a leaving waits",
          rows: row(({ events, elapsedNs }) => (events / elapsedNs) * 1e9, "events/s"),
          goals: [],
        },
      ];
    } finally {
      await Promise.all([redis.stop(), sink.stop()]);
    }
  },
};

class ChurnSession {
  readonly #process: RingmasterProcess;
  readonly #redis: RedisProcess | undefined;
  readonly #sink: Sink;
  readonly #crowd: Crowd;
  #nextId = 1;

  private constructor(
    process: RingmasterProcess,
    redis: RedisProcess | undefined,
    sink: Sink,
    crowd: Crowd,
  ) {
    this.#process = process;
    this.#redis = redis;
    this.#sink = sink;
    this.#crowd = crowd;
  }

  static async open(sink: Sink, redis: RedisProcess | undefined): Promise<ChurnSession> {
    const { appId, key, secret } = CREDENTIALS;
    const events = ["channel_occupied", "channel_vacated"];
    const process = await startRingmaster({
      apps: [
        {
          id: appId,
          keys: [{ key, secret }],
          subscriptionCount: false,
          batchWebhooks: true,
          webhooks: [{ id: "sink", url: `http://127.0.0.1:${sink.port}/webhooks`, events }],
        },
      ],
      sender: { allowedNetworks: [LOOPBACK_NETWORK] },
      ...(redis === undefined ? {} : { redis: { url: redis.url } }),
    });
    const crowd = await Crowd.open(process.port, SOCKETS, () => {});
    return new ChurnSession(process, redis, sink, crowd);
  }

  async churn(channels: number): Promise<Churned> {
    const firstId = this.#nextId;
    this.#nextId += channels;
    const each = channels / SOCKETS;
    const channelsOf = (member: number): string[] =>
      Array.from({ length: each }, (_, i) => `bench-${marker(firstId + member * each + i)}`);
    const cpuBefore = processCpuNs(this.#process.child.pid);
    const redisBefore = this.#redisCpuNs();
    await this.#sink.expect(firstId, channels);
    const joinedAtNs = monotonicNs();
    await this.#crowd.subscribe(channelsOf);
    const joined = await this.#sink.untilArrived();
    await this.#sink.expect(firstId, channels);
    const leftAtNs = monotonicNs();
    this.#crowd.unsubscribe(channelsOf);
    const left = await this.#sink.untilArrived();
    await sleep(100);
    return {
      events: 2 * channels,
      cpuNs: processCpuNs(this.#process.child.pid) - cpuBefore,
      redisCpuNs: this.#redisCpuNs() - redisBefore,
      elapsedNs: joined.lastNs - joinedAtNs + Math.max(0, left.lastNs - leftAtNs - DEBOUNCE_NS),
    };
  }

  async close(): Promise<void> {
    this.#crowd.close();
    await this.#process.child.stop();
  }

  describe(error: unknown): string {
    const text = error instanceof Error ? error.message : String(error);
    const { child } = this.#process;
    return child.ended ? `${text}; the server ended: ${child.lastWords}` : text;
  }

  #redisCpuNs(): number {
    return this.#redis === undefined ? 0 : processCpuNs(this.#redis.child.pid);
  }
}
