import assert from "node:assert/strict";
import { Agent } from "node:http";
import { connect as connectTcp } from "node:net";
import { after, test } from "node:test";
import { testApp } from "./support/apps.ts";
import { callApi, plainRequest, type ApiRequest } from "./support/http-api.ts";
import { pusherClient, serverLibrary } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";
import { within } from "./support/wait.ts";

const app = testApp({ subscriptionCount: true });
const uncounted = testApp();
const disabled = testApp({ enabled: false });
const limited = testApp({ limits: { apiRequestsPerSecond: 3 } });
const server = await Ringmaster.start({
  config: { apps: [app, uncounted, disabled, limited].map(({ entry }) => entry) },
  flags: { "--http-max-body-bytes": "700000" },
});
after(() => server.stop());
const { port } = server;
const library = serverLibrary(app, { port });

async function json(request: ApiRequest): Promise<unknown> {
  const { status, body, headers } = await callApi(app, port, request);
  assert.equal(status, 200, body);
  assert.equal(headers["content-type"], "application/json");
  return JSON.parse(body);
}

test("Events: trigger with info answers the counts of each channel once, without what does not apply", async (t) => {
  const member = await rawClient(t, app, { port });
  await member.subscribe("presence-info", { user_id: "a" });
  const again = await rawClient(t, app, { port });
  await again.subscribe("presence-info", { user_id: "a" });
  await again.subscribe("public-info");
  const response = await library.trigger(
    ["presence-info", "public-info", "presence-none", "public-info"],
    "e",
    {},
    {
      info: "user_count,subscription_count",
    },
  );
  assert.deepEqual(await response.json(), {
    channels: {
      "presence-info": { user_count: 1, subscription_count: 2 },
      "public-info": { subscription_count: 1 },
      "presence-none": { user_count: 0, subscription_count: 0 },
    },
  });
});

test("Events: a channel named twice gets the event once", async (t) => {
  const client = await rawClient(t, app, { port });
  await client.subscribe("named-twice");
  await json({
    path: "/events",
    body: { name: "e", data: "", channels: ["named-twice", "named-twice"] },
  });
  await json({ path: "/events", body: { name: "marker", data: "", channel: "named-twice" } });
  await client.socket.message("marker");
  assert.equal(client.socket.messages.all.filter(({ event }) => event === "e").length, 1);
});

test("Events: the parameters may stand in the query instead of the body", async (t) => {
  const client = await rawClient(t, app, { port });
  await client.subscribe("by-query-1");
  await client.subscribe("by-query-2");
  const query = [
    ["name", "by query"],
    ["data", 'a "ü" & more'],
    ["channels[]", "by-query-1"],
    ["channels[]", "by-query-2"],
    ["info", "subscription_count"],
  ] as const;
  assert.deepEqual(await json({ method: "POST", path: "/events", query }), {
    channels: { "by-query-1": { subscription_count: 1 }, "by-query-2": { subscription_count: 1 } },
  });
  for (const channel of ["by-query-1", "by-query-2"]) {
    assert.equal((await client.socket.message("by query", channel)).data, 'a "ü" & more');
  }
});

test("Batch: each event goes to its channel in order, and info answers by position", async (t) => {
  const client = pusherClient(t, app, { port });
  await client.subscribe("batch-1");
  await client.subscribe("batch-2");
  const response = await library.triggerBatch([
    { channel: "batch-1", name: "a", data: 1, info: "subscription_count" },
    { channel: "batch-2", name: "b", data: { two: 2 } },
    { channel: "batch-1", name: "c", data: 3, socket_id: await client.connected() },
    { channel: "batch-1", name: "d", data: 4, info: "user_count" },
  ]);
  assert.deepEqual(await response.json(), { batch: [{ subscription_count: 1 }, {}, {}, {}] });
  await client.message("d");
  const events = client.messages.all.filter(({ event }) => /^[a-d]$/.test(event));
  assert.deepEqual(
    events.map(({ event, channel, data }) => [event, channel, data]),
    [
      ["a", "batch-1", 1],
      ["b", "batch-2", { two: 2 }],
      ["d", "batch-1", 4],
    ],
  );
});

test("Batch: without info the answer is an empty object", async () => {
  assert.deepEqual(
    await json({ path: "/batch_events", body: { batch: [{ channel: "x", name: "e", data: "" }] } }),
    {},
  );
});

