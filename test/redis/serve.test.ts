import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testApp } from "../e2e/support/apps.ts";
import { callApi, publish } from "../e2e/support/http-api.ts";
import { RawWebSocket } from "../e2e/support/raw-web-socket.ts";
import { Ringmaster, type RingmasterOptions } from "../e2e/support/ringmaster.ts";
import { eventually, within } from "../e2e/support/wait.ts";
import { freePort, RedisServer } from "../support/redis-server.ts";
import { documentedUser } from "./support/documented-user.ts";

setDefaultTimeout(60_000);

const app = testApp({ subscriptionCount: true });
const apps = [app.entry];
/** Nobody listens where its webhook goes to. */
const hooked = testApp({
  webhooks: [{ id: "all", url: "http://127.0.0.1:9/", retryWindowMs: 1_000 }],
});

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start({ isLasting: true });
});
afterAll(async () => {
  await redis.close();
});

let lastPrefix = 0;
/** No two tests share a store. */
const newPrefix = (): string => `test${++lastPrefix}`;

function options(port: number, keyPrefix: string, more: RingmasterOptions = {}): RingmasterOptions {
  return {
    ...more,
    config: {
      apps,
      redis: { url: `redis://127.0.0.1:${port}`, keyPrefix, nodeTimeoutMs: 2_000 },
    },
  };
}

async function subscriber(server: Ringmaster, channel: string): Promise<RawWebSocket> {
  const socket = await RawWebSocket.open({ port: server.port, key: app.key });
  await socket.message("pusher:connection_established");
  socket.send({ event: "pusher:subscribe", data: { channel } });
  await socket.message("pusher_internal:subscription_succeeded");
  return socket;
}

async function countOn(server: Ringmaster, channel: string): Promise<unknown> {
  const { body } = await callApi(app, server.port, {
    path: `/channels/${channel}`,
    query: [["info", "subscription_count"]],
  });
  return (JSON.parse(body) as { subscription_count?: number }).subscription_count ?? 0;
}

async function readiness(server: Ringmaster): Promise<string> {
  const response = await server.ops("/readyz");
  return `${response.status} ${(await response.text()).trim()}`;
}

