import type { Bus, BusMessage, BusReceiver, MissedListener } from "../../../channels/ports/bus.ts";
import { decode, encode } from "./bus-message.ts";
import type { RedisConnection, RedisSubscriber } from "../connection.ts";
import type { Keys } from "../keys.ts";

interface Address {
  readonly appId: string;
  readonly channel: string;
}

/**
 * A Bus on sharded pub/sub: one server has the slot of a channel, so whatever is published there has one order. A node gets
 * its own messages from there as well, for that order is everybody's.
 */
export class RedisBus implements Bus {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #subscriber: RedisSubscriber;
  /** By the name of the channel in Redis. */
  readonly #addresses = new Map<string, Address>();
  #receiver: BusReceiver | undefined;
  #onMissed: MissedListener | undefined;
  #gaps = 0;

  constructor(connection: RedisConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
    this.#subscriber = connection.subscriber({
      message: (name, text) => this.#hear(name, text),
      missed: (names) => this.#tellMissed(names),
    });
  }

  get isWell(): boolean {
    return this.#subscriber.isWell;
  }

  /** How often a channel was cut off for a moment. */
  get gaps(): number {
    return this.#gaps;
  }

  receive(receiver: BusReceiver): void {
    this.#receiver = receiver;
  }

  onMissed(listener: MissedListener): void {
    this.#onMissed = listener;
  }

  subscribe(appId: string, channel: string): Promise<void> {
    const name = this.#nameOf(appId, channel);
    this.#addresses.set(name, { appId, channel });
    return this.#subscriber.subscribe(name);
  }

  unsubscribe(appId: string, channel: string): void {
    const name = this.#nameOf(appId, channel);
    if (this.#addresses.delete(name)) this.#subscriber.unsubscribe(name);
  }

  async publish(messages: readonly BusMessage[]): Promise<void> {
    const [only] = messages;
    if (messages.length === 1 && only !== undefined) return this.#publish(only);
    await Promise.all(messages.map((message) => this.#publish(message)));
  }

  close(): Promise<void> {
    this.#addresses.clear();
    return this.#subscriber.close();
  }

  #publish(message: BusMessage): Promise<void> {
    const name = this.#nameOf(message.appId, message.channel);
    return this.#connection.publish(name, encode(message));
  }

  /** As it comes back: on the line there is no half of a surrogate pair, which a user's id may have. */
  #nameOf(appId: string, channel: string): string {
    return this.#keys.busChannel(appId, channel).toWellFormed();
  }

  #hear(name: string, text: string): void {
    const address = this.#addresses.get(name);
    if (address === undefined) return;
    const message = decode(address.appId, address.channel, text);
    if (message !== undefined) this.#receiver?.(message);
  }

  #tellMissed(names: readonly string[]): void {
    for (const name of names) {
      const address = this.#addresses.get(name);
      if (address === undefined) continue;
      this.#gaps++;
      this.#onMissed?.(address.appId, address.channel);
    }
  }
}