test("Batch: one wrong event and none of them is published", async (t) => {
  const client = await rawClient(t, app, { port });
  await client.subscribe("batch-whole");
  const batch = [
    { channel: "batch-whole", name: "first", data: "" },
    { channel: "in valid", name: "e", data: "" },
  ];
  const { status, body } = await callApi(app, port, { path: "/batch_events", body: { batch } });
  assert.deepEqual([status, body], [400, "Invalid channel name: in valid\n"]);
  await json({ path: "/events", body: { name: "marker", data: "", channel: "batch-whole" } });
  await client.socket.message("marker");
  assert.equal(
    client.socket.messages.all.some(({ event }) => event === "first"),
    false,
  );
});

test("Channels: the occupied ones, by prefix, with user counts", async (t) => {
  const client = await rawClient(t, app, { port });
  for (const channel of ["list-a", "list-b", "__proto__"]) await client.subscribe(channel);
  await client.subscribe("presence-list", { user_id: "a" });
  assert.deepEqual(await json({ path: "/channels", query: [["filter_by_prefix", "list-"]] }), {
    channels: { "list-a": {}, "list-b": {} },
  });
  const query = [
    ["filter_by_prefix", "presence-list"],
    ["info", "user_count"],
  ] as const;
  assert.deepEqual(await json({ path: "/channels", query }), {
    channels: { "presence-list": { user_count: 1 } },
  });
  const { body } = await callApi(app, port, { path: "/channels" });
  assert.match(body, /"__proto__":\{\}/);

  const response = await library.get({ path: "/channels", params: { filter_by_prefix: "list-" } });
  assert.deepEqual(await response.json(), { channels: { "list-a": {}, "list-b": {} } });
});

test("Channel: occupied or not, with the counts that were asked for", async (t) => {
  const client = await rawClient(t, app, { port });
  await client.subscribe("presence-one", { user_id: "a" });
  const query = [["info", "user_count,subscription_count"]] as const;
  const counted = { occupied: true, user_count: 1, subscription_count: 1 };
  assert.deepEqual(await json({ path: "/channels/presence-one", query }), counted);
  assert.deepEqual(await json({ path: "/channels/presence-one" }), { occupied: true });
  assert.deepEqual(await json({ path: "/channels/nobody" }), { occupied: false });
  client.unsubscribe("presence-one");
  await client.socket.settled();
  assert.deepEqual(await json({ path: "/channels/presence-one" }), { occupied: false });
});

test("Users: the ids of a presence channel's members, each once", async (t) => {
  for (const user_id of ["ada", "ada", "bob"]) {
    const client = await rawClient(t, app, { port });
    await client.subscribe("presence-users", { user_id });
  }
  const { users } = (await json({ path: "/channels/presence-users/users" })) as {
    users: { id: string }[];
  };
  assert.deepEqual(users.map(({ id }) => id).toSorted(), ["ada", "bob"]);
  assert.deepEqual(await json({ path: "/channels/presence-nobody/users" }), { users: [] });
});

test("Deprecated stats: occupied, user count of presence channels, connections", async (t) => {
  const client = await rawClient(t, app, { port });
  await client.subscribe("presence-stats", { user_id: "a" });
  await client.subscribe("stats");
  assert.deepEqual(await json({ path: "/channels/presence-stats/stats" }), {
    occupied: true,
    user_count: 1,
    connection_count: 1,
  });
  assert.deepEqual(await json({ path: "/channels/stats/stats" }), {
    occupied: true,
    connection_count: 1,
  });
  assert.deepEqual(await json({ path: "/channels/nobody/stats" }), {
    occupied: false,
    connection_count: 0,
  });
});

test("Deprecated channel event: name in the query, the body is the data, the answer an empty 202", async (t) => {
  const [client, other] = [await rawClient(t, app, { port }), await rawClient(t, app, { port })];
  for (const one of [client, other]) await one.subscribe("raw");
  const query = [
    ["name", "raw-event"],
    ["socket_id", client.socketId],
  ] as const;
  const answer = await callApi(app, port, {
    path: "/channels/raw/events",
    query,
    body: "no JSON, but ü",
  });
  assert.deepEqual([answer.status, answer.body], [202, ""]);
  assert.equal((await other.socket.message("raw-event")).data, "no JSON, but ü");
  await client.socket.settled();
  assert.equal(
    client.socket.messages.all.some(({ event }) => event === "raw-event"),
    false,
  );
});

const SOME_EVENT = { name: "e", data: "d", channel: "c" };
const TOO_LARGE =
  "The data content of this event exceeds the allowed maximum (10240 bytes). See https://pusher.com/docs/channels/server_api/http-api#publishing-events for more info";
const COUNT_OFF =
  "Cannot retrieve the subscription count unless subscription counting is enabled for the app";
