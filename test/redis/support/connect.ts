import { systemClock } from "../../../src/channels/ports/clock.ts";
import { RedisClient } from "../../../src/stores/redis/client/redis-client.ts";
import type { RedisSettings } from "../../../src/stores/redis/settings.ts";
import { recorder, type LogEntry } from "../../support/ring.ts";

export interface ConnectedClient {
  readonly client: RedisClient;
  readonly logged: readonly LogEntry[];
}

export function newClient(settings: RedisSettings): ConnectedClient {
  const logged: LogEntry[] = [];
  const log = recorder(logged);
  return {
    client: new RedisClient({ settings, clock: systemClock, log, random: Math.random }),
    logged,
  };
}

export async function connect(settings: RedisSettings): Promise<RedisClient> {
  const { client } = newClient(settings);
  await client.open();
  return client;
}