/** The operations port is open before there is anything to say about it: it is found in the process's own output. */
async function launchAt(port: number, redisPort: number): Promise<Ringmaster> {
  const server = Ringmaster.launch(
    options(redisPort, newPrefix(), { flags: { "--ops-port": `${port}` } }),
  );
  server.opsPort = port;
  await eventually("the operations port answers", async () =>
    server.ops("/healthz").then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return server;
}

describe("Two nodes", () => {
  test("are one server: what is published to one arrives at the other, and both know who is there", async () => {
    const prefix = newPrefix();
    const [one, two] = [
      await Ringmaster.start(options(redis.port, prefix)),
      await Ringmaster.start(options(redis.port, prefix)),
    ];
    const [first, second] = [await subscriber(one, "room"), await subscriber(two, "room")];
    await publish(app, one.port, "room", "greeting", "hello");
    for (const socket of [first, second])
      expect((await socket.message("greeting")).data).toBe("hello");
    expect([await countOn(one, "room"), await countOn(two, "room")]).toEqual([2, 2]);
    await eventually(
      "both nodes know of each other",
      async () => (await one.metrics()).sum("ringmaster_nodes") === 2,
    );
    first.tcp.destroy();
    await eventually("one is gone", async () => (await countOn(two, "room")) === 1);
    await one.stop();
    await two.stop();
  });

  test("lose with one that is killed what it held, soon, and with one that is stopped at once", async () => {
    const prefix = newPrefix();
    const [one, two, three] = [
      await Ringmaster.start(options(redis.port, prefix)),
      await Ringmaster.start(options(redis.port, prefix)),
      await Ringmaster.start(options(redis.port, prefix)),
    ];
    for (const node of [one, two, three]) await subscriber(node, "room");
    expect(await countOn(three, "room")).toBe(3);
    await two.stop();
    expect(await countOn(three, "room")).toBe(2);
    await one.kill();
    await eventually(
      "the dead node was cleaned up after",
      async () => (await countOn(three, "room")) === 1,
    );
    await eventually(
      "the cleaning up is over, in all partitions",
      async () => (await three.metrics()).sum("ringmaster_nodes_reaped_total") === 1,
    );
    await three.stop();
  });
});

describe("At the start", () => {
  test("a process waits for a Redis that is not there: it lives, is not ready, and is as soon as Redis is", async () => {
    const away = await RedisServer.start();
    await away.kill();
    const server = await launchAt(await freePort(), away.port);
    expect(await readiness(server)).toBe("503 starting");
    const metrics = await server.metrics();
    expect(metrics.sum("ringmaster_ready")).toBe(0);
    expect((await server.ops("/admin/webhooks")).status).toBe(404);
    await away.start();
    await server.logged("ready");
    expect(await readiness(server)).toBe("200 ready");
    expect((await server.ops("/admin/webhooks")).status).toBe(200);
    await server.stop();
    await away.close();
  });

  test("a process that waits for Redis ends at once when it is told to", async () => {
    const server = await launchAt(await freePort(), await freePort());
    await server.stop();
    expect(server.log.all.at(-1)?.msg).toBe("stopped");
  });

  test.each([
    [
      "a wrong password",
      "redis://someone:hunter2@127.0.0.1",
      /WRONGPASS|invalid username-password/i,
    ],
    ["a number of a database that there is not", "redis://127.0.0.1", /DB index is out of range/],
  ])("%s ends it with code 1 and a sentence, without the secret", async (what, url, message) => {
    const database = what.includes("number") ? "/999" : "";
    const server = Ringmaster.launch({
      config: { apps, redis: { url: `${url}:${redis.port}${database}` } },
    });
    const { code } = await within("it ends", server.exited);
    expect(code).toBe(1);
    const last = server.log.all.at(-1);
    expect({ level: last?.level, isSaid: message.test(last?.msg ?? "") }).toEqual({
      level: "fatal",
      isSaid: true,
    });
    expect(JSON.stringify(server.log.all)).not.toContain("hunter2");
  });

  test("a store of a newer format ends it with code 1, and is left as it is", async () => {
    const prefix = newPrefix();
    const meta = `${prefix}:{nodes}:meta`;
    await redis.command("HSET", meta, "format", "99", "readable-by", "99", "partitions", "64");
    const server = Ringmaster.launch(options(redis.port, prefix));
    const { code } = await within("it ends", server.exited);
    expect(code).toBe(1);
    expect(server.log.all.at(-1)?.msg).toContain(
      "has the format 99, which this version cannot read",
    );
    expect(await redis.command("HGET", meta, "format")).toBe("99");
  });

  test("a store of a newer format that this version may use as well is used", async () => {
    const prefix = newPrefix();
    const meta = `${prefix}:{nodes}:meta`;
    await redis.command("HSET", meta, "format", "99", "readable-by", "1", "partitions", "7");
    const server = await Ringmaster.start(options(redis.port, prefix));
    expect(await redis.command("HMGET", meta, "format", "partitions")).toEqual(["99", "7"]);
    await server.stop();
  });

  test("processes that share a data folder make one default app", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "ringmaster-nodes-"));
    const prefix = newPrefix();
    const config = { redis: { url: `redis://127.0.0.1:${redis.port}`, keyPrefix: prefix } };
    const nodes = await Promise.all([
      Ringmaster.start({ config, dataDir }),
      Ringmaster.start({ config, dataDir }),
      Ringmaster.start({ config, dataDir }),
    ]);
    const made = JSON.parse(readFileSync(`${dataDir}/default-app.json`, "utf8")) as typeof app;
    for (const { port } of nodes) {
      const answer = await callApi({ ...app, ...made }, port, { path: "/channels" });
      expect(answer.status).toBe(200);
    }
    for (const node of nodes) await node.stop();
    rmSync(dataDir, { recursive: true });
  });
});

