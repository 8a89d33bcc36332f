import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { newKey, testApp, withKey, type AppEntry } from "./support/apps.ts";
import { callApi, publish } from "./support/http-api.ts";
import { pusherClient } from "./support/pusher-client.ts";
import { rawClient, rawSocket } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";

async function serverWith(
  t: TestContext,
  apps: readonly AppEntry[],
  expectedErrors: readonly string[] = [],
): Promise<Ringmaster> {
  const server = await Ringmaster.start({ config: { apps } });
  t.after(() => server.stop({ expectedErrors }));
  return server;
}

const REFUSED = "the configuration is wrong; the one before it stays in force";

test("Live configuration: an app that is added serves at once, and the others' sockets stay", async (t) => {
  const [old, added] = [testApp(), testApp()];
  const server = await serverWith(t, [old.entry]);
  const client = pusherClient(t, old, { port: server.port });
  await client.subscribe("before");
  const early = await rawSocket(t, { port: server.port, key: added.key });
  assert.equal((await early.closed).code, 4001);

  server.configure({ apps: [old.entry, added.entry] });
  await server.logged("apps changed");
  await pusherClient(t, added, { port: server.port }).subscribe("private-new");
  await publish(added, server.port, "private-new", "e");
  await publish(old, server.port, "before", "still-here");
  await client.message("still-here");
  assert.deepEqual(client.states.all, ["connected"]);
});

test("Live configuration: a revoked key's sockets are closed with 4001, those of the other key stay", async (t) => {
  const entry: AppEntry = { ...testApp().entry };
  const keys = [...entry.keys, newKey()];
  const server = await serverWith(t, [{ ...entry, keys }]);
  const [revoked, kept] = [withKey({ ...entry, keys }, 0), withKey({ ...entry, keys }, 1)];
  const gone = pusherClient(t, revoked, { port: server.port });
  const stays = pusherClient(t, kept, { port: server.port });
  await gone.subscribe("private-x");
  await stays.subscribe("private-x");

  server.configure({ apps: [{ ...entry, keys: [{ ...keys[0]!, active: false }, keys[1]!] }] });
  await gone.reached("disconnected");
  assert.deepEqual(await gone.error(), {
    code: 4001,
    message: `App key ${revoked.key} not in this cluster. Did you forget to specify the cluster?`,
  });
  await publish(kept, server.port, "private-x", "still-here");
  await stays.message("still-here");
  assert.deepEqual(stays.states.all, ["connected"]);
  assert.equal(
    (await callApi(revoked, server.port, { path: "/channels" })).body,
    "Unknown auth_key\n",
  );
});

test("Live configuration: a rotated key works beside the old one before the old one goes", async (t) => {
  const entry = testApp().entry;
  const both = { ...entry, keys: [...entry.keys, newKey()] };
  const server = await serverWith(t, [entry]);
  server.configure({ apps: [both] });
  await server.logged("apps changed");
  for (const position of [0, 1]) {
    const app = withKey(both, position);
    const client = pusherClient(t, app, { port: server.port });
    await client.subscribe("private-rotation");
    await publish(app, server.port, "private-rotation", "e");
    await client.message("e");
  }
});

test("Live configuration: a disabled app's sockets are closed with 4003 and its API answers 403; enabled again, it serves", async (t) => {
  const [app, other] = [testApp(), testApp()];
  const server = await serverWith(t, [app.entry, other.entry]);
  const client = pusherClient(t, app, { port: server.port });
  const bystander = pusherClient(t, other, { port: server.port });
  await Promise.all([client.connected(), bystander.connected()]);
  server.configure({ apps: [{ ...app.entry, enabled: false }, other.entry] });
  await client.reached("disconnected");
  assert.deepEqual(await client.error(), { code: 4003, message: "Application disabled" });
  const answer = await callApi(app, server.port, { path: "/channels" });
  assert.deepEqual([answer.status, answer.body], [403, "Application disabled\n"]);

  server.configure({ apps: [app.entry, other.entry] });
  await server.logged("apps changed");
  await server.logged("apps changed");
  await rawClient(t, app, { port: server.port });
  assert.deepEqual(bystander.states.all, ["connected"]);
});

test("Live configuration: a removed app's sockets are closed with 4001 and nothing of it is left in the metrics", async (t) => {
  const [app, other] = [testApp(), testApp()];
  const server = await serverWith(t, [app.entry, other.entry]);
  const client = await rawClient(t, app, { port: server.port });
  await client.subscribe("private-x");
  server.configure({ apps: [other.entry] });
  assert.equal((await client.socket.closed).code, 4001);
  assert.equal((await callApi(app, server.port, { path: "/channels" })).status, 404);
  assert.equal((await server.metrics()).text.includes(`app="${app.id}"`), false);
});

