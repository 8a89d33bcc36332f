import assert from "node:assert/strict";
import { after, test } from "node:test";
import { newKey, testApp, withKey } from "./support/apps.ts";
import { plainRequest } from "./support/http-api.ts";
import { pusherClient } from "./support/pusher-client.ts";
import { rawClient, rawSocket } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";
import { pause } from "./support/wait.ts";

const app = testApp();
const disabled = testApp({ enabled: false });
const small = testApp({ limits: { connections: 2 } });
const tlsOnly = testApp({ forceTls: true });
const guarded = testApp({
  allowedOrigins: ["app.example.com", "*.example.org", "https://exact.example.net:8443"],
});
const rotated = testApp();
const twoKeys = {
  ...rotated.entry,
  keys: [...rotated.entry.keys, newKey(), { ...newKey(), active: false }],
};
const apps = [app, disabled, small, tlsOnly, guarded].map(({ entry }) => entry);

const server = await Ringmaster.start({
  config: { apps: [...apps, twoKeys] },
  flags: { "--websocket-activity-timeout-ms": "77000" },
});
after(() => server.stop());
const { port } = server;

/** pusher-js comes back after a second where it may: longer than that it must have stayed away. */
const LONGER_THAN_A_RETRY_MS = 1_500;

test("Connect: pusher-js connects and gets a socket id of two numbers", async (t) => {
  const client = pusherClient(t, app, { port });
  assert.match(await client.connected(), /^\d+\.\d+$/);
});

test("Connect: two connections never share a socket id", async (t) => {
  const [one, other] = [pusherClient(t, app, { port }), pusherClient(t, app, { port })];
  assert.notEqual(await one.connected(), await other.connected());
});

test("Connect: the first frame tells the socket id and the configured activity timeout in seconds", async (t) => {
  const socket = await rawSocket(t, { port, key: app.key });
  const frame = await socket.message("pusher:connection_established");
  assert.equal(typeof frame.data, "string");
  const { socket_id, ...rest } = JSON.parse(String(frame.data)) as { socket_id: string };
  assert.match(socket_id, /^\d+\.\d+$/);
  assert.deepEqual(rest, { activity_timeout: 77 });
});

for (const protocol of ["4", "5", "6", "7"]) {
  test(`Protocol version ${protocol} is served`, async (t) => {
    const client = await rawClient(t, app, { port, protocol });
    assert.deepEqual(await client.subscribe("a-channel"), {});
  });
}

const REFUSED_VERSIONS = [
  { protocol: "3", code: 4007, reason: "Unsupported protocol version" },
  { protocol: "8", code: 4007, reason: "Unsupported protocol version" },
  { protocol: null, code: 4008, reason: "No protocol version supplied" },
  { protocol: "", code: 4008, reason: "No protocol version supplied" },
  { protocol: "seven", code: 4006, reason: "Invalid version string format" },
  { protocol: "7.1", code: 4006, reason: "Invalid version string format" },
];
for (const { protocol, code, reason } of REFUSED_VERSIONS) {
  const named = protocol === null ? "No protocol version" : `Protocol version "${protocol}"`;
  test(`${named} is refused with ${code}`, async (t) => {
    const socket = await rawSocket(t, { port, key: app.key, protocol });
    const closing = await socket.closed;
    assert.deepEqual([closing.code, closing.reason], [code, reason]);
    assert.equal(
      socket.messages.all.some(({ event }) => event !== "pusher:error"),
      false,
    );
  });
}

const UNKNOWN = "App key nosuchkey not in this cluster. Did you forget to specify the cluster?";

test("Unknown key: pusher-js is told the hosted server's text with 4001 and never comes back", async (t) => {
  const client = pusherClient(t, { ...app, key: "nosuchkey" }, { port });
  assert.deepEqual(await client.error(), { code: 4001, message: UNKNOWN });
  await pause(LONGER_THAN_A_RETRY_MS);
  assert.equal(client.state, "disconnected");
  assert.deepEqual(client.states.all, ["disconnected"]);
});

test("Unknown key: protocol 5 gets an error frame before the close frame, protocol 7 the close frame alone", async (t) => {
  const old = await rawSocket(t, { port, key: "nosuchkey", protocol: "5" });
  const current = await rawSocket(t, { port, key: "nosuchkey" });
  assert.equal((await old.closed).code, 4001);
  assert.deepEqual(old.messages.all, [
    { event: "pusher:error", data: { code: 4001, message: UNKNOWN } },
  ]);
  const closing = await current.closed;
  assert.deepEqual([closing.code, closing.reason], [4001, UNKNOWN]);
  assert.deepEqual(current.messages.all, []);
});

test("Unknown key: a name too long for a close frame is cut, and still closed with 4001", async (t) => {
  const socket = await rawSocket(t, {
    port,
    key: "ü".repeat(100),
    path: `/app/${"%C3%BC".repeat(100)}`,
  });
  const { code, reason } = await socket.closed;
  assert.equal(code, 4001);
  assert.ok(
    Buffer.byteLength(reason) <= 123 &&
      reason.startsWith("App key ü") &&
      !reason.includes("\ufffd"),
    reason,
  );
});

