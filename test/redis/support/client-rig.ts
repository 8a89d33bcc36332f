import { afterEach } from "bun:test";
import type { RedisFault, RedisSubscriber, Reply } from "../../../src/stores/redis/connection.ts";
import type { RedisClient } from "../../../src/stores/redis/client/redis-client.ts";
import { script } from "../../../src/stores/redis/script.ts";
import type { RedisSettings } from "../../../src/stores/redis/settings.ts";
import { until } from "../../support/redis-cluster.ts";
import { RedisServer, type RedisServerOptions } from "../../support/redis-server.ts";
import { connect } from "./connect.ts";

export const INCREMENT = script("increment", "return redis.call('INCR', KEYS[1])");
export const APPEND = script("append", "return redis.call('RPUSH', KEYS[1], ARGV[1])");
export const READ = script("read", "return redis.call('LRANGE', KEYS[1], 0, -1)");
/** Of a dozen slots. */
export const TAGS = Array.from({ length: 12 }, (_, tag) => `p:{${tag}}:`);

const opened: { close(): Promise<void> }[] = [];

/** What is started in a test ends with it. To be called by each file of tests that uses this. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const one of opened.splice(0).toReversed()) await one.close();
  });
}

export function closing<T extends { close(): Promise<void> }>(one: T): T {
  opened.push(one);
  return one;
}

export async function server(options?: RedisServerOptions): Promise<RedisServer> {
  return closing(await RedisServer.start(options));
}

export async function connected(settings: RedisSettings): Promise<RedisClient> {
  return closing(await connect(settings));
}

export async function faultOf(call: Promise<unknown>): Promise<RedisFault["kind"] | undefined> {
  return call.then(
    () => undefined,
    (error: RedisFault) => error.kind,
  );
}

/** Calls again until it is answered. */
export async function patiently(call: () => Promise<Reply>): Promise<Reply> {
  let reply: Reply = null;
  await until("an answer", async () => {
    try {
      reply = await call();
      return true;
    } catch {
      return false;
    }
  });
  return reply;
}

export interface Listening {
  readonly subscriber: RedisSubscriber;
  readonly heard: readonly string[];
  readonly missed: readonly string[];
}

/** Subscribes, and keeps what comes. */
export function listen(client: RedisClient): Listening {
  const heard: string[] = [];
  const missed: string[] = [];
  const subscriber = client.subscriber({
    message: (channel, text) => heard.push(`${channel} ${text}`),
    missed: (channels) => missed.push(...channels),
  });
  return { subscriber, heard, missed };
}
