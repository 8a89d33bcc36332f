import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApp } from "./support/apps.ts";
import { callApi, plainRequest } from "./support/http-api.ts";
import { pusherClient, serverLibrary } from "./support/pusher-client.ts";
import { rawSocket } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";

const app = testApp();
const server = await Ringmaster.start({
  config: { apps: [app.entry], pathPrefix: "/deep/realtime" },
});
after(() => server.stop());
const { port } = server;

test("Path prefix: pusher-js connects with wsPath, and API requests are taken whether the prefix was signed or not", async (t) => {
  const client = pusherClient(t, app, { port, options: { wsPath: "/deep/realtime" } });
  await client.subscribe("prefixed");
  const body = { name: "signed-with", data: "", channel: "prefixed" };
  const whole = await callApi(app, port, { path: "/events", prefix: "/deep/realtime", body });
  assert.equal(whole.status, 200, whole.body);
  await client.message("signed-with");

  // A library that knows nothing of the prefix, behind a proxy that adds it.
  const text = JSON.stringify({ ...body, name: "signed-without" });
  const path = `/apps/${app.id}/events`;
  const query = serverLibrary(app, { port }).createSignedQueryString({
    method: "POST",
    path,
    body: text,
  });
  const local = await plainRequest(port, {
    method: "POST",
    path: `/deep/realtime${path}?${query}`,
    body: text,
  });
  assert.equal(local.status, 200, local.body);
  await client.message("signed-without");
});

test("Path prefix: without it there is neither WebSocket nor API", async (t) => {
  const answer = await callApi(app, port, { path: "/channels" });
  assert.deepEqual([answer.status, answer.body], [404, "Unknown path\n"]);
  const refused = rawSocket(t, { port, key: app.key });
  await assert.rejects(refused, /HTTP\/1\.1 404/);
});

test("Path prefix: a path behind it that is none of ours is closed with 4005", async (t) => {
  const socket = await rawSocket(t, { port, key: app.key, path: "/deep/realtime/elsewhere" });
  assert.equal((await socket.closed).code, 4005);
});
