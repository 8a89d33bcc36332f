import { describe, expect, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { Ring, TEST_SETTINGS, settled } from "../../support/ring.ts";
import { encodeQuery, signedQuery } from "../../support/signing.ts";

const OK = { status: 200, contentType: "application/json" };
const TOO_LARGE =
  "The data content of this event exceeds the allowed maximum (10240 bytes). See https://pusher.com/docs/channels/server_api/http-api#publishing-events for more info\n";

function post(ring: Ring, path: string, body: unknown) {
  return ring.call("POST", path, { body: typeof body === "string" ? body : JSON.stringify(body) });
}

/** Two sockets on `c`; three on `presence-c`, two of them the same user's. */
async function occupied(app = testApp()): Promise<Ring> {
  const ring = new Ring({ apps: [app] });
  const clients = await ring.connectMany(3);
  clients[0]!.subscribe("c");
  clients[1]!.subscribe("c");
  for (const [i, user] of ["u", "v", "u"].entries()) clients[i]!.enter("presence-c", user);
  await settled();
  return ring;
}

describe("POST /events", () => {
  test("reaches every subscriber of every channel once, and answers {}", async () => {
    const ring = new Ring({ apps: [testApp({ subscriptionCount: false })] });
    const [one, two] = await ring.connectMany(2);
    one!.subscribe("a");
    two!.subscribe("a");
    two!.subscribe("b");
    await settled();
    one!.take();
    two!.take();
    const answer = await post(ring, "/events", {
      name: "my-event",
      data: "text",
      channels: ["a", "b", "a"],
    });
    expect(answer).toMatchObject({ ...OK, text: "{}" });
    expect(one!.raw).toEqual(['{"event":"my-event","channel":"a","data":"text"}']);
    expect(two!.raw).toEqual([
      '{"event":"my-event","channel":"a","data":"text"}',
      '{"event":"my-event","channel":"b","data":"text"}',
    ]);
  });

  test("takes one channel as `channel`, and its parameters from the query where there is no body", async () => {
    const ring = new Ring({ apps: [testApp({ subscriptionCount: false })] });
    const client = await ring.connect();
    client.subscribe("a");
    await settled();
    client.take();
    await post(ring, "/events", { name: "1", data: "", channel: "a" });
    await ring.call("POST", "/events", {
      query: [
        ["name", "2"],
        ["data", 'ü "%+&='],
        ["channels[]", "a"],
        ["channels[]", "b"],
      ],
    });
    await ring.call("POST", "/events", {
      query: [
        ["name", "3"],
        ["data", "d"],
        ["channel", "a"],
      ],
    });
    expect(client.frames.map(({ event, data }) => [event, data])).toEqual([
      ["1", ""],
      ["2", 'ü "%+&='],
      ["3", "d"],
    ]);
  });

  test("skips the socket that it names, wherever else it is, and minds no unknown one", async () => {
    const ring = new Ring({ apps: [testApp({ subscriptionCount: false })] });
    const [sender, other] = await ring.connectMany(2);
    for (const client of [sender!, other!]) client.subscribe("c");
    await settled();
    await ring.publish("c", "mine", "d", { socket_id: sender!.id });
    await ring.publish("c", "nobody's", "d", { socket_id: "123.456" });
    await ring.publish("c", "a stranger's", "d", { socket_id: "99999999999999999999.1" });
    expect(sender!.events.slice(1)).toEqual(["nobody's", "a stranger's"]);
    expect(other!.events.slice(1)).toEqual(["mine", "nobody's", "a stranger's"]);
  });

  test("delivers data as the very string, whatever it holds", async () => {
    const ring = new Ring({ apps: [testApp({ subscriptionCount: false })] });
    const client = await ring.connect();
    client.subscribe("c");
    await settled();
    client.take();
    for (const data of [
      "",
      "null",
      '{"a":"\\u0000"}',
      '\u2028\n\u0000"\\',
      "😀",
      '{"big":12345678901234567890}',
    ]) {
      await ring.publish("c", "e", data);
      expect(client.frames.at(-1)!.data).toBe(data);
    }
  });

  test("with info tells of each channel once; attributes that do not apply are left out", async () => {
    const ring = await occupied();
    const answer = await post(ring, "/events", {
      name: "e",
      data: "d",
      channels: ["c", "presence-c", "presence-empty", "other", "cache-x", "c"],
      info: "user_count, subscription_count,cache,nonsense",
    });
    expect(JSON.parse(answer.text)).toEqual({
      channels: {
        c: { subscription_count: 2 },
        "presence-c": { user_count: 2, subscription_count: 3 },
        "presence-empty": { user_count: 0, subscription_count: 0 },
        other: { subscription_count: 0 },
        "cache-x": { subscription_count: 0, cache: { data: "d", ttl: 1800 } },
      },
    });
  });

  test("with info leaves out subscription_count where the app has it off", async () => {
    const ring = await occupied(testApp({ subscriptionCount: false }));
    const answer = await post(ring, "/events", {
      name: "e",
      data: "d",
      channels: ["c", "presence-c"],
      info: "user_count,subscription_count",
    });
    expect(answer.text).toBe('{"channels":{"c":{},"presence-c":{"user_count":2}}}');
  });

  test("with info tells of a channel called __proto__ as of any other", async () => {
    const ring = new Ring();
    const answer = await post(ring, "/events", {
      name: "e",
      data: "d",
      channel: "__proto__",
      info: "subscription_count",
    });
    expect(answer.text).toBe('{"channels":{"__proto__":{"subscription_count":0}}}');
  });

  test.each<[what: string, body: unknown, status: number, text: string]>([
    ["no JSON", "{", 400, "The body is not valid JSON\n"],
    ["no object", "[]", 400, "The body must be a JSON object\n"],
    ["no name", { data: "d", channel: "c" }, 400, "Missing required parameter: name\n"],
    [
      "an empty name",
      { name: "", data: "d", channel: "c" },
      400,
      "Missing required parameter: name\n",
    ],
    ["no data", { name: "e", channel: "c" }, 400, "Missing required parameter: data\n"],
    ["no channel", { name: "e", data: "d" }, 400, "Missing required parameter: channels\n"],
    [
      "data that is no string",
      { name: "e", data: {}, channel: "c" },
      400,
      "Parameter data must be a string\n",
    ],
    [
      "a name that is no string",
      { name: 1, data: "d", channel: "c" },
      400,
      "Parameter name must be a string\n",
    ],
    [
      "a name of 201 characters",
      { name: "x".repeat(201), data: "d", channel: "c" },
      400,
      "Event name too long (at most 200 characters)\n",
    ],
    ["10,241 bytes of data", { name: "e", data: "x".repeat(10_241), channel: "c" }, 413, TOO_LARGE],
    [
      "10,242 bytes in 5,121 characters",
      { name: "e", data: "ü".repeat(5_121), channel: "c" },
      413,
      TOO_LARGE,
    ],
    ["a bad channel", { name: "e", data: "d", channel: "a b" }, 400, "Invalid channel name: a b\n"],
    [
      "our own channel",
      { name: "e", data: "d", channel: "#watchers-of-u" },
      400,
      "Invalid channel name: #watchers-of-u\n",
    ],
    [
      "a bad channel among good",
      { name: "e", data: "d", channels: ["c", 7] },
      400,
      "Invalid channel name: 7\n",
    ],
    [
      "a channel of 201 characters",
      { name: "e", data: "d", channel: "x".repeat(201) },
      400,
      `Invalid channel name: ${"x".repeat(200)}…\n`,
    ],
    [
      "no channel in the list",
      { name: "e", data: "d", channels: [] },
      400,
      "Parameter channels must be a non-empty array of channel names\n",
    ],
    [
      "a text for the list",
      { name: "e", data: "d", channels: "c" },
      400,
      "Parameter channels must be a non-empty array of channel names\n",
    ],
    [
      "101 channels",
      { name: "e", data: "d", channels: Array.from({ length: 101 }, (_, i) => `c${i}`) },
      400,
      "Too many channels (101 > 100)\n",
    ],
    [
      "a bad socket id",
      { name: "e", data: "d", channel: "c", socket_id: "1.x" },
      400,
      "Invalid socket id: 1.x\n",
    ],
    [
      "a bad socket id that tries to be a header",
      { name: "e", data: "d", channel: "c", socket_id: "1.1\r\nx: y" },
      400,
      "Invalid socket id: 1.1\r\nx: y\n",
    ],
  ])("with %s is refused, in plain text", async (_what, body, status, text) => {
    const ring = new Ring();
    const client = await ring.connect();
    client.subscribe("c");
    await settled();
    client.take();
    const answer = await post(ring, "/events", body);
    expect(answer).toEqual({ status, text, contentType: "text/plain; charset=utf-8" });
    expect(client.raw).toEqual([]);
    expect(ring.logged).toEqual([]);
  });

  test("takes exactly the most that is allowed", async () => {
    const ring = new Ring();
    for (const body of [
      { name: "x".repeat(200), data: "ü".repeat(5_120), channel: "x".repeat(200) },
      { name: "e", data: "d", channels: Array.from({ length: 100 }, (_, i) => `c${i}`) },
    ]) {
      expect((await post(ring, "/events", body)).text).toBe("{}");
    }
  });

  test("nested as deep as a body allows is refused or served, never a fault of ours", async () => {
    const ring = new Ring();
    for (const depth of [1_000, 30_000, 60_000, 90_000, 400_000]) {
      const nested = "[".repeat(depth) + "]".repeat(depth);
      expect(
        (await post(ring, "/events", `{"name":"e","data":"d","channels":${nested}}`)).status,
      ).toBe(400);
      expect(
        (await post(ring, "/events", `{"name":"e","data":"d","channels":["a",${nested}]}`)).status,
      ).toBe(400);
    }
    expect(ring.logged).toEqual([]);
  });
});

describe("POST /batch_events", () => {
  test("publishes each event on its channel, in order, and answers {}", async () => {
    const ring = new Ring({ apps: [testApp({ subscriptionCount: false })] });
    const [one, two] = await ring.connectMany(2);
    one!.subscribe("a");
    two!.subscribe("a");
    one!.subscribe("b");
    await settled();
    one!.take();
    two!.take();
    const batch = [
      { name: "1", data: "d", channel: "a" },
      { name: "2", data: "d", channel: "b" },
      { name: "3", data: "d", channel: "a", socket_id: two!.id },
    ];
    expect(await post(ring, "/batch_events", { batch })).toMatchObject({ ...OK, text: "{}" });
    expect([one!.events, two!.events]).toEqual([["1", "2", "3"], ["1"]]);
  });

  test("with info anywhere answers for each event, in order", async () => {
    const ring = await occupied();
    const batch = [
      { name: "e", data: "d", channel: "presence-c", info: "user_count" },
      { name: "e", data: "d", channel: "c" },
      { name: "e", data: "d", channel: "c", info: "subscription_count,user_count" },
    ];
    expect((await post(ring, "/batch_events", { batch })).text).toBe(
      '{"batch":[{"user_count":2},{},{"subscription_count":2}]}',
    );
  });

  test("refuses more than ten events, and then publishes none", async () => {
    const ring = new Ring();
    const batch = Array.from({ length: 11 }, () => ({ name: "e", data: "d", channel: "c" }));
    expect(await post(ring, "/batch_events", { batch })).toMatchObject({
      status: 400,
      text: "Batch too large (11 > 10)\n",
    });
    expect((await post(ring, "/batch_events", { batch: batch.slice(1) })).text).toBe("{}");
    expect(ring.node.tenants.get("3")!.counters.eventsPublished).toBe(10);
  });

  test.each<[unknown, number, string]>([
    [{}, 400, "Missing required parameter: batch\n"],
    [{ batch: {} }, 400, "Parameter batch must be an array\n"],
    [{ batch: ["e"] }, 400, "Each event of the batch must be a JSON object\n"],
    [{ batch: [{ name: "e", data: "d" }] }, 400, "Missing required parameter: channel\n"],
    [
      { batch: [{ name: "e", data: "d", channels: ["c"] }] },
      400,
      "Missing required parameter: channel\n",
    ],
    [{ batch: [{ name: "e", data: "x".repeat(10_241), channel: "c" }] }, 413, TOO_LARGE],
  ])("refuses case %#, and publishes none of the batch", async (body, status, text) => {
    const ring = new Ring();
    expect(await post(ring, "/batch_events", body)).toMatchObject({ status, text });
    expect(ring.node.tenants.get("3")!.counters.eventsPublished).toBe(0);
  });

  test("takes an empty batch", async () => {
    expect((await post(new Ring(), "/batch_events", { batch: [] })).text).toBe("{}");
  });
});

describe("GET /channels", () => {
  test("lists the occupied channels", async () => {
    const ring = await occupied();
    expect(await ring.call("GET", "/channels")).toMatchObject({
      ...OK,
      text: '{"channels":{"c":{},"presence-c":{}}}',
    });
  });

  test("lists a channel called __proto__ as any other", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    client.subscribe("__proto__");
    await settled();
    expect((await ring.call("GET", "/channels")).text).toBe('{"channels":{"__proto__":{}}}');
  });

  test("filters by prefix, and tells the attributes that are asked for", async () => {
    const ring = await occupied();
    const asked = (...query: [string, string][]) => ring.call("GET", "/channels", { query });
    expect(
      (await asked(["filter_by_prefix", "presence-"], ["info", "user_count,subscription_count"]))
        .text,
    ).toBe('{"channels":{"presence-c":{"user_count":2,"subscription_count":3}}}');
    expect((await asked(["info", "subscription_count"])).text).toBe(
      '{"channels":{"c":{"subscription_count":2},"presence-c":{"subscription_count":3}}}',
    );
    expect((await asked(["filter_by_prefix", "d"])).text).toBe('{"channels":{}}');
    expect((await asked(["filter_by_prefix", ""], ["info", ""])).text).toBe(
      '{"channels":{"c":{},"presence-c":{}}}',
    );
  });

  test.each<[[string, string][], string]>([
    [
      [["info", "user_count"]],
      "user_count may only be requested for presence channels - please supply filter_by_prefix begining with presence-\n",
    ],
    [
      [
        ["info", "user_count"],
        ["filter_by_prefix", "presence"],
      ],
      "user_count may only be requested for presence channels - please supply filter_by_prefix begining with presence-\n",
    ],
    [
      [["info", "nope"]],
      "info should be a comma separated list of attributes: user_count, subscription_count (got nope)\n",
    ],
    [
      [["info", "cache"]],
      "info should be a comma separated list of attributes: user_count, subscription_count (got cache)\n",
    ],
  ])("refuses %j", async (query, text) => {
    expect(await new Ring().call("GET", "/channels", { query })).toMatchObject({
      status: 400,
      text,
    });
  });

  test("refuses subscription_count where the app has it off", async () => {
    const ring = new Ring({ apps: [testApp({ subscriptionCount: false })] });
    expect(
      (await ring.call("GET", "/channels", { query: [["info", "subscription_count"]] })).status,
    ).toBe(400);
  });
});

