import { afterAll, beforeAll, describe } from "bun:test";
import type { RedisSettings } from "../../../src/stores/redis/settings.ts";
import { RedisCluster } from "../../support/redis-cluster.ts";
import { isInstalled, RedisServer } from "../../support/redis-server.ts";
import { at, redisSettings } from "../../support/redis-settings.ts";

interface RunningStore {
  readonly settings: RedisSettings;
  close(): Promise<void>;
}

interface Kind {
  readonly name: string;
  start(): Promise<RunningStore>;
}

const VALKEY = "valkey-server";

async function startServer(program?: string): Promise<RunningStore> {
  const server = await RedisServer.start(program === undefined ? {} : { program });
  return { settings: redisSettings(server.port), close: () => server.close() };
}

async function startCluster(): Promise<RunningStore> {
  const cluster = await RedisCluster.start();
  const nodes = cluster.ports.map(at);
  return {
    settings: redisSettings(0, { place: { mode: "cluster", nodes } }),
    close: () => cluster.close(),
  };
}

const KINDS: readonly Kind[] = [
  { name: "one Redis", start: () => startServer() },
  { name: "a Cluster of three", start: startCluster },
  // Debian has it from trixie on.
  ...(isInstalled(VALKEY) ? [{ name: "Valkey", start: () => startServer(VALKEY) }] : []),
];

/** Runs the tests that are described on every kind of store that there is here, each started for them. */
export function onEachStore(tests: (kind: string, settings: () => RedisSettings) => void): void {
  for (const { name, start } of KINDS) {
    describe(`on ${name}`, () => {
      let store: RunningStore;
      beforeAll(async () => {
        store = await start();
      });
      afterAll(() => store.close());
      tests(name, () => store.settings);
    });
  }
}
