import { describe, expect, test } from "bun:test";
import { until } from "../support/redis-cluster.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { closeAfterEach, connected, listen, server } from "./support/client-rig.ts";

closeAfterEach();

describe("subscriptions", () => {
  test("by the thousand survive a restart of the server, and what may have been missed is told", async () => {
    const redis = await server();
    const client = await connected(redisSettings(redis.port));
    const { subscriber, heard, missed } = listen(client);
    const channels = Array.from({ length: 20_000 }, (_, i) => `p:{${i % 12}}:c${i}`);
    await Promise.all(channels.map((channel) => subscriber.subscribe(channel)));
    expect(missed).toEqual([]);
    await redis.kill();
    await until("it is known", async () => !subscriber.isWell);
    await redis.start();
    await until("all are told", async () => missed.length === channels.length);
    expect(new Set(missed)).toEqual(new Set(channels));
    await until("it can be called", async () => client.isWell);
    for (const channel of [channels[0], channels[777], channels.at(-1)])
      await client.publish(channel ?? "", "again");
    await until("it is heard", async () => heard.length === 3);
  }, 60_000);

  test("of a hundred thousand channels take seconds, at first and when they are lost", async () => {
    const redis = await server();
    const client = await connected(redisSettings(redis.port));
    const { subscriber, missed } = listen(client);
    const channels = Array.from({ length: 100_000 }, (_, i) => `p:{${i % 64}}:c${i}`);
    const beganAtMs = performance.now();
    await Promise.all(channels.map((channel) => subscriber.subscribe(channel)));
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    await until("all are told", async () => missed.length === channels.length);
    // Three on an idle machine; one command for each channel would take minutes.
    expect(performance.now() - beganAtMs).toBeLessThan(20_000);
    expect(new Set(missed).size).toBe(channels.length);
  }, 60_000);

  test("that are asked for while the server is away stand when it is back", async () => {
    const redis = await server();
    const client = await connected(redisSettings(redis.port));
    const { subscriber, heard, missed } = listen(client);
    await subscriber.subscribe("p:{1}:first");
    await redis.kill();
    await until("it is known", async () => !subscriber.isWell);
    const standing = subscriber.subscribe("p:{1}:second");
    subscriber.unsubscribe("p:{1}:first");
    await redis.start();
    await standing;
    await until("it is well", async () => client.isWell);
    for (const name of ["first", "second"]) await client.publish(`p:{1}:${name}`, name);
    await until("it is heard", async () => heard.length > 0);
    expect(heard).toEqual(["p:{1}:second second"]);
    expect(missed).toEqual([]);
  });

  test("notice a line on which nothing comes any more", async () => {
    const redis = await server();
    const client = await connected(redisSettings(redis.port, { commandTimeoutMs: 300 }));
    const { subscriber, missed } = listen(client);
    await subscriber.subscribe("p:{1}:c");
    redis.pause();
    await until("the line is given up", async () => !subscriber.isWell);
    redis.resume();
    await until("it is told", async () => missed.length === 1);
  }, 60_000);

  test("of a killed connection come back, each told once", async () => {
    const redis = await server();
    const client = await connected(redisSettings(redis.port));
    const { subscriber, missed } = listen(client);
    await Promise.all(["a", "b", "c"].map((name) => subscriber.subscribe(`p:{1}:${name}`)));
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    await until("they are told", async () => missed.length >= 3);
    expect(missed.toSorted()).toEqual(["p:{1}:a", "p:{1}:b", "p:{1}:c"]);
  });
});
