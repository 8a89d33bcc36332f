import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { PresenceChannel } from "pusher-js";
import { testApp } from "./support/apps.ts";
import { callApi, publish } from "./support/http-api.ts";
import { nextEvent, pusherClient } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";

const app = testApp();
const server = await Ringmaster.start({ config: { apps: [app.entry] } });
after(() => server.stop());
const { port } = server;

const ada = { user_id: "ada", user_info: { name: "Ada", tags: ["a", "ü"] } };
const bob = { user_id: "bob", user_info: { name: "Bob" } };

test("Presence: a newcomer gets all members and itself, and the others are told of it", async (t) => {
  const first = pusherClient(t, app, { port, member: ada });
  const firstRoom = (await first.subscribe("presence-lobby")) as PresenceChannel;
  assert.equal(firstRoom.members.count, 1);
  assert.deepEqual(firstRoom.members.me, { id: "ada", info: ada.user_info });

  const added = nextEvent(firstRoom, "pusher:member_added");
  const second = pusherClient(t, app, { port, member: bob });
  const secondRoom = (await second.subscribe("presence-lobby")) as PresenceChannel;
  assert.deepEqual((await added).data, { id: "bob", info: bob.user_info });
  assert.equal(secondRoom.members.count, 2);
  assert.deepEqual(secondRoom.members.me, { id: "bob", info: bob.user_info });
  assert.deepEqual(secondRoom.members.get("ada"), { id: "ada", info: ada.user_info });
  assert.equal(firstRoom.members.count, 2);

  const removed = nextEvent(firstRoom, "pusher:member_removed");
  second.pusher.unsubscribe("presence-lobby");
  assert.deepEqual((await removed).data, { id: "bob", info: bob.user_info });
  assert.equal(firstRoom.members.count, 1);
  assert.equal(first.got("pusher_internal:member_added").length, 1);
  assert.equal(second.got("pusher_internal:member_added").length, 0);
});

test("Presence: the frame of a newcomer holds count, ids and hash, with null for a member without user_info", async (t) => {
  const client = await rawClient(t, app, { port });
  assert.deepEqual(await client.subscribe("presence-frame", { user_id: "plain" }), {
    presence: { count: 1, ids: ["plain"], hash: { plain: null } },
  });
});

test("Presence: member_added comes with a user's first connection and member_removed with its last", async (t) => {
  const watcher = pusherClient(t, app, { port, member: { user_id: "watcher" } });
  await watcher.subscribe("presence-tabs");
  const tabs = [
    pusherClient(t, app, { port, member: ada }),
    pusherClient(t, app, { port, member: ada }),
  ];
  for (const tab of tabs) await tab.subscribe("presence-tabs");
  tabs[0]!.pusher.disconnect();
  const raw = await rawClient(t, app, { port });
  await raw.subscribe("presence-tabs", { user_id: "marker" });
  await watcher.messages.take("the marker", (it) => JSON.stringify(it.data).includes("marker"));
  assert.equal(watcher.got("pusher_internal:member_removed").length, 0);

  tabs[1]!.pusher.disconnect();
  const { data } = await watcher.message("pusher_internal:member_removed", "presence-tabs");
  assert.deepEqual(data, { user_id: "ada" });
  const added = watcher.got("pusher_internal:member_added").map((message) => message.data);
  assert.deepEqual(added, [ada, { user_id: "marker" }]);
});

test("Presence: a connection that breaks without a word is removed too", async (t) => {
  const watcher = pusherClient(t, app, { port, member: ada });
  await watcher.subscribe("presence-broken");
  const broken = await rawClient(t, app, { port });
  await broken.subscribe("presence-broken", bob);
  await watcher.message("pusher_internal:member_added");
  broken.socket.destroy();
  assert.deepEqual((await watcher.message("pusher_internal:member_removed")).data, {
    user_id: "bob",
  });
});

test("Presence: a numeric user_id becomes a string everywhere", async (t) => {
  const watcher = pusherClient(t, app, { port, member: ada });
  await watcher.subscribe("presence-numbers");
  const client = await rawClient(t, app, { port });
  const state = (await client.subscribe("presence-numbers", { user_id: 10 })) as {
    presence: { ids: string[] };
  };
  assert.deepEqual(state.presence.ids.toSorted(), ["10", "ada"]);
  assert.deepEqual((await watcher.message("pusher_internal:member_added")).data, { user_id: "10" });
});

