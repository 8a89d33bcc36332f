import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { PresenceChannel } from "pusher-js";
import { testApp } from "./support/apps.ts";
import { publish } from "./support/http-api.ts";
import { nextEvent, pusherClient } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";

const app = testApp({ clientEvents: true });
const slow = testApp({ clientEvents: true, limits: { clientEventsPerSecond: 5 } });
const without = testApp();
const server = await Ringmaster.start({
  config: { apps: [app, slow, without].map(({ entry }) => entry) },
});
after(() => server.stop());
const { port } = server;

test("Client events: pusher-js triggers on a private channel; the others get it, the sender does not", async (t) => {
  const [sender, other] = [pusherClient(t, app, { port }), pusherClient(t, app, { port })];
  const sending = await sender.subscribe("private-chat");
  const hearing = await other.subscribe("private-chat");
  const coming = nextEvent(hearing, "client-typing");
  assert.equal(sending.trigger("client-typing", { who: "ü", list: [1, null] }), true);
  const { data, metadata } = await coming;
  assert.deepEqual(data, { who: "ü", list: [1, null] });
  assert.equal(metadata?.user_id, undefined);
  await publish(app, port, "private-chat", "afterwards");
  await sender.message("afterwards");
  assert.equal(sender.got("client-typing").length, 0);
});

test("Client events: on a presence channel the receivers are told who sent it", async (t) => {
  const sender = pusherClient(t, app, { port, member: { user_id: "ada" } });
  const other = pusherClient(t, app, { port, member: { user_id: "bob" } });
  const sending = await sender.subscribe("presence-chat");
  const hearing = (await other.subscribe("presence-chat")) as PresenceChannel;
  const coming = nextEvent(hearing, "client-typing");
  sending.trigger("client-typing", {});
  assert.deepEqual((await coming).metadata, { user_id: "ada" });
});

test("Client events: a user_id that the sender writes itself is not passed on", async (t) => {
  const [sender, other] = [await rawClient(t, app, { port }), await rawClient(t, app, { port })];
  await sender.subscribe("presence-forged", { user_id: "mallory" });
  await other.subscribe("presence-forged", { user_id: "bob" });
  sender.socket.send({ event: "client-x", channel: "presence-forged", data: {}, user_id: "ada" });
  assert.equal((await other.socket.message("client-x")).user_id, "mallory");
});

test("Client events: data arrives as a string, an object as its JSON", async (t) => {
  const [sender, other] = [await rawClient(t, app, { port }), await rawClient(t, app, { port })];
  for (const client of [sender, other]) await client.subscribe("private-data");
  const sent = [{ a: 1 }, "text", '{"a":1}', 5, null, []];
  const received = ['{"a":1}', "text", '{"a":1}', "5", "null", "[]"];
  for (const [position, data] of sent.entries()) {
    sender.socket.send({ event: "client-data", channel: "private-data", data });
    assert.deepEqual(await other.socket.message("client-data"), {
      event: "client-data",
      channel: "private-data",
      data: received[position],
    });
  }
});

test("Client events: they are not kept by cache channels", async (t) => {
  const sender = await rawClient(t, app, { port });
  await sender.subscribe("private-cache-chat");
  sender.socket.send({ event: "client-x", channel: "private-cache-chat", data: {} });
  await sender.socket.settled();
  const late = await rawClient(t, app, { port });
  await late.subscribe("private-cache-chat");
  await late.socket.message("pusher:cache_miss", "private-cache-chat");
});

