import type { RedisConnection, RedisSubscriber } from "../../../src/stores/redis/connection.ts";

/**
 * A connection of which it can be known that all its subscribers have heard whatever was published so far: on one line
 * messages come in the order in which they were published.
 */
export class MarkedConnection implements RedisConnection {
  readonly #inner: RedisConnection;
  readonly #marker: string;
  readonly #subscribers: RedisSubscriber[] = [];
  readonly #waiting = new Map<string, () => void>();
  #marks = 0;

  constructor(inner: RedisConnection, marker: string) {
    this.#inner = inner;
    this.#marker = marker;
  }

  get isWell(): boolean {
    return this.#inner.isWell;
  }

  run: RedisConnection["run"] = (script, keys, args) => this.#inner.run(script, keys, args);
  publish: RedisConnection["publish"] = (channel, message) => this.#inner.publish(channel, message);

  subscriber: RedisConnection["subscriber"] = (listener) => {
    const number = this.#subscribers.length;
    const subscriber = this.#inner.subscriber({
      message: (channel, text) => {
        if (channel === this.#marker) this.#waiting.get(`${number} ${text}`)?.();
        else listener.message(channel, text);
      },
      missed: (channels) => listener.missed(channels.filter((channel) => channel !== this.#marker)),
    });
    this.#subscribers.push(subscriber);
    return subscriber;
  };

  async allHeard(): Promise<void> {
    const mark = `${crypto.randomUUID()} ${++this.#marks}`;
    const standing = await Promise.allSettled(
      this.#subscribers.map((subscriber) => subscriber.subscribe(this.#marker)),
    );
    const heard = standing.flatMap(({ status }, number) =>
      // One that is closed hears nothing more.
      status === "rejected"
        ? []
        : [new Promise<void>((resolve) => this.#waiting.set(`${number} ${mark}`, resolve))],
    );
    await this.#inner.publish(this.#marker, mark);
    await Promise.all(heard);
    this.#waiting.clear();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
