import type { Logger } from "pino";
import { systemClock } from "../../channels/ports/clock.ts";
import type { RedisConfig } from "../../ops/config/redis-config.ts";
import type { EventFigures } from "../../ops/metrics/metric.ts";
import { RedisStore, type RedisStoreFigures } from "../../stores/redis/store.ts";
import type { ChannelsStore, ProcessStore } from "./process-store.ts";

/** The store of many processes. */
export class SharedStore implements ProcessStore {
  readonly channels: ChannelsStore | undefined;
  readonly isLasting = true;
  readonly #redis: RedisStore;
  readonly #log: Logger;

  private constructor(redis: RedisStore, log: Logger) {
    this.#redis = redis;
    this.#log = log;
    const { bus, roster, cache, recorder } = redis;
    this.channels = bus === undefined ? undefined : { bus, roster, cache, events: recorder };
  }

  /** Waits for Redis as long as it takes; rejects with `RedisFault` where waiting is of no use. */
  static async open(config: RedisConfig, hasChannels: boolean, log: Logger): Promise<SharedStore> {
    return new SharedStore(
      await RedisStore.open({ ...config, hasChannels, clock: systemClock, log }),
      log,
    );
  }

  get events() {
    return this.#redis.events;
  }

  get queue() {
    return this.#redis.queue;
  }

  get desk() {
    return this.#redis.desk;
  }

  get deliveries() {
    return this.#redis.deliveries;
  }

  get fleet() {
    return this.#redis.fleet;
  }

  troubles(): readonly string[] {
    return this.#redis.isWell ? [] : ["Redis cannot be reached"];
  }

  cacheBytes(): number {
    return 0;
  }

  database(): undefined {
    return undefined;
  }

  redis(): RedisStoreFigures {
    return this.#redis.figures();
  }

  eventFigures(): Promise<EventFigures> {
    return this.#redis.events.figures();
  }

  /** Others do that, as soon as they find that it is dead. */
  takeOver(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    if (!(await this.#redis.leave()))
      this.#log.warn({}, "Redis did not take our leave: others will find that we are gone");
    await this.#redis.close();
  }
}
