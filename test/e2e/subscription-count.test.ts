import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Channel } from "pusher-js";
import { testApp } from "./support/apps.ts";
import { callApi } from "./support/http-api.ts";
import { pusherClient } from "./support/pusher-client.ts";
import { rawClient, type RawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";

const app = testApp({ subscriptionCount: true });
const without = testApp();
const server = await Ringmaster.start({ config: { apps: [app.entry, without.entry] } });
after(() => server.stop());
const { port } = server;

function counts(client: RawClient, channel: string): number[] {
  return client.socket.messages.all
    .filter((it) => it.event === "pusher_internal:subscription_count" && it.channel === channel)
    .map(
      ({ data }) => (JSON.parse(String(data)) as { subscription_count: number }).subscription_count,
    );
}

async function counted(client: RawClient, channel: string, count: number): Promise<void> {
  const expected = JSON.stringify({ subscription_count: count });
  await client.socket.messages.take(
    `subscription_count ${count}`,
    (it) =>
      it.event === "pusher_internal:subscription_count" &&
      it.channel === channel &&
      it.data === expected,
  );
}

test("Subscription count: pusher-js is told at its own subscription and at every change after it", async (t) => {
  const client = pusherClient(t, app, { port });
  const channel: Channel = client.pusher.subscribe("counted");
  const told: number[] = [];
  channel.bind("pusher:subscription_count", (data: { subscription_count: number }) =>
    told.push(data.subscription_count),
  );
  await client.message("pusher_internal:subscription_count");
  const other = await rawClient(t, app, { port });
  await other.subscribe("counted");
  await client.message("pusher_internal:subscription_count");
  assert.equal(channel.subscriptionCount, 2);
  other.unsubscribe("counted");
  await client.message("pusher_internal:subscription_count");
  assert.deepEqual(told, [1, 2, 1]);
});

test("Subscription count: presence channels and apps that have not enabled it get none", async (t) => {
  const present = await rawClient(t, app, { port });
  await present.subscribe("presence-uncounted", { user_id: "a" });
  const elsewhere = await rawClient(t, without, { port });
  await elsewhere.subscribe("uncounted");
  for (const client of [present, elsewhere]) {
    await client.socket.settled();
    assert.equal(
      client.socket.messages.all.some(({ event }) => event.includes("subscription_count")),
      false,
    );
  }
});

test("Subscription count: above 100 subscribers it comes at most every 5 seconds, and the last change is told in the end", async (t) => {
  const crowd = await Promise.all(Array.from({ length: 102 }, () => rawClient(t, app, { port })));
  const watcher = crowd[0]!;
  for (const client of crowd.slice(0, 100)) await client.subscribe("crowded");
  await counted(watcher, "crowded", 100);
  assert.deepEqual(
    counts(watcher, "crowded"),
    Array.from({ length: 100 }, (_, number) => number + 1),
  );

  const startedAt = performance.now();
  for (const client of crowd.slice(100)) await client.subscribe("crowded");
  crowd[101]!.unsubscribe("crowded");
  await crowd[101]!.socket.settled();
  crowd[101]!.askToSubscribe("crowded");
  await counted(watcher, "crowded", 102);
  const waitedMs = performance.now() - startedAt;
  const after100 = counts(watcher, "crowded").slice(100);
  // The 101st subscriber waits for the interval since the 100th: one count tells the end of it all.
  assert.deepEqual(after100.at(-1), 102);
  assert.ok(after100.length <= 2, `counts after the hundredth: ${after100.join(", ")}`);
  assert.ok(waitedMs > 3_000 && waitedMs < 8_000, `the trailing count came after ${waitedMs} ms`);
  const { body } = await callApi(app, port, {
    path: "/channels/crowded",
    query: [["info", "subscription_count"]],
  });
  assert.deepEqual(JSON.parse(body), { occupied: true, subscription_count: 102 });
});

test("Subscription count: the metrics count the same subscriptions", async (t) => {
  const before = (await server.metrics()).sum("ringmaster_subscriptions", { app: without.id });
  const client = await rawClient(t, without, { port });
  for (const channel of ["one", "two", "three"]) await client.subscribe(channel);
  const now = await server.metrics();
  assert.equal(now.sum("ringmaster_subscriptions", { app: without.id }) - before, 3);
});
