import { describe, expect, test } from "bun:test";
import { testApp, VECTOR_KEY } from "../../support/apps.ts";
import { NOTHING_LEFT, Ring, settled } from "../../support/ring.ts";
import { channelAuth } from "../../support/signing.ts";

const quiet = testApp({ subscriptionCount: false });

function succeeded(channel: string): string {
  return `{"event":"pusher_internal:subscription_succeeded","data":"{}","channel":"${channel}"}`;
}

function error(message: string): string {
  return `{"event":"pusher:error","data":{"code":null,"message":${JSON.stringify(message)}}}`;
}

describe("subscribing", () => {
  test.each(["c", "private-c", "private-encrypted-c", "__proto__", "a=@,.;_-B9"])(
    "to %s succeeds, and what is published arrives behind the success",
    async (channel) => {
      const ring = new Ring({ apps: [quiet] });
      const client = await ring.connect();
      client.subscribe(channel);
      await settled();
      await ring.publish(channel, "my-event", '{"a":1}');
      expect(client.raw).toEqual([
        succeeded(channel),
        `{"event":"my-event","channel":"${channel}","data":"{\\"a\\":1}"}`,
      ]);
    },
  );

  test("needs no waiting: messages of one socket are worked on in their order", async () => {
    const ring = new Ring({ apps: [quiet] });
    const client = await ring.connect();
    client.subscribe("a");
    client.unsubscribe("a");
    client.subscribe("b");
    client.subscribe("a");
    client.unsubscribe("b");
    await settled();
    expect(client.raw).toEqual([succeeded("a"), succeeded("b"), succeeded("a")]);
    await ring.publish("a");
    await ring.publish("b");
    expect(client.frames.slice(3).map(({ channel }) => channel)).toEqual(["a"]);
    expect(await ring.roster.channels("3", "")).toEqual([
      { channel: "a", subscribers: 1, users: 0 },
    ]);
  });

  test("answers a ping of the application at once", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    client.send({ event: "pusher:ping", data: {} });
    expect(client.raw).toEqual(['{"event":"pusher:pong","data":"{}"}']);
  });

  test("refuses binary frames with a word, and the socket stays", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    ring.gateway.receiveBinary(client.session);
    expect(client.raw).toEqual([error("Binary WebSocket frames are not supported")]);
    expect(client.closed).toBeUndefined();
  });

  test("accepts the signature of every active key, not only of the one the socket came with", async () => {
    const keys = [
      { key: "old", secret: "1", active: false },
      { key: "one", secret: "2", active: true },
      { key: "two", secret: "3", active: true },
    ];
    const ring = new Ring({ apps: [testApp({ keys, subscriptionCount: false })] });
    const client = await ring.connect({ key: keys[1]! });
    for (const [i, key] of keys.entries()) {
      client.subscribe(`private-${i}`, { auth: channelAuth(key, client.id, `private-${i}`) });
    }
    await settled();
    expect(client.raw).toEqual([
      error("Invalid key in subscription auth data: 'old'"),
      succeeded("private-1"),
      succeeded("private-2"),
    ]);
  });
});