describe("GET /channels/<channel>", () => {
  test.each([
    ["/channels/c", "", '{"occupied":true}'],
    ["/channels/c", "subscription_count", '{"occupied":true,"subscription_count":2}'],
    [
      "/channels/presence-c",
      "user_count,subscription_count",
      '{"occupied":true,"user_count":2,"subscription_count":3}',
    ],
    ["/channels/nobody", "", '{"occupied":false}'],
    ["/channels/presence-nobody", "user_count", '{"occupied":false,"user_count":0}'],
    ["/channels/cache-x", "cache", '{"occupied":false,"cache":{"data":"d","ttl":1800}}'],
    ["/channels/cache-empty", "cache", '{"occupied":false,"cache":null}'],
    ["/channels/presence%2Dc", "", '{"occupied":true}'],
  ])("%s with info=%s", async (path, info, text) => {
    const ring = await occupied();
    await ring.publish("cache-x");
    expect(
      await ring.call("GET", path, { query: info === "" ? [] : [["info", info]] }),
    ).toMatchObject({ ...OK, text });
  });

  test("tells of a cached event how many seconds it will live, whole and never none", async () => {
    const ring = new Ring();
    await ring.publish("cache-x");
    ring.clock.advance(1_799_999);
    const asked = () => ring.call("GET", "/channels/cache-x", { query: [["info", "cache"]] });
    expect(JSON.parse((await asked()).text)).toMatchObject({ cache: { data: "d", ttl: 1 } });
    ring.clock.advance(1);
    expect(JSON.parse((await asked()).text)).toMatchObject({ cache: null });
  });

  test.each([
    [
      "/channels/c",
      "user_count",
      "Cannot retrieve the user count unless the channel is a presence channel\n",
    ],
    ["/channels/c", "cache", "Cannot retrieve the cache unless the channel is a cache channel\n"],
    [
      "/channels/c",
      "nope",
      "info should be a comma separated list of attributes: user_count, subscription_count, cache (got nope)\n",
    ],
    ["/channels/a%20b", "", "Invalid channel name: a b\n"],
  ])("%s with info=%s is refused", async (path, info, text) => {
    const answer = await new Ring().call("GET", path, {
      query: info === "" ? [] : [["info", info]],
    });
    expect(answer).toMatchObject({ status: 400, text });
  });
});

