import { afterEach, describe, expect, test } from "bun:test";
import type { RedisFault, Reply } from "../../src/stores/redis/connection.ts";
import type { RedisClient } from "../../src/stores/redis/redis-client.ts";
import { script } from "../../src/stores/redis/script.ts";
import { slotOf } from "../../src/stores/redis/slot.ts";
import { RedisCluster, until } from "../support/redis-cluster.ts";
import { PRIMARY_NAME, RedisSentinels } from "../support/redis-sentinels.ts";
import { RedisServer } from "../support/redis-server.ts";
import { at, redisSettings } from "../support/redis-settings.ts";
import { connect, newClient } from "./support/connect.ts";

const INCREMENT = script("increment", "return redis.call('INCR', KEYS[1])");
const APPEND = script("append", "return redis.call('RPUSH', KEYS[1], ARGV[1])");
const READ = script("read", "return redis.call('LRANGE', KEYS[1], 0, -1)");
const FILL = script("fill", "return redis.call('SET', KEYS[1], string.rep('x', 100000))");
const TAGS = Array.from({ length: 12 }, (_, tag) => `p:{${tag}}:`);

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});

function closing<T extends { close(): Promise<void> }>(one: T): T {
  opened.push(one);
  return one;
}

async function server(options?: Parameters<typeof RedisServer.start>[0]): Promise<RedisServer> {
  return closing(await RedisServer.start(options));
}

async function connected(...args: Parameters<typeof connect>): Promise<RedisClient> {
  return closing(await connect(...args));
}

async function faultOf(call: Promise<unknown>): Promise<RedisFault["kind"] | undefined> {
  return call.then(
    () => undefined,
    (error: RedisFault) => error.kind,
  );
}

/** Calls again until it is answered. */
async function patiently(call: () => Promise<Reply>): Promise<Reply> {
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

/** Subscribes, and keeps what comes. */
function listen(client: RedisClient) {
  const heard: string[] = [];
  const missed: string[] = [];
  const subscriber = client.subscriber({
    message: (channel, text) => heard.push(`${channel} ${text}`),
    missed: (channels) => missed.push(...channels),
  });
  return { subscriber, heard, missed };
}

describe("a client of one server", () => {
  test("teaches the server its scripts, also after it forgot them", async () => {
    const { port, command } = bound(await server());
    const client = await connected(redisSettings(port));
    expect(await client.run(INCREMENT, ["{a}"], [])).toBe(1);
    await command("SCRIPT", "FLUSH");
    expect(await client.run(INCREMENT, ["{a}"], [])).toBe(2);
  });

  test("keeps the order of calls that are under way together", async () => {
    const { port } = await server();
    const client = await connected(redisSettings(port));
    const numbers = Array.from({ length: 500 }, (_, i) => `${i}`);
    await client.run(APPEND, ["{a}warm"], ["x"]);
    await Promise.all(numbers.map((number) => client.run(APPEND, ["{a}"], [number])));
    expect(await client.run(READ, ["{a}"], [])).toEqual(numbers);
  });

  test("fails at once while the server is away, says so once, and is back by itself", async () => {
    const redis = await server({ isLasting: true });
    const { client, logged } = newClient(redisSettings(redis.port));
    closing(client);
    await client.open();
    await client.run(INCREMENT, ["{a}"], []);
    await redis.kill();
    await until("it is known", async () => !client.isWell);
    const beganAtMs = performance.now();
    for (let i = 0; i < 50; i++)
      expect(await faultOf(client.run(INCREMENT, ["{a}"], []))).toBe("unreachable");
    expect(performance.now() - beganAtMs).toBeLessThan(1_000);
    await redis.start();
    await until("it is well again", async () => client.isWell);
    expect(await client.run(INCREMENT, ["{a}"], [])).toBe(2);
    expect(logged.map(({ level }) => level).filter((level) => level !== "debug")).toEqual([
      "info",
      "error",
      "info",
    ]);
    expect(client.figures().lost).toBe(1);
  });

  test("rejects what is under way when the connection breaks, and sends nothing twice", async () => {
    const { port, command } = bound(await server());
    const client = await connected(redisSettings(port));
    await client.run(INCREMENT, ["{a}"], []);
    const calls = Array.from({ length: 2_000 }, () => client.run(INCREMENT, ["{a}"], []));
    const killed = command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    const outcomes = await Promise.allSettled(calls);
    await killed;
    const answered = outcomes.filter(({ status }) => status === "fulfilled").length;
    const total = Number(await patiently(() => client.run(INCREMENT, ["{a}"], []))) - 2;
    expect(total).toBeGreaterThanOrEqual(answered);
    expect(total).toBeLessThanOrEqual(2_000);
  });

  test("takes a server that stands still for lost, and returns when it goes on", async () => {
    const redis = await server();
    const client = await connected(redisSettings(redis.port, { commandTimeoutMs: 400 }));
    redis.pause();
    expect(await faultOf(client.run(INCREMENT, ["{a}"], []))).toBe("timeout");
    expect(client.isWell).toBe(false);
    redis.resume();
    await until("it is well again", async () => client.isWell);
    await patiently(() => client.run(INCREMENT, ["{a}"], []));
  });

  test("starts before its server does", async () => {
    const redis = await server();
    await redis.kill();
    const { client } = newClient(redisSettings(redis.port));
    closing(client);
    const opening = client.open();
    expect(await faultOf(client.run(INCREMENT, ["{a}"], []))).toBe("unreachable");
    await redis.start();
    await opening;
    expect(await client.run(INCREMENT, ["{a}"], [])).toBe(1);
  });

  test("says why where the server does not let it in, or lets it do less than it must", async () => {
    const redis = await server({ config: { requirepass: "secret" } });
    for (const password of [null, "wrong"])
      expect(await faultOf(newClient(redisSettings(redis.port, { password })).client.open())).toBe(
        "denied",
      );
    const client = await connected(redisSettings(redis.port, { password: "secret" }));
    expect(await client.run(INCREMENT, ["{a}"], [])).toBe(1);
  });

  test("needs no more rights than the documented ones", async () => {
    const redis = await server();
    await redis.command(
      "ACL",
      "SETUSER",
      "ringmaster",
      "on",
      ">secret",
      "~p:*",
      "&p:*",
      "resetchannels",
      "&p:*",
      "+@all",
      "-@admin",
      "-@dangerous",
      "+info",
    );
    const client = await connected(
      redisSettings(redis.port, { username: "ringmaster", password: "secret" }),
    );
    const { subscriber, heard } = listen(client);
    await subscriber.subscribe("p:{1}:c");
    await client.publish("p:{1}:c", "hello");
    await until("it is heard", async () => heard.length === 1);
    expect(await client.run(INCREMENT, ["p:{1}:n"], [])).toBe(1);
    expect(await faultOf(client.run(INCREMENT, ["q:{1}:n"], []))).toBe("denied");
  });

  test("tells a full server from one that is away", async () => {
    const { port, command } = bound(await server());
    const client = await connected(redisSettings(port));
    await command("CONFIG", "SET", "maxmemory", "1500000");
    const kinds = new Set<string | undefined>();
    for (let i = 0; i < 100; i++) kinds.add(await faultOf(client.run(FILL, [`{a}${i}`], [])));
    expect(kinds).toEqual(new Set([undefined, "full"]));
    expect(client.figures().faults.get("full")).toBeGreaterThan(0);
  });
});

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
    for (const channel of [channels[0], channels[777], channels.at(-1)])
      await client.publish(channel ?? "", "again");
    await until("it is heard", async () => heard.length === 3);
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
    const { port, command } = bound(await server());
    const client = await connected(redisSettings(port));
    const { subscriber, missed } = listen(client);
    await Promise.all(["a", "b", "c"].map((name) => subscriber.subscribe(`p:{1}:${name}`)));
    await command("CLIENT", "KILL", "TYPE", "pubsub");
    await until("they are told", async () => missed.length >= 3);
    expect(missed.toSorted()).toEqual(["p:{1}:a", "p:{1}:b", "p:{1}:c"]);
  });
});

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
    const from = await cluster.primaryOf(slot);
    const to = cluster.primaries.find(({ port }) => port !== from.port);
    if (to === undefined) throw new Error("there must be others");
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
    const [fromId, toId] = [
      String(await from.command("CLUSTER", "MYID")),
      String(await to.command("CLUSTER", "MYID")),
    ];
    await to.command("CLUSTER", "SETSLOT", `${slot}`, "IMPORTING", fromId);
    await from.command("CLUSTER", "SETSLOT", `${slot}`, "MIGRATING", toId);
    await from.command("MIGRATE", "127.0.0.1", `${to.port}`, "", "0", "5000", "KEYS", `${tag}n`);
    const before = answered;
    await until("calls are answered half way", async () => answered > before + 5);
    for (const { port } of cluster.primaries)
      await cluster.servers
        .find((one) => one.port === port)
        ?.command("CLUSTER", "SETSLOT", `${slot}`, "NODE", toId);
    const during = answered;
    await until("calls are answered at the end", async () => answered > during + 5);
    traffic.isFlowing = false;
    await flow;
    expect(await client.run(INCREMENT, [`${tag}n`], [])).toBe(answered + 1);
    await until("the subscription has moved", async () => missed.length === 1);
    await client.publish(`${tag}c`, "there");
    await until("it is heard", async () => heard.length === 1);
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

