import type { RedisConnection, RedisSubscriber } from "../connection.ts";
import type { Keys } from "../keys.ts";

/**
 * Hears of it when something is appended to one of the partitions that are followed. Has a line for it only while somebody
 * listens.
 */
export class Doorbells {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #listeners = new Set<(partition?: number) => void>();
  /** By the name of its doorbell. */
  #followed: ReadonlyMap<string, number> = new Map();
  #subscriber: RedisSubscriber | undefined;

  constructor(connection: RedisConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** Returns the end of it. */
  listen(listener: (partition?: number) => void): () => void {
    // Two subscriptions of one function are two.
    const one = (partition?: number): void => listener(partition);
    this.#listeners.add(one);
    if (this.#subscriber === undefined) {
      this.#subscriber = this.#connection.subscriber({
        message: (name) => this.#ring(name),
        missed: (names) => names.forEach((name) => this.#ring(name)),
      });
      for (const name of this.#followed.keys()) this.#subscribe(name);
    }
    return () => {
      this.#listeners.delete(one);
      if (this.#listeners.size > 0) return;
      void this.#subscriber?.close();
      this.#subscriber = undefined;
    };
  }

  /** These partitions alone from now on. */
  follow(partitions: Iterable<number>): void {
    const before = this.#followed;
    const wanted = new Map<string, number>();
    for (const partition of partitions) wanted.set(this.#keys.in(partition, "doorbell"), partition);
    this.#followed = wanted;
    for (const name of before.keys()) if (!wanted.has(name)) this.#subscriber?.unsubscribe(name);
    for (const name of wanted.keys()) if (!before.has(name)) this.#subscribe(name);
  }

  #subscribe(name: string): void {
    // What was appended before it was heard is read without.
    this.#subscriber?.subscribe(name).then(
      () => this.#ring(name),
      () => {},
    );
  }

  #ring(name: string): void {
    const partition = this.#followed.get(name);
    // Somebody else's by now.
    if (partition === undefined) return;
    for (const listener of this.#listeners) listener(partition);
  }
}
