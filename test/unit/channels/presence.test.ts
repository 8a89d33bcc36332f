import { describe, expect, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { NOTHING_LEFT, Ring, settled, type Client } from "../../support/ring.ts";

interface Presence {
  readonly presence: {
    readonly count: number;
    readonly ids: string[];
    readonly hash: Record<string, unknown>;
  };
}

function list(client: Client): Presence["presence"] {
  return (client.data("pusher_internal:subscription_succeeded").at(-1) as Presence).presence;
}

/** Whom a client believes to be there: its list, and what it was told since. */
function believed(client: Client): string[] {
  const ids = new Set<string>();
  for (const { event, data } of client.frames) {
    const decoded =
      typeof data === "string" && event.startsWith("pusher_internal:")
        ? (JSON.parse(data) as unknown)
        : {};
    if (event === "pusher_internal:subscription_succeeded") {
      for (const id of (decoded as Presence).presence.ids) ids.add(id);
    }
    if (event === "pusher_internal:member_added") ids.add((decoded as { user_id: string }).user_id);
    if (event === "pusher_internal:member_removed")
      ids.delete((decoded as { user_id: string }).user_id);
  }
  return [...ids].toSorted();
}

describe("a presence channel", () => {
  test("tells the joiner who is there, himself included, and the others who came", async () => {
    const ring = new Ring();
    const [a, b] = await ring.connectMany(2);
    a!.enter("presence-c", "a", { name: "A" });
    await settled();
    expect(a!.raw).toEqual([
      String.raw`{"event":"pusher_internal:subscription_succeeded","channel":"presence-c","data":"{\"presence\":{\"count\":1,\"ids\":[\"a\"],\"hash\":{\"a\":{\"name\":\"A\"}}}}"}`,
    ]);
    a!.take();
    b!.enter("presence-c", "b");
    await settled();
    expect(list(b!)).toEqual({ count: 2, ids: ["a", "b"], hash: { a: { name: "A" }, b: null } });
    expect(b!.events).not.toContain("pusher_internal:member_added");
    expect(a!.raw).toEqual([
      String.raw`{"event":"pusher_internal:member_added","channel":"presence-c","data":"{\"user_id\":\"b\"}"}`,
    ]);
  });

  test("counts users, not sockets: the first socket of a user is announced, and the last that leaves", async () => {
    const ring = new Ring();
    const [watcher, one, two] = await ring.connectMany(3);
    watcher!.enter("presence-c", "w");
    await settled();
    one!.enter("presence-c", "u");
    two!.enter("presence-c", "u");
    await settled();
    expect(list(two!).count).toBe(2);
    expect(watcher!.events.slice(1)).toEqual(["pusher_internal:member_added"]);
    expect(one!.events.slice(1)).toEqual([]);
    one!.unsubscribe("presence-c");
    await settled();
    expect(watcher!.events.slice(2)).toEqual([]);
    two!.drop();
    await settled();
    expect(watcher!.raw.slice(2)).toEqual([
      String.raw`{"event":"pusher_internal:member_removed","channel":"presence-c","data":"{\"user_id\":\"u\"}"}`,
    ]);
  });

  test("knows how many sockets a user has left when one of several comes and goes", async () => {
    const ring = new Ring();
    const [watcher, one, two, three] = await ring.connectMany(4);
    watcher!.enter("presence-c", "w");
    await settled();
    one!.enter("presence-c", "u");
    two!.enter("presence-c", "u");
    await settled();
    two!.unsubscribe("presence-c");
    three!.enter("presence-c", "u");
    await settled();
    three!.drop();
    await settled();
    expect(believed(watcher!)).toEqual(["u", "w"]);
    one!.leave();
    await settled();
    expect(believed(watcher!)).toEqual(["w"]);
  });

  test("has room for its number of users, whatever the number of their sockets", async () => {
    const ring = new Ring({ apps: [testApp({ limits: { presenceMembers: 2 } })] });
    const [a, a2, b, c] = await ring.connectMany(4);
    a!.enter("presence-c", "a");
    b!.enter("presence-c", "b");
    await settled();
    c!.enter("presence-c", "c");
    a2!.enter("presence-c", "a");
    await settled();
    expect(c!.errors).toEqual([
      "Presence channel presence-c is full: at most 2 members are allowed",
    ]);
    expect(c!.events).toEqual(["pusher:error"]);
    expect(c!.closed).toBeUndefined();
    expect(list(a2!).count).toBe(2);
    expect(await ring.roster.channels("3", "")).toEqual([
      { channel: "presence-c", subscribers: 3, users: 2 },
    ]);
    expect(believed(a!)).toEqual(["a", "b"]);

    await ring.publish("presence-c");
    expect(c!.events).not.toContain("e");
    b!.leave();
    await settled();
    c!.enter("presence-c", "c");
    await settled();
    expect(believed(c!)).toEqual(["a", "c"]);
  });

  test.each<[what: string, channelData: string | undefined, fault: string]>([
    ["no channel_data", undefined, "channel_data is required unless the connection is signed in"],
    ["channel_data that is no JSON", "nope", "channel_data is not a JSON object"],
    ["no user_id", "{}", "channel_data must contain a user_id"],
    [
      "a user_id of 129 characters",
      JSON.stringify({ user_id: "u".repeat(129) }),
      "user_id exceeds the allowed maximum (128 characters)",
    ],
    [
      "more than 1 KB of user_info",
      JSON.stringify({ user_id: "u", user_info: "i".repeat(1_025) }),
      "user_info exceeds the allowed maximum (1024 bytes)",
    ],
  ])("refuses a member with %s", async (_what, channelData, fault) => {
    const ring = new Ring();
    const client = await ring.connect();
    client.subscribe("presence-c", channelData === undefined ? {} : { channelData });
    await settled();
    expect(client.errors).toEqual([`Invalid presence subscription to presence-c: ${fault}`]);
    expect(ring.leftovers()).toMatchObject({ channels: [], topics: [] });
  });

  test("takes a signed-in user without channel_data, and channel_data before the sign-in where both are", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    client.signIn("u", { user_info: { from: "sign-in" } });
    client.subscribe("presence-a");
    client.enter("presence-b", "v", { from: "channel_data" });
    await settled();
    const lists = client.data("pusher_internal:subscription_succeeded") as Presence[];
    expect(lists.map(({ presence }) => presence.hash)).toEqual([
      { u: { from: "sign-in" } },
      { v: { from: "channel_data" } },
    ]);
  });

  test("writes a numeric user_id as text wherever it stands", async () => {
    const ring = new Ring();
    const [watcher, client] = await ring.connectMany(2);
    watcher!.enter("presence-c", "w");
    await settled();
    client!.subscribe("presence-c", { channelData: '{"user_id":10}' });
    await settled();
    expect(list(client!).ids).toEqual(["w", "10"]);
    expect(watcher!.data("pusher_internal:member_added")).toEqual([{ user_id: "10" }]);
    expect((await ring.call("GET", "/channels/presence-c/users")).text).toBe(
      '{"users":[{"id":"w"},{"id":"10"}]}',
    );
  });

  test("that also is a cache channel sends both list and event", async () => {
    const ring = new Ring();
    await ring.publish("presence-cache-c");
    const client = await ring.connect();
    client.enter("presence-cache-c", "u");
    await settled();
    expect(client.events).toEqual(["pusher_internal:subscription_succeeded", "e"]);
  });

  test("keeps every list true while many come and go at once", async () => {
    const ring = new Ring();
    const stays = await ring.connect();
    stays.enter("presence-c", "stays");
    await settled();
    const clients = await ring.connectMany(60);
    for (const [i, client] of clients.entries()) client.enter("presence-c", `u${i % 25}`);
    for (const [i, client] of clients.entries()) if (i % 3 === 0) client.drop();
    for (const [i, client] of clients.entries()) if (i % 3 === 1) client.unsubscribe("presence-c");
    await settled();
    const truth = [
      ...new Set(clients.flatMap((_, i) => (i % 3 === 2 ? [`u${i % 25}`] : []))),
      "stays",
    ].toSorted();
    expect(believed(stays)).toEqual(truth);
    for (const [i, client] of clients.entries())
      if (i % 3 === 2) expect(believed(client)).toEqual(truth);
    for (const client of [stays, ...clients]) client.leave();
    await settled();
    expect(ring.leftovers()).toEqual(NOTHING_LEFT);
    expect(await ring.roster.channels("3", "")).toEqual([]);
  });
});
