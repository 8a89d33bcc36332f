import {
  RedisFault,
  type RedisConnection,
  type RedisSubscriber,
  type Reply,
  type SubscriptionListener,
} from "../../../../src/stores/redis/connection.ts";
import type { Script } from "../../../../src/stores/redis/script.ts";
import type { SimulatedProcess } from "../simulated-process.ts";
import { toBytes } from "./bytes.ts";
import { replyOf } from "./reply.ts";
import type { SimulatedLink } from "./simulated-link.ts";
import type { SimulatedRedis } from "./simulated-redis.ts";

/** A server that owes an answer for so long is taken for lost. */
const TIMEOUT_MS = 2_000;
const RECONNECT_MS = { least: 1, most: 300 };

/** A process' connection, which is rebuilt for ever. */
export class SimulatedConnection implements RedisConnection {
  readonly #redis: SimulatedRedis;
  readonly #process: SimulatedProcess;
  #link: SimulatedLink | undefined;
  #isLooking = false;
  #isReconnecting = false;
  #isClosed = false;

  constructor(redis: SimulatedRedis, process: SimulatedProcess) {
    this.#redis = redis;
    this.#process = process;
    this.#link = redis.open(process);
  }

  get isWell(): boolean {
    return this.#link?.isOpen === true;
  }

  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    const redis = this.#redis;
    const process = this.#process;
    const reply = this.#call(() => replyOf(redis.execute(process, script, keys, args)));
    redis.ambushes.spring(process, script, "sent");
    return reply;
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#call(() => this.#redis.publish(toBytes(channel), toBytes(message)));
  }

  subscriber(listener: SubscriptionListener): RedisSubscriber {
    return this.#redis.subscriber(this.#process, listener);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#link?.break("unreachable", "some");
    return Promise.resolve();
  }

  #call(work: () => Reply): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const link = this.#link;
      if (link?.isOpen !== true) {
        this.#reconnect();
        return reject(new RedisFault("unreachable", "There is no connection."));
      }
      link.send(() => {
        try {
          const reply = work();
          return () => resolve(reply);
        } catch (error) {
          return () => reject(new RedisFault("refused", String(error), error));
        }
      }, reject);
      this.#lookLater();
    });
  }

  #lookLater(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#process.clock.after(TIMEOUT_MS, () => {
      this.#isLooking = false;
      const sinceMs = this.#link?.owesSinceMs;
      if (this.#link?.isOpen !== true || sinceMs === undefined) return;
      if (this.#redis.time.nowMs - sinceMs >= TIMEOUT_MS) this.#link.break("timeout", "some");
      else this.#lookLater();
    });
  }

  #reconnect(): void {
    if (this.#isReconnecting || this.#isClosed) return;
    this.#isReconnecting = true;
    const { random } = this.#redis;
    this.#process.clock.after(random.between(RECONNECT_MS.least, RECONNECT_MS.most), () => {
      this.#isReconnecting = false;
      this.#link = this.#redis.open(this.#process);
      if (this.#link === undefined) this.#reconnect();
    });
  }
}