describe("While Redis is away", () => {
  test("a process goes on, is not ready, says so in its metrics, and works again when Redis is back", async () => {
    const fragile = await RedisServer.start({ isLasting: true });
    const prefix = newPrefix();
    const server = await Ringmaster.start(options(fragile.port, prefix));
    const socket = await subscriber(server, "room");
    await fragile.kill();
    await eventually("it is not ready", async () =>
      (await readiness(server)).startsWith("503 not ready: Redis"),
    );
    expect((await server.ops("/healthz")).status).toBe(200);
    const without = await server.metrics();
    expect(without.sum("ringmaster_redis_up")).toBe(0);
    expect(without.text).toContain("ringmaster_redis_up 0");
    expect(without.sum("ringmaster_redis_connections_lost_total")).toBeGreaterThan(0);
    expect(without.text).not.toMatch(/^ringmaster_webhook_jobs\{/m);
    const refused = await callApi(app, server.port, {
      path: "/events",
      body: { name: "greeting", channel: "room", data: "lost" },
    });
    expect(refused.status).toBeGreaterThanOrEqual(500);
    expect(socket.isOpen).toBe(true);

    await fragile.start();
    await eventually("it is ready again", async () => (await readiness(server)) === "200 ready");
    await publish(app, server.port, "room", "greeting", "hello again");
    expect((await socket.message("greeting")).data).toBe("hello again");
    expect(await countOn(server, "room")).toBe(1);
    const after = await server.metrics();
    expect(after.sum("ringmaster_redis_up")).toBe(1);
    expect(after.sum("ringmaster_redis_faults_total")).toBeGreaterThan(0);
    expect(after.text).toMatch(/^ringmaster_webhook_jobs\{/m);
    await server.stop({ expectedErrors: server.log.all.map(({ msg }) => msg) });
    await fragile.close();
  });

  test("a process that is told to stop ends within its deadline", async () => {
    const fragile = await RedisServer.start();
    const server = await Ringmaster.start(
      options(fragile.port, newPrefix(), { flags: { "--drain-deadline-ms": "9000" } }),
    );
    await subscriber(server, "room");
    await fragile.kill();
    server.signal("SIGTERM");
    const { code } = await within("it ends", server.exited);
    expect(code).toBe(0);
    expect(server.log.all.map(({ msg }) => msg)).toContain(
      "Redis did not take our leave: others will find that we are gone",
    );
    await fragile.close();
  });
});

test("A user with the rights that the documentation lists is refused nothing, from a subscription to a webhook", async () => {
  const prefix = newPrefix();
  await redis.command(...documentedUser("limited", "pw", prefix));
  const server = await Ringmaster.start({
    config: {
      apps: [hooked.entry],
      redis: { url: `redis://limited:pw@127.0.0.1:${redis.port}`, keyPrefix: prefix },
      sender: { allowedNetworks: ["127.0.0.0/8"] },
    },
  });
  const socket = await RawWebSocket.open({ port: server.port, key: hooked.key });
  await socket.message("pusher:connection_established");
  socket.send({ event: "pusher:subscribe", data: { channel: "cache-orders" } });
  await socket.message("pusher:cache_miss");
  await publish(hooked, server.port, "cache-orders", "greeting", "hello");
  expect((await socket.message("greeting")).data).toBe("hello");
  await eventually(
    "a webhook has become a dead letter",
    async () => (await server.metrics()).sum("ringmaster_webhook_jobs", { state: "dead" }) > 0,
  );
  expect((await server.ops("/admin/webhooks")).status).toBe(200);
  const metrics = await server.metrics();
  expect(metrics.sum("ringmaster_redis_faults_total")).toBe(0);
  await server.stop();
});

test("Roles may be spread over processes that share a Redis: each does its part of the way of a webhook", async () => {
  const config = {
    apps: [hooked.entry],
    redis: { url: `redis://127.0.0.1:${redis.port}`, keyPrefix: newPrefix() },
    sender: { allowedNetworks: ["127.0.0.0/8"] },
  };
  const start = (roles: string): Promise<Ringmaster> =>
    Ringmaster.start({ config, flags: { "--roles": roles } });
  const [channels, packager, sender] = [
    await start("channels"),
    await start("packager"),
    await start("sender"),
  ];
  const socket = await RawWebSocket.open({ port: channels.port, key: hooked.key });
  await socket.message("pusher:connection_established");
  socket.send({ event: "pusher:subscribe", data: { channel: "orders" } });
  await eventually(
    "the sender of another process has tried to deliver",
    async () =>
      (await sender.metrics()).sum("ringmaster_sender_attempts_total", { app: hooked.id }) > 0,
  );
  expect((await packager.metrics()).sum("ringmaster_packager_jobs_total")).toBeGreaterThan(0);
  expect((await packager.metrics()).sum("ringmaster_packager_partitions")).toBe(64);
  for (const server of [channels, packager, sender]) await server.stop();
});