const ATTRIBUTES = "info should be a comma separated list of attributes";
const REFUSED: readonly {
  what: string;
  request: ApiRequest;
  status: number;
  text: string;
  of?: typeof app;
}[] = [
  {
    what: "user_count of all channels",
    request: { path: "/channels", query: [["info", "user_count"]] },
    status: 400,
    text: "user_count may only be requested for presence channels - please supply filter_by_prefix begining with presence-",
  },
  {
    what: "user_count of a channel without presence",
    request: { path: "/channels/c", query: [["info", "user_count"]] },
    status: 400,
    text: "Cannot retrieve the user count unless the channel is a presence channel",
  },
  {
    what: "users of a channel without presence",
    request: { path: "/channels/c/users" },
    status: 400,
    text: "Users can only be retrieved for presence channels",
  },
  {
    what: "cache of a channel without one",
    request: { path: "/channels/c", query: [["info", "cache"]] },
    status: 400,
    text: "Cannot retrieve the cache unless the channel is a cache channel",
  },
  {
    what: "subscription_count that the app has not enabled",
    request: { path: "/channels/c", query: [["info", "subscription_count"]] },
    status: 400,
    text: COUNT_OFF,
    of: uncounted,
  },
  {
    what: "an unknown attribute of a channel",
    request: { path: "/channels/c", query: [["info", "mood"]] },
    status: 400,
    text: `${ATTRIBUTES}: user_count, subscription_count, cache (got mood)`,
  },
  {
    what: "an unknown attribute of all channels",
    request: { path: "/channels", query: [["info", "mood"]] },
    status: 400,
    text: `${ATTRIBUTES}: user_count, subscription_count (got mood)`,
  },
  {
    what: "a batch of eleven",
    request: {
      path: "/batch_events",
      body: { batch: Array.from({ length: 11 }, () => SOME_EVENT) },
    },
    status: 400,
    text: "Batch too large (11 > 10)",
  },
  {
    what: "a batch event without a channel",
    request: { path: "/batch_events", body: { batch: [{ name: "e", data: "" }] } },
    status: 400,
    text: "Missing required parameter: channel",
  },
  {
    what: "a batch that is missing",
    request: { path: "/batch_events", body: {} },
    status: 400,
    text: "Missing required parameter: batch",
  },
  {
    what: "an event without a name",
    request: { path: "/events", body: { data: "", channel: "c" } },
    status: 400,
    text: "Missing required parameter: name",
  },
  {
    what: "an event without data",
    request: { path: "/events", body: { name: "e", channel: "c" } },
    status: 400,
    text: "Missing required parameter: data",
  },
  {
    what: "an event without a channel",
    request: { path: "/events", body: { name: "e", data: "" } },
    status: 400,
    text: "Missing required parameter: channels",
  },
  {
    what: "data that is no string",
    request: { path: "/events", body: { ...SOME_EVENT, data: { a: 1 } } },
    status: 400,
    text: "Parameter data must be a string",
  },
  {
    what: "an event for no channels",
    request: { path: "/events", body: { name: "e", data: "", channels: [] } },
    status: 400,
    text: "Parameter channels must be a non-empty array of channel names",
  },
  {
    what: "an event for 101 channels",
    request: {
      path: "/events",
      body: {
        name: "e",
        data: "",
        channels: Array.from({ length: 101 }, (_, number) => `c${number}`),
      },
    },
    status: 400,
    text: "Too many channels (101 > 100)",
  },
  {
    what: "an invalid channel name",
    request: { path: "/events", body: { ...SOME_EVENT, channel: "a b" } },
    status: 400,
    text: "Invalid channel name: a b",
  },
  {
    what: "an invalid socket id",
    request: { path: "/events", body: { ...SOME_EVENT, socket_id: "1" } },
    status: 400,
    text: "Invalid socket id: 1",
  },
  {
    what: "a name of 201 characters",
    request: { path: "/events", body: { ...SOME_EVENT, name: "x".repeat(201) } },
    status: 400,
    text: "Event name too long (at most 200 characters)",
  },
  {
    what: "a body that is no JSON",
    request: { path: "/events", body: "{" },
    status: 400,
    text: "The body is not valid JSON",
  },
  {
    what: "a body that is no object",
    request: { path: "/events", body: "[]" },
    status: 400,
    text: "The body must be a JSON object",
  },
  {
    what: "data of 10,241 bytes",
    request: { path: "/events", body: { ...SOME_EVENT, data: `${"ü".repeat(5_120)}x` } },
    status: 413,
    text: TOO_LARGE,
  },
  {
    what: "a batch with data of 10,241 bytes",
    request: {
      path: "/batch_events",
      body: { batch: [{ ...SOME_EVENT, data: "x".repeat(10_241) }] },
    },
    status: 413,
    text: TOO_LARGE,
  },
  {
    what: "a disabled app",
    request: { path: "/channels" },
    status: 403,
    text: "Application disabled",
    of: disabled,
  },
  { what: "an unknown path", request: { path: "/nonsense" }, status: 404, text: "Unknown path" },
  {
    what: "a known path by another method",
    request: { method: "DELETE", path: "/events" },
    status: 405,
    text: "Method DELETE is not allowed here",
  },
];
for (const { what, request, status, text, of = app } of REFUSED) {
  test(`API error: ${what} is answered ${status} in plain text that ends in a newline`, async () => {
    const answer = await callApi(of, port, request);
    assert.deepEqual([answer.status, answer.body], [status, `${text}\n`]);
    assert.match(answer.headers["content-type"] ?? "", /^text\/plain/);
  });
}