test("Disabled app: pusher-js is refused with 4003 and stays away", async (t) => {
  const client = pusherClient(t, disabled, { port });
  assert.deepEqual(await client.error(), { code: 4003, message: "Application disabled" });
  await pause(LONGER_THAN_A_RETRY_MS);
  assert.deepEqual(client.states.all, ["disconnected"]);
});

test("Connection quota: one socket more than the app may have is refused with 4004, and a freed place is given again", async (t) => {
  const first = pusherClient(t, small, { port });
  await first.connected();
  await rawClient(t, small, { port });
  const third = pusherClient(t, small, { port });
  assert.deepEqual(await third.error(), { code: 4004, message: "Account over quota" });
  const old = await rawSocket(t, { port, key: small.key, protocol: "5" });
  assert.deepEqual(await old.error(), { code: 4004, message: "Account over quota" });
  assert.equal((await old.closed).code, 4004);

  first.pusher.disconnect();
  await first.reached("disconnected");
  await retryUntilConnected(t);
});

async function retryUntilConnected(t: Parameters<typeof rawSocket>[0]): Promise<void> {
  // The server notices the end of a socket in its own time.
  for (;;) {
    const socket = await rawSocket(t, { port, key: small.key });
    const outcome = await Promise.race([
      socket.message("pusher:connection_established"),
      socket.closed,
    ]);
    if ("event" in outcome) return;
    assert.equal(outcome.code, 4004);
  }
}

for (const path of ["/", "/app", "/app/", "/apple/key", `/app/${app.key}/more`]) {
  test(`Wrong path: a WebSocket to ${path.replace(app.key, "<key>")} is closed with 4005`, async (t) => {
    const socket = await rawSocket(t, { port, key: app.key, path });
    const { code, reason } = await socket.closed;
    assert.deepEqual([code, reason], [4005, "Path not found"]);
  });
}

test("Wrong path: a plain request that is no WebSocket is a 404, and / says who is there", async () => {
  const missing = await plainRequest(port, { method: "GET", path: `/app/${app.key}?protocol=7` });
  assert.deepEqual([missing.status, missing.body], [404, "Unknown path\n"]);
  const root = await plainRequest(port, { method: "GET", path: "/" });
  assert.deepEqual([root.status, root.body], [200, "Ringmaster\n"]);
});

test("Force TLS: a plain socket is refused with 4000", async (t) => {
  const socket = await rawSocket(t, { port, key: tlsOnly.key });
  const { code, reason } = await socket.closed;
  assert.deepEqual(
    [code, reason],
    [4000, "Application only accepts SSL connections, reconnect using wss://"],
  );
});

test("Force TLS: without trusted proxies X-Forwarded-Proto proves nothing", async (t) => {
  const socket = await rawSocket(t, {
    port,
    key: tlsOnly.key,
    headers: { "X-Forwarded-Proto": "https" },
  });
  assert.equal((await socket.closed).code, 4000);
});

const ORIGINS = [
  { origin: "https://app.example.com", allowed: true },
  { origin: "http://app.example.com:3000", allowed: true },
  { origin: "https://deep.down.example.org", allowed: true },
  { origin: "https://exact.example.net:8443", allowed: true },
  { origin: undefined, allowed: true },
  { origin: "https://example.org", allowed: false },
  { origin: "https://exact.example.net", allowed: false },
  { origin: "https://evil-app.example.com", allowed: false },
  { origin: "https://app.example.com.evil.test", allowed: false },
  { origin: "null", allowed: false },
];
for (const { origin, allowed } of ORIGINS) {
  test(`Allowed origins: ${origin ?? "no origin"} is ${allowed ? "let in" : "refused with 4009"}`, async (t) => {
    const headers = origin === undefined ? {} : { Origin: origin };
    if (allowed) {
      await rawClient(t, guarded, { port, headers });
    } else {
      const socket = await rawSocket(t, { port, key: guarded.key, headers });
      const { code, reason } = await socket.closed;
      assert.deepEqual([code, reason], [4009, "Connection not authorized: origin not allowed"]);
    }
  });
}

test("Several keys: every active key connects, an inactive one is as good as unknown", async (t) => {
  for (const position of [0, 1])
    await pusherClient(t, withKey(twoKeys, position), { port }).connected();
  const inactive = pusherClient(t, withKey(twoKeys, 2), { port });
  assert.equal((await inactive.error()).code, 4001);
});

test("Over capacity: beyond maxConnections sockets are closed with 4100, and pusher-js gets in when there is room", async (t) => {
  const one = testApp();
  const full = await Ringmaster.start({
    config: { apps: [one.entry] },
    flags: { "--max-connections": "2" },
  });
  t.after(() => full.stop());
  const places = [
    await rawClient(t, one, { port: full.port }),
    await rawClient(t, one, { port: full.port }),
  ];
  const refused = await rawSocket(t, { port: full.port, key: one.key });
  const { code, reason } = await refused.closed;
  assert.deepEqual([code, reason], [4100, "Over capacity"]);
  const waiting = pusherClient(t, one, { port: full.port });
  assert.equal((await waiting.error()).code, 4100);
  places[0]!.socket.close();
  await waiting.connected();
});
