import { describe, expect, test } from "bun:test";
import { script } from "../../src/stores/redis/script.ts";
import { until } from "../support/redis-cluster.ts";
import { at, redisSettings } from "../support/redis-settings.ts";
import {
  APPEND,
  closeAfterEach,
  closing,
  connected,
  faultOf,
  INCREMENT,
  listen,
  patiently,
  READ,
  server,
} from "./support/client-rig.ts";
import { newClient } from "./support/connect.ts";

const FILL = script("fill", "return redis.call('SET', KEYS[1], string.rep('x', 100000))");
const MANY = script("many", "for i = 1, 1500 do redis.call('SET', KEYS[1] .. i, 'x') end");

closeAfterEach();

describe("a client of one server", () => {
  test("teaches the server its scripts, also after it forgot them", async () => {
    const redis = await server();
    const client = await connected(redisSettings(redis.port));
    expect(await client.run(INCREMENT, ["{a}"], [])).toBe(1);
    await redis.command("SCRIPT", "FLUSH");
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

  test("keeps the order of a call that teaches and one that need not", async () => {
    const { port } = await server();
    const client = await connected(redisSettings(port));
    await client.run(APPEND, ["{a}warm"], ["x"]);
    const also = script("append-too", `-- another\n${APPEND.source}`);
    await Promise.all([client.run(also, ["{a}"], ["1"]), client.run(APPEND, ["{a}"], ["2"])]);
    expect(await client.run(READ, ["{a}"], [])).toEqual(["1", "2"]);
  });

  test("does not call a server that loads its data, and is back when it has", async () => {
    const redis = await server({
      isLasting: true,
      // A millisecond for each key.
      config: { "key-load-delay": "1000", "loading-process-events-interval-bytes": "1024" },
    });
    const client = await connected(redisSettings(redis.port));
    await client.run(MANY, ["{a}"], []);
    await redis.kill();
    await redis.start({ isToBeReady: false });
    const kinds = new Set<string | undefined>();
    await until("it has loaded", async () => {
      kinds.add(await faultOf(client.run(INCREMENT, ["{a}n"], [])));
      return kinds.has(undefined);
    });
    expect(kinds).toContain("not-ready");
    expect(await client.run(INCREMENT, ["{a}n"], [])).toBe(2);
  });

  test("loses no order, and repeats nothing, when the server is restarted under traffic", async () => {
    const redis = await server({ isLasting: true, config: { appendfsync: "always" } });
    const client = await connected(redisSettings(redis.port));
    const answered: string[] = [];
    const traffic = { isFlowing: true };
    const flow = (async () => {
      for (let i = 0; traffic.isFlowing; i++) {
        const calls = Array.from({ length: 20 }, async (_, j) => {
          await client.run(APPEND, ["{a}"], [`${i * 20 + j}`]);
          answered.push(`${i * 20 + j}`);
        });
        await Promise.allSettled(calls);
        await Bun.sleep(1);
      }
    })();
    for (let restarts = 0; restarts < 3; restarts++) {
      const before = answered.length;
      await until("traffic flows", async () => answered.length > before + 200);
      await redis.kill();
      await redis.start();
    }
    const before = answered.length;
    await until("traffic flows again", async () => answered.length > before + 200);
    traffic.isFlowing = false;
    await flow;
    const stored = (await client.run(READ, ["{a}"], [])) as readonly string[];
    expect(stored.map(Number)).toEqual(stored.map(Number).toSorted((a, b) => a - b));
    expect(new Set(stored).size).toBe(stored.length);
    expect(new Set(answered).difference(new Set(stored))).toEqual(new Set());
  }, 60_000);

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
    const redis = await server();
    const client = await connected(redisSettings(redis.port));
    await client.run(INCREMENT, ["{a}"], []);
    const calls = Array.from({ length: 2_000 }, () => client.run(INCREMENT, ["{a}"], []));
    const killed = redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
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
    // Its system goes on taking connections for it.
    for (let i = 0; i < 20; i++) {
      expect(client.isWell).toBe(false);
      expect(await faultOf(client.run(INCREMENT, ["{a}"], []))).toBe("unreachable");
      await Bun.sleep(20);
    }
    redis.resume();
    await until("it is well again", async () => client.isWell);
    await patiently(() => client.run(INCREMENT, ["{a}"], []));
  });

  test("does not hold it against the server that this process stood still itself", async () => {
    const redis = await server();
    const client = await connected(redisSettings(redis.port, { commandTimeoutMs: 300 }));
    const { subscriber } = listen(client);
    await subscriber.subscribe("{a}c");
    for (let i = 0; i < 3; i++) {
      const call = client.run(INCREMENT, ["{a}"], []);
      // It is sent, and answered while nobody reads.
      await new Promise((resolve) => setImmediate(resolve));
      const untilMs = performance.now() + 700;
      while (performance.now() < untilMs);
      expect(await call).toBe(i + 1);
    }
    expect(client.figures().lost).toBe(0);
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
    // As in docs/operations.md, without what doctor alone needs.
    const rights =
      "~p:* resetchannels &p:* nocommands +@read +@write -@dangerous +eval +evalsha " +
      "+spublish +ssubscribe +sunsubscribe +time +ping +select +info +cluster|slots";
    await redis.command("ACL", "SETUSER", "ringmaster", "on", ">secret", ...rights.split(" "));
    const client = await connected(
      redisSettings(redis.port, {
        place: { mode: "standalone", address: at(redis.port), database: 1 },
        username: "ringmaster",
        password: "secret",
      }),
    );
    const { subscriber, heard } = listen(client);
    await subscriber.subscribe("p:{1}:c");
    await client.publish("p:{1}:c", "hello");
    await until("it is heard", async () => heard.length === 1);
    expect(await client.run(INCREMENT, ["p:{1}:n"], [])).toBe(1);
    expect(await faultOf(client.run(INCREMENT, ["q:{1}:n"], []))).toBe("denied");
  });

  test("tells a full server from one that is away", async () => {
    const redis = await server();
    const client = await connected(redisSettings(redis.port));
    await redis.command("CONFIG", "SET", "maxmemory", "1500000");
    const kinds = new Set<string | undefined>();
    for (let i = 0; i < 100; i++) kinds.add(await faultOf(client.run(FILL, [`{a}${i}`], [])));
    expect(kinds).toEqual(new Set([undefined, "full"]));
    expect(client.figures().faults.get("full")).toBeGreaterThan(0);
  });
});