test("API error: an app that does not exist is a 404 that names the id", async () => {
  const answer = await callApi({ ...app, id: "999999" }, port, { path: "/channels" });
  assert.deepEqual([answer.status, answer.body], [404, "Could not find app with id 999999\n"]);
});

test("API error: data of exactly 10,240 bytes is published", async () => {
  await json({ path: "/events", body: { ...SOME_EVENT, data: "ü".repeat(5_120) } });
});

function without(name: string): NonNullable<ApiRequest["tamper"]> {
  return (query) => query.filter(([key]) => key !== name);
}

function changed(name: string, value: string): NonNullable<ApiRequest["tamper"]> {
  return (query) => query.map(([key, old]) => [key, key === name ? value : old]);
}

const UNSIGNED: readonly {
  what: string;
  tamper: NonNullable<ApiRequest["tamper"]>;
  text: string | RegExp;
  body?: string;
}[] = [
  { what: "no auth_key", tamper: without("auth_key"), text: "Missing parameter: auth_key" },
  {
    what: "an unknown auth_key",
    tamper: changed("auth_key", "stranger"),
    text: "Unknown auth_key",
  },
  { what: "no auth_version", tamper: without("auth_version"), text: "Version required" },
  {
    what: "another auth_version",
    tamper: changed("auth_version", "2.0"),
    text: "Version not supported",
  },
  { what: "no auth_timestamp", tamper: without("auth_timestamp"), text: "Timestamp required" },
  {
    what: "an old auth_timestamp",
    tamper: changed("auth_timestamp", "1749435123"),
    text: /^Timestamp expired: Given timestamp \(2025-06-09T02:12:03Z\) not within 600s of server time \(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\)$/,
  },
  {
    what: "no signature",
    tamper: without("auth_signature"),
    text: /^Invalid signature: you should have sent HmacSHA256Hex\("POST\\n\/apps\/\d+\/events\\nauth_key=.*", your_secret_key\), but you sent ""$/,
  },
  {
    what: "a wrong signature",
    tamper: changed("auth_signature", "0123"),
    text: /^Invalid signature: you should have sent .*, but you sent "0123"$/,
  },
  {
    what: "a parameter that was not signed",
    tamper: (query) => [...query, ["extra", "1"]],
    text: /^Invalid signature: /,
  },
  { what: "a body without a body_md5", tamper: without("body_md5"), text: /^Invalid signature: / },
];
for (const { what, tamper, text } of UNSIGNED) {
  test(`API signature: ${what} is a 401 with the hosted server's text`, async () => {
    const answer = await callApi(app, port, { path: "/events", body: SOME_EVENT, tamper });
    assert.equal(answer.status, 401);
    assert.equal(answer.body.endsWith("\n"), true);
    if (typeof text === "string") assert.equal(answer.body, `${text}\n`);
    else assert.match(answer.body.trimEnd(), text);
  });
}

test("API signature: a timestamp within ten minutes of ours is taken, one beyond is not", async () => {
  for (const offsetMs of [-590_000, 590_000]) {
    const answer = await callApi(app, port, {
      path: "/events",
      body: SOME_EVENT,
      atMs: Date.now() + offsetMs,
    });
    assert.equal(answer.status, 200, answer.body);
  }
  for (const offsetMs of [-610_000, 610_000]) {
    const answer = await callApi(app, port, {
      path: "/events",
      body: SOME_EVENT,
      atMs: Date.now() + offsetMs,
    });
    assert.match(answer.body, /^Timestamp expired: /);
  }
});