describe("a subscription is refused, in the hosted server's words, and the socket stays", () => {
  const SIGNATURE = "f".repeat(64);
  test.each<
    [
      what: string,
      channel: string,
      options: { auth?: string; channelData?: string },
      message: string,
    ]
  >([
    [
      "with a wrong signature",
      "private-c",
      { auth: `${VECTOR_KEY}:${SIGNATURE}` },
      `Invalid signature: Expected HMAC SHA256 hex digest of <id>:private-c, but got ${SIGNATURE}`,
    ],
    [
      "with a wrong signature on a presence channel",
      "presence-c",
      { auth: `${VECTOR_KEY}:${SIGNATURE}`, channelData: '{"user_id":"1"}' },
      `Invalid signature: Expected HMAC SHA256 hex digest of <id>:presence-c:{"user_id":"1"}, but got ${SIGNATURE}`,
    ],
    [
      "with an unknown key",
      "private-c",
      { auth: `nope:${SIGNATURE}` },
      "Invalid key in subscription auth data: 'nope'",
    ],
    ["without auth", "private-c", { auth: "" }, "Auth info required to subscribe to private-c"],
    [
      "with auth of another shape",
      "private-c",
      { auth: "nonsense" },
      "Auth value for subscription to private-c is invalid: should be of format 'key:signature'",
    ],
    ["of an invalid name", "no spaces", {}, "Invalid channel name: no spaces"],
    [
      "of a name that is too long",
      "x".repeat(201),
      {},
      `Invalid channel name: ${"x".repeat(200)}…`,
    ],
    ["of our own channels", "#watchers-of-u", {}, "Invalid channel name: #watchers-of-u"],
    [
      "to a user's channel without being that user",
      "#server-to-user-u",
      {},
      "Subscription to channel #server-to-user-u refused: the connection is not signed in as that user",
    ],
  ])("%s", async (_what, channel, options, message) => {
    const ring = new Ring();
    const client = await ring.connect();
    client.subscribe(channel, options);
    await settled();
    expect(client.raw).toEqual([error(message.replace("<id>", client.id))]);
    expect(client.closed).toBeUndefined();
    expect(await ring.roster.channels("3", "")).toEqual([]);
    expect(ring.leftovers()).toMatchObject({ channels: [], topics: [] });
  });

  test("when there is one already", async () => {
    const ring = new Ring({ apps: [quiet] });
    const client = await ring.connect();
    client.subscribe("private-c");
    client.subscribe("private-c");
    await settled();
    expect(client.raw).toEqual([
      succeeded("private-c"),
      error("Existing subscription to channel private-c"),
    ]);
    await ring.publish("private-c");
    expect(client.frames).toHaveLength(3);
    expect(await ring.roster.channels("3", "")).toMatchObject([{ subscribers: 1 }]);
  });

  test("when the signature was made for another socket", async () => {
    const ring = new Ring();
    const [client, other] = await ring.connectMany(2);
    client!.subscribe("private-c", {
      auth: channelAuth(ring.app.keys[0]!, other!.id, "private-c"),
    });
    await settled();
    expect(client!.errors).toHaveLength(1);
    expect(client!.errors[0]).toStartWith(
      `Invalid signature: Expected HMAC SHA256 hex digest of ${client!.id}:private-c,`,
    );
  });

  test("when the signature leaves out the channel_data that is sent", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    const auth = channelAuth(ring.app.keys[0]!, client.id, "presence-c");
    client.subscribe("presence-c", { auth, channelData: '{"user_id":"admin"}' });
    await settled();
    expect(client.errors[0]).toStartWith("Invalid signature: ");
  });

  test("beyond the number that a connection may have", async () => {
    const ring = new Ring({
      apps: [testApp({ subscriptionCount: false, limits: { subscriptionsPerConnection: 2 } })],
    });
    const client = await ring.connect();
    for (const channel of ["a", "b", "c"]) client.subscribe(channel);
    await settled();
    expect(client.errors).toEqual([
      "Subscription to channel c refused: a connection may have at most 2 subscriptions",
    ]);
    client.unsubscribe("a");
    client.subscribe("c");
    await settled();
    expect(client.raw.at(-1)).toBe(succeeded("c"));
  });
});

describe("unsubscribing", () => {
  test("is answered by silence, and nothing more arrives", async () => {
    const ring = new Ring({ apps: [quiet] });
    const client = await ring.connect();
    client.subscribe("c");
    await settled();
    client.take();
    client.unsubscribe("c");
    await ring.publish("c");
    await settled();
    expect(client.raw).toEqual([]);
    client.leave();
    await settled();
    expect(ring.leftovers()).toEqual(NOTHING_LEFT);
  });

  test("from a channel that the socket is not on is an error, and the socket stays", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    client.unsubscribe("X");
    await settled();
    expect(client.raw).toEqual([
      error("No current subscription to channel X, or subscription in progress"),
    ]);
    expect(client.closed).toBeUndefined();
  });
});

