import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { after, test } from "node:test";
import { testApp } from "./support/apps.ts";
import { callApi, plainRequest, publish } from "./support/http-api.ts";
import { pusherClient } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";
import { eventually, within } from "./support/wait.ts";

const app = testApp({ clientEvents: true });
const server = await Ringmaster.start({
  config: { apps: [app.entry] },
  flags: { "--websocket-send-queue-bytes": "100000", "--websocket-max-frame-bytes": "70000" },
});
after(() => server.stop());
const { port } = server;

test("Frame size: a frame that is too large closes its own socket, and no other notices", async (t) => {
  const bystander = pusherClient(t, app, { port });
  await bystander.subscribe("private-x");
  const culprit = await rawClient(t, app, { port });
  culprit.socket.sendText("x".repeat(70_001));
  assert.ok([1006, 1009].includes((await culprit.socket.closed).code));
  await publish(app, port, "private-x", "still-here");
  await bystander.message("still-here");
  assert.deepEqual(bystander.states.all, ["connected"]);
});

test("Frame size: a frame of just the largest size is read", async (t) => {
  const { socket } = await rawClient(t, app, { port });
  socket.sendText("x".repeat(70_000));
  assert.equal((await socket.error()).message, "Received invalid JSON");
});

test("Slow reader: a socket that stops reading is closed and counted; the others get every message", async (t) => {
  const EVENTS = 3_000;
  const readers = [pusherClient(t, app, { port }), pusherClient(t, app, { port })];
  for (const reader of readers) await reader.subscribe("private-flood");
  const slow = await rawClient(t, app, { port });
  await slow.subscribe("private-flood");
  slow.socket.tcp.pause();
  const before = await server.metrics();
  const counted = (name: string, labels = {}): Promise<number> =>
    server
      .metrics()
      .then(
        (now) =>
          now.sum(name, { app: app.id, ...labels }) - before.sum(name, { app: app.id, ...labels }),
      );

  const data = "x".repeat(8_000);
  for (let sent = 0; sent < EVENTS; sent += 10) {
    const batch = Array.from({ length: 10 }, (_, number) => ({
      channel: "private-flood",
      name: `e${sent + number}`,
      data,
    }));
    const { status } = await callApi(app, port, { path: "/batch_events", body: { batch } });
    assert.equal(status, 200);
  }
  await eventually(
    "the slow reader is counted",
    async () => (await counted("ringmaster_slow_readers_closed_total")) === 1,
  );
  assert.equal(await counted("ringmaster_connections_closed_total", { code: "1006" }), 1);
  for (const reader of readers) {
    await reader.message(`e${EVENTS - 1}`);
    const names = reader.messages.all
      .filter(({ event }) => /^e\d+$/.test(event))
      .map(({ event }) => event);
    assert.deepEqual(
      names,
      Array.from({ length: EVENTS }, (_, number) => `e${number}`),
    );
    assert.deepEqual(reader.states.all, ["connected"]);
  }
  slow.socket.tcp.resume();
  assert.equal((await slow.socket.closed).code, 1006);
});

test("Slow reader: of many that stop reading at once each is counted", async (t) => {
  const before = (await server.metrics()).sum("ringmaster_slow_readers_closed_total");
  const slow = await Promise.all(Array.from({ length: 10 }, () => rawClient(t, app, { port })));
  for (const client of slow) await client.subscribe("private-flood-of-many");
  for (const { socket } of slow) socket.tcp.pause();
  await eventually("all ten are counted", async () => {
    for (let number = 0; number < 50; number++) {
      await publish(app, port, "private-flood-of-many", "e", "x".repeat(10_000));
    }
    const scrape = await server.metrics();
    return scrape.sum("ringmaster_connections", { app: app.id }) === 0;
  });
  assert.equal((await server.metrics()).sum("ringmaster_slow_readers_closed_total") - before, 10);
});

test("Slow reader: one that pauses for less than its queue holds loses nothing and stays", async (t) => {
  const before = (await server.metrics()).sum("ringmaster_slow_readers_closed_total");
  const paused = await rawClient(t, app, { port });
  await paused.subscribe("private-short-pause");
  paused.socket.tcp.pause();
  for (let number = 0; number < 10; number++)
    await publish(app, port, "private-short-pause", `e${number}`, "x".repeat(5_000));
  paused.socket.tcp.resume();
  for (let number = 0; number < 10; number++) await paused.socket.message(`e${number}`);
  await paused.socket.settled();
  assert.equal((await server.metrics()).sum("ringmaster_slow_readers_closed_total"), before);
});

