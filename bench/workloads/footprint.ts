import { systemClock } from "../../src/channels/ports/clock.ts";
import type { ChannelHolding } from "../../src/channels/ports/roster.ts";
import type { Job } from "../../src/protocol/job.ts";
import { RedisStore } from "../../src/stores/redis/store.ts";
import type { Bench } from "../bench.ts";
import { figureOf } from "../figure.ts";
import { RedisProcess } from "../redis-process.ts";
import type { Row, Section } from "../section.ts";
import { bodyOf } from "../webhook-job.ts";
import type { Workload } from "../workload.ts";

const COUNT = 20_000;
const MEMBERS = 2_000;
const AT_ONCE = 500;

/** What stands in Redis, and how many bytes of its memory that takes. */
export const FOOTPRINT: Workload = {
  name: "footprint",
  async run(bench: Bench): Promise<Section[]> {
    if (!bench.contestants.some(({ name }) => name === "ringmaster")) return [];
    const redis = await RedisProcess.start();
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    try {
      const store = await RedisStore.open({
        settings: {
          place: {
            mode: "standalone",
            address: { host: "127.0.0.1", port: redis.port },
            database: 0,
          },
          username: null,
          password: null,
          tls: null,
          connectTimeoutMs: 5_000,
          commandTimeoutMs: 5_000,
        },
        keyPrefix: "bench",
        partitions: 64,
        nodeTimeoutMs: 60_000,
        hasChannels: true,
        clock: systemClock,
        log: silent,
      });
      const rows: Row[] = [];
      const measure = async (
        contestant: string,
        unit: string,
        count: number,
        add: (i: number) => Promise<unknown>,
      ): Promise<void> => {
        bench.progress(`${contestant}: ${count}`);
        const before = await redis.usedBytes();
        for (let i = 0; i < count; i += AT_ONCE)
          await Promise.all(
            Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, place) => add(i + place)),
          );
        const bytes = ((await redis.usedBytes()) - before) / count;
        const basis = `${count.toLocaleString("en")} of them`;
        const figure = figureOf([bytes]);
        rows.push({ contestant, failure: null, figure, unit, p50Us: null, p99Us: null, basis });
      };
      await measure("channel", "bytes", COUNT, (i) =>
        store.roster.hold(holding(`room-${i}`, 1, undefined)),
      );
      await measure("channel, recorded", "bytes, its event included", COUNT, (i) =>
        store.roster.hold({ ...holding(`recorded-${i}`, 1, undefined), record: "edges" }),
      );
      await measure("member", "bytes, user_info of 40 included", MEMBERS, (i) =>
        store.roster.hold(holding("presence-room", i + 1, `user-${i}`)),
      );
      await measure("queued job", "bytes, body of 700 included", COUNT, (i) =>
        store.desk.add(job(i)),
      );
      await store.close();
      return [{ title: "footprint: memory of Redis (used_memory)", rows, goals: [] }];
    } finally {
      await redis.stop();
    }
  },
};

function holding(channel: string, subscribers: number, userId: string | undefined): ChannelHolding {
  return {
    appId: "1",
    channel,
    subscribers,
    member:
      userId === undefined
        ? undefined
        : {
            member: { userId, infoJson: JSON.stringify({ name: "x".repeat(29) }) },
            connections: 1,
            maxMembers: 1_000_000,
          },
    causeSocketId: "1.1",
    announceCount: false,
    record: "nothing",
  };
}

function job(number: number): Job {
  return {
    version: 1,
    id: `job_${String(number).padStart(40, "0")}`,
    appId: "1",
    webhookId: "sink",
    method: "POST",
    url: "https://example.com/webhooks/pusher",
    headers: { "content-type": "application/json", "x-pusher-key": "k", "x-pusher-signature": "s" },
    body: bodyOf(number),
    createdAtMs: Date.now(),
    events: ["client_event", "client_event", "client_event", "client_event"],
    timeoutMs: 4_000,
    retryWindowMs: 300_000,
  };
}
