import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApp } from "./support/apps.ts";
import { callApi, publish } from "./support/http-api.ts";
import { pusherClient, serverLibrary } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";

const everything = { clientEvents: true, subscriptionCount: true, watchlist: true };
const [one, other] = [testApp(everything), testApp(everything)];
const server = await Ringmaster.start({ config: { apps: [one.entry, other.entry] } });
after(() => server.stop());
const { port } = server;

test("Tenants: two apps with the same channel names never see each other's events, members, counts, users or cache", async (t) => {
  const channels = ["same", "private-same", "cache-same", "private-cache-same"];
  const mine = await rawClient(t, one, { port });
  const theirs = await rawClient(t, other, { port });
  for (const [client, user] of [
    [mine, "my-user"],
    [theirs, "their-user"],
  ] as const) {
    await client.signIn({ id: "same-user", watchlist: ["my-user", "their-user"] });
    for (const channel of channels) await client.subscribe(channel);
    const state = (await client.subscribe("presence-same", { user_id: user })) as {
      presence: { ids: string[] };
    };
    assert.deepEqual(state.presence.ids, [user]);
    await client.subscribe("#server-to-user-same-user");
  }

  const before = theirs.socket.messages.all.length;
  for (const channel of [...channels, "presence-same"])
    await publish(one, port, channel, "mine-alone");
  await serverLibrary(one, { port }).sendToUser("same-user", "mine-alone", {});
  mine.socket.send({ event: "client-mine-alone", channel: "private-same", data: {} });
  const friend = await rawClient(t, one, { port });
  await friend.signIn({ id: "my-user" });
  await friend.subscribe("presence-same", { user_id: "my-friend" });
  await friend.subscribe("same");
  await serverLibrary(one, { port }).terminateUserConnections("their-user");
  await serverLibrary(one, { port }).terminateUserConnections("same-user");
  assert.equal((await mine.socket.closed).code, 4009);
  friend.socket.close();
  await friend.socket.closed;

  await theirs.socket.settled();
  const since = theirs.socket.messages.all.slice(before);
  assert.deepEqual(
    since.map(({ event }) => event),
    ["pusher:error"],
    "only the answer to our own question",
  );

  const latecomer = await rawClient(t, other, { port });
  await latecomer.subscribe("cache-same");
  await latecomer.socket.message("pusher:cache_miss", "cache-same");
  const { body } = await callApi(other, port, { path: "/channels/presence-same/users" });
  assert.deepEqual(JSON.parse(body), { users: [{ id: "their-user" }] });
  const counted = { path: "/channels/same", query: [["info", "subscription_count"]] as const };
  assert.deepEqual(JSON.parse((await callApi(other, port, counted)).body), {
    occupied: true,
    subscription_count: 1,
  });
  assert.deepEqual(JSON.parse((await callApi(one, port, { path: "/channels" })).body), {
    channels: {},
  });
});

test("Tenants: a socket id of another app excludes nobody", async (t) => {
  const mine = await rawClient(t, one, { port });
  const theirs = await rawClient(t, other, { port });
  await theirs.subscribe("excluded-across");
  await publish(other, port, "excluded-across", "e", {}, { socket_id: mine.socketId });
  await theirs.socket.message("e");
});

test("Tenants: one app's secret signs nothing for another", async (t) => {
  const theirs = pusherClient(t, { ...other, secret: one.secret }, { port });
  theirs.pusher.subscribe("private-x");
  assert.match((await theirs.error()).message, /^Invalid signature/);
  const mixed = await rawClient(t, other, { port });
  const { auth } = serverLibrary(one, { port }).authorizeChannel(mixed.socketId, "private-x");
  mixed.socket.send({ event: "pusher:subscribe", data: { channel: "private-x", auth } });
  assert.equal(
    (await mixed.socket.error()).message,
    `Invalid key in subscription auth data: '${one.key}'`,
  );
});
