import { describe, expect, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { Ring, settled, type Client } from "../../support/ring.ts";

async function pair(
  ring: Ring,
  channel = "private-c",
): Promise<[sender: Client, receiver: Client]> {
  const [sender, receiver] = await ring.connectMany(2);
  for (const [client, user] of [
    [sender!, "s"],
    [receiver!, "r"],
  ] as const) {
    if (channel.startsWith("presence-")) client.enter(channel, user);
    else client.subscribe(channel);
  }
  await settled();
  sender!.take();
  receiver!.take();
  return [sender!, receiver!];
}

describe("a client event", () => {
  test.each(["private-c", "private-encrypted-c", "private-cache-c"])(
    "on %s reaches the others, not the sender, and names no user",
    async (channel) => {
      const ring = new Ring();
      const [sender, receiver] = await pair(ring, channel);
      sender.trigger(channel, "client-x", { a: 1 });
      await settled();
      expect(receiver.raw).toEqual([
        `{"event":"client-x","channel":"${channel}","data":"{\\"a\\":1}"}`,
      ]);
      expect(sender.raw).toEqual([]);
    },
  );

  test("on a presence channel names the sender's user, whatever the sender says", async () => {
    const ring = new Ring();
    const [sender, receiver] = await pair(ring, "presence-c");
    sender.send({ event: "client-x", channel: "presence-c", data: "d", user_id: "admin" });
    await settled();
    expect(receiver.raw).toEqual([
      '{"event":"client-x","channel":"presence-c","data":"d","user_id":"s"}',
    ]);
  });

  test("reaches the sender's other sockets of the same user", async () => {
    const ring = new Ring();
    const [one, two] = await ring.connectMany(2);
    one!.enter("presence-c", "u");
    two!.enter("presence-c", "u");
    await settled();
    one!.trigger("presence-c", "client-x", "d");
    await settled();
    expect(two!.events).toContain("client-x");
    expect(one!.events).not.toContain("client-x");
  });

  test.each<[what: string, channel: string, event: string, data: unknown, message: string]>([
    [
      "on a public channel",
      "public",
      "client-x",
      "d",
      "Client event rejected - only supported on private and presence channels",
    ],
    [
      "on a channel that the socket is not on",
      "private-other",
      "client-x",
      "d",
      "Cannot broadcast client event (connection not subscribed to channel private-other)",
    ],
    [
      "without the prefix",
      "private-c",
      "x",
      "d",
      "Client event rejected - client events must be prefixed by 'client-'",
    ],
    [
      "without data",
      "private-c",
      "client-x",
      undefined,
      "Invalid client event (must contain channel and data)",
    ],
    [
      "of a reserved name",
      "private-c",
      "pusher:x",
      "d",
      "Unsupported event received on socket: pusher:x",
    ],
    [
      "with too much data",
      "private-c",
      "client-x",
      "ü".repeat(5_121),
      "The data content of this event exceeds the allowed maximum (10240 bytes). See https://pusher.com/docs/channels/server_api/http-api#publishing-events for more info",
    ],
    [
      "with too long a name",
      "private-c",
      `client-${"x".repeat(194)}`,
      "d",
      "Client event rejected - event name exceeds the allowed maximum (200 characters)",
    ],
  ])("%s is refused, and the socket stays", async (_what, channel, event, data, message) => {
    const ring = new Ring();
    const [sender, receiver] = await pair(ring);
    sender.trigger(channel, event, data);
    await settled();
    expect(sender.raw).toEqual([
      `{"event":"pusher:error","data":{"code":null,"message":${JSON.stringify(message)}}}`,
    ]);
    expect(receiver.raw).toEqual([]);
    expect(sender.closed).toBeUndefined();
  });

  test("of exactly 10 KB passes", async () => {
    const ring = new Ring();
    const [sender, receiver] = await pair(ring);
    sender.trigger("private-c", `client-${"x".repeat(193)}`, "ü".repeat(5_120));
    await settled();
    expect(receiver.frames).toHaveLength(1);
  });

  test("is refused where the app has them off, with where to turn them on", async () => {
    const ring = new Ring({ apps: [testApp({ clientEvents: false })] });
    const [sender, receiver] = await pair(ring);
    sender.trigger("private-c", "client-x", "d");
    await settled();
    expect(sender.errors).toEqual([
      "To send client events, you must enable this feature in the Settings page of your dashboard.",
    ]);
    expect(receiver.raw).toEqual([]);
  });

  test("behind an unsubscribe is refused", async () => {
    const ring = new Ring();
    const [sender, receiver] = await pair(ring);
    sender.unsubscribe("private-c");
    sender.trigger("private-c", "client-x", "d");
    await settled();
    expect(sender.errors).toHaveLength(1);
    expect(receiver.events).not.toContain("client-x");
  });
});

describe("the rate of client events", () => {
  test("is ten a second for each socket; one more is error 4301, and the socket stays", async () => {
    const ring = new Ring();
    const [sender, receiver] = await pair(ring);
    for (let i = 0; i < 12; i++) sender.trigger("private-c", "client-x", `${i}`);
    receiver.trigger("private-c", "client-x", "mine");
    await settled();
    expect(receiver.frames.map(({ data }) => data)).toEqual(
      Array.from({ length: 10 }, (_, i) => `${i}`),
    );
    const refused =
      '{"event":"pusher:error","data":{"code":4301,"message":"Client event rejected - rate limit of 10 events per second exceeded"}}';
    expect(sender.raw.filter((frame) => frame.includes("pusher:error"))).toEqual([
      refused,
      refused,
    ]);
    expect(sender.events).toContain("client-x");
    expect(sender.closed).toBeUndefined();
    ring.clock.advance(100);
    sender.trigger("private-c", "client-x", "again");
    sender.trigger("private-c", "client-x", "too much");
    await settled();
    expect(receiver.frames.at(-1)).toMatchObject({ data: "again" });
    expect(sender.errors).toHaveLength(3);
  });

  test("is what the app says now, and none where it says none", async () => {
    const ring = new Ring({ apps: [testApp({ limits: { clientEventsPerSecond: 1 } })] });
    const [sender, receiver] = await pair(ring);
    sender.trigger("private-c", "client-x", "1");
    sender.trigger("private-c", "client-x", "2");
    await settled();
    expect(receiver.frames).toHaveLength(1);
    ring.apps.replace([testApp({ limits: { clientEventsPerSecond: null } })]);
    for (let i = 0; i < 100; i++) sender.trigger("private-c", "client-x", "3");
    await settled();
    expect(receiver.frames).toHaveLength(101);
  });
});