describe("GET /channels/<channel>/users", () => {
  test("lists each user once", async () => {
    const ring = await occupied();
    expect(await ring.call("GET", "/channels/presence-c/users")).toMatchObject({
      ...OK,
      text: '{"users":[{"id":"u"},{"id":"v"}]}',
    });
    expect((await ring.call("GET", "/channels/presence-nobody/users")).text).toBe('{"users":[]}');
  });

  test("is for presence channels alone", async () => {
    expect(await new Ring().call("GET", "/channels/c/users")).toMatchObject({
      status: 400,
      text: "Users can only be retrieved for presence channels\n",
    });
  });
});

describe("the deprecated endpoints", () => {
  test("GET /channels/<channel>/stats", async () => {
    const ring = await occupied();
    const stats = async (channel: string) =>
      (await ring.call("GET", `/channels/${channel}/stats`)).text;
    expect(await stats("c")).toBe('{"occupied":true,"connection_count":2}');
    expect(await stats("presence-c")).toBe('{"occupied":true,"user_count":2,"connection_count":3}');
    expect(await stats("nobody")).toBe('{"occupied":false,"connection_count":0}');
  });

  test("POST /channels/<channel>/events takes the body as the data, and answers 202 without a word", async () => {
    const ring = new Ring({ apps: [testApp({ subscriptionCount: false })] });
    const [one, two] = await ring.connectMany(2);
    for (const client of [one!, two!]) client.subscribe("c");
    await settled();
    const answer = await ring.call("POST", "/channels/c/events", {
      query: [
        ["name", "e"],
        ["socket_id", two!.id],
        ["data", "not this"],
      ],
      body: '{"no JSON',
    });
    expect(answer).toMatchObject({ status: 202, text: "" });
    expect(one!.frames.at(-1)).toEqual({ event: "e", channel: "c", data: '{"no JSON' });
    expect(two!.events).not.toContain("e");
  });

  test("POST /channels/<channel>/events refuses a body that is not UTF-8, and a missing name", async () => {
    const ring = new Ring();
    const refused = (query: [string, string][], body: string | Uint8Array) =>
      ring.call("POST", "/channels/c/events", { query, body });
    expect(await refused([["name", "e"]], new Uint8Array([0xff, 0xfe]))).toMatchObject({
      status: 400,
      text: "The body is not valid UTF-8\n",
    });
    expect(await refused([], '{"name":"e"}')).toMatchObject({
      status: 400,
      text: "Missing required parameter: name\n",
    });
    expect((await refused([["name", "e"]], "x".repeat(10_241))).status).toBe(413);
  });
});

