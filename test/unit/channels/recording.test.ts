import { describe, expect, test } from "bun:test";
import type { WebhookEventName } from "../../../src/protocol/webhook-event.ts";
import { WEBHOOK_EVENT_NAMES } from "../../../src/protocol/webhook-event.ts";
import type { Webhook } from "../../../src/protocol/webhook.ts";
import { testApp } from "../../support/apps.ts";
import { Ring, settled } from "../../support/ring.ts";

function webhook(
  events: readonly WebhookEventName[] = WEBHOOK_EVENT_NAMES,
  more: Partial<Webhook> = {},
): Webhook {
  return {
    id: "w",
    url: "https://example.test/hook",
    events,
    channelPrefix: null,
    channelSuffix: null,
    headers: {},
    timeoutMs: 4_000,
    retryWindowMs: 300_000,
    ...more,
  };
}

function ringWith(...webhooks: Webhook[]): Ring {
  return new Ring({
    apps: [testApp({ webhooks, clientEvents: true, subscriptionCount: true })],
  });
}

describe("what is recorded for webhooks", () => {
  test("is nothing for an app without webhooks", async () => {
    const ring = ringWith();
    const client = await ring.connect();
    client.enter("presence-c", "a");
    client.subscribe("cache-x");
    await settled();
    client.trigger("presence-c", "client-e", "d");
    client.drop();
    await settled();
    expect(ring.tape.taped).toEqual([]);
  });

  test("is the life of a channel and its members, whoever comes and goes, and however", async () => {
    const ring = ringWith(webhook());
    const [one, two] = await ring.connectMany(2);
    one!.enter("presence-c", "a");
    await settled();
    two!.enter("presence-c", "b");
    await settled();
    one!.unsubscribe("presence-c");
    await settled();
    two!.drop();
    await settled();
    expect(ring.tape.events).toEqual([
      { name: "channel_occupied", channel: "presence-c" },
      { name: "member_added", channel: "presence-c", user_id: "a" },
      { name: "member_added", channel: "presence-c", user_id: "b" },
      { name: "member_removed", channel: "presence-c", user_id: "a" },
      { name: "member_removed", channel: "presence-c", user_id: "b" },
      { name: "channel_vacated", channel: "presence-c" },
    ]);
  });

  test("has the ids of users as texts, where a client gave a number too", async () => {
    const ring = ringWith(webhook());
    const client = await ring.connect();
    client.subscribe("presence-c", { channelData: '{"user_id":10}' });
    await settled();
    expect(ring.tape.events[1]).toEqual({
      name: "member_added",
      channel: "presence-c",
      user_id: "10",
    });
  });

  test("has no channel of a user, which no app sees", async () => {
    const ring = ringWith(webhook());
    const client = await ring.connect();
    client.signIn("u");
    await settled();
    client.subscribe("#server-to-user-u");
    await settled();
    expect(ring.tape.events).toEqual([]);
  });

  test("has counts only where a webhook asks for them, and none of presence channels", async () => {
    const edges = ringWith(webhook(["channel_occupied"]));
    (await edges.connect()).subscribe("c");
    await settled();
    expect(edges.tape.events).toEqual([{ name: "channel_occupied", channel: "c" }]);

    const counts = ringWith(webhook(["subscription_count"]));
    const client = await counts.connect();
    client.subscribe("c");
    client.enter("presence-c", "a");
    await settled();
    expect(counts.tape.events).toEqual([
      { name: "channel_occupied", channel: "c" },
      { name: "subscription_count", channel: "c", subscription_count: 1 },
      { name: "channel_occupied", channel: "presence-c" },
      { name: "member_added", channel: "presence-c", user_id: "a" },
    ]);
  });

  test("leaves out channels that no webhook's filter lets through", async () => {
    const ring = ringWith(
      webhook(WEBHOOK_EVENT_NAMES, { channelPrefix: "room-", channelSuffix: "-x" }),
    );
    const client = await ring.connect();
    for (const channel of ["room-1", "1-x", "room-1-x"]) client.subscribe(channel);
    await settled();
    expect(new Set(ring.tape.events.map(({ channel }) => channel))).toEqual(new Set(["room-1-x"]));
  });

  test("goes on in the middle: a webhook that comes later hears what is, once, and then what changes", async () => {
    const ring = ringWith();
    const client = await ring.connect();
    client.enter("presence-c", "a");
    client.subscribe("c");
    await settled();
    expect(ring.tape.events).toEqual([]);
    ring.apps.replace([{ ...ring.app, webhooks: [webhook(["channel_occupied", "member_added"])] }]);
    await settled();
    expect(ring.tape.events).toEqual([
      { name: "channel_occupied", channel: "presence-c" },
      { name: "member_added", channel: "presence-c", user_id: "a" },
      { name: "channel_occupied", channel: "c" },
    ]);
    ring.apps.replace([{ ...ring.app, webhooks: [webhook(["channel_occupied"])] }]);
    await settled();
    expect(ring.tape.events).toHaveLength(3);
    client.drop();
    await settled();
    expect(ring.tape.events.slice(3).map(({ name, channel }) => `${name} ${channel}`)).toEqual([
      "member_removed presence-c",
      "channel_vacated presence-c",
      "channel_vacated c",
    ]);
  });

  test("of a webhook that comes later has nothing of users who are watched, or sent to: those are no channels", async () => {
    const ring = ringWith();
    const client = await ring.connect();
    client.signIn("a", { watchlist: ["b"] });
    client.subscribe("#server-to-user-a");
    await settled();
    ring.apps.replace([{ ...ring.app, webhooks: [webhook(["channel_occupied"])] }]);
    await settled();
    expect(ring.tape.events).toEqual([]);
    expect(await ring.roster.channels("3", "")).toEqual([]);
  });

  test("holds up a subscriber while more waits to be written than is good", async () => {
    const ring = ringWith(webhook());
    const room = Promise.withResolvers<void>();
    ring.tape.room = room.promise;
    const client = await ring.connect();
    client.subscribe("c");
    await settled();
    expect(client.events).toEqual([]);
    room.resolve();
    await settled();
    expect(client.events).toContain("pusher_internal:subscription_succeeded");
  });
});

