import { describe, expect, test } from "bun:test";
import type { Reply } from "../../src/stores/redis/connection.ts";
import { script } from "../../src/stores/redis/script.ts";
import type { RedisSettings } from "../../src/stores/redis/settings.ts";
import { slotOf } from "../../src/stores/redis/client/slot.ts";
import { RedisCluster, until } from "../support/redis-cluster.ts";
import { at, redisSettings } from "../support/redis-settings.ts";
import {
  closeAfterEach,
  closing,
  connected,
  faultOf,
  INCREMENT,
  listen,
  patiently,
  TAGS,
} from "./support/client-rig.ts";

const PAIR = script("pair", "return { redis.call('INCR', KEYS[1]), redis.call('INCR', ARGV[1]) }");

closeAfterEach();

describe("a client of a Cluster", () => {
  test("finds every slot, on all nodes, from one of them", async () => {
    const cluster = closing(await RedisCluster.start());
    const [port = 0] = cluster.ports;
    const client = await connected(clusterSettings([port]));
    for (const tag of TAGS) expect(await client.run(INCREMENT, [`${tag}n`], [])).toBe(1);
    for (const key of [...TAGS, "abc", "{x}y", "a{}b", "{ü}", "a{b}{c}"])
      expect(slotOf(key)).toBe(
        Number(await cluster.servers[0]?.command("CLUSTER", "KEYSLOT", key)),
      );
    const { subscriber, heard } = listen(client);
    await Promise.all(TAGS.map((tag) => subscriber.subscribe(`${tag}c`)));
    await Promise.all(TAGS.map((tag) => client.publish(`${tag}c`, tag)));
    await until("all are heard", async () => heard.length === TAGS.length);
  }, 60_000);

  test("follows a slot that moves while calls are under way, and so do its subscriptions", async () => {
    const cluster = closing(await RedisCluster.start());
    const client = await connected(clusterSettings(cluster.ports));
    const tag = TAGS[3] ?? "";
    const slot = slotOf(tag);
    const { from, to } = await neighbours(cluster, slot);
    const { subscriber, heard, missed } = listen(client);
    await subscriber.subscribe(`${tag}c`);
    const traffic = { isFlowing: true };
    let answered = 0;
    const flow = (async () => {
      while (traffic.isFlowing) {
        await patiently(() => client.run(INCREMENT, [`${tag}n`], []));
        answered++;
      }
    })();
    await until("traffic is under way", async () => answered > 20);
    await cluster.beginMove(slot, from, to);
    await cluster.endMove(slot, from, to);
    const during = answered;
    await until("calls are answered at the end", async () => answered > during + 5);
    traffic.isFlowing = false;
    await flow;
    expect(await client.run(INCREMENT, [`${tag}n`], [])).toBe(answered + 1);
    expect(await to.command("GET", `${tag}n`)).toBe(`${answered + 1}`);
    await until("the subscription has moved", async () => missed.length === 1);
    await client.publish(`${tag}c`, "there");
    await until("it is heard", async () => heard.length === 1);
  }, 60_000);

  test("runs no script by halves while the keys of its slot are at two places", async () => {
    const cluster = closing(await RedisCluster.start());
    const client = await connected(clusterSettings(cluster.ports));
    for (const [number, moved] of [[], ["left"], ["left", "right"]].entries()) {
      const tag = `p:{half${number}}:`;
      const slot = slotOf(tag);
      const { from, to } = await neighbours(cluster, slot);
      // As write.lua does, it makes up keys that it does not declare.
      const pair = (): Promise<Reply> => client.run(PAIR, [`${tag}left`], [`${tag}right`]);
      expect(await pair()).toEqual([1, 1]);
      await cluster.beginMove(slot, from, to);
      for (const name of moved)
        await from.command("MIGRATE", "127.0.0.1", `${to.port}`, tag + name, "0", "5000");
      // At the old place new keys count as moved; at the new one old keys count as none.
      expect(await faultOf(pair())).toBe("not-ready");
      expect(await faultOf(client.run(PAIR, [`${tag}new`], [`${tag}right`]))).toBe("not-ready");
      await cluster.endMove(slot, from, to);
      expect(await patiently(pair)).toEqual([2, 2]);
      expect(await to.command("EXISTS", `${tag}new`)).toBe(0);
    }
  }, 60_000);

  test("goes with a primary that hands over to its replica", async () => {
    const cluster = closing(await RedisCluster.start({ hasReplicas: true }));
    const client = await connected(clusterSettings(cluster.ports));
    const tag = TAGS[5] ?? "";
    const { subscriber, heard, missed } = listen(client);
    await subscriber.subscribe(`${tag}c`);
    const before = await cluster.primaryOf(slotOf(tag));
    const replica = cluster.replicas[cluster.primaries.indexOf(before)];
    await client.run(INCREMENT, [`${tag}n`], []);
    await replica?.command("CLUSTER", "FAILOVER");
    await until("it has handed over", async () => {
      const info = String(await before.command("INFO", "replication"));
      return info.includes("role:slave");
    });
    expect(await patiently(() => client.run(INCREMENT, [`${tag}n`], []))).toBe(2);
    await until("it is told", async () => missed.includes(`${tag}c`));
    await until("all is well", async () => client.isWell && subscriber.isWell);
    // Until all nodes know who the primary is, what is published may pass the subscription by.
    let published = 0;
    await until("it is heard", async () => {
      await client.publish(`${tag}c`, `${++published}`);
      return heard.length > 0;
    });
    expect(new Set(heard).size).toBe(heard.length);
  }, 60_000);

  test("goes on when a primary dies and its replica takes over", async () => {
    const cluster = closing(await RedisCluster.start({ hasReplicas: true }));
    const client = await connected(clusterSettings(cluster.ports));
    const tag = TAGS[5] ?? "";
    const { subscriber, heard, missed } = listen(client);
    await Promise.all(TAGS.map((one) => subscriber.subscribe(`${one}c`)));
    await client.run(INCREMENT, [`${tag}n`], []);
    const dying = await cluster.primaryOf(slotOf(tag));
    await dying.command("WAIT", "1", "1000");
    await dying.kill();
    await until("it is known", async () => !client.isWell);
    expect(await patiently(() => client.run(INCREMENT, [`${tag}n`], []))).toBe(2);
    await until("all is well again", async () => client.isWell && subscriber.isWell);
    await until("it is told", async () => missed.includes(`${tag}c`));
    await Promise.all(TAGS.map((one) => client.publish(`${one}c`, one)));
    await until("all are heard", async () => heard.length === TAGS.length);
  }, 60_000);
});

function clusterSettings(ports: readonly number[]): RedisSettings {
  return redisSettings(0, { place: { mode: "cluster", nodes: ports.map(at) } });
}

/** Who has the slot, and somebody else. */
async function neighbours(cluster: RedisCluster, slot: number) {
  const from = await cluster.primaryOf(slot);
  const to = cluster.primaries.find(({ port }) => port !== from.port);
  if (to === undefined) throw new Error("there must be others");
  return { from, to };
}
