import {
  RedisFault,
  type RedisConnection,
  type Reply,
} from "../../../src/stores/redis/connection.ts";

/** What happens to a call: it is lost on the way, or its answer is, or nothing. */
export type Trouble = "call lost" | "answer lost" | undefined;

/** A connection on which calls get lost. */
export function troubled(inner: RedisConnection, next: (name: string) => Trouble): RedisConnection {
  return {
    async run(script, keys, args): Promise<Reply> {
      const trouble = next(script.name);
      if (trouble === "call lost") throw new RedisFault("unreachable", "lost");
      const reply = await inner.run(script, keys, args);
      if (trouble === "answer lost") throw new RedisFault("timeout", "no answer");
      return reply;
    },
    publish: (channel, message) => inner.publish(channel, message),
    subscriber: (listener) => inner.subscriber(listener),
    get isWell() {
      return inner.isWell;
    },
    close: () => inner.close(),
  };
}