const REFUSED = [
  {
    what: "on a public channel",
    event: { event: "client-x", channel: "public", data: {} },
    message: "Client event rejected - only supported on private and presence channels",
  },
  {
    what: "on a channel that the sender is not subscribed to",
    event: { event: "client-x", channel: "private-elsewhere", data: {} },
    message:
      "Cannot broadcast client event (connection not subscribed to channel private-elsewhere)",
  },
  {
    what: "whose name has another prefix",
    event: { event: "server-x", channel: "private-rules", data: {} },
    message: "Client event rejected - client events must be prefixed by 'client-'",
  },
  {
    what: "without a channel",
    event: { event: "client-x", data: {} },
    message: "Invalid client event (must contain channel and data)",
  },
  {
    what: "without data",
    event: { event: "client-x", channel: "private-rules" },
    message: "Invalid client event (must contain channel and data)",
  },
  {
    what: "with a name of more than 200 characters",
    event: { event: "client-".padEnd(201, "x"), channel: "private-rules", data: {} },
    message: "Client event rejected - event name exceeds the allowed maximum (200 characters)",
  },
  {
    what: "of more than 10,240 bytes",
    event: { event: "client-x", channel: "private-rules", data: "ü".repeat(5_121) },
    message:
      "The data content of this event exceeds the allowed maximum (10240 bytes). See https://pusher.com/docs/channels/server_api/http-api#publishing-events for more info",
  },
];
for (const { what, event, message } of REFUSED) {
  test(`Client events: one ${what} is refused, and nobody gets it`, async (t) => {
    const [sender, other] = [await rawClient(t, app, { port }), await rawClient(t, app, { port })];
    for (const client of [sender, other]) {
      await client.subscribe("private-rules");
      await client.subscribe("public");
    }
    sender.socket.send(event);
    assert.deepEqual(await sender.socket.error(), { code: null, message });
    sender.socket.send({ event: "client-marker", channel: "private-rules", data: {} });
    await other.socket.message("client-marker");
    assert.equal(
      other.socket.messages.all.some((it) => it.event === event.event),
      false,
    );
  });
}

test("Client events: one of exactly 10,240 bytes is passed on", async (t) => {
  const [sender, other] = [await rawClient(t, app, { port }), await rawClient(t, app, { port })];
  for (const client of [sender, other]) await client.subscribe("private-largest");
  sender.socket.send({ event: "client-x", channel: "private-largest", data: "ü".repeat(5_120) });
  assert.equal((await other.socket.message("client-x")).data, "ü".repeat(5_120));
});

test("Client events: an app that has not enabled them says so, and passes nothing on", async (t) => {
  const [sender, other] = [pusherClient(t, without, { port }), pusherClient(t, without, { port })];
  const sending = await sender.subscribe("private-chat");
  await other.subscribe("private-chat");
  sending.trigger("client-x", {});
  assert.deepEqual(await sender.error(), {
    code: null,
    message:
      "To send client events, you must enable this feature in the Settings page of your dashboard.",
  });
  await publish(without, port, "private-chat", "marker");
  await other.message("marker");
  assert.equal(other.got("client-x").length, 0);
});

test("Client events: more than the rate allows are dropped with error 4301, and the socket stays", async (t) => {
  const [sender, other] = [await rawClient(t, slow, { port }), await rawClient(t, slow, { port })];
  for (const client of [sender, other]) await client.subscribe("private-rate");
  const before = await server.metrics();
  for (let number = 0; number < 20; number++) {
    sender.socket.send({ event: "client-x", channel: "private-rate", data: number });
  }
  await sender.socket.settled();
  await publish(slow, port, "private-rate", "marker");
  await other.socket.message("marker");

  const passed = other.socket.messages.all.filter(({ event }) => event === "client-x").length;
  const refusals = sender.socket.messages.all
    .filter(({ event }) => event === "pusher:error")
    .slice(0, -1);
  // The bucket refills while the burst is read, so a slow machine may pass one or two more.
  assert.ok(passed >= 5 && passed < 20, `${passed} passed`);
  assert.equal(refusals.length, 20 - passed);
  for (const { data } of refusals) {
    assert.deepEqual(data, {
      code: 4301,
      message: "Client event rejected - rate limit of 5 events per second exceeded",
    });
  }
  const now = await server.metrics();
  const grown = (name: string): number =>
    now.sum(name, { app: slow.id }) - before.sum(name, { app: slow.id });
  assert.equal(grown("ringmaster_client_events_total"), passed);
  assert.equal(grown("ringmaster_client_events_rate_limited_total"), 20 - passed);
});
