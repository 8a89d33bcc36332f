import { describe, expect, test } from "bun:test";
import { testApp, VECTOR_KEY, VECTOR_SECRET } from "../../support/apps.ts";
import { TroubledBus } from "../../support/doubles.ts";
import { NOTHING_LEFT, Ring, settled } from "../../support/ring.ts";
import { hmac, userAuth } from "../../support/signing.ts";

describe("signing in", () => {
  test("succeeds with the very user_data that was signed", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    client.signIn("12345");
    await settled();
    expect(client.raw).toEqual([
      String.raw`{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"12345\\\"}\"}"}`,
    ]);
    expect(await ring.roster.online("3", ["12345"])).toEqual(["12345"]);
  });

  test.each<
    [
      what: string,
      auth: (id: string, userData: string) => string,
      userData: string,
      message: RegExp,
    ]
  >([
    [
      "auth of another shape",
      () => "nope",
      '{"id":"1"}',
      /^Invalid signin: auth should be of format 'key:signature'$/,
    ],
    ["an unknown key", () => "nope:sig", '{"id":"1"}', /^Invalid key in signin auth data: 'nope'$/],
    [
      "a wrong signature",
      () => `${VECTOR_KEY}:sig`,
      '{"id":"1"}',
      /^Invalid signature: Expected HMAC SHA256 hex digest of .*, but got sig$/,
    ],
    [
      "the signature of a channel",
      (id, userData) => `${VECTOR_KEY}:${hmac(VECTOR_SECRET, `${id}:user:${userData}`)}`,
      '{"id":"1"}',
      /^Invalid signature: /,
    ],
    [
      "a numeric id",
      sign,
      '{"id":1}',
      /^Invalid signin: user_data must contain an id, a non-empty string$/,
    ],
    [
      "an empty id",
      sign,
      '{"id":""}',
      /^Invalid signin: user_data must contain an id, a non-empty string$/,
    ],
    ["no JSON", sign, "nope", /^Invalid signin: user_data is not a JSON object$/],
    [
      "a watchlist of numbers",
      sign,
      '{"id":"1","watchlist":[2]}',
      /^Invalid signin: watchlist must be an array/,
    ],
  ])("with %s is refused, and the socket stays", async (_what, auth, userData, message) => {
    const ring = new Ring();
    const client = await ring.connect();
    client.send({
      event: "pusher:signin",
      data: { auth: auth(client.id, userData), user_data: userData },
    });
    await settled();
    expect(client.events).toEqual(["pusher:error"]);
    expect(client.errors[0]).toMatch(message);
    expect(client.closed).toBeUndefined();
    expect(await ring.roster.online("3", ["1"])).toEqual([]);
    expect(ring.leftovers()).toMatchObject({ channels: [] });
  });

  test("again as the same user succeeds, as another is refused", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    client.signIn("a");
    client.signIn("a", { user_info: { again: true } });
    client.signIn("b");
    await settled();
    expect(client.events).toEqual([
      "pusher:signin_success",
      "pusher:signin_success",
      "pusher:error",
    ]);
    expect(client.errors).toEqual([
      "Invalid signin: the connection is already signed in as another user",
    ]);
    expect(await ring.roster.online("3", ["a", "b"])).toEqual(["a"]);
    client.leave();
    await settled();
    expect(await ring.roster.online("3", ["a", "b"])).toEqual([]);
  });
});

describe("a user's own channel", () => {
  test("is for sockets signed in as that user, and gets what is sent to the user", async () => {
    const ring = new Ring();
    const [one, two, other] = await ring.connectMany(3);
    for (const client of [one!, two!]) {
      client.signIn("u");
      client.subscribe("#server-to-user-u");
    }
    other!.signIn("v");
    other!.subscribe("#server-to-user-u");
    await settled();
    expect(one!.raw.at(-1)).toBe(
      '{"event":"pusher_internal:subscription_succeeded","data":"{}","channel":"#server-to-user-u"}',
    );
    expect(other!.errors).toHaveLength(1);
    expect((await ring.publish("#server-to-user-u", "hello")).text).toBe("{}");
    expect([one, two, other].map((client) => client!.events.includes("hello"))).toEqual([
      true,
      true,
      false,
    ]);
  });

  test("is no channel that the app sees", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    client.signIn("u");
    client.subscribe("#server-to-user-u");
    await settled();
    expect((await ring.call("GET", "/channels")).text).toBe('{"channels":{}}');
    expect((await ring.call("GET", "/channels/%23server-to-user-u")).text).toBe(
      '{"occupied":false}',
    );
  });

  test("takes no client events", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    client.signIn("u");
    client.subscribe("#server-to-user-u");
    client.trigger("#server-to-user-u", "client-x", "d");
    await settled();
    expect(client.errors).toEqual([
      "Client event rejected - only supported on private and presence channels",
    ]);
  });
});