describe("a client of Sentinels", () => {
  test("finds the primary, and the next one when that dies", async () => {
    const sentinels = closing(await RedisSentinels.start());
    const client = await connected(
      redisSettings(0, {
        place: {
          mode: "sentinel",
          primaryName: PRIMARY_NAME,
          sentinels: [at(1), ...sentinels.ports.map(at)],
          username: null,
          password: null,
          database: 0,
        },
      }),
    );
    const { subscriber, missed } = listen(client);
    await subscriber.subscribe("p:{1}:c");
    expect(await client.run(INCREMENT, ["{a}"], [])).toBe(1);
    const first = await sentinels.primary();
    await first.command("WAIT", "1", "1000");
    await first.kill();
    expect(await patiently(() => client.run(INCREMENT, ["{a}"], []))).toBe(2);
    await until("it is told", async () => missed.length === 1);
    // The one that died comes back, and is a replica now.
    await first.start();
    await until("all is well", async () => client.isWell);
    expect(await patiently(() => client.run(INCREMENT, ["{a}"], []))).toBe(3);
  }, 60_000);

  test("says so where they know no such primary", async () => {
    const sentinels = closing(await RedisSentinels.start());
    const { client } = newClient(
      redisSettings(0, {
        place: {
          mode: "sentinel",
          primaryName: "unknown",
          sentinels: sentinels.ports.map(at),
          username: null,
          password: null,
          database: 0,
        },
      }),
    );
    expect(await faultOf(client.open())).toBe("refused");
  }, 60_000);
});

function clusterSettings(ports: readonly number[]) {
  return redisSettings(0, { place: { mode: "cluster", nodes: ports.map(at) } });
}

function bound(redis: RedisServer) {
  return { port: redis.port, command: redis.command.bind(redis) };
}
