import { createClient } from "@redis/client";
import type {
  RedisConnection,
  RedisSubscriber,
  Reply,
  SubscriptionListener,
} from "../../src/stores/redis/connection.ts";
import type { Script } from "../../src/stores/redis/script.ts";
import { RedisServer } from "./redis-server.ts";

/** A server of its own, empty, on a free port. */
export async function startRedis(): Promise<{ port: number; stop(): Promise<void> }> {
  const server = await RedisServer.start();
  return { port: server.port, stop: () => server.close() };
}

/** The simplest connection that is one: a server that stays. */
export async function connectPlainly(port: number): Promise<RedisConnection> {
  const client = createClient({ RESP: 2, socket: { port, host: "127.0.0.1" } });
  client.on("error", () => {});
  await client.connect();
  const send = (args: string[]): Promise<Reply> => client.sendCommand<Reply>(args);
  return {
    async run(script: Script, keys, args) {
      const rest = [`${keys.length}`, ...keys, ...args];
      try {
        return await send(["EVALSHA", script.hash, ...rest]);
      } catch (error) {
        if (!String(error).includes("NOSCRIPT")) throw error;
        return send(["EVAL", script.source, ...rest]);
      }
    },
    async publish(channel, message) {
      await send(["SPUBLISH", channel, message]);
    },
    subscriber: (listener) => subscribePlainly(port, listener),
    isWell: true,
    async close() {
      client.destroy();
    },
  };
}

function subscribePlainly(port: number, { message }: SubscriptionListener): RedisSubscriber {
  const client = createClient({ RESP: 2, socket: { port, host: "127.0.0.1" } });
  client.on("error", () => {});
  const connected = client.connect();
  return {
    async subscribe(channel) {
      await connected;
      await client.sSubscribe(channel, (text, from) => message(from, text));
    },
    unsubscribe: (channel) => void connected.then(() => client.sUnsubscribe(channel)),
    isWell: true,
    async close() {
      await connected;
      client.destroy();
    },
  };
}
