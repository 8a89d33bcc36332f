import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import { newKey, testApp, withKey, type AppEntry, type TestApp } from "./support/apps.ts";
import type { Call } from "./support/call.ts";
import { publish } from "./support/http-api.ts";
import { nextEvent, pusherClient, serverLibrary } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Receiver } from "./support/receiver.ts";
import { Ringmaster } from "./support/ringmaster.ts";
import { eventually, within } from "./support/wait.ts";
import { webhookConfig } from "./support/webhook-server.ts";
import { DEBOUNCE_MS } from "./support/webhook-traffic.ts";

/** Every test has an app of its own, with a receiver of its own. */
interface Tenant {
  readonly app: TestApp;
  readonly receiver: Receiver;
}

async function tenant(
  settings: Partial<AppEntry> = {},
  webhooks: (receiver: Receiver) => NonNullable<AppEntry["webhooks"]> = (receiver) => [
    { url: receiver.url() },
  ],
): Promise<Tenant> {
  const plain = testApp();
  const entry = { ...plain.entry, ...settings };
  const receiver = await Receiver.listen({ apps: [withKey(entry)] });
  const active = entry.keys.findIndex((key) => key.active !== false);
  return { app: withKey({ ...entry, webhooks: webhooks(receiver) }, active), receiver };
}

const tenants = {
  everything: await tenant({ clientEvents: true, subscriptionCount: true }),
  rotated: await tenant({ keys: [{ ...newKey(), active: false }, newKey(), newKey()] }),
  batched: await tenant({ batchWebhooks: true }, (receiver) => [
    { url: receiver.url(), events: ["channel_occupied"] },
  ]),
  single: await tenant({ batchWebhooks: false }, (receiver) => [
    { url: receiver.url(), events: ["channel_occupied"] },
  ]),
  filtered: await tenant({}, (receiver) => [
    { url: receiver.url("/members"), events: ["member_added", "member_removed"] },
    { url: receiver.url("/presence"), events: ["channel_occupied"], channelPrefix: "presence-" },
    { url: receiver.url("/eu"), events: ["channel_occupied"], channelSuffix: "-eu" },
    {
      url: receiver.url("/both"),
      events: ["channel_occupied"],
      channelPrefix: "presence-",
      channelSuffix: "-eu",
    },
  ]),
  headers: await tenant({}, (receiver) => [
    { url: receiver.url(), headers: { authorization: "Bearer abc", "X-Api-Key": "k 1" } },
  ]),
  twice: await tenant({}, (receiver) => [
    { url: receiver.url("/same"), events: ["channel_occupied"] },
    { url: receiver.url("/same"), events: ["channel_occupied"] },
  ]),
  reload: await tenant(),
  absent: await tenant(),
  missed: await tenant({ limits: { cacheTtlMs: 500 } }),
  crowd: await tenant({ subscriptionCount: true }, (receiver) => [
    { url: receiver.url(), events: ["subscription_count"] },
  ]),
};

const server = await Ringmaster.start({
  config: webhookConfig(Object.values(tenants).map(({ app }) => app.entry)),
});
after(async () => {
  await server.stop();
  await Promise.all(Object.values(tenants).map(({ receiver }) => receiver.close()));
});
const { port } = server;

/** As the real library hands it to the customer's code. */
function parsed(app: TestApp, { headers, body }: Call): ReturnType<typeof read> {
  const library = serverLibrary(app, { port });
  return read(library.webhook({ headers: headers as Record<string, string>, rawBody: body }));
}

function read(webhook: ReturnType<ReturnType<typeof serverLibrary>["webhook"]>): {
  isValid: boolean;
  events: unknown[];
  timeMs: number;
} {
  return {
    isValid: webhook.isValid(),
    events: webhook.getEvents(),
    timeMs: webhook.getTime().getTime(),
  };
}

/** Something that happens now and is told like everything else: what was to come before it has come. */
async function leaveAndBeTold(t: TestContext, { app, receiver }: Tenant): Promise<void> {
  const client = await rawClient(t, app, { port });
  const channel = `presence-marker-${client.socketId}`;
  await client.subscribe(channel, { user_id: "marker" });
  client.unsubscribe(channel);
  await client.socket.settled();
  // It waits the whole time that a leaving waits for its return, and nothing before it waits longer.
  await receiver.event("channel_vacated", channel);
}

const isNoMarker = (channel: string): boolean => !channel.includes("-marker-");

