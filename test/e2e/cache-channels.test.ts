import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApp } from "./support/apps.ts";
import { callApi, publish } from "./support/http-api.ts";
import { nextEvent, pusherClient, serverLibrary } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";
import { eventually } from "./support/wait.ts";

const app = testApp();
const fleeting = testApp({ limits: { cacheTtlMs: 1_000 } });
const server = await Ringmaster.start({ config: { apps: [app.entry, fleeting.entry] } });
after(() => server.stop());
const { port } = server;

for (const prefix of ["cache-", "private-cache-", "presence-cache-"]) {
  test(`Cache: a subscriber of ${prefix}… gets the last event first, whoever comes later the later one`, async (t) => {
    const channel = `${prefix}last`;
    const library = serverLibrary(app, { port });
    await library.trigger(channel, "weather", { sky: "grey" });
    await library.trigger(channel, "weather", { sky: "blue" });
    const first = pusherClient(t, app, { port, member: { user_id: "a" } });
    const coming = nextEvent(first.pusher.subscribe(channel), "weather");
    assert.deepEqual((await coming).data, { sky: "blue" });
    await library.trigger(channel, "traffic", { jam: true });
    await first.message("traffic");
    assert.deepEqual(
      first.messages.all.map(({ event }) => event),
      ["pusher_internal:subscription_succeeded", "weather", "traffic"],
    );

    const second = pusherClient(t, app, { port, member: { user_id: "b" } });
    second.pusher.subscribe(channel);
    assert.deepEqual((await second.message("traffic")).data, { jam: true });
    assert.equal(second.got("weather").length, 0);
  });

  test(`Cache: a subscriber of an empty ${prefix}… is told pusher:cache_miss`, async (t) => {
    const client = pusherClient(t, app, { port, member: { user_id: "a" } });
    const before = (await server.metrics()).sum("ringmaster_cache_misses_total", { app: app.id });
    const miss = nextEvent(client.pusher.subscribe(`${prefix}empty`), "pusher:cache_miss");
    await miss;
    const now = await server.metrics();
    assert.equal(now.sum("ringmaster_cache_misses_total", { app: app.id }) - before, 1);
  });
}

test("Cache: the frame of a miss names the channel and nothing else", async (t) => {
  const client = await rawClient(t, app, { port });
  await client.subscribe("cache-miss-frame");
  assert.deepEqual(await client.socket.message("pusher:cache_miss"), {
    event: "pusher:cache_miss",
    channel: "cache-miss-frame",
  });
});

test("Cache: a socket that the publisher excluded still gets the event when it subscribes later", async (t) => {
  const client = await rawClient(t, app, { port });
  await publish(app, port, "cache-excluded", "kept", { a: 1 }, { socket_id: client.socketId });
  await client.subscribe("cache-excluded");
  assert.deepEqual(await client.socket.data("kept"), { a: 1 });
});

test("Cache: a channel whose name only looks alike keeps nothing", async (t) => {
  const client = await rawClient(t, app, { port });
  for (const channel of ["encrypted-cache-x", "my-cache-x", "cachex"]) {
    await publish(app, port, channel, "gone");
    await client.subscribe(channel);
  }
  await client.socket.settled();
  assert.equal(
    client.socket.messages.all.some(
      ({ event }) => event === "gone" || event === "pusher:cache_miss",
    ),
    false,
  );
});

test("Cache: info=cache answers the data and the seconds it has left, null where there is none", async () => {
  await publish(app, port, "cache-info", "kept", "as it is");
  const asked = { path: "/channels/cache-info", query: [["info", "cache"]] as const };
  const { cache, ...rest } = JSON.parse((await callApi(app, port, asked)).body) as {
    cache: { data: string; ttl: number };
  };
  assert.deepEqual(rest, { occupied: false });
  assert.equal(cache.data, "as it is");
  assert.ok(
    Number.isInteger(cache.ttl) && cache.ttl > 1_700 && cache.ttl <= 1_800,
    `ttl ${cache.ttl}`,
  );
  const empty = await callApi(app, port, {
    path: "/channels/cache-info-none",
    query: [["info", "cache"]],
  });
  assert.deepEqual(JSON.parse(empty.body), { occupied: false, cache: null });
});

test("Cache: an event is counted in memory, and forgotten when its time is over", async (t) => {
  const held = (await server.metrics()).sum("ringmaster_cache_bytes");
  await publish(fleeting, port, "cache-fleeting", "brief", "x".repeat(5_000));
  assert.ok((await server.metrics()).sum("ringmaster_cache_bytes") >= held + 5_000);
  const before = await callApi(fleeting, port, {
    path: "/channels/cache-fleeting",
    query: [["info", "cache"]],
  });
  assert.equal((JSON.parse(before.body) as { cache: { ttl: number } }).cache.ttl, 1);
  await eventually("the event is forgotten", async () => {
    const { body } = await callApi(fleeting, port, {
      path: "/channels/cache-fleeting",
      query: [["info", "cache"]],
    });
    return (JSON.parse(body) as { cache: unknown }).cache === null;
  });
  const client = await rawClient(t, fleeting, { port });
  await client.subscribe("cache-fleeting");
  await client.socket.message("pusher:cache_miss");
});
