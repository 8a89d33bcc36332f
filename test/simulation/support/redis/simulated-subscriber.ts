import {
  RedisFault,
  type RedisSubscriber,
  type SubscriptionListener,
} from "../../../../src/stores/redis/connection.ts";
import type { SimulatedProcess } from "../simulated-process.ts";
import type { SimulatedLink } from "./simulated-link.ts";
import type { SimulatedRedis } from "./simulated-redis.ts";

const LOOK_MS = { least: 20, most: 300 };

interface Subscription {
  readonly channel: string;
  readonly ready: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (fault: RedisFault) => void;
  wasConfirmed: boolean;
}

/** A process' line for subscriptions, which is rebuilt for ever. */
export class SimulatedSubscriber implements RedisSubscriber {
  readonly #redis: SimulatedRedis;
  readonly #process: SimulatedProcess;
  readonly #listener: SubscriptionListener;
  readonly #wanted = new Map<string, Subscription>();
  #link: SimulatedLink | undefined;
  #ear: Parameters<SimulatedRedis["addEar"]>[1] | undefined;
  #isClosed = false;

  constructor(redis: SimulatedRedis, process: SimulatedProcess, listener: SubscriptionListener) {
    this.#redis = redis;
    this.#process = process;
    this.#listener = listener;
    this.#connect();
    this.#lookAgain();
  }

  get isWell(): boolean {
    return this.#link?.isOpen === true;
  }

  subscribe(channel: string): Promise<void> {
    const known = this.#wanted.get(channel);
    if (known !== undefined) return known.ready;
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const subscription = { channel, ready, resolve, reject, wasConfirmed: false };
    this.#wanted.set(channel, subscription);
    this.#ask(subscription);
    return ready;
  }

  unsubscribe(channel: string): void {
    const subscription = this.#wanted.get(channel);
    if (subscription === undefined) return;
    this.#wanted.delete(channel);
    subscription.resolve();
    const ear = this.#ear;
    this.#link?.send(
      () => {
        if (ear !== undefined) this.#redis.removeEar(channel, ear);
        return () => {};
      },
      () => {},
    );
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#link?.break("unreachable", "some");
    for (const { reject, ready } of this.#wanted.values()) {
      ready.catch(() => {});
      reject(new RedisFault("unreachable", "The connection is closed."));
    }
    return Promise.resolve();
  }

  #connect(): void {
    const link = this.#redis.open(this.#process);
    this.#link = link;
    if (link === undefined) return;
    this.#ear = { link, hear: (channel, message, place) => this.#hear(channel, message, place) };
    for (const subscription of this.#wanted.values()) this.#ask(subscription);
  }

  /** Whether it is connected still. */
  #lookAgain(): void {
    const { random } = this.#redis;
    this.#process.clock.after(random.between(LOOK_MS.least, LOOK_MS.most), () => {
      if (this.#isClosed) return;
      if (this.#link?.isOpen !== true) this.#connect();
      this.#lookAgain();
    });
  }

  #ask(subscription: Subscription): void {
    const { channel } = subscription;
    const ear = this.#ear;
    this.#link?.send(
      () => {
        if (ear !== undefined) this.#redis.addEar(channel, ear);
        return () => this.#confirm(subscription);
      },
      () => {},
    );
  }

  #confirm(subscription: Subscription): void {
    if (this.#wanted.get(subscription.channel) !== subscription) return;
    const isAgain = subscription.wasConfirmed;
    subscription.wasConfirmed = true;
    subscription.resolve();
    if (isAgain) this.#listener.missed([subscription.channel]);
  }

  #hear(channel: string, message: string, place: number): void {
    if (!this.#wanted.has(channel)) return;
    this.#redis.heardPlace = place;
    this.#listener.message(channel, message);
  }
}
