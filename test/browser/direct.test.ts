import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { testApp } from "../e2e/support/apps.ts";
import { serverLibrary } from "../e2e/support/pusher-client.ts";
import { Ringmaster } from "../e2e/support/ringmaster.ts";
import { Application, startChromium, Tab } from "./chromium.ts";
import { basicFlows } from "./flows.ts";

const app = testApp({ clientEvents: true });
const guarded = testApp({ allowedOrigins: ["app.example.com"] });
const encryptionMasterKey = randomBytes(32).toString("base64");
const server = await Ringmaster.start({ config: { apps: [app.entry, guarded.entry] } });
after(() => server.stop());
const application = await Application.start(app, encryptionMasterKey);
after(() => application.close());
const browser = await startChromium();
after(() => browser.close());

const options = {
  cluster: "",
  wsHost: "127.0.0.1",
  wsPort: server.port,
  forceTLS: false,
  enabledTransports: ["ws"],
};
const library = serverLibrary(app, { port: server.port, encryptionMasterKey });
const { context } = browser;

basicFlows({ way: "Chromium", context, application, key: app.key, options, library });

test("Chromium: a page of an origin that is not allowed is turned away, and pusher-js stays away", async (t) => {
  const tab = await Tab.open(t, context, application, { key: guarded.key, user: "ada", options });
  await tab.until('pusher.connection.state === "disconnected"');
  assert.deepEqual(await tab.evaluate("states"), ["disconnected"]);
});
