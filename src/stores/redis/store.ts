import type { Clock } from "../../channels/ports/clock.ts";
import type { Log } from "../../channels/ports/log.ts";
import { backOffMs } from "./client/back-off.ts";
import { RedisBus } from "./channels/bus.ts";
import { RedisCache } from "./channels/cache.ts";
import { RedisFault } from "./connection.ts";
import { RedisDeliveryLog } from "./sender/delivery-log.ts";
import { RedisFleet } from "./sender/fleet.ts";
import { RedisEventLog } from "./packager/event-log.ts";
import { RedisEventRecorder } from "./channels/event-recorder.ts";
import { openFormat } from "./format.ts";
import { RedisJobDesk } from "./sender/job-desk.ts";
import { RedisJobQueue } from "./sender/job-queue.ts";
import { RedisJobs } from "./sender/jobs.ts";
import type { Keys } from "./keys.ts";
import { NodeRegistry } from "./channels/node-registry.ts";
import { PartitionWriters } from "./channels/partition-writers.ts";
import { Reaper } from "./channels/reaper.ts";
import { RedisClient, type RedisFigures } from "./client/redis-client.ts";
import { RedisRoster } from "./channels/roster.ts";
import type { RedisSettings } from "./settings.ts";
import { serverTime } from "./time.ts";

export interface RedisStoreOptions {
  readonly settings: RedisSettings;
  readonly keyPrefix: string;
  /** Of a new store; what stands in the store counts. */
  readonly partitions: number;
  readonly nodeTimeoutMs: number;
  /** Whether this process serves sockets: only then is it a node that others know. */
  readonly hasChannels: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RedisStoreFigures {
  /** Writes of this process that wait for the store. */
  readonly waiting: number;
  readonly isWell: boolean;
  readonly connection: RedisFigures;
  /** Channels that were cut off for a moment, so often. */
  readonly busGaps: number;
  /** Channels nodes that gave a sign of life lately. */
  readonly nodes: number;
  /** Dead nodes that this one has cleaned up after. */
  readonly reaped: number;
  /** Attempts that the delivery log lacks, for the store was away too long. */
  readonly attemptsDropped: number;
}

/** For what this process holds to be withdrawn, if the store answers at all. */
const LEAVE_TIMEOUT_MS = 2_000;
const OPENING_BACK_OFF = { firstMs: 50, mostMs: 2_000 };

/**
 * All that one process has of a Redis. Many processes with one store are one server.
 *
 *   open ──▶ working ──leave──▶ gone ──close──▶ closed
 *
 * A process that ends without leaving is found dead by the others, who then do what it would have done.
 */
export class RedisStore {
  readonly bus: RedisBus | undefined;
  readonly roster: RedisRoster;
  readonly cache: RedisCache;
  readonly recorder: RedisEventRecorder;
  readonly events: RedisEventLog;
  readonly queue: RedisJobQueue;
  readonly desk: RedisJobDesk;
  readonly deliveries: RedisDeliveryLog;
  readonly fleet: RedisFleet;
  readonly #client: RedisClient;
  readonly #writers: PartitionWriters;
  readonly #registry: NodeRegistry | undefined;
  readonly #clock: Clock;

  private constructor(client: RedisClient, keys: Keys, options: RedisStoreOptions) {
    const { clock, log, nodeTimeoutMs, hasChannels } = options;
    const nodeId = newId();
    const about = { connection: client, keys, nodeId, clock, time: serverTime };
    const writers = new PartitionWriters({ ...about, random: Math.random });
    const jobs = new RedisJobs(client, keys, serverTime);
    this.#client = client;
    this.#clock = clock;
    this.#writers = writers;
    this.bus = hasChannels ? new RedisBus(client, keys) : undefined;
    this.roster = new RedisRoster({ ...about, writers });
    this.cache = new RedisCache(client, keys);
    this.recorder = new RedisEventRecorder(writers);
    this.events = new RedisEventLog({
      ...about,
      packagerId: nodeId,
      addJobs: async (added) => void (await jobs.add(added)),
    });
    this.queue = new RedisJobQueue(client, jobs, clock);
    this.desk = new RedisJobDesk(jobs);
    this.deliveries = new RedisDeliveryLog(client, keys, clock);
    this.fleet = new RedisFleet(client, keys, serverTime);
    const reaper = new Reaper(about);
    this.#registry = hasChannels
      ? new NodeRegistry({ ...about, writers, reaper, log, nodeTimeoutMs })
      : undefined;
  }

  /**
   * Resolves when the store is connected, however long that takes. Rejects with `RedisFault`: "denied" when it does not let
   * us in, "refused" when it is too old, or of a format that is too new.
   */
  static async open(options: RedisStoreOptions): Promise<RedisStore> {
    const { settings, clock, log, keyPrefix, partitions } = options;
    const client = new RedisClient({ settings, clock, log, random: Math.random });
    await client.open();
    try {
      const keys = await patiently(clock, () => openFormat(client, keyPrefix, partitions));
      const store = new RedisStore(client, keys, options);
      await patiently(clock, async () => store.#registry?.start());
      return store;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  get isWell(): boolean {
    return this.#client.isWell && this.bus?.isWell !== false;
  }

  figures(): RedisStoreFigures {
    const { nodes, reaped } = this.#registry?.figures() ?? { nodes: 0, reaped: 0 };
    return {
      waiting: this.#writers.waiting,
      isWell: this.isWell,
      connection: this.#client.figures(),
      busGaps: this.bus?.gaps ?? 0,
      nodes,
      reaped,
      attemptsDropped: this.deliveries.dropped,
    };
  }

  /** Writes what waits and withdraws what is held. False when the store did not take it in time: others will find out. */
  async leave(): Promise<boolean> {
    let cancel: () => void = () => {};
    const late = new Promise<false>((resolve) => {
      cancel = this.#clock.after(LEAVE_TIMEOUT_MS, () => resolve(false));
    });
    const left = this.#leave().then(
      () => true,
      () => false,
    );
    try {
      return await Promise.race([left, late]);
    } finally {
      cancel();
    }
  }

  async close(): Promise<void> {
    this.#registry?.close();
    this.#writers.close();
    this.deliveries.close();
    await this.roster.close();
    await this.#client.close();
  }

  async #leave(): Promise<void> {
    await this.#writers.rest();
    await this.#registry?.leave();
    await this.deliveries.flush();
  }
}

/** A store that loads its data, or is lost again meanwhile, is waited for. */
async function patiently<T>(clock: Clock, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof RedisFault)) throw error;
      if (error.kind === "denied" || error.kind === "refused") throw error;
    }
    const delayMs = backOffMs(failures, OPENING_BACK_OFF, Math.random);
    await new Promise<void>((resolve) => {
      clock.after(delayMs, resolve);
    });
  }
}

/** Of this process, and of no other ever. */
function newId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex");
}