// Most of them wait for three seconds to pass: they wait together.
describe("Webhook contract:", { concurrency: true }, () => {
  test("all seven events come with exactly their fields, and the pusher library takes every webhook", async (t) => {
    const { app, receiver } = tenants.everything;
    const other = pusherClient(t, app, { port, member: { user_id: "ada" } });
    // The type of the library is stricter than what applications in other languages sign.
    const member = { user_id: 7 as unknown as string, user_info: { name: "Seven" } };
    const client = pusherClient(t, app, { port, member });
    const socketId = await client.connected();
    const room = await client.subscribe("presence-room");
    const heard = nextEvent(await other.subscribe("presence-room"), "client-typing");
    room.trigger("client-typing", { keys: ["a", "ü"], at: 1 });
    await heard;
    const chat = await client.subscribe("private-chat");
    chat.trigger("client-said", "plain text");
    await client.subscribe("cache-empty");
    await client.subscribe("lobby");
    const lobby = await other.subscribe("lobby");
    await receiver.event("client_event", "private-chat");
    other.pusher.unsubscribe(lobby.name);
    other.pusher.disconnect();
    client.pusher.disconnect();

    const data = JSON.stringify({ keys: ["a", "ü"], at: 1 });
    const expected = [
      { name: "channel_occupied", channel: "presence-room" },
      { name: "member_added", channel: "presence-room", user_id: "7" },
      { name: "member_added", channel: "presence-room", user_id: "ada" },
      {
        name: "client_event",
        channel: "presence-room",
        event: "client-typing",
        data,
        socket_id: socketId,
        user_id: "7",
      },
      { name: "channel_occupied", channel: "private-chat" },
      { name: "subscription_count", channel: "private-chat", subscription_count: 1 },
      {
        name: "client_event",
        channel: "private-chat",
        event: "client-said",
        data: "plain text",
        socket_id: socketId,
      },
      { name: "channel_occupied", channel: "cache-empty" },
      { name: "subscription_count", channel: "cache-empty", subscription_count: 1 },
      { name: "cache_miss", channel: "cache-empty" },
      { name: "channel_occupied", channel: "lobby" },
      { name: "subscription_count", channel: "lobby", subscription_count: 1 },
      { name: "subscription_count", channel: "lobby", subscription_count: 2 },
      { name: "subscription_count", channel: "lobby", subscription_count: 1 },
      { name: "subscription_count", channel: "lobby", subscription_count: 0 },
      { name: "subscription_count", channel: "private-chat", subscription_count: 0 },
      { name: "subscription_count", channel: "cache-empty", subscription_count: 0 },
      { name: "member_removed", channel: "presence-room", user_id: "ada" },
      { name: "member_removed", channel: "presence-room", user_id: "7" },
      { name: "channel_vacated", channel: "presence-room" },
      { name: "channel_vacated", channel: "private-chat" },
      { name: "channel_vacated", channel: "cache-empty" },
      { name: "channel_vacated", channel: "lobby" },
    ];
    for (const name of ["presence-room", "private-chat", "cache-empty", "lobby"])
      await receiver.event("channel_vacated", name);
    await leaveAndBeTold(t, tenants.everything);
    const got = receiver.events.all.filter(({ channel }) => isNoMarker(channel));
    assert.deepEqual(inSomeOrder(got), inSomeOrder(expected));

    const stranger = testApp();
    for (const call of receiver.calls.all) {
      const { isValid, events, timeMs } = parsed(app, call);
      assert.deepEqual([isValid, events], [true, call.events]);
      assert.ok(Math.abs(Date.now() - timeMs) < 60_000, `made at ${timeMs}`);
      assert.equal(parsed(stranger, call).isValid, false);
      assert.equal(parsed({ ...stranger, key: app.key }, call).isValid, false);
      assert.equal(parsed(app, { ...call, body: `${call.body} ` }).isValid, false);
    }
    const ids = receiver.calls.all.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, "each webhook has an id of its own");
    const places = receiver.calls.all.flatMap(({ headers }) =>
      String(headers["ringmaster-sequence"]).split(","),
    );
    assert.equal(new Set(places).size, places.length, "each event has a place of its own");
  });

  test("the oldest active key signs; one that was deactivated does not, and a newer one waits", async (t) => {
    const { app, receiver } = tenants.rotated;
    const client = await rawClient(t, app, { port });
    await client.subscribe("rotated");
    const call = await receiver.call();
    assert.equal(call.headers["x-pusher-key"], app.entry.keys[1]?.key);
    assert.equal(parsed(withKey(app.entry, 1), call).isValid, true);
    for (const position of [0, 2])
      assert.equal(parsed(withKey(app.entry, position), call).isValid, false);
    const newest = serverLibrary(withKey(app.entry, 2), { port });
    const { key, secret } = app;
    assert.equal(
      newest
        .webhook({ headers: call.headers as Record<string, string>, rawBody: call.body })
        .isValid([{ key, secret }]),
      true,
      "a consumer that knows both takes it",
    );
  });

  for (const [kind, most] of [
    ["batched", 20],
    ["single", 1],
  ] as const) {
    test(`with batching ${kind === "batched" ? "on, many events come in bodies of at most 20" : "off, each event comes alone"}`, async (t) => {
      const CHANNELS = 130;
      const { app, receiver } = tenants[kind];
      const client = await rawClient(t, app, { port });
      for (let number = 0; number < CHANNELS; number++) client.askToSubscribe(`many-${number}`);
      for (let number = 0; number < CHANNELS; number++)
        await receiver.event("channel_occupied", `many-${number}`);
      const sizes = receiver.calls.all.map(({ events }) => events.length);
      assert.equal(Math.max(...sizes), most, `sizes: ${sizes.join()}`);
      assert.equal(receiver.events.all.length, CHANNELS);
    });
  }

  test("events, prefix and suffix decide what stands in the body, not merely whether one is sent", async (t) => {
    const { app, receiver } = tenants.filtered;
    const client = await rawClient(t, app, { port });
    // At once, so that all of it is gathered in one window.
    for (const channel of ["plain", "plain-eu"]) client.askToSubscribe(channel);
    for (const channel of ["presence-us", "presence-eu", "presence-last-eu"])
      client.askToSubscribe(channel, { user_id: "a" });
    const told = (path: string): string[] =>
      receiver
        .callsTo(path)
        .flatMap(({ events }) => events)
        .map(({ name, channel }) => `${name} ${channel}`)
        .toSorted();
    for (const path of ["/members", "/presence", "/eu", "/both"])
      await receiver.call((call) => call.path === path && call.body.includes('"presence-last-eu"'));
    assert.deepEqual(told("/members"), [
      "member_added presence-eu",
      "member_added presence-last-eu",
      "member_added presence-us",
    ]);
    assert.deepEqual(told("/presence"), [
      "channel_occupied presence-eu",
      "channel_occupied presence-last-eu",
      "channel_occupied presence-us",
    ]);
    assert.deepEqual(told("/eu"), [
      "channel_occupied plain-eu",
      "channel_occupied presence-eu",
      "channel_occupied presence-last-eu",
    ]);
    assert.deepEqual(told("/both"), [
      "channel_occupied presence-eu",
      "channel_occupied presence-last-eu",
    ]);
  });

  test("custom headers come along", async (t) => {
    const { app, receiver } = tenants.headers;
    await (await rawClient(t, app, { port })).subscribe("any");
    const { headers } = await receiver.call();
    assert.deepEqual([headers["authorization"], headers["x-api-key"]], ["Bearer abc", "k 1"]);
    assert.match(String(headers["user-agent"]), /^Ringmaster-Webhooks\//);
  });

  test("a custom header cannot take the place of one that Ringmaster sets: such a configuration is refused", async (t) => {
    const names = ["X-Pusher-Key", "content-type", "Webhook-Id", "ringmaster-sequence", "Host"];
    const webhooks = names.map((name) => ({
      url: "http://127.0.0.1:1/",
      headers: { [name]: "mine" },
    }));
    const refused = Ringmaster.launch({ config: webhookConfig([testApp({ webhooks }).entry]) });
    t.after(() => refused.signal("SIGKILL"));
    assert.equal((await within("the server ends", refused.exited)).code, 1);
    for (const [place, name] of names.entries()) {
      const fault = `webhooks\\[${place}\\].*has a header that Ringmaster or HTTP sets`;
      assert.match(refused.stderr, new RegExp(fault), name);
    }
  });

  test("two webhooks with one URL both get every event, each under ids of its own", async (t) => {
    const { app, receiver } = tenants.twice;
    await (await rawClient(t, app, { port })).subscribe("shared");
    const calls = [await receiver.call(), await receiver.call()];
    assert.deepEqual(calls[0]?.events, [{ name: "channel_occupied", channel: "shared" }]);
    assert.deepEqual(calls[1]?.events, calls[0]?.events);
    assert.notEqual(calls[1]?.id, calls[0]?.id);
  });

  test("whoever reloads the page is neither told to have left nor to have come again", async (t) => {
    const { app, receiver } = tenants.reload;
    const client = pusherClient(t, app, { port, member: { user_id: "ada" } });
    let pages = 0;
    // On a machine that stands still meanwhile it is an absence like any other, and shows nothing.
    const page = await eventually("reloads that take less than three seconds", async () => {
      const channel = `presence-page-${++pages}`;
      const subscribed = (): Promise<unknown> =>
        client.message("pusher_internal:subscription_succeeded", channel);
      await client.subscribe(channel);
      await subscribed();
      await receiver.event("member_added", channel);
      const startedAtMs = performance.now();
      for (let reload = 0; reload < 3; reload++) {
        client.pusher.disconnect();
        client.pusher.connect();
        await subscribed();
      }
      return performance.now() - startedAtMs < DEBOUNCE_MS && channel;
    });
    await leaveAndBeTold(t, tenants.reload);
    client.pusher.disconnect();
    for (const name of ["channel_vacated", "member_removed"]) await receiver.event(name, page);
    await leaveAndBeTold(t, tenants.reload);
    assert.deepEqual(receiver.told((channel) => channel === page).toSorted(), [
      `channel_occupied ${page}`,
      `channel_vacated ${page}`,
      `member_added ${page}`,
      `member_removed ${page}`,
    ]);
  });

  test("whoever stays away for longer is told to have left, and to have come when that happens", async (t) => {
    const { app, receiver } = tenants.absent;
    const client = pusherClient(t, app, { port, member: { user_id: "ada" } });
    await client.subscribe("presence-page");
    for (const name of ["channel_occupied", "member_added"])
      await receiver.event(name, "presence-page");
    client.pusher.disconnect();
    for (const name of ["channel_vacated", "member_removed"])
      await receiver.event(name, "presence-page");
    client.pusher.connect();
    for (const name of ["channel_occupied", "member_added"])
      await receiver.event(name, "presence-page");
  });

  test("many who miss the same empty cache channel make one cache_miss; after an event has come and gone, another one", async (t) => {
    const { app, receiver } = tenants.missed;
    const crowd = await Promise.all(Array.from({ length: 20 }, () => rawClient(t, app, { port })));
    for (const client of crowd) await client.subscribe("cache-prices");
    for (const client of crowd) await client.socket.message("pusher:cache_miss");
    await leaveAndBeTold(t, tenants.missed);
    assert.deepEqual(
      receiver.told(isNoMarker).filter((told) => told.startsWith("cache_miss")),
      ["cache_miss cache-prices"],
    );
    await receiver.event("cache_miss", "cache-prices");
    await publish(app, port, "cache-prices", "price", "1");
    const late = await rawClient(t, app, { port });
    await eventually("the event is forgotten", async () => {
      await late.subscribe("cache-prices");
      await late.socket.settled();
      late.unsubscribe("cache-prices");
      return late.socket.messages.all.some(({ event }) => event === "pusher:cache_miss");
    });
    await receiver.event("cache_miss", "cache-prices");
  });

  test("subscription_count comes at each change up to 100 subscribers, then every 5 seconds, the last count at last", async (t) => {
    const CROWD = 120;
    const { app, receiver } = tenants.crowd;
    const crowd = await Promise.all(
      Array.from({ length: CROWD }, () => rawClient(t, app, { port })),
    );
    for (const client of crowd) await client.subscribe("crowded");
    await receiver.events.take(
      "the last count",
      ({ subscription_count: count }) => count === CROWD,
    );
    const counts = receiver.events.all.map(({ subscription_count: count }) => Number(count));
    for (let count = 1; count <= 100; count++) assert.ok(counts.includes(count), `count ${count}`);
    const large = receiver.calls.all.filter(({ events }) =>
      events.some(({ subscription_count: count }) => Number(count) > 100),
    );
    const largeCounts = counts.filter((count) => count > 100);
    // The crowd comes within one interval, unless the machine stands still: two counts then, and more where it did.
    const tookMs = (large.at(-1)?.atMs ?? 0) - (large[0]?.atMs ?? 0);
    assert.ok(
      largeCounts.length <= 2 + tookMs / 5_000,
      `counts above 100 within ${tookMs} ms: ${largeCounts.join()}`,
    );
  });
});

function inSomeOrder(events: readonly object[]): string[] {
  return events.map((event) => JSON.stringify(event)).toSorted();
}
