import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { testApp } from "../e2e/support/apps.ts";
import { callApi, plainRequest } from "../e2e/support/http-api.ts";
import { pusherClient, serverLibrary } from "../e2e/support/pusher-client.ts";
import { rawSocket } from "../e2e/support/raw-web-socket.ts";
import { Ringmaster } from "../e2e/support/ringmaster.ts";
import { eventually, within } from "../e2e/support/wait.ts";
import { Application, startChromium, Tab } from "./chromium.ts";
import { basicFlows } from "./flows.ts";
import { Nginx } from "./nginx.ts";

// Nobody but us has signed nginx's certificate.
process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
process.removeAllListeners("warning");

const app = testApp({ clientEvents: true });
const tlsOnly = testApp({ forceTls: true });
const config = { apps: [app.entry, tlsOnly.entry], proxy: { trustedHops: 1 } };
const encryptionMasterKey = randomBytes(32).toString("base64");
const server = await Ringmaster.start({ config });
after(() => server.stop());
const nginx = await Nginx.start([server.port]);
after(() => nginx.stop());
const application = await Application.start(app, encryptionMasterKey);
after(() => application.close());
const browser = await startChromium();
after(() => browser.close());
const { context } = browser;

const overTls = {
  cluster: "",
  wsHost: "127.0.0.1",
  wssPort: nginx.tlsPort,
  wsPort: nginx.port,
  forceTLS: true,
  enabledTransports: ["ws", "wss"],
};
const library = serverLibrary(app, { port: nginx.port, encryptionMasterKey });

basicFlows({
  way: "Chromium through nginx over TLS",
  context,
  application,
  key: app.key,
  options: overTls,
  library,
});

test("nginx: an app that demands TLS is served where the browser came to nginx by TLS, and only there", async (t) => {
  const plain = await rawSocket(t, { port: nginx.port, key: tlsOnly.key });
  assert.equal((await plain.closed).code, 4000);
  const tab = await Tab.open(t, context, application, {
    key: tlsOnly.key,
    user: "ada",
    options: { ...overTls, forceTLS: false },
  });
  await tab.connected();
  assert.equal(await tab.evaluate("pusher.connection.isUsingTLS()"), true);
});

test("nginx: a client cannot claim to have come by TLS", async (t) => {
  const headers = { "X-Forwarded-Proto": "https" };
  const socket = await rawSocket(t, { port: nginx.port, key: tlsOnly.key, headers });
  assert.equal((await socket.closed).code, 4000);
});

test("nginx: close codes and their texts come through", async (t) => {
  const socket = await rawSocket(t, { port: nginx.port, key: "nosuchkey" });
  const { code, reason } = await socket.closed;
  assert.equal(code, 4001);
  assert.match(reason, /^App key nosuchkey not in this cluster/);
});

test("nginx: the API's answers and error texts come through", async () => {
  const { status, body } = await callApi(app, nginx.port, { path: "/channels/c/users" });
  assert.deepEqual([status, body], [400, "Users can only be retrieved for presence channels\n"]);
  assert.equal((await plainRequest(nginx.port, { method: "GET", path: "/nowhere" })).status, 404);
});

test("nginx: when one of two servers drains, Chromium and pusher-js on Node come back through nginx to the other", async (t) => {
  const flags = { "--drain-window-ms": "300", "--drain-deadline-ms": "5000" };
  const first = await Ringmaster.start({ config, flags });
  t.after(() => first.signal("SIGKILL"));
  const second = await Ringmaster.start({ config });
  t.after(() => second.stop());
  const proxy = await Nginx.start([first.port, second.port]);
  t.after(() => proxy.stop());

  const tab = await Tab.open(t, context, application, {
    key: app.key,
    user: "ada",
    options: { ...overTls, wssPort: proxy.tlsPort },
  });
  const client = pusherClient(t, app, { port: proxy.port });
  await tab.subscribe("private-moving");
  await client.subscribe("private-moving");
  assert.equal((await first.metrics()).sum("ringmaster_connections"), 2);

  first.signal("SIGTERM");
  assert.equal((await within("the first server ends", first.exited)).code, 0);
  await tab.until(
    'seen.filter((it) => it.event === "pusher:subscription_succeeded").length >= 2 && pusher.connection.state === "connected"',
  );
  await client.connected();
  const moved = serverLibrary(app, { port: proxy.port });
  await eventually(
    "both are subscribed at the second server",
    async () => (await second.metrics()).sum("ringmaster_subscriptions", { app: app.id }) === 2,
    40_000,
  );
  await moved.trigger("private-moving", "after-the-move", { a: 1 });
  assert.deepEqual(await tab.event("after-the-move", "private-moving"), { a: 1 });
  assert.deepEqual((await client.message("after-the-move")).data, { a: 1 });
});
