import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/channels/ports/clock.ts";
import { Packager } from "../../src/packager/packager.ts";
import type { WebhookEvent } from "../../src/protocol/webhook-event.ts";
import { RedisEventLog } from "../../src/stores/redis/packager/event-log.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import type { RedisClient } from "../../src/stores/redis/client/redis-client.ts";
import { serverTime } from "../../src/stores/redis/time.ts";
import {
  bodyOf,
  clientEvent,
  occupied,
  testWebhook,
  vacated,
  webhookApp,
} from "../support/packager-rig.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { recorder } from "../support/ring.ts";
import { connect } from "./support/connect.ts";
import { QueueDouble, until } from "./support/event-log-rig.ts";
import { rosterNode, type RosterNode } from "./support/roster-node.ts";

const PARTITIONS = 16;
const OWNER_TIMEOUT_MS = 2_500;
const CHANNELS = Array.from({ length: 60 }, (_, i) => `private-${i}`);
const WEBHOOKS = ["w", "v"];

interface Process {
  readonly connection: RedisClient;
  readonly log: RedisEventLog;
  readonly packager: Packager;
}

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.close());

describe("three packagers at one Redis", () => {
  const app = webhookApp({
    batchWebhooks: true,
    webhooks: WEBHOOKS.map((id) => testWebhook({ id })),
  });
  let made = 0;
  let keys: Keys;
  let queue: QueueDouble;
  let node: RosterNode;
  let processes: Process[];

  beforeEach(async () => {
    keys = new Keys(`packagers${++made}`, PARTITIONS);
    queue = new QueueDouble();
    processes = [];
    const connection = await connect(redisSettings(server.port));
    const about = { connection, keys, clock: systemClock, time: serverTime };
    node = rosterNode({ ...about, nodeId: "n", nodeTimeoutMs: 60_000 });
    for (const id of ["a", "b", "c"]) processes.push(await start(id));
    await until(() => processes.every(({ log }) => log.owned > 0 && log.owned < 7));
  });
  afterEach(async () => {
    for (const { packager, connection } of processes) {
      await packager.close();
      await connection.close();
    }
    node.writers.close();
    await node.connection.close();
  });

  async function start(packagerId: string): Promise<Process> {
    const connection = await connect(redisSettings(server.port));
    const log = new RedisEventLog({
      connection,
      keys,
      clock: systemClock,
      time: serverTime,
      packagerId,
      ownerTimeoutMs: OWNER_TIMEOUT_MS,
      // The queue is elsewhere: it is no matter of a moment.
      async addJobs(jobs) {
        await Bun.sleep(2);
        queue.add(jobs);
      },
    });
    const packager = new Packager({
      events: log,
      apps: { byId: (id) => (id === app.id ? app : undefined) },
      clock: systemClock,
      log: recorder([]),
    });
    packager.start();
    return { connection, log, packager };
  }

  /** No word to anybody: its connections break, and it does nothing more. */
  async function kill(number: number): Promise<void> {
    const [{ packager, connection }] = processes.splice(number, 1) as [Process];
    await connection.close();
    await packager.close();
  }

  async function record(...events: readonly WebhookEvent[]): Promise<void> {
    await Promise.all(events.map((event) => node.recorder.append(app.id, event)));
  }

  /** What the jobs for the webhook tell, in the order in which they came into the queue. */
  function told(webhookId: string): WebhookEvent[] {
    return queue.jobs
      .filter((job) => job.webhookId === webhookId)
      .flatMap((job) => bodyOf(job).events);
  }

  function namesOf(events: readonly WebhookEvent[], name: string): string[] {
    return events
      .filter((event) => event.name === name)
      .map(({ channel }) => channel)
      .toSorted();
  }

  test("tell everything once, also what one had in hand that died, and spare what came back in time", async () => {
    await record(...CHANNELS.map((channel) => occupied(channel)));
    await until(() => WEBHOOKS.every((id) => told(id).length === CHANNELS.length));

    // Something is on its way at every moment from here on.
    let sent = 0;
    const end = new AbortController();
    const traffic = (async () => {
      while (!end.signal.aborted) {
        await record(...CHANNELS.slice(0, 10).map((channel) => clientEvent(`${sent++}`, channel)));
        await Bun.sleep(20);
      }
    })();

    const staying = CHANNELS.filter((_, i) => i % 2 === 0);
    const leaving = CHANNELS.filter((_, i) => i % 2 === 1);
    await record(...CHANNELS.map((channel) => vacated(channel)));
    await Bun.sleep(500);
    await kill(1);
    await Bun.sleep(500);
    await record(...staying.map((channel) => occupied(channel)));

    const total = (): number => processes.reduce((sum, { log }) => sum + log.owned, 0);
    await until(() => total() === PARTITIONS);
    const late = await start("d");
    processes.push(late);
    await until(() => late.log.owned === 5 && total() === PARTITIONS);
    const [first] = processes.splice(0, 1) as [Process];
    await first.packager.drain();
    await until(() => total() === PARTITIONS);
    await first.connection.close();
    end.abort();
    await traffic;

    const isDone = (id: string): boolean =>
      told(id).length >= CHANNELS.length + sent + leaving.length;
    await until(() => WEBHOOKS.every(isDone));
    await until(async () => (await late.log.figures()).events === 0);
    for (const id of WEBHOOKS) {
      const events = told(id);
      expect(namesOf(events, "channel_occupied")).toEqual(CHANNELS.toSorted());
      expect(namesOf(events, "channel_vacated")).toEqual(leaving.toSorted());
      const data = events.flatMap((event) => (event.name === "client_event" ? [event.data] : []));
      expect(data.map(Number).toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: sent }, (_, i) => i),
      );
    }
  }, 60_000);
});
