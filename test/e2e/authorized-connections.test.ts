import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApp } from "./support/apps.ts";
import { pusherClient } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";
import { eventually } from "./support/wait.ts";

const app = testApp({ authorizedConnections: true });
const small = testApp({ authorizedConnections: true, limits: { connections: 1 } });
const relaxed = testApp();
const server = await Ringmaster.start({
  config: { apps: [app.entry, small.entry, relaxed.entry] },
  flags: { "--websocket-authorization-timeout-ms": "1500" },
});
after(() => server.stop());
const { port } = server;

test("Authorized connections: who has not shown who it is in time is closed with 4009, and pusher-js stays away", async (t) => {
  const client = pusherClient(t, app, { port });
  await client.subscribe("public-does-not-count");
  await client.reached("disconnected");
  assert.deepEqual(await client.error(), {
    code: 4009,
    message: "Connection not authorized within timeout",
  });
});

test("Authorized connections: a sign-in, a private or a presence subscription are enough to stay", async (t) => {
  const signedIn = pusherClient(t, app, { port, user: { id: "a" } });
  signedIn.pusher.signin();
  const onPrivate = pusherClient(t, app, { port });
  await onPrivate.subscribe("private-x");
  const onPresence = pusherClient(t, app, { port, member: { user_id: "a" } });
  await onPresence.subscribe("presence-x");
  const elsewhere = pusherClient(t, relaxed, { port });
  await elsewhere.connected();

  // When one that came later has been closed, their time would have been over.
  const late = await rawClient(t, app, { port });
  assert.equal((await late.socket.closed).code, 4009);
  for (const client of [signedIn, onPrivate, onPresence, elsewhere])
    assert.deepEqual(client.states.all, ["connected"]);
});

test("Authorized connections: a refused subscription does not count", async (t) => {
  const client = await rawClient(t, app, { port });
  client.socket.send({
    event: "pusher:subscribe",
    data: { channel: "private-x", auth: `${app.key}:0123` },
  });
  await client.socket.error();
  assert.equal((await client.socket.closed).code, 4009);
});

test("Authorized connections: only the authorized count towards the quota", async (t) => {
  const first = await rawClient(t, small, { port });
  const second = await rawClient(t, small, { port });
  const third = await rawClient(t, small, { port });
  await first.subscribe("private-x");
  second.askToSubscribe("private-x");
  assert.deepEqual([(await second.socket.closed).code, third.socket.isOpen], [4004, true]);
  first.socket.close();
  await first.socket.closed;
  await eventually("the place is free again", async () => {
    const scrape = await server.metrics();
    return scrape.sum("ringmaster_subscriptions", { app: small.id }) === 0;
  });
  await third.subscribe("private-x");
});
