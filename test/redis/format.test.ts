import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/channels/ports/clock.ts";
import { FORMAT, openFormat } from "../../src/stores/redis/format.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import type { RedisClient } from "../../src/stores/redis/client/redis-client.ts";
import { RedisStore } from "../../src/stores/redis/store.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { recorder } from "../support/ring.ts";
import { connect } from "./support/connect.ts";

let server: RedisServer;
let client: RedisClient;
beforeAll(async () => {
  server = await RedisServer.start();
  client = await connect(redisSettings(server.port));
});
afterAll(async () => {
  await client.close();
  await server.close();
});

function openStore(keyPrefix: string, partitions = 8): Promise<RedisStore> {
  return RedisStore.open({
    settings: redisSettings(server.port),
    keyPrefix,
    partitions,
    nodeTimeoutMs: 60_000,
    hasChannels: true,
    clock: systemClock,
    log: recorder([]),
  });
}

describe("the format of a store", () => {
  test("is written by whoever comes first, and its partitions are everybody's", async () => {
    expect((await openFormat(client, "first", 8)).partitions).toBe(8);
    expect((await openFormat(client, "first", 64)).partitions).toBe(8);
    const meta = new Keys("first", 1).nodes("meta");
    expect(await server.command("HGETALL", meta)).toEqual([
      "partitions",
      "8",
      "format",
      `${FORMAT}`,
      "readable-by",
      `${FORMAT}`,
    ]);
  });

  test("of the next version is used where that version says that this one may, and left as it is", async () => {
    await openFormat(client, "next", 8);
    const meta = new Keys("next", 1).nodes("meta");
    await server.command("HSET", meta, "format", `${FORMAT + 1}`);
    const store = await openStore("next");
    await store.roster.holdConnections("1", 3);
    await store.close();
    expect(await server.command("HGET", meta, "format")).toBe(`${FORMAT + 1}`);
  });

  test("that this version would do harm with is refused with a sentence", async () => {
    await openFormat(client, "far", 8);
    const meta = new Keys("far", 1).nodes("meta");
    const far = `${FORMAT + 7}`;
    await server.command("HSET", meta, "format", far, "readable-by", far);
    const refusal = await openStore("far").catch((error: unknown) => error);
    expect(refusal).toMatchObject({ kind: "refused" });
    expect(String(refusal)).toContain(`has the format ${far}`);
  });
});

describe("nodes of two versions on one store", () => {
  test("leave alone what they do not know of each other", async () => {
    const store = await openStore("two");
    const holding = {
      appId: "1",
      channel: "c",
      subscribers: 2,
      member: undefined,
      causeSocketId: undefined,
      announceCount: false,
      record: "edges" as const,
    };
    await store.roster.hold(holding);
    const keys = new Keys("two", 8);
    const partition = keys.partitionOf("1", "c");
    const channel = keys.in(partition, "channel:1/c");
    // What a later version might keep beside: of the channel, of itself, and in the index of a node.
    await server.command("HSET", channel, "later", "yes");
    await server.command("HSET", keys.in(partition, "nodes"), "a-later-node", "0");
    await server.command("SADD", keys.in(partition, "node:a-later-node"), "zsomething");
    await store.roster.hold({ ...holding, subscribers: 3 });
    expect((await store.roster.channel("1", "c")).subscribers).toBe(3);
    expect(await server.command("HGET", channel, "later")).toBe("yes");
    await store.leave();
    await store.close();
    expect(await server.command("SMEMBERS", keys.in(partition, "node:a-later-node"))).toEqual([
      "zsomething",
    ]);
    expect(await server.command("EXISTS", channel)).toBe(0);
  });
});