describe("terminate_connections", () => {
  test("closes the sockets signed in as that user, in that app, and no other", async () => {
    const other = testApp({ id: "4", keys: [{ key: "other", secret: "s", active: true }] });
    const ring = new Ring({ apps: [testApp(), other] });
    const [one, two, bystander, anonymous] = await ring.connectMany(4);
    const foreign = await ring.connect({ app: other });
    for (const client of [one!, two!, foreign]) client.signIn("u");
    bystander!.signIn("v");
    // On a presence channel as that user, but not signed in.
    anonymous!.enter("presence-c", "u");
    await settled();
    expect(await ring.call("POST", "/users/u/terminate_connections", { body: "{}" })).toMatchObject(
      {
        status: 200,
        text: "{}",
      },
    );
    await settled();
    for (const client of [one, two]) {
      expect(client!.closed).toEqual({
        code: 4009,
        reason: "Connection terminated by the application",
      });
    }
    for (const client of [bystander, anonymous, foreign]) expect(client!.closed).toBeUndefined();
    expect(await ring.roster.online("3", ["u", "v"])).toEqual(["v"]);
  });

  test.each(["a b", "ü/😀", "a%2Fb", "__proto__"])(
    "finds the user %p by an escaped path",
    async (userId) => {
      const ring = new Ring();
      const client = await ring.connect();
      client.signIn(userId);
      await settled();
      await ring.call("POST", `/users/${encodeURIComponent(userId)}/terminate_connections`, {
        body: "{}",
      });
      await settled();
      expect(client.closed?.code).toBe(4009);
    },
  );

  test("of a user who is not there does nothing", async () => {
    const ring = new Ring();
    expect((await ring.call("POST", "/users/nobody/terminate_connections")).text).toBe("{}");
  });
});

describe("a watchlist", () => {
  test("is answered with who is on and off line, then with each change, once", async () => {
    const ring = new Ring();
    const [watcher, b, b2] = await ring.connectMany(3);
    b!.signIn("b");
    await settled();
    watcher!.signIn("a", { watchlist: ["b", "c"] });
    await settled();
    expect(watcher!.data("pusher_internal:watchlist_events")).toEqual([
      {
        events: [
          { name: "online", user_ids: ["b"] },
          { name: "offline", user_ids: ["c"] },
        ],
      },
    ]);
    b2!.signIn("b");
    b!.drop();
    await settled();
    expect(watcher!.data("pusher_internal:watchlist_events")).toHaveLength(1);
    b2!.leave();
    await settled();
    expect(watcher!.raw.at(-1)).toBe(
      String.raw`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"offline\",\"user_ids\":[\"b\"]}]}"}`,
    );
  });

  test("of more than 100 users watches the first 100, and error 4302 says so", async () => {
    const ring = new Ring();
    const [watcher, in100, beyond] = await ring.connectMany(3);
    watcher!.signIn("w", { watchlist: Array.from({ length: 101 }, (_, i) => `u${i}`) });
    await settled();
    expect(watcher!.events).toEqual([
      "pusher:signin_success",
      "pusher:error",
      "pusher_internal:watchlist_events",
    ]);
    expect(watcher!.frames[1]!.data).toMatchObject({ code: 4302 });
    const before = watcher!.frames.length;
    beyond!.signIn("u100");
    await settled();
    expect(watcher!.frames).toHaveLength(before);
    in100!.signIn("u99");
    await settled();
    expect(watcher!.frames).toHaveLength(before + 1);
    expect(watcher!.closed).toBeUndefined();
  });

  test("is nothing where the app has it off", async () => {
    const ring = new Ring({ apps: [testApp({ watchlist: false })] });
    const [watcher, b] = await ring.connectMany(2);
    watcher!.signIn("a", { watchlist: ["b"] });
    b!.signIn("b");
    await settled();
    expect(watcher!.events).toEqual(["pusher:signin_success"]);
  });

  test("may name its own user", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    client.signIn("a", { watchlist: ["a"] });
    await settled();
    expect(client.data("pusher_internal:watchlist_events").at(-1)).toEqual({
      events: [{ name: "online", user_ids: ["a"] }],
    });
    client.leave();
    await settled();
    expect(ring.leftovers()).toEqual(NOTHING_LEFT);
  });

  test("watches users of its own app alone", async () => {
    const other = testApp({ id: "4", keys: [{ key: "other", secret: "s", active: true }] });
    const ring = new Ring({ apps: [testApp(), other] });
    const watcher = await ring.connect();
    const foreign = await ring.connect({ app: other });
    watcher.signIn("a", { watchlist: ["b"] });
    foreign.signIn("b");
    await settled();
    expect(watcher.data("pusher_internal:watchlist_events")).toEqual([
      { events: [{ name: "offline", user_ids: ["b"] }] },
    ]);
  });

  test("is not listened to any longer when the watcher has gone", async () => {
    let bus!: TroubledBus;
    const ring = new Ring({ bus: (inner) => (bus = new TroubledBus(inner)) });
    const client = await ring.connect();
    client.signIn("a", { watchlist: ["b", "c"] });
    await settled();
    expect(bus.subscribed.size).toBe(3);
    client.drop();
    await settled();
    expect([...bus.subscribed]).toEqual([]);
  });
});

function sign(id: string, userData: string): string {
  return userAuth({ key: VECTOR_KEY, secret: VECTOR_SECRET, active: true }, id, userData);
}
