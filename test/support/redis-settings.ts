import type { RedisAddress, RedisSettings } from "../../src/stores/redis/settings.ts";

/** For servers on this machine, which are quick to answer or dead. */
export function redisSettings(port: number, changes: Partial<RedisSettings> = {}): RedisSettings {
  return {
    place: { mode: "standalone", address: at(port), database: 0 },
    username: null,
    password: null,
    tls: null,
    connectTimeoutMs: 2_000,
    commandTimeoutMs: 2_000,
    ...changes,
  };
}

export function at(port: number): RedisAddress {
  return { host: "127.0.0.1", port };
}