test("API signature: a body other than the signed one is a 401", async () => {
  const signed = serverLibrary(app, { port }).createSignedQueryString({
    method: "POST",
    path: `/apps/${app.id}/events`,
    body: JSON.stringify(SOME_EVENT),
  });
  const forged = JSON.stringify({ ...SOME_EVENT, data: "forged" });
  const answer = await plainRequest(port, {
    method: "POST",
    path: `/apps/${app.id}/events?${signed}`,
    body: forged,
  });
  assert.equal(answer.status, 401);
  assert.match(answer.body, /body_md5.*\n$/);
});

test("API signature: another app's key opens nothing", async () => {
  const answer = await callApi({ ...uncounted, id: app.id }, port, { path: "/channels" });
  assert.deepEqual([answer.status, answer.body], [401, "Unknown auth_key\n"]);
});

test("API: one TCP connection serves many requests, errors among them", async (t) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  let connections = 0;
  const createConnection = agent.createConnection.bind(agent);
  agent.createConnection = (...args) => {
    connections++;
    return createConnection(...args);
  };
  for (let round = 0; round < 50; round++) {
    const published = await callApi(app, port, { path: "/events", body: SOME_EVENT, agent });
    assert.equal(published.status, 200);
    assert.equal((await callApi(app, port, { path: "/channels/c/users", agent })).status, 400);
    assert.equal(
      (await callApi(app, port, { path: "/channels", tamper: without("auth_key"), agent })).status,
      401,
    );
    assert.equal((await callApi(app, port, { path: "/unknown", agent })).status, 404);
  }
  assert.equal(connections, 1);
});

test("API: a body larger than http.maxBodyBytes is a 413, and the server goes on", async () => {
  const answer = await callApi(app, port, { path: "/events", body: "x".repeat(700_001) });
  assert.equal(answer.status, 413);
  await json({ path: "/events", body: SOME_EVENT });
});

test("API: more requests than the app's rate are a 429 that says when to come back; other apps notice nothing", async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => callApi(limited, port, { path: "/channels" })),
  );
  const refused = answers.filter(({ status }) => status === 429);
  const served = answers.filter(({ status }) => status === 200);
  assert.equal(refused.length + served.length, 20);
  assert.ok(
    served.length >= 3 && refused.length >= 10,
    `${served.length} served, ${refused.length} refused`,
  );
  for (const { body, headers } of refused) {
    assert.equal(body, "API rate limit exceeded (3 requests per second)\n");
    assert.equal(headers["retry-after"], "1");
  }
  await json({ path: "/channels" });
  const scrape = await server.metrics();
  assert.equal(
    scrape.sum("ringmaster_api_requests_total", { app: limited.id, status: "429" }),
    refused.length,
  );
});

for (const [method, path, status] of [
  ["HEAD", "/", 200],
  ["HEAD", "/nowhere", 404],
  ["OPTIONS", "/nowhere", 404],
  ["GET", "/apps", 404],
  ["GET", "/apps/", 404],
  ["GET", "//apps/1/channels", 404],
  ["GET", "/%", 404],
] as const) {
  test(`API: ${method} ${path} is a ${status}`, async () => {
    const answer = await plainRequest(port, { method, path });
    assert.equal(answer.status, status);
    if (method === "HEAD") assert.equal(answer.body, "");
    else assert.match(answer.body, /^[^<]+\n$/);
  });
}

test("API: requests sent ahead of the answers are answered in their order", async (t) => {
  const tcp = connectTcp({ host: "127.0.0.1", port });
  t.after(() => tcp.destroy());
  const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  tcp.write(request("/apps/1") + request("/") + request("/apps/1"));
  let text = "";
  const statuses = new Promise<string[]>((resolve) => {
    tcp.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const found = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status!);
      if (found.length === 3) resolve(found);
    });
  });
  assert.deepEqual(await within("three answers", statuses), ["404", "200", "404"]);
});

test("API: requests are counted by endpoint and status, without any name a client may choose", async () => {
  const before = await server.metrics();
  await json({ path: "/channels/very-private-name" });
  await callApi(app, port, { path: "/channels/very-private-name/users" });
  const now = await server.metrics();
  for (const [endpoint, status] of [
    ["channel", "200"],
    ["users", "400"],
  ] as const) {
    const labels = { app: app.id, endpoint, status };
    const grown =
      now.sum("ringmaster_api_requests_total", labels) -
      before.sum("ringmaster_api_requests_total", labels);
    assert.equal(grown, 1, endpoint);
  }
  assert.equal(now.text.includes("very-private-name"), false);
});