test("Live configuration: toggles and limits of an app change for the sockets that are open", async (t) => {
  const app = testApp();
  const server = await serverWith(t, [app.entry]);
  const [sender, other] = [
    await rawClient(t, app, { port: server.port }),
    await rawClient(t, app, { port: server.port }),
  ];
  for (const client of [sender, other]) await client.subscribe("private-chat");
  const send = (): void =>
    sender.socket.send({ event: "client-x", channel: "private-chat", data: {} });
  send();
  assert.match((await sender.socket.error()).message, /you must enable this feature/);
  server.configure({ apps: [{ ...app.entry, clientEvents: true, limits: { connections: 2 } }] });
  await server.logged("apps changed");
  send();
  await other.socket.message("client-x");
  const third = await rawSocket(t, { port: server.port, key: app.key });
  assert.equal((await third.closed).code, 4004);
  assert.deepEqual([sender.socket.isOpen, other.socket.isOpen], [true, true]);
});

test("Live configuration: sockets that a new forceTls or list of origins forbids are closed, the others stay", async (t) => {
  const app = testApp();
  const server = await serverWith(t, [app.entry]);
  const { port } = server;
  const wanted = await rawClient(t, app, { port, headers: { Origin: "https://good.example" } });
  const unwanted = await rawClient(t, app, { port, headers: { Origin: "https://bad.example" } });
  server.configure({ apps: [{ ...app.entry, allowedOrigins: ["good.example"] }] });
  assert.equal((await unwanted.socket.closed).code, 4009);
  await wanted.socket.settled();
  server.configure({ apps: [{ ...app.entry, forceTls: true }] });
  assert.equal((await wanted.socket.closed).code, 4000);
});

test("Live configuration: a lowered quota closes nobody", async (t) => {
  const app = testApp();
  const server = await serverWith(t, [app.entry]);
  const clients = [
    await rawClient(t, app, { port: server.port }),
    await rawClient(t, app, { port: server.port }),
  ];
  server.configure({ apps: [{ ...app.entry, limits: { connections: 1 } }] });
  await server.logged("apps changed");
  const refused = await rawSocket(t, { port: server.port, key: app.key });
  assert.equal((await refused.closed).code, 4004);
  for (const { socket } of clients) await socket.settled();
});

test("Live configuration: a wrong file changes nothing, is told in the log without secrets and in the metrics, until it is right", async (t) => {
  const app = testApp();
  const server = await serverWith(t, [app.entry], [REFUSED]);
  const client = pusherClient(t, app, { port: server.port });
  await client.subscribe("private-x");
  assert.equal((await server.metrics()).sum("ringmaster_configuration_ok"), 1);

  server.configure(
    `{"apps": [{"id": "not digits", "keys": [{"key": "${app.key}", "secret": "${app.secret}"}]}]}`,
  );
  const line = await server.logged(REFUSED);
  assert.match(JSON.stringify(line["problems"]), /apps\[0\]\.id/);
  assert.equal(JSON.stringify(line).includes(app.secret), false);
  assert.equal((await server.metrics()).sum("ringmaster_configuration_ok"), 0);
  await publish(app, server.port, "private-x", "still-in-force");
  await client.message("still-in-force");

  server.configure("{ this is no JSON");
  await server.logged(REFUSED);
  server.configure({ apps: [app.entry] });
  await server.logged("the configuration is right again");
  assert.equal((await server.metrics()).sum("ringmaster_configuration_ok"), 1);
  assert.deepEqual(client.states.all, ["connected"]);
});

test("Live configuration: a setting that waits for a restart is named in the log, and the apps beside it change at once", async (t) => {
  const [app, added] = [testApp(), testApp()];
  const server = await serverWith(t, [app.entry]);
  server.configure({ maxConnections: 3, apps: [app.entry, added.entry] });
  const line = await server.logged("settings changed that take effect at the next start");
  assert.deepEqual(line["fields"], ["maxConnections"]);
  await rawClient(t, added, { port: server.port });
});

test("Live configuration: SIGHUP reads it at once", async (t) => {
  const [app, added] = [testApp(), testApp()];
  const server = await serverWith(t, [app.entry]);
  server.configure({ apps: [app.entry, added.entry] });
  server.signal("SIGHUP");
  await server.logged("apps changed");
  await rawClient(t, added, { port: server.port });
});