describe("subscription_count", () => {
  test("is told to the joiner behind the success and to the others at every change", async () => {
    const ring = new Ring();
    const [first, second] = await ring.connectMany(2);
    first!.subscribe("c");
    await settled();
    expect(first!.raw).toEqual([
      succeeded("c"),
      '{"event":"pusher_internal:subscription_count","channel":"c","data":"{\\"subscription_count\\":1}"}',
    ]);
    second!.subscribe("c");
    await settled();
    expect(second!.data("pusher_internal:subscription_count")).toEqual([{ subscription_count: 2 }]);
    expect(first!.data("pusher_internal:subscription_count")).toEqual([
      { subscription_count: 1 },
      { subscription_count: 2 },
    ]);
    second!.drop();
    await settled();
    expect(first!.data("pusher_internal:subscription_count").at(-1)).toEqual({
      subscription_count: 1,
    });
  });

  test.each(["presence-c", "#server-to-user-u"])("is not told on %s", async (channel) => {
    const ring = new Ring();
    const client = await ring.connect();
    client.signIn("u");
    client.subscribe(channel);
    await settled();
    expect(client.events).toContain("pusher_internal:subscription_succeeded");
    expect(client.events).not.toContain("pusher_internal:subscription_count");
  });

  test("is not told where the app has it off", async () => {
    const ring = new Ring({ apps: [quiet] });
    const [first, second] = await ring.connectMany(2);
    first!.subscribe("c");
    second!.subscribe("c");
    await settled();
    expect([...first!.events, ...second!.events]).not.toContain(
      "pusher_internal:subscription_count",
    );
  });

  test("above 100 comes at most every five seconds, and the last change is told at the end of them", async () => {
    const ring = new Ring();
    const clients = await ring.connectMany(105);
    for (const client of clients) {
      client.subscribe("c");
      await settled();
    }
    const first = clients[0]!;
    const told = () =>
      first
        .data("pusher_internal:subscription_count")
        .map((data) => Object.values(data as object)[0]);
    // The first change above 100 came less than five seconds after the hundredth.
    expect(told()).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    ring.clock.advance(5_000);
    expect(told().slice(100)).toEqual([105]);
    clients[104]!.leave();
    clients[103]!.leave();
    await settled();
    expect(told().slice(100)).toEqual([105]);
    ring.clock.advance(5_000);
    expect(told().slice(100)).toEqual([105, 103]);
    ring.clock.advance(60_000);
    expect(told().slice(100)).toEqual([105, 103]);
  });
});

describe("a cache channel", () => {
  test.each(["cache-c", "private-cache-c", "private-encrypted-cache-c"])(
    "%s gives the last event to who comes, before any other, and a miss where there is none",
    async (channel) => {
      const ring = new Ring({ apps: [quiet] });
      const [early, late] = await ring.connectMany(2);
      early!.subscribe(channel);
      await settled();
      expect(early!.raw).toEqual([
        succeeded(channel),
        `{"event":"pusher:cache_miss","channel":"${channel}"}`,
      ]);
      await ring.publish(channel, "e", "1");
      await ring.publish(channel, "e", "2");
      late!.subscribe(channel);
      await settled();
      await ring.publish(channel, "e", "3");
      expect(late!.raw).toEqual([
        succeeded(channel),
        `{"event":"e","channel":"${channel}","data":"2"}`,
        `{"event":"e","channel":"${channel}","data":"3"}`,
      ]);
      expect(ring.node.tenants.get("3")!.counters.cacheMisses).toBe(1);
    },
  );

  test("forgets after its time", async () => {
    const ring = new Ring({
      apps: [testApp({ subscriptionCount: false, limits: { cacheTtlMs: 60_000 } })],
    });
    await ring.publish("cache-c");
    ring.clock.advance(59_999);
    const [before, after] = await ring.connectMany(2);
    before!.subscribe("cache-c");
    await settled();
    ring.clock.advance(1);
    after!.subscribe("cache-c");
    await settled();
    expect([before!.events[1], after!.events[1]]).toEqual(["e", "pusher:cache_miss"]);
  });

  test("keeps no client event", async () => {
    const ring = new Ring({ apps: [quiet] });
    const [sender, late] = await ring.connectMany(2);
    sender!.subscribe("private-cache-c");
    await settled();
    await ring.publish("private-cache-c", "e", "kept");
    sender!.trigger("private-cache-c", "client-x", "not kept");
    await settled();
    late!.subscribe("private-cache-c");
    await settled();
    expect(late!.frames[1]).toMatchObject({ event: "e", data: "kept" });
  });

  test("keeps the event although the publisher left out every socket that there is", async () => {
    const ring = new Ring({ apps: [quiet] });
    const [publisher, late] = await ring.connectMany(2);
    publisher!.subscribe("cache-c");
    await settled();
    await ring.publish("cache-c", "e", "kept", { socket_id: publisher!.id });
    expect(publisher!.events).not.toContain("e");
    late!.subscribe("cache-c");
    await settled();
    expect(late!.events[1]).toBe("e");
  });
});
