import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApp } from "./support/apps.ts";
import { publish } from "./support/http-api.ts";
import { pusherClient } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";
import { eventually } from "./support/wait.ts";

const app = testApp();
const server = await Ringmaster.start({ config: { apps: [app.entry] } });
after(() => server.stop());

/** The server looks once a second, so these are as short as they can be. */
const impatient = await Ringmaster.start({
  config: { apps: [app.entry] },
  flags: {
    "--websocket-ping-after-ms": "1000",
    "--websocket-pong-timeout-ms": "1000",
    "--websocket-inactivity-timeout-ms": "3000",
  },
});
after(() => impatient.stop());

test("Ping: a client's pusher:ping is answered with pusher:pong", async (t) => {
  const { socket } = await rawClient(t, app, { port: server.port });
  socket.send({ event: "pusher:ping", data: {} });
  assert.deepEqual(await socket.message("pusher:pong"), { event: "pusher:pong", data: "{}" });
});

test("Ping: a WebSocket ping is answered with a pong of the same content", async (t) => {
  const { socket } = await rawClient(t, app, { port: server.port });
  socket.ping("are you there");
  assert.equal(await socket.pongs.take("a pong", () => true), "are you there");
});

test("Ping: pusher-js that pings after its own activity timeout stays connected", async (t) => {
  const client = pusherClient(t, app, {
    port: server.port,
    options: { activityTimeout: 300, pongTimeout: 5_000 },
  });
  const socketId = await client.connected();
  for (let pongs = 0; pongs < 3; pongs++) await client.message("pusher:pong");
  assert.equal(client.pusher.connection.socket_id, socketId);
  assert.equal(client.state, "connected");
});

test("Ping: a silent client is sent pusher:ping, and pusher-js, which answers, stays connected", async (t) => {
  const client = pusherClient(t, app, { port: impatient.port });
  const socketId = await client.connected();
  for (let pings = 0; pings < 3; pings++) await client.message("pusher:ping");
  assert.equal(client.pusher.connection.socket_id, socketId);
  assert.deepEqual(client.states.all, ["connected"]);
});

test("Dead connection: a client that answers no ping is closed with 4201, although events are still sent to it", async (t) => {
  const dead = await rawClient(t, app, { port: impatient.port, answersPings: false });
  await dead.subscribe("news");
  const pinged = dead.socket.message("pusher:ping");
  await publish(app, impatient.port, "news", "sent-to-nobody");
  assert.deepEqual(await pinged, { event: "pusher:ping", data: {} });
  await publish(app, impatient.port, "news", "sent-to-nobody-again");
  const { code, reason } = await dead.socket.closed;
  assert.deepEqual([code, reason], [4201, "Pong reply not received"]);
});

test("Dead connection: its presence ends, and the others are told", async (t) => {
  const alive = pusherClient(t, app, { port: impatient.port, member: { user_id: "alive" } });
  const room = await alive.subscribe("presence-room");
  const dead = await rawClient(t, app, { port: impatient.port, answersPings: false });
  await dead.subscribe("presence-room", { user_id: "dead" });
  await alive.message("pusher_internal:member_added", "presence-room");
  const removed = await alive.message("pusher_internal:member_removed", "presence-room");
  assert.deepEqual(removed.data, { user_id: "dead" });
  assert.equal(Reflect.get(Reflect.get(room, "members") as object, "count"), 1);
});

test("Dead connection: protocol 5 is told with an error frame before the close frame", async (t) => {
  const dead = await rawClient(t, app, {
    port: impatient.port,
    protocol: "5",
    answersPings: false,
  });
  assert.deepEqual(await dead.socket.error(), { code: 4201, message: "Pong reply not received" });
  assert.equal((await dead.socket.closed).code, 4201);
});

test("Protocol 4: the client gets WebSocket pings instead, and is closed with 4202 when it says nothing for long", async (t) => {
  const client = await rawClient(t, app, { port: impatient.port, protocol: "4" });
  await client.socket.pings.take("a WebSocket ping", () => true);
  const { code, reason } = await client.socket.closed;
  assert.deepEqual([code, reason], [4202, "Closed after inactivity"]);
  assert.equal(
    client.socket.messages.all.some(({ event }) => event === "pusher:ping"),
    false,
  );
});

test("A closed socket is counted by its code", async (t) => {
  const before = (await impatient.metrics()).sum("ringmaster_connections_closed_total", {
    app: app.id,
    code: "4201",
  });
  const dead = await rawClient(t, app, { port: impatient.port, answersPings: false });
  await dead.socket.closed;
  await eventually("one more closed with 4201", async () => {
    const now = await impatient.metrics();
    return (
      now.sum("ringmaster_connections_closed_total", { app: app.id, code: "4201" }) === before + 1
    );
  });
});
