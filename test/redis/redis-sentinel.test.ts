import { describe, expect, test } from "bun:test";
import type { RedisPlace, RedisSettings } from "../../src/stores/redis/settings.ts";
import { until } from "../support/redis-cluster.ts";
import { PRIMARY_NAME, RedisSentinels } from "../support/redis-sentinels.ts";
import { at, redisSettings } from "../support/redis-settings.ts";
import {
  closeAfterEach,
  closing,
  connected,
  faultOf,
  INCREMENT,
  listen,
  patiently,
} from "./support/client-rig.ts";
import { newClient } from "./support/connect.ts";

closeAfterEach();

describe("a client of Sentinels", () => {
  test("finds the primary, and the next one when that dies", async () => {
    const sentinels = closing(await RedisSentinels.start());
    const client = await connected(settingsOf(sentinels, { sentinels: [at(1)] }));
    const { subscriber, heard, missed } = listen(client);
    await subscriber.subscribe("p:{1}:c");
    expect(await client.run(INCREMENT, ["{a}"], [])).toBe(1);
    const first = await sentinels.primary();
    await first.command("WAIT", "1", "1000");
    await first.kill();
    expect(await patiently(() => client.run(INCREMENT, ["{a}"], []))).toBe(2);
    await until("it is told", async () => missed.length === 1);
    // The one that died comes back, and is a replica now.
    await first.start();
    await until("all is well", async () => client.isWell && subscriber.isWell);
    expect(await patiently(() => client.run(INCREMENT, ["{a}"], []))).toBe(3);
    await client.publish("p:{1}:c", "hello");
    await until("it is heard, once", async () => heard.length === 1);
  }, 60_000);

  test("leaves a primary that was replaced while it still takes writes", async () => {
    const sentinels = closing(await RedisSentinels.start());
    const client = await connected(settingsOf(sentinels));
    const { subscriber, missed } = listen(client);
    await subscriber.subscribe("p:{1}:c");
    expect(await client.run(INCREMENT, ["{a}"], [])).toBe(1);
    const first = await sentinels.primary();
    await first.command("WAIT", "1", "1000");
    await sentinels.failOver();
    await until("another is the primary", async () => (await sentinels.primary()) !== first);
    await until("it is left", async () => {
      await patiently(() => client.run(INCREMENT, ["{a}"], []));
      return (await (await sentinels.primary()).command("GET", "{a}")) !== "1";
    });
    expect(String(await first.command("INFO", "replication"))).toContain("role:master");
    await until("all is well", async () => client.isWell && subscriber.isWell);
    await until("it is told", async () => missed.length === 1);
  }, 60_000);

  test("knows its password to the Sentinels from that to the servers", async () => {
    const [password, sentinelPassword] = ["of-the-servers", "of-the-sentinels"];
    const sentinels = closing(await RedisSentinels.start({ password, sentinelPassword }));
    const of = (changes: Partial<SentinelPlace>, servers: string | null): RedisSettings => ({
      ...settingsOf(sentinels, changes),
      password: servers,
    });
    const client = await connected(of({ password: sentinelPassword }, password));
    expect(await client.run(INCREMENT, ["{a}"], [])).toBe(1);
    for (const wrong of [
      of({ password: null }, password),
      of({ password }, password),
      of({ password: sentinelPassword }, null),
      of({ password: sentinelPassword }, sentinelPassword),
    ])
      expect(await faultOf(newClient(wrong).client.open())).toBe("denied");
  }, 60_000);

  test("says so where they know no such primary", async () => {
    const sentinels = closing(await RedisSentinels.start());
    const { client } = newClient(settingsOf(sentinels, { primaryName: "unknown" }));
    expect(await faultOf(client.open())).toBe("refused");
  }, 60_000);
});

type SentinelPlace = Extract<RedisPlace, { mode: "sentinel" }>;

/** More Sentinels are asked before theirs. */
function settingsOf(
  { ports }: RedisSentinels,
  { sentinels = [], ...changes }: Partial<SentinelPlace> = {},
): RedisSettings {
  const place: SentinelPlace = {
    mode: "sentinel",
    primaryName: PRIMARY_NAME,
    sentinels: [...sentinels, ...ports.map(at)],
    username: null,
    password: null,
    database: 0,
    ...changes,
  };
  return redisSettings(0, { place });
}