test("Presence: channel_data must be there and name a user", async (t) => {
  const client = await rawClient(t, app, { port });
  const refused = [
    [undefined, "channel_data is required unless the connection is signed in"],
    [{}, "channel_data must contain a user_id"],
    [{ user_id: "" }, "channel_data must contain a user_id"],
    [{ user_id: { a: 1 } }, "channel_data must contain a user_id"],
    ["text", "channel_data is not a JSON object"],
    [{ user_id: "x".repeat(129) }, "user_id exceeds the allowed maximum (128 characters)"],
  ] as const;
  for (const [channelData, fault] of refused) {
    client.askToSubscribe("presence-refused", channelData);
    const message = `Invalid presence subscription to presence-refused: ${fault}`;
    assert.deepEqual(await client.socket.error(), { code: null, message });
  }
  await client.subscribe("presence-refused", { user_id: "x".repeat(128) });
});

test("Presence: a user_info of more than 1 KB is refused, one of just 1 KB is taken", async (t) => {
  const client = await rawClient(t, app, { port });
  // Two bytes for the quotes.
  client.askToSubscribe("presence-large", { user_id: "a", user_info: "x".repeat(1_023) });
  assert.equal(
    (await client.socket.error()).message,
    "Invalid presence subscription to presence-large: user_info exceeds the allowed maximum (1024 bytes)",
  );
  await client.subscribe("presence-large", { user_id: "a", user_info: "x".repeat(1_022) });
});

test("Presence: a signed-in user needs no channel_data; where it is given, it counts", async (t) => {
  const client = await rawClient(t, app, { port });
  await client.signIn({ id: "signed", user_info: { name: "Sig" } });
  assert.deepEqual(await client.subscribe("presence-signed"), {
    presence: { count: 1, ids: ["signed"], hash: { signed: { name: "Sig" } } },
  });
  assert.deepEqual(await client.subscribe("presence-overridden", { user_id: "other" }), {
    presence: { count: 1, ids: ["other"], hash: { other: null } },
  });
});

test("Presence: at most 100 members; one more is refused, another connection of a member is not", async (t) => {
  const crowd = await Promise.all(Array.from({ length: 100 }, () => rawClient(t, app, { port })));
  for (const [number, member] of crowd.entries())
    await member.subscribe("presence-full", { user_id: `user-${number}` });
  const late = await rawClient(t, app, { port });
  late.askToSubscribe("presence-full", { user_id: "user-100" });
  assert.deepEqual(await late.socket.error(), {
    code: null,
    message: "Presence channel presence-full is full: at most 100 members are allowed",
  });
  await late.subscribe("presence-full", { user_id: "user-7" });
  late.unsubscribe("presence-full");

  crowd[0]!.unsubscribe("presence-full");
  await crowd[0]!.socket.settled();
  await late.socket.settled();
  const state = (await late.subscribe("presence-full", { user_id: "user-100" })) as {
    presence: { count: number };
  };
  assert.equal(state.presence.count, 100);
  const users = await callApi(app, port, { path: "/channels/presence-full/users" });
  assert.equal((JSON.parse(users.body) as { users: unknown[] }).users.length, 100);
});

test("Presence: one who was refused gets nothing of the channel", async (t) => {
  const client = await rawClient(t, app, { port });
  client.askToSubscribe("presence-closed-door", {});
  await client.socket.error();
  await client.subscribe("open-door");
  await publish(app, port, "presence-closed-door", "inside");
  await publish(app, port, "open-door", "outside");
  await client.socket.message("outside");
  assert.equal(
    client.socket.messages.all.some(({ event }) => event === "inside"),
    false,
  );
});

test("Presence: rapid joins and leaves end in a list that is true", async (t) => {
  const watcher = pusherClient(t, app, { port, member: { user_id: "watcher" } });
  const room = (await watcher.subscribe("presence-rapid")) as PresenceChannel;
  const crowd = await Promise.all(Array.from({ length: 20 }, () => rawClient(t, app, { port })));
  for (const [number, client] of crowd.entries()) {
    for (let round = 0; round < 5; round++) {
      client.askToSubscribe("presence-rapid", { user_id: `user-${number % 7}` });
      client.unsubscribe("presence-rapid");
    }
    if (number % 2 === 0)
      client.askToSubscribe("presence-rapid", { user_id: `user-${number % 7}` });
  }
  await Promise.all(crowd.map((client) => client.socket.settled()));
  await crowd[1]!.subscribe("presence-rapid", { user_id: "last" });
  await watcher.messages.take("the last", (it) => JSON.stringify(it.data).includes('"last"'));
  const expected = new Set(["watcher", "last"]);
  for (let number = 0; number < 20; number += 2) expected.add(`user-${number % 7}`);
  const present: string[] = [];
  room.members.each((member: { id: string }) => present.push(member.id));
  assert.deepEqual(present.toSorted(), [...expected].toSorted());
});