const GARBAGE: readonly [what: string, bytes: string | Buffer][] = [
  ["text that is no HTTP", "hello, is anybody there?\r\n\r\n"],
  ["a TLS handshake on the plain port", Buffer.from("160301020001000001fc0303", "hex")],
  ["a header without an end", `GET / HTTP/1.1\r\nX: ${"x".repeat(100_000)}`],
  ["zeros", Buffer.alloc(50_000)],
  [
    "a WebSocket handshake without a key",
    `GET /app/${app.key}?protocol=7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
  ],
  [
    "a request with two lengths",
    "POST /apps/1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
  ],
];
for (const [what, bytes] of GARBAGE) {
  test(`Garbage: ${what} disturbs nobody`, async (t) => {
    const bystander = pusherClient(t, app, { port });
    await bystander.subscribe("private-x");
    const tcp = connectTcp({ host: "127.0.0.1", port });
    t.after(() => tcp.destroy());
    tcp.on("error", () => {});
    await once(tcp, "connect");
    await new Promise((resolve) => tcp.write(bytes, resolve));
    await publish(app, port, "private-x", "undisturbed");
    await bystander.message("undisturbed");
    assert.equal(bystander.state, "connected");
  });
}

test("Garbage: broken WebSocket frames close their own socket alone", async (t) => {
  const bystander = await rawClient(t, app, { port });
  const frames = {
    "an unmasked frame": [0x81, 0x02, 0x7b, 0x7d],
    "a reserved opcode": [0x83, 0x80, 0, 0, 0, 0],
    "a reserved bit": [0xc1, 0x80, 0, 0, 0, 0],
    "a ping that is too long": [0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0],
    "a continuation of nothing": [0x80, 0x80, 0, 0, 0, 0],
    "text that is not UTF-8": [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe],
  };
  for (const [what, bytes] of Object.entries(frames)) {
    const { socket } = await rawClient(t, app, { port });
    socket.tcp.write(Buffer.from(bytes));
    await within(`${what} closes the socket`, socket.closed);
    await bystander.socket.settled();
  }
});

test("Half-open: connections that say nothing or stop in the middle hold up nobody", async (t) => {
  const idle = Array.from({ length: 50 }, () => connectTcp({ host: "127.0.0.1", port }));
  t.after(() => idle.forEach((tcp) => tcp.destroy()));
  for (const [number, tcp] of idle.entries()) {
    await once(tcp, "connect");
    if (number % 3 === 1)
      tcp.write("POST /apps/1/events HTTP/1.1\r\nContent-Length: 1000\r\n\r\nhalf a b");
    if (number % 3 === 2) tcp.write(`GET /app/${app.key}?protocol=7 HTTP/1.1\r\nUpgra`);
  }
  const client = pusherClient(t, app, { port });
  await client.subscribe("private-x");
  await publish(app, port, "private-x", "e");
  await client.message("e");
  assert.equal((await plainRequest(port, { method: "GET", path: "/" })).status, 200);
});

test("A socket that ends in the middle of everything leaves nothing behind", async (t) => {
  for (let round = 0; round < 20; round++) {
    const client = await rawClient(t, app, { port });
    client.askToSubscribe("presence-cut", { user_id: `u${round}` });
    client.askToSignIn({ id: `u${round}`, watchlist: ["a", "b"] });
    client.askToSubscribe("private-cut");
    client.socket.destroy();
  }
  await eventually("the channels are empty", async () => {
    const { body } = await callApi(app, port, {
      path: "/channels",
      query: [["filter_by_prefix", "presence-cut"]],
    });
    const scrape = await server.metrics();
    return (
      body === '{"channels":{}}' && scrape.sum("ringmaster_subscriptions", { app: app.id }) === 0
    );
  });
  const scrape = await server.metrics();
  assert.equal(scrape.sum("ringmaster_channels", { app: app.id }), 0);
});
