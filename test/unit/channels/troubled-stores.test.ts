import { describe, expect, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { TroubledBus, TroubledCache, TroubledRoster } from "../../support/doubles.ts";
import { NOTHING_LEFT, Ring, settled, type Client, type RingOptions } from "../../support/ring.ts";

class TroubledRing extends Ring {
  readonly troubledRoster: TroubledRoster;
  readonly troubledBus: TroubledBus;
  readonly troubledCache: TroubledCache;

  constructor(options: RingOptions = {}) {
    super({
      roster: (inner) => new TroubledRoster(inner),
      bus: (inner) => new TroubledBus(inner),
      cache: (inner) => new TroubledCache(inner),
      ...options,
    });
    this.troubledRoster = this.roster as TroubledRoster;
    this.troubledBus = this.bus as TroubledBus;
    this.troubledCache = this.cache as TroubledCache;
  }
}

const quiet = testApp({ subscriptionCount: false });
const limited = testApp({ limits: { connections: 10 } });
const GONE = { code: 4100, reason: "Over capacity" };

async function emptied(ring: TroubledRing): Promise<void> {
  await settled();
  expect(ring.leftovers()).toEqual(NOTHING_LEFT);
  expect([...ring.troubledBus.subscribed]).toEqual([]);
  expect(await ring.troubledRoster.inner.channels("3", "")).toEqual([]);
}

function counts(client: Client): unknown[] {
  return client
    .data("pusher_internal:subscription_count")
    .map((data) => Object.values(data as object)[0]);
}

describe("while the Roster takes its time", () => {
  test("an unsubscribe right behind the subscribe waits for it, and both take effect", async () => {
    const ring = new TroubledRing({ apps: [quiet] });
    const client = await ring.connect();
    ring.troubledRoster.gate("hold").shut();
    client.subscribe("c");
    client.unsubscribe("c");
    client.subscribe("d");
    await settled();
    expect(client.events).toEqual([]);
    expect(
      ring.troubledRoster.holdings.map(({ channel, subscribers }) => [channel, subscribers]),
    ).toEqual([["c", 1]]);
    ring.troubledRoster.gate("hold").open();
    await settled();
    expect(client.frames.map(({ channel }) => channel)).toEqual(["c", "d"]);
    expect(client.errors).toEqual([]);
    expect(await ring.roster.channels("3", "")).toEqual([
      { channel: "d", subscribers: 1, users: 0 },
    ]);
    expect(ring.topics.topics).toEqual(["3/d"]);
  });

  test("of many messages each waits for the end of the one before", async () => {
    const ring = new TroubledRing({ apps: [quiet] });
    const client = await ring.connect();
    const gate = ring.troubledRoster.gate("hold");
    gate.shut();
    client.subscribe("a");
    client.subscribe("b");
    client.unsubscribe("b");
    client.subscribe("c");
    await settled();
    for (const channel of ["a", "b", "b", "c"]) {
      expect(gate.waiting).toBe(1);
      expect(ring.troubledRoster.holdings.at(-1)).toMatchObject({ channel });
      gate.letPass();
      await settled();
    }
    expect(client.frames.map(({ channel }) => channel)).toEqual(["a", "b", "c"]);
    expect(ring.topics.topics).toEqual(["3/a", "3/c"]);
  });

  test("a second subscribe to the same channel is told of the first", async () => {
    const ring = new TroubledRing({ apps: [quiet] });
    const client = await ring.connect();
    ring.troubledRoster.gate("hold").shut();
    client.subscribe("c");
    client.subscribe("c");
    await settled();
    ring.troubledRoster.gate("hold").open();
    await settled();
    expect(client.events).toEqual(["pusher_internal:subscription_succeeded", "pusher:error"]);
  });

  test("a ping is answered all the same", async () => {
    const ring = new TroubledRing();
    const client = await ring.connect();
    ring.troubledRoster.gate("hold").shut();
    client.subscribe("c");
    client.send({ event: "pusher:ping", data: {} });
    await settled();
    expect(client.events).toEqual(["pusher:pong"]);
  });

  test("a new socket does not wait where its app has no quota", async () => {
    const ring = new TroubledRing();
    ring.troubledRoster.gate("holdConnections").shut();
    const client = ring.open();
    await settled();
    expect(client.events).toEqual(["pusher:connection_established"]);
    client.drop();
    ring.troubledRoster.gate("holdConnections").open();
    await emptied(ring);
  });

  test("events published meanwhile come behind the success or not at all", async () => {
    const ring = new TroubledRing({ apps: [quiet] });
    const client = await ring.connect();
    ring.troubledRoster.gate("hold").shut();
    client.subscribe("c");
    await settled();
    await ring.publish("c", "early");
    expect(client.events).toEqual([]);
    ring.troubledRoster.gate("hold").open();
    await settled();
    await ring.publish("c", "late");
    expect(client.events).toEqual(["pusher_internal:subscription_succeeded", "late"]);
  });

  test.each([
    ["a public channel", (client: Client) => client.subscribe("c")],
    ["a presence channel", (client: Client) => client.enter("presence-c", "u")],
    ["a cache channel", (client: Client) => client.subscribe("cache-c")],
  ])("a socket that goes before it is on %s withdraws everything", async (_what, subscribe) => {
    const ring = new TroubledRing();
    const client = await ring.connect();
    ring.troubledRoster.gate("hold").shut();
    subscribe(client);
    await settled();
    client.drop();
    await settled();
    ring.troubledRoster.gate("hold").open();
    await settled();
    expect(client.events).toEqual([]);
    expect(ring.node.tenants.get("3")!.counters.subscribes).toBe(0);
    await emptied(ring);
  });

  test("a socket that goes before it is signed in withdraws everything", async () => {
    const ring = new TroubledRing();
    const client = await ring.connect();
    for (const method of ["holdUser", "online"] as const) {
      ring.troubledRoster.gate(method).shut();
    }
    client.signIn("u", { watchlist: ["v", "w"] });
    await settled();
    client.drop();
    ring.troubledRoster.gate("holdUser").open();
    ring.troubledRoster.gate("online").open();
    await settled();
    expect(await ring.troubledRoster.inner.online("3", ["u"])).toEqual([]);
    await emptied(ring);
  });

  test("a socket that goes while it asks who is online withdraws everything", async () => {
    const ring = new TroubledRing();
    const client = await ring.connect();
    ring.troubledRoster.gate("online").shut();
    client.signIn("u", { watchlist: ["v", "w"] });
    await settled();
    expect(client.events).toEqual(["pusher:signin_success"]);
    client.drop();
    await settled();
    ring.troubledRoster.gate("online").open();
    await settled();
    expect(await ring.troubledRoster.inner.online("3", ["u"])).toEqual([]);
    await emptied(ring);
  });

  test("a socket that goes before it was told its id withdraws everything", async () => {
    const ring = new TroubledRing({ apps: [limited] });
    ring.troubledRoster.gate("holdConnections").shut();
    const client = ring.open();
    await settled();
    client.drop();
    ring.troubledRoster.gate("holdConnections").open();
    await settled();
    expect(client.raw).toEqual([]);
    expect(await ring.troubledRoster.inner.holdConnections("3", 0)).toBe(0);
    await emptied(ring);
  });

  test("a socket that was closed by us and lingers withdraws everything when it is gone", async () => {
    const ring = new TroubledRing();
    const client = await ring.connect({ lingering: true });
    client.subscribe("c");
    await settled();
    ring.troubledRoster.gate("hold").shut();
    client.subscribe("d");
    await settled();
    ring.apps.replace([]);
    expect(client.closed?.code).toBe(4001);
    ring.troubledRoster.gate("hold").open();
    await settled();
    client.take();
    client.subscribe("e");
    await settled();
    expect(client.raw).toEqual([]);
    client.socket.gone(4001);
    await emptied(ring);
    expect(ring.node.tenants.size).toBe(0);
  });

  test("who comes while a joiner waits for his list is on it, and who leaves is not", async () => {
    const ring = new TroubledRing();
    const [joiner, stays, comes, goes] = await ring.connectMany(4);
    stays!.enter("presence-c", "stays");
    goes!.enter("presence-c", "goes");
    await settled();
    const gate = ring.troubledRoster.gate("hold");
    gate.shut();
    joiner!.enter("presence-c", "joiner");
    await settled();
    comes!.enter("presence-c", "comes");
    goes!.drop();
    await settled();
    gate.letPass();
    await settled();
    expect(joiner!.data("pusher_internal:subscription_succeeded")).toMatchObject([
      { presence: { ids: ["stays", "joiner", "comes"] } },
    ]);
    gate.open();
    await settled();
    expect(joiner!.frames).toHaveLength(1);
  });

  test("a joiner is not told that he left when his former socket did, just before him", async () => {
    const ring = new TroubledRing();
    const [former, joiner] = await ring.connectMany(2);
    former!.enter("presence-c", "u");
    await settled();
    const gate = ring.troubledRoster.callGate("hold");
    gate.shut();
    former!.drop();
    await settled();
    joiner!.enter("presence-c", "u");
    await settled();
    expect(gate.waiting).toBe(2);
    gate.letPass();
    await settled();
    gate.open();
    await settled();
    expect(joiner!.events).toEqual(["pusher_internal:subscription_succeeded"]);
    expect(await ring.roster.channels("3", "")).toEqual([
      { channel: "presence-c", subscribers: 1, users: 1 },
    ]);
  });

  test("the count that a joiner hears last is true", async () => {
    const ring = new TroubledRing();
    const [one, two, three] = await ring.connectMany(3);
    const gate = ring.troubledRoster.gate("hold");
    gate.shut();
    one!.subscribe("c");
    await settled();
    two!.subscribe("c");
    await settled();
    three!.subscribe("c");
    await settled();
    // The answers come back in another order than the calls.
    gate.letPass(2);
    gate.letPass(1);
    gate.letPass(0);
    gate.open();
    await settled();
    for (const client of [one!, two!, three!]) expect(counts(client).at(-1)).toBe(3);
  });

  test("users who come at once to the last place of a presence channel: one is in, and all numbers are true", async () => {
    const ring = new TroubledRing({ apps: [testApp({ limits: { presenceMembers: 1 } })] });
    const clients = await ring.connectMany(6);
    const gate = ring.troubledRoster.gate("hold");
    gate.shut();
    // Two sockets of each user.
    for (const [i, client] of clients.entries()) client.enter("presence-c", `u${i % 3}`);
    await settled();
    while (gate.waiting > 0) {
      gate.letPass(gate.waiting - 1);
      await settled();
    }
    gate.open();
    await settled();
    const inside = clients.filter(({ events }) =>
      events.includes("pusher_internal:subscription_succeeded"),
    );
    expect(inside).toEqual([clients[0]!, clients[3]!]);
    expect(await ring.roster.channels("3", "")).toEqual([
      { channel: "presence-c", subscribers: 2, users: 1 },
    ]);
    expect(ring.node.tenants.get("3")!.channels.get("presence-c")!.subscribers).toBe(2);
    for (const client of clients) client.leave();
    await emptied(ring);
  });

  test("a quota is kept by sockets that open at once", async () => {
    const ring = new TroubledRing({ apps: [testApp({ limits: { connections: 2 } })] });
    const gate = ring.troubledRoster.gate("holdConnections");
    gate.shut();
    const clients = Array.from({ length: 5 }, () => ring.open());
    await settled();
    gate.open();
    await settled();
    expect(clients.map(({ closed }) => closed?.code)).toEqual([
      undefined,
      undefined,
      4004,
      4004,
      4004,
    ]);
    expect(ring.node.tenants.get("3")!.quotaConnections).toBe(2);
    expect(await ring.roster.holdConnections("3", 2)).toBe(2);
  });

  test("the watcher who hears of a change while he asks hears the truth last", async () => {
    const ring = new TroubledRing();
    const [watcher, friend] = await ring.connectMany(2);
    const gate = ring.troubledRoster.gate("online");
    gate.shut();
    watcher!.signIn("w", { watchlist: ["friend"] });
    await settled();
    friend!.signIn("friend");
    await settled();
    gate.open();
    await settled();
    const last = watcher!.data("pusher_internal:watchlist_events").at(-1);
    expect(last).toEqual({ events: [{ name: "online", user_ids: ["friend"] }] });
  });

  test("an app that is removed and comes back counts nobody out who came in between", async () => {
    const ring = new TroubledRing({ apps: [quiet] });
    const first = await ring.connect();
    first.subscribe("a");
    await settled();
    const gate = ring.troubledRoster.gate("hold");
    gate.shut();
    first.subscribe("b");
    await settled();
    // Its withdrawal waits behind the subscription that waits for the Roster.
    ring.apps.replace([]);
    await settled();
    ring.apps.replace([quiet]);
    const second = ring.open();
    await settled();
    expect(second.closed).toBeUndefined();
    second.subscribe("a");
    await settled();
    gate.open();
    await settled();
    expect(await ring.roster.channels("3", "")).toEqual([
      { channel: "a", subscribers: 1, users: 0 },
    ]);
    await ring.publish("a");
    expect(second.events).toContain("e");
    second.leave();
    await emptied(ring);
  });

  test("an app that is removed while its last socket is withdrawn counts nobody out who comes when it is back", async () => {
    const ring = new TroubledRing({ apps: [quiet] });
    const first = await ring.connect();
    first.subscribe("a");
    await settled();
    const gate = ring.troubledRoster.gate("hold");
    gate.shut();
    first.subscribe("b");
    await settled();
    first.drop();
    await settled();
    ring.apps.replace([]);
    ring.apps.replace([quiet]);
    const second = await ring.connect();
    second.subscribe("a");
    await settled();
    gate.open();
    await settled();
    expect(await ring.roster.channels("3", "")).toEqual([
      { channel: "a", subscribers: 1, users: 0 },
    ]);
    expect(await ring.roster.holdConnections("3", 1)).toBe(1);
    second.leave();
    await emptied(ring);
  });

  test("more messages than a client has reason to send cost it its socket, not the process its memory", async () => {
    const ring = new TroubledRing();
    const client = await ring.connect();
    ring.troubledRoster.gate("hold").shut();
    for (let i = 0; i < 10_100; i++) client.subscribe(`c${i}`);
    expect(client.closed).toEqual(GONE);
    ring.troubledRoster.gate("hold").open();
    await emptied(ring);
  });
});

describe("when the Roster fails", () => {
  test.each<[what: string, method: "hold" | "holdUser" | "online", act: (client: Client) => void]>([
    ["a subscription", "hold", (client) => client.subscribe("c")],
    ["a presence subscription", "hold", (client) => client.enter("presence-c", "u")],
    ["a sign-in", "holdUser", (client) => client.signIn("u")],
    ["a watchlist", "online", (client) => client.signIn("u", { watchlist: ["v"] })],
  ])(
    "%s closes its socket with 4100, and other sockets notice nothing",
    async (_what, method, act) => {
      const ring = new TroubledRing({ apps: [quiet] });
      const [client, other] = await ring.connectMany(2);
      other!.subscribe("other");
      await settled();
      other!.take();
      ring.troubledRoster.fail(method);
      act(client!);
      await settled();
      expect(client!.closed).toEqual(GONE);
      expect(ring.logged.at(0)).toMatchObject({
        level: "error",
        fields: { appId: "3", socketId: client!.id },
      });
      await ring.publish("other");
      expect(other!.events).toEqual(["e"]);
      expect(other!.closed).toBeUndefined();
      ring.troubledRoster.mend();
      other!.leave();
      await settled();
      expect(ring.leftovers()).toEqual(NOTHING_LEFT);
    },
  );

  test("a new socket of an app that has no quota is served all the same, and the failure is logged", async () => {
    const ring = new TroubledRing();
    ring.troubledRoster.fail("holdConnections");
    const client = ring.open();
    await settled();
    expect(client.events).toEqual(["pusher:connection_established"]);
    expect(ring.logged).toMatchObject([
      { level: "error", message: "could not count a socket towards its app" },
    ]);
    client.drop();
    await settled();
    expect(ring.leftovers()).toEqual(NOTHING_LEFT);
  });

  test("a new socket of an app that has one is closed with 4100, and the next one is served when it is mended", async () => {
    const ring = new TroubledRing({ apps: [limited] });
    ring.troubledRoster.fail("holdConnections");
    const client = ring.open();
    await settled();
    expect(client.closed).toEqual(GONE);
    ring.troubledRoster.mend();
    expect((await ring.connect()).closed).toBeUndefined();
  });

  test("a socket that goes lets go of everything here, and the failure is logged", async () => {
    const ring = new TroubledRing();
    const client = await ring.connect();
    client.subscribe("c");
    client.enter("presence-c", "u");
    client.signIn("u", { watchlist: ["v"] });
    await settled();
    ring.troubledRoster.fail("hold", "holdUser", "holdConnections");
    client.drop();
    await settled();
    expect(ring.leftovers()).toEqual(NOTHING_LEFT);
    expect([...ring.troubledBus.subscribed]).toEqual([]);
    expect(ring.logged.map(({ message }) => message)).toEqual([
      "could not withdraw a closed socket",
      "could not withdraw a closed socket",
      "could not withdraw a closed socket",
    ]);
  });

  test("a refused presence subscription lets go of the channel", async () => {
    const ring = new TroubledRing({ apps: [testApp({ limits: { presenceMembers: 1 } })] });
    const [inside, client] = await ring.connectMany(2);
    inside!.enter("presence-c", "inside");
    await settled();
    const gate = ring.troubledRoster.gate("hold");
    gate.shut();
    client!.enter("presence-c", "u");
    await settled();
    ring.troubledRoster.fail("hold");
    gate.open();
    await settled();
    expect(client!.closed).toEqual(GONE);
    ring.troubledRoster.mend();
    inside!.leave();
    await emptied(ring);
  });

  test("an app that no longer asks for authorized connections closes those it cannot count, and only those", async () => {
    const limits = { connections: 10 };
    const ring = new TroubledRing({ apps: [testApp({ authorizedConnections: true, limits })] });
    const [authorized, pending] = await ring.connectMany(2);
    authorized!.subscribe("private-c");
    await settled();
    ring.troubledRoster.fail("holdConnections");
    ring.apps.replace([testApp({ authorizedConnections: false, limits })]);
    await settled();
    expect(pending!.closed).toEqual(GONE);
    expect(authorized!.closed).toBeUndefined();
    ring.troubledRoster.mend();
    authorized!.leave();
    await emptied(ring);
  });

  test("the API answers 500 without a word of why, and logs it", async () => {
    const ring = new TroubledRing();
    ring.troubledRoster.fail("channel", "channels");
    for (const path of [
      "/channels",
      "/channels/c",
      "/channels/presence-c/users",
      "/channels/c/stats",
    ]) {
      expect(await ring.call("GET", path)).toMatchObject({
        status: 500,
        text: "Internal server error\n",
      });
    }
    expect(ring.logged).toHaveLength(4);
  });
});

describe("when the Bus fails", () => {
  test("a publish is answered 500", async () => {
    const ring = new TroubledRing();
    ring.troubledBus.fail("publish");
    expect(await ring.publish("c")).toMatchObject({ status: 500, text: "Internal server error\n" });
  });

  test("a client event closes its sender with 4100", async () => {
    const ring = new TroubledRing({ apps: [quiet] });
    const client = await ring.connect();
    client.subscribe("private-c");
    await settled();
    ring.troubledBus.fail("publish");
    client.trigger("private-c", "client-x", "d");
    await settled();
    expect(client.closed).toEqual(GONE);
    await emptied(ring);
  });

  test.each<[what: string, act: (client: Client) => void]>([
    ["a subscription", (client) => client.subscribe("c")],
    ["a sign-in", (client) => client.signIn("u")],
    ["a watchlist", (client) => client.signIn("u", { watchlist: ["v"] })],
  ])("%s closes its socket with 4100, and the next attempt starts afresh", async (_what, act) => {
    const ring = new TroubledRing();
    const [first, second] = await ring.connectMany(2);
    ring.troubledBus.fail("subscribe");
    act(first!);
    await settled();
    expect(first!.closed).toEqual(GONE);
    ring.troubledBus.mend();
    act(second!);
    await settled();
    expect(second!.closed).toBeUndefined();
    expect(second!.errors).toEqual([]);
    second!.leave();
    await emptied(ring);
  });

  test("and the Roster too, a sign-in closes its socket once, and no error goes unheard", async () => {
    const ring = new TroubledRing();
    const client = await ring.connect();
    ring.troubledBus.gate("subscribe").shut();
    ring.troubledBus.fail("subscribe");
    ring.troubledRoster.fail("holdUser");
    client.signIn("u");
    await settled();
    ring.troubledBus.gate("subscribe").open();
    await settled();
    expect(client.closed).toEqual(GONE);
  });
});

describe("a cached event", () => {
  test("that is fetched while a newer one passes is not sent behind it", async () => {
    const ring = new TroubledRing({ apps: [quiet] });
    const client = await ring.connect();
    await ring.publish("cache-c", "e", "old");
    ring.troubledCache.gate("get").shut();
    client.subscribe("cache-c");
    await settled();
    await ring.publish("cache-c", "e", "new");
    ring.troubledCache.gate("get").open();
    await settled();
    expect(client.frames.slice(1)).toEqual([{ event: "e", channel: "cache-c", data: "new" }]);
  });

  test.each<[what: string, channel: string, pass: (ring: Ring, other: Client) => Promise<unknown>]>(
    [
      ["a count", "cache-c", async (_ring, other) => other.subscribe("cache-c")],
      [
        "a member",
        "presence-cache-c",
        async (_ring, other) => other.enter("presence-cache-c", "other"),
      ],
      [
        "a client event",
        "private-cache-c",
        async (_ring, other) => {
          other.subscribe("private-cache-c");
          other.trigger("private-cache-c", "client-x", "d");
        },
      ],
    ],
  )("that is fetched while %s passes is sent all the same", async (_what, channel, pass) => {
    const ring = new TroubledRing();
    const [client, other] = await ring.connectMany(2);
    await ring.publish(channel, "kept");
    ring.troubledCache.gate("get").shut();
    if (channel.startsWith("presence-")) client!.enter(channel, "u");
    else client!.subscribe(channel);
    await settled();
    await pass(ring, other!);
    await settled();
    ring.troubledCache.gate("get").open();
    await settled();
    expect(client!.events.filter((event) => event === "kept")).toHaveLength(1);
  });

  test("that cannot be fetched costs the subscriber its socket", async () => {
    const ring = new TroubledRing();
    const client = await ring.connect();
    ring.troubledCache.fail("get");
    client.subscribe("cache-c");
    await settled();
    expect(client.closed).toEqual(GONE);
    await emptied(ring);
  });

  test("that cannot be kept is not published either", async () => {
    const ring = new TroubledRing({ apps: [quiet] });
    const client = await ring.connect();
    client.subscribe("cache-c");
    await settled();
    ring.troubledCache.fail("set");
    expect((await ring.publish("cache-c")).status).toBe(500);
    expect(client.events).not.toContain("e");
  });
});
