import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import { testApp } from "./support/apps.ts";
import { callApi, publish } from "./support/http-api.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";
import { eventually } from "./support/wait.ts";

const [app, idle] = [testApp({ clientEvents: true }), testApp()];
const server = await Ringmaster.start({ config: { apps: [app.entry, idle.entry] } });
after(() => server.stop());
const { port } = server;

const GAUGES = ["ringmaster_connections", "ringmaster_channels", "ringmaster_subscriptions"];

test("Health: /healthz and /readyz answer 200 on the operations port, anything else 404", async () => {
  for (const [path, status, text] of [
    ["/healthz", 200, "ok\n"],
    ["/readyz", 200, "ready\n"],
    ["/elsewhere", 404, "Here are /healthz, /readyz and /metrics\n"],
  ] as const) {
    const response = await server.ops(path);
    assert.deepEqual([response.status, await response.text()], [status, text]);
  }
});

test("Health: the operations port serves neither sockets nor the API, the public port no metrics", async () => {
  assert.equal((await callApi(app, server.opsPort, { path: "/channels" })).status, 404);
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  assert.equal(response.status, 404);
});

test("Metrics: connections, channels, subscriptions, messages and deliveries count what happened", async (t) => {
  const before = await server.metrics();
  const [one, two] = [await rawClient(t, app, { port }), await rawClient(t, app, { port })];
  for (const client of [one, two]) await client.subscribe("private-metrics");
  await one.subscribe("alone");
  await publish(app, port, "private-metrics", "e", "data");
  await publish(app, port, "nobody", "e", "data");
  one.socket.send({ event: "client-e", channel: "private-metrics", data: "x" });
  await two.socket.message("client-e");
  await one.socket.settled();
  const now = await server.metrics();
  const grown = (name: string): number =>
    now.sum(name, { app: app.id }) - before.sum(name, { app: app.id });
  assert.deepEqual(
    {
      connections: grown("ringmaster_connections"),
      channels: grown("ringmaster_channels"),
      subscriptions: grown("ringmaster_subscriptions"),
      opened: grown("ringmaster_connections_opened_total"),
      subscribes: grown("ringmaster_subscribes_total"),
      received: grown("ringmaster_messages_received_total"),
      clientEvents: grown("ringmaster_client_events_total"),
      published: grown("ringmaster_events_published_total"),
      deliveries: grown("ringmaster_deliveries_total"),
      errors: grown("ringmaster_errors_sent_total"),
    },
    {
      connections: 2,
      channels: 2,
      subscriptions: 3,
      opened: 2,
      subscribes: 3,
      received: 5,
      clientEvents: 1,
      published: 2,
      deliveries: 3,
      errors: 1,
    },
  );
  assert.equal(now.sum("ringmaster_connections", { app: idle.id }), 0);

  for (const { socket } of [one, two]) socket.close();
  await eventually("the gauges are where they were", async () => {
    const later = await server.metrics();
    return GAUGES.every((name) => later.sum(name) === before.sum(name));
  });
  const end = await server.metrics();
  const closed = { app: app.id, code: "1000" };
  assert.equal(
    end.sum("ringmaster_connections_closed_total", closed) -
      before.sum("ringmaster_connections_closed_total", closed),
    2,
  );
});

test("Metrics: readiness, limits, version and the process itself are told", async () => {
  const scrape = await server.metrics();
  assert.equal(scrape.sum("ringmaster_ready"), 1);
  assert.equal(scrape.sum("ringmaster_draining"), 0);
  assert.equal(scrape.sum("ringmaster_configuration_ok"), 1);
  assert.ok(scrape.sum("ringmaster_max_connections") > 0);
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  assert.equal(scrape.sum("ringmaster_build_info", { version }), 1);
  assert.ok(scrape.sum("process_resident_memory_bytes") > 10_000_000);
  assert.ok(scrape.sum("process_open_fds") > 3);
  assert.ok(scrape.sum("process_max_fds") >= 256);
  const started = scrape.sum("process_start_time_seconds");
  assert.ok(Math.abs(Date.now() / 1000 - started) < 600, `started ${started}`);
});

test("Metrics: the text is what Prometheus asks for, each metric with help and type, no name twice", async () => {
  const response = await server.ops("/metrics");
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const { names, text } = await server.metrics();
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(text, new RegExp(`^# HELP ${name} .+$`, "m"));
});

const DOCUMENT = "docs/operations.md";
const WITHOUT_DOCUMENT = existsSync(DOCUMENT) ? false : `${DOCUMENT} is not there yet`;

test(
  "Metrics: docs/operations.md names every metric that there is, and no other",
  { skip: WITHOUT_DOCUMENT },
  async () => {
    const { names } = await server.metrics();
    const documented = new Set(
      readFileSync(DOCUMENT, "utf8").match(/\b(?:ringmaster|process)_[a-z0-9_]+\b/g) ?? [],
    );
    assert.deepEqual([...documented].toSorted(), names.toSorted());
  },
);