describe("a client event", () => {
  test("is recorded before anybody sees it, with who sent it, its data a text", async () => {
    const ring = ringWith(webhook(["client_event"]));
    const [one, two] = await ring.connectMany(2);
    one!.enter("presence-c", "a");
    two!.enter("presence-c", "b");
    await settled();
    two!.take();
    ring.tape.gate.shut();
    one!.trigger("presence-c", "client-e", { x: 1 });
    await settled();
    expect(ring.tape.events).toEqual([
      {
        name: "client_event",
        channel: "presence-c",
        event: "client-e",
        data: '{"x":1}',
        socket_id: one!.id,
        user_id: "a",
      },
    ]);
    expect(two!.events).toEqual([]);
    ring.tape.gate.open();
    await settled();
    expect(two!.events).toEqual(["client-e"]);
  });

  test("names no user outside presence channels", async () => {
    const ring = ringWith(webhook(["client_event"]));
    const client = await ring.connect();
    client.subscribe("private-c");
    await settled();
    client.trigger("private-c", "client-e", "d");
    await settled();
    expect(Object.keys(ring.tape.events[0]!)).toEqual([
      "name",
      "channel",
      "event",
      "data",
      "socket_id",
    ]);
  });

  test("that is refused is not recorded", async () => {
    const ring = ringWith(webhook(["client_event"]));
    const client = await ring.connect();
    client.trigger("private-c", "client-e", "d");
    await settled();
    expect(ring.tape.events).toEqual([]);
  });
});

describe("a cache miss", () => {
  test("is recorded once, whoever comes, until the channel has had an event", async () => {
    const ring = ringWith(webhook(["cache_miss"]));
    const clients = await ring.connectMany(3);
    for (const client of clients) client.subscribe("cache-c");
    await settled();
    expect(ring.tape.events).toEqual([{ name: "cache_miss", channel: "cache-c" }]);
    for (const client of clients) expect(client.events).toContain("pusher:cache_miss");
    await ring.publish("cache-c");
    ring.clock.advance(31 * 60_000);
    const late = await ring.connect();
    late.subscribe("cache-c");
    await settled();
    expect(ring.tape.events).toHaveLength(2);
  });

  test("is recorded before the client is told", async () => {
    const ring = ringWith(webhook(["cache_miss"]));
    ring.tape.gate.shut();
    const client = await ring.connect();
    client.subscribe("cache-c");
    await settled();
    expect(client.events).not.toContain("pusher:cache_miss");
    ring.tape.gate.open();
    await settled();
    expect(client.events).toContain("pusher:cache_miss");
  });

  test("of a channel that has an event is none", async () => {
    const ring = ringWith(webhook(["cache_miss"]));
    await ring.publish("cache-c");
    (await ring.connect()).subscribe("cache-c");
    await settled();
    expect(ring.tape.events).toEqual([]);
  });
});
