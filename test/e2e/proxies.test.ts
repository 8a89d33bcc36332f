import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApp } from "./support/apps.ts";
import { rawClient, rawSocket } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";

const tlsOnly = testApp({ forceTls: true });

async function closingCode(
  t: Parameters<typeof rawSocket>[0],
  port: number,
  proto: string,
): Promise<number | "open"> {
  const socket = await rawSocket(t, {
    port,
    key: tlsOnly.key,
    headers: { "X-Forwarded-Proto": proto },
  });
  const outcome = await Promise.race([
    socket.message("pusher:connection_established"),
    socket.closed,
  ]);
  return "event" in outcome ? "open" : outcome.code;
}

const one = await Ringmaster.start({
  config: { apps: [tlsOnly.entry], proxy: { trustedHops: 1 } },
});
after(() => one.stop());
const two = await Ringmaster.start({
  config: { apps: [tlsOnly.entry], proxy: { trustedHops: 2 } },
});
after(() => two.stop());

test("Behind one trusted proxy: a socket that came to the proxy by TLS satisfies forceTls", async (t) => {
  await rawClient(t, tlsOnly, {
    port: one.port,
    headers: { "X-Forwarded-Proto": "https", "X-Forwarded-For": "1.2.3.4" },
  });
  assert.equal(await closingCode(t, one.port, "wss"), "open");
  assert.equal(await closingCode(t, one.port, "http"), 4000);
});

test("Behind one trusted proxy: what the client wrote before the proxy's own entry proves nothing", async (t) => {
  assert.equal(await closingCode(t, one.port, "https, http"), 4000);
  assert.equal(await closingCode(t, one.port, "http, https"), "open");
});

test("Behind two trusted proxies: the entry of the outer one counts", async (t) => {
  assert.equal(await closingCode(t, two.port, "https, http"), "open");
  assert.equal(await closingCode(t, two.port, "https, http, http"), 4000);
});

test("Behind a trusted proxy that says nothing: a plain socket stays a plain socket", async (t) => {
  const socket = await rawSocket(t, { port: one.port, key: tlsOnly.key });
  assert.equal((await socket.closed).code, 4000);
});