describe("the order of the checks: path, app, signature, app's state, rate, what was asked", () => {
  const disabled = testApp({ enabled: false });

  test.each([
    ["GET", "/apps/3", 404, "Unknown path\n"],
    ["GET", "/apps/3/nope", 404, "Unknown path\n"],
    ["GET", "/apps/3/channels/a/b", 404, "Unknown path\n"],
    ["GET", "/apps//channels", 404, "Unknown path\n"],
    ["PUT", "/apps/3/events", 405, "Method PUT is not allowed here\n"],
    ["GET", "/apps/3/events", 405, "Method GET is not allowed here\n"],
    ["POST", "/apps/3/channels", 405, "Method POST is not allowed here\n"],
    ["GET", "/apps/99/channels", 404, "Could not find app with id 99\n"],
    ["GET", "/apps/__proto__/channels", 404, "Could not find app with id __proto__\n"],
    ["GET", "/apps/3/channels", 401, "Missing parameter: auth_key\n"],
  ])("%s %s: %d", async (method, path, status, text) => {
    expect(await new Ring().callUnsigned(method, path, "")).toEqual({
      status,
      text,
      contentType: "text/plain; charset=utf-8",
    });
  });

  test("a disabled app is told so only when it has signed", async () => {
    const ring = new Ring({ apps: [disabled] });
    expect((await ring.callUnsigned("GET", "/apps/3/channels", "")).status).toBe(401);
    expect(await ring.call("GET", "/channels")).toMatchObject({
      status: 403,
      text: "Application disabled\n",
    });
  });

  test("one app's signature opens no other app", async () => {
    const other = testApp({ id: "4", keys: [{ key: "other", secret: "s", active: true }] });
    const ring = new Ring({ apps: [testApp(), other] });
    expect(
      await ring.call("GET", "/channels", { app: other, key: testApp().keys[0]! }),
    ).toMatchObject({
      status: 401,
      text: "Unknown auth_key\n",
    });
  });

  test("the rate is the app's, 429 says it, and refused signatures use none of it up", async () => {
    const ring = new Ring({ apps: [testApp({ limits: { apiRequestsPerSecond: 2 } })] });
    for (let i = 0; i < 10; i++) await ring.callUnsigned("GET", "/apps/3/channels", "auth_key=x");
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await ring.call("GET", "/channels")).status);
    expect(statuses).toEqual([200, 200, 429]);
    expect((await ring.call("GET", "/channels")).text).toBe(
      "API rate limit exceeded (2 requests per second)\n",
    );
    ring.clock.advance(500);
    expect((await ring.call("GET", "/channels")).status).toBe(200);
  });

  test("what was answered is counted by endpoint, without any name of a channel or user", async () => {
    const ring = new Ring();
    await ring.call("GET", "/channels/secret-name");
    await ring.call("GET", "/channels/secret-name/users");
    await ring.callUnsigned("POST", "/apps/3/users/secret-user/terminate_connections", "");
    expect([...ring.node.tenants.get("3")!.counters.apiRequests]).toEqual([
      ["channel 200", 1],
      ["users 400", 1],
      ["terminate_connections 401", 1],
    ]);
  });
});

describe("behind a prefix", () => {
  test("a signature counts with the prefix and without: proxies differ", async () => {
    const ring = new Ring({ settings: { ...TEST_SETTINGS, pathPrefix: "/realtime" } });
    expect((await ring.call("GET", "/channels")).status).toBe(200);
    const request = { method: "GET", path: "/realtime/apps/3/channels", query: [], body: "" };
    const query = encodeQuery(signedQuery(ring.app.keys[0]!, request, ring.clock.now()));
    expect((await ring.callUnsigned("GET", "/apps/3/channels", query)).status).toBe(200);
    const elsewhere = { ...request, path: "/other/apps/3/channels" };
    const wrong = encodeQuery(signedQuery(ring.app.keys[0]!, elsewhere, ring.clock.now()));
    expect((await ring.callUnsigned("GET", "/apps/3/channels", wrong)).status).toBe(401);
  });
});
