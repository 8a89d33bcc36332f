import type { Cache, CacheEntry, CachedEvent } from "../../../channels/ports/cache.ts";
import type { RedisConnection, Reply } from "../connection.ts";
import type { Keys } from "../keys.ts";
import getSource from "../lua/get-cached.lua" with { type: "text" };
import setSource from "../lua/set-cached.lua" with { type: "text" };
import { script } from "../script.ts";

const SET = script("set-cached", setSource);
const GET = script("get-cached", getSource);

/** A Cache of keys that end by themselves. */
export class RedisCache implements Cache {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;

  constructor(connection: RedisConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  async set(
    appId: string,
    channel: string,
    { event, data }: CachedEvent,
    ttlMs: number,
  ): Promise<void> {
    const text = JSON.stringify([event, data]);
    await this.#connection.run(SET, [this.#key(appId, channel)], [text, `${Math.ceil(ttlMs)}`]);
  }

  async get(appId: string, channel: string): Promise<CacheEntry | undefined> {
    const reply = await this.#connection.run(GET, [this.#key(appId, channel)], []);
    if (reply === null) return undefined;
    const [text, ttlMs] = reply as readonly Reply[];
    if (Number(ttlMs) <= 0) return undefined;
    const [event, data] = JSON.parse(String(text)) as [string, string];
    return { event, data, ttlMs: Number(ttlMs) };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #key(appId: string, channel: string): string {
    const partition = this.#keys.partitionOf(appId, channel);
    return this.#keys.in(partition, `cache:${appId}/${channel}`);
  }
}
