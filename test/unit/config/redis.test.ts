import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { RedisConfig } from "../../../src/ops/config/redis-config.ts";
import { Workspace } from "./workspace.ts";

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.create();
});
afterAll(() => workspace.remove());

const ENV = { RINGMASTER_APP_KEY: "k", RINGMASTER_APP_SECRET: "s" };

async function redisOf(
  yaml: string,
  env: Record<string, string> = {},
): Promise<RedisConfig | null> {
  const { redis } = await workspace.loadYaml(yaml, { env: { ...ENV, ...env } });
  return redis;
}

async function problemsOf(yaml: string): Promise<string> {
  return workspace.loadYaml(yaml, { env: ENV }).then(
    () => "",
    (error: Error) => error.message,
  );
}

describe("the shared store", () => {
  test("is none unless it is asked for", async () => {
    expect(await redisOf("port: 1001\n")).toBeNull();
    expect(await redisOf("redis: { keyPrefix: other, partitions: 8 }\n")).toBeNull();
  });

  test("is one server by its URL, whatever of that is given", async () => {
    const plain = await redisOf("redis: { url: 'redis://cache' }\n");
    expect(plain).toMatchObject({
      keyPrefix: "ringmaster",
      partitions: 64,
      nodeTimeoutMs: 15_000,
      settings: {
        place: { mode: "standalone", address: { host: "cache", port: 6379 }, database: 0 },
        username: null,
        password: null,
        tls: null,
      },
    });
    const full = await redisOf("redis: { url: 'rediss://us%40er:p%2Fw@[::1]:7000/3' }\n");
    expect(full?.settings).toMatchObject({
      place: { mode: "standalone", address: { host: "::1", port: 7000 }, database: 3 },
      username: "us@er",
      password: "p/w",
      tls: { ca: null, cert: null, key: null, serverName: null },
    });
  });

  test("may be named by the environment, and its password by a secret of its own", async () => {
    const redis = await redisOf("redis: { password: { env: STORE_PASSWORD } }\n", {
      RINGMASTER_REDIS_URL: "redis://cache:1",
      STORE_PASSWORD: "from elsewhere",
    });
    expect(redis?.settings).toMatchObject({ password: "from elsewhere" });
  });

  test("is a Cluster by some of its nodes", async () => {
    const redis = await redisOf("redis: { clusterNodes: 'a:1, [::1]:2', tls: true }\n");
    expect(redis?.settings.place).toEqual({
      mode: "cluster",
      nodes: [
        { host: "a", port: 1 },
        { host: "::1", port: 2 },
      ],
    });
    expect(redis?.settings.tls).not.toBeNull();
  });

  test("is a primary that Sentinels know", async () => {
    const redis = await redisOf(
      "redis: { sentinelNodes: [s1:26379], sentinelPrimaryName: mymaster, sentinelPassword: x, database: 2 }\n",
    );
    expect(redis?.settings.place).toEqual({
      mode: "sentinel",
      primaryName: "mymaster",
      sentinels: [{ host: "s1", port: 26_379 }],
      username: null,
      password: "x",
      database: 2,
    });
  });

  test.each([
    ["redis: { url: 'http://cache' }", "redis.url: begins with neither redis:// nor rediss://"],
    ["redis: { url: 'redis://cache/x' }", "redis.url: has a path that is no number"],
    ["redis: { url: 'redis://cache?db=1' }", "redis.url: has a query"],
    ["redis: { clusterNodes: [cache] }", "redis.clusterNodes"],
    [
      "redis: { url: 'redis://a', clusterNodes: ['b:1'] }",
      "redis.clusterNodes: is given beside redis.url",
    ],
    ["redis: { sentinelNodes: ['a:1'] }", "redis.sentinelPrimaryName: is missing"],
    ["redis: { sentinelPrimaryName: a }", "redis.sentinelNodes: is missing"],
    ["redis: { clusterNodes: ['a:1'], database: 1 }", "redis.database: is not 0"],
    ["redis: { url: 'redis://a', caFile: ca.pem }", "redis.tls: is false"],
    [
      "redis: { password: x, tls: true }",
      "redis.password: does nothing, for there is no redis.url, redis.clusterNodes, redis.sentinelNodes; give one of these, or leave it out",
    ],
    ["redis: { caFile: ca.pem }", "redis.caFile: does nothing"],
    ["redis: { tls: true }", "redis.tls: does nothing"],
    [
      "redis: { clusterNodes: ['a:1'], sentinelPassword: x }",
      "redis.sentinelPassword: does nothing without redis.sentinelNodes",
    ],
    [
      "redis: { url: 'redis://u:p@a', password: x }",
      "redis.password: stands in redis.url as well; give it in one of the two",
    ],
    ["redis: { url: 'redis://u@a', username: u }", "redis.username: stands in redis.url as well"],
    [
      "redis: { url: 'redis://a/1', database: 2 }",
      "redis.database: is not the number in redis.url; give it in one of the two",
    ],
    [
      "redis: { url: 'redis://a', certFile: cert.pem }",
      "redis.keyFile: is missing, which redis.certFile needs",
    ],
    ["redis: { keyPrefix: '{a}' }", "redis.keyPrefix"],
    ["redis: { nodeTimeoutMs: 10 }", "redis.nodeTimeoutMs"],
  ])("%s is refused with a sentence", async (yaml, sentence) => {
    expect(await problemsOf(`${yaml}\n`)).toContain(sentence);
  });

  test.each([
    ["redis: { url: 'redis://u@a', password: x }", ["u", "x", 0]],
    ["redis: { url: 'redis://a/2', database: 2 }", [null, null, 2]],
    ["redis: { url: 'redis://a', database: 3, username: u }", ["u", null, 3]],
  ])("may be told in parts, each once: %s", async (yaml, [username, password, database]) => {
    const settings = (await redisOf(`${yaml}\n`))?.settings;
    expect(settings).toMatchObject({ username, password, place: { database } });
  });

  test("never shows the URL, which may hold a password", async () => {
    const message = await problemsOf("redis: { url: 'http://user:hunter2@cache' }\n");
    expect(message).toContain("redis.url");
    expect(message).not.toContain("hunter2");
  });
});
