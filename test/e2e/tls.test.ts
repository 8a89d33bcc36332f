import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { testApp } from "./support/apps.ts";
import { selfSigned, type Certificate } from "./support/certificates.ts";
import { publish } from "./support/http-api.ts";
import { pusherClient } from "./support/pusher-client.ts";
import { rawClient, rawSocket } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";
import { eventually } from "./support/wait.ts";

// Nobody but us has signed these certificates: pusher-js on Node offers no option to trust one of them.
process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
process.removeAllListeners("warning");

const app = testApp({ clientEvents: true });
const tlsOnly = testApp({ forceTls: true });
const folder = mkdtempSync(join(tmpdir(), "ringmaster-tls-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const certFile = join(folder, "cert.pem");
const keyFile = join(folder, "key.pem");
install(selfSigned("first.test"));

const server = await Ringmaster.start({
  config: { apps: [app.entry, tlsOnly.entry], tls: { port: 0, certFile, keyFile } },
});
const REFUSED = "the configuration is wrong; the one before it stays in force";
after(() => server.stop({ expectedErrors: [REFUSED] }));
const { port, tlsPort } = server;

/** As certbot and Kubernetes do: whole files, one after the other. */
function install({ cert, key }: Certificate): void {
  for (const [file, text] of [
    [keyFile, key],
    [certFile, cert],
  ] as const) {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }
}

/** The name in the certificate that a new connection is shown. */
async function presentedName(): Promise<string> {
  return eventually("a TLS handshake", handshake);
}

/** False where the handshake was cut off: the runtime does that to those under way while it stops listening. */
function handshake(): Promise<string | false> {
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      { host: "127.0.0.1", port: tlsPort, rejectUnauthorized: false },
      () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      },
    );
    socket.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNRESET" ? resolve(false) : reject(error),
    );
  });
}

test("TLS: pusher-js connects over wss to the server itself", async (t) => {
  const client = pusherClient(t, app, {
    port: tlsPort,
    options: { forceTLS: true, enabledTransports: ["ws", "wss"] },
  });
  await client.subscribe("private-secure");
  assert.equal(client.pusher.connection.isUsingTLS(), true);
  await publish(app, port, "private-secure", "hello");
  await client.message("hello");
});

test("Force TLS: an app that demands it takes sockets over TLS only, and pusher-js turns to TLS by itself", async (t) => {
  await rawClient(t, tlsOnly, { port: tlsPort, tls: true });
  const plain = await rawSocket(t, { port, key: tlsOnly.key });
  assert.equal((await plain.closed).code, 4000);
  const client = pusherClient(t, tlsOnly, {
    port,
    options: { wssPort: tlsPort, enabledTransports: ["ws", "wss"] },
  });
  await client.connected();
  assert.equal(client.pusher.connection.isUsingTLS(), true);
});

test("Certificate: a renewed one is used by new connections, and no open socket is dropped", async (t) => {
  assert.equal(await presentedName(), "first.test");
  const tlsOptions = { forceTLS: true, enabledTransports: ["ws" as const, "wss" as const] };
  const old = pusherClient(t, app, { port: tlsPort, options: tlsOptions });
  const room = await old.subscribe("private-renewed");
  const plain = pusherClient(t, app, { port });
  await plain.subscribe("private-renewed");

  install(selfSigned("second.test"));
  await server.logged("certificate renewed: new connections get it");
  await eventually(
    "the new certificate is presented",
    async () => (await presentedName()) === "second.test",
  );
  const fresh = pusherClient(t, app, { port: tlsPort, options: tlsOptions });
  await fresh.subscribe("private-renewed");

  await publish(app, port, "private-renewed", "to-all");
  for (const client of [old, plain, fresh]) await client.message("to-all");
  room.trigger("client-hello", {});
  for (const client of [plain, fresh]) await client.message("client-hello");
  await publish(app, port, "private-renewed", "but-one", {}, { socket_id: await old.connected() });
  for (const client of [plain, fresh]) await client.message("but-one");
  await publish(app, port, "private-renewed", "last");
  await old.message("last");
  assert.equal(old.got("but-one").length + old.got("client-hello").length, 0);
  for (const client of [old, plain]) assert.deepEqual(client.states.all, ["connected"]);
});

test("Certificate: one that does not fit its key changes nothing, is told in the log and in the metrics, until it is right", async () => {
  const before = await presentedName();
  const { cert } = selfSigned("third.test");
  install({ cert, key: selfSigned("other.test").key });
  const line = await server.logged(REFUSED);
  assert.match(JSON.stringify(line["problems"]), /tls\.keyFile.*is not the key of tls\.certFile/);
  assert.equal((await server.metrics()).sum("ringmaster_configuration_ok"), 0);
  assert.equal(await presentedName(), before);

  install(selfSigned("fourth.test"));
  await eventually(
    "the right certificate is presented",
    async () => (await presentedName()) === "fourth.test",
  );
  assert.equal((await server.metrics()).sum("ringmaster_configuration_ok"), 1);
  await server.logged("the configuration is right again");
});

test("TLS: many renewals in a row leave every socket of every certificate connected", async (t) => {
  const clients = [];
  for (let round = 0; round < 3; round++) {
    const name = `round-${round}.test`;
    install(selfSigned(name));
    await eventually(`${name} is presented`, async () => (await presentedName()) === name);
    const client = await rawClient(t, app, { port: tlsPort, tls: true });
    await client.subscribe("rounds");
    clients.push(client);
  }
  await publish(app, port, "rounds", "all-of-you");
  for (const { socket } of clients) await socket.message("all-of-you");
});
