import type { RedisConnection, RedisSubscriber } from "../../../src/stores/redis/connection.ts";
import type { Keys } from "../../../src/stores/redis/keys.ts";

/**
 * A connection of which it can be known that all its subscribers have heard whatever was published so far: on one line
 * messages come in the order in which they were published.
 */
export class MarkedConnection implements RedisConnection {
  readonly #inner: RedisConnection;
  /** One of each hash tag: on a Cluster each may have a line of its own. */
  readonly #markers: readonly string[];
  readonly #subscribers: RedisSubscriber[] = [];
  readonly #waiting = new Map<string, () => void>();
  #marks = 0;

  constructor(inner: RedisConnection, keys: Keys) {
    this.#inner = inner;
    const partitions = Array.from({ length: keys.partitions }, (_, p) => keys.in(p, "marker"));
    this.#markers = [...partitions, keys.nodes("marker"), keys.jobs("marker")];
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
        if (this.#markers.includes(channel)) this.#waiting.get(`${number} ${channel} ${text}`)?.();
        else listener.message(channel, text);
      },
      missed: (channels) =>
        listener.missed(channels.filter((channel) => !this.#markers.includes(channel))),
    });
    this.#subscribers.push(subscriber);
    return subscriber;
  };

  async allHeard(): Promise<void> {
    await Promise.all(this.#markers.map((marker) => this.#heard(marker)));
  }

  async #heard(marker: string): Promise<void> {
    const mark = `${crypto.randomUUID()} ${++this.#marks}`;
    const standing = await Promise.allSettled(
      this.#subscribers.map((subscriber) => subscriber.subscribe(marker)),
    );
    const heard = standing.flatMap(({ status }, number) =>
      // One that is closed hears nothing more.
      status === "rejected"
        ? []
        : [
            new Promise<void>((resolve) =>
              this.#waiting.set(`${number} ${marker} ${mark}`, resolve),
            ),
          ],
    );
    await this.#inner.publish(marker, mark);
    await Promise.all(heard);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
