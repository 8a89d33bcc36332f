import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApp } from "./support/apps.ts";
import { callApi, publish } from "./support/http-api.ts";
import { nextEvent, pusherClient, serverLibrary } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";

const app = testApp({ watchlist: true });
const without = testApp();
const server = await Ringmaster.start({ config: { apps: [app.entry, without.entry] } });
after(() => server.stop());
const { port } = server;

test("Sign-in: pusher-js signs in and is told the user data that was signed", async (t) => {
  const client = pusherClient(t, app, { port, user: { id: "ada", user_info: { name: "Ada" } } });
  client.pusher.signin();
  const { data } = await client.message("pusher:signin_success");
  const { user_data } = data as { user_data: string };
  assert.deepEqual(JSON.parse(user_data), { id: "ada", user_info: { name: "Ada" } });
  await client.pusher.user.signinDonePromise;
  assert.equal(client.pusher.user.user_data.id, "ada");
});

test("Sign-in: the same user again succeeds again, another one is refused", async (t) => {
  const client = await rawClient(t, app, { port });
  await client.signIn({ id: "twice" });
  await client.signIn({ id: "twice" });
  client.askToSignIn({ id: "other" });
  assert.deepEqual(await client.socket.error(), {
    code: null,
    message: "Invalid signin: the connection is already signed in as another user",
  });
});

test("Sign-in: a wrong signature, an unknown key and a missing one are refused with what is wrong", async (t) => {
  const client = await rawClient(t, app, { port });
  const userData = JSON.stringify({ id: "eve" });
  const signIn = async (auth: unknown, user_data: unknown = userData): Promise<string> => {
    client.socket.send({ event: "pusher:signin", data: { auth, user_data } });
    return (await client.socket.error()).message;
  };
  assert.equal(
    await signIn(`${app.key}:0123`),
    `Invalid signature: Expected HMAC SHA256 hex digest of ${client.socketId}::user::${userData}, but got 0123`,
  );
  assert.equal(await signIn("stranger:0123"), "Invalid key in signin auth data: 'stranger'");
  assert.equal(await signIn("nothing"), "Invalid signin: auth should be of format 'key:signature'");
  assert.equal(await signIn(undefined), "Invalid signin: must contain auth and user_data");
  const forChannel = serverLibrary(app, { port }).authorizeChannel(
    client.socketId,
    "private-x",
  ).auth;
  assert.match(await signIn(forChannel), /^Invalid signature: /);
});

test("Sign-in: the user's id must be a string that is not empty", async (t) => {
  const client = await rawClient(t, app, { port });
  for (const userData of [{}, { id: "" }, { id: 7 }]) {
    client.askToSignIn(userData);
    assert.equal(
      (await client.socket.error()).message,
      "Invalid signin: user_data must contain an id, a non-empty string",
    );
  }
});

test("Server to user: what the library sends to a user reaches all connections of that user and no other", async (t) => {
  const ada = [0, 1].map(() => pusherClient(t, app, { port, user: { id: "to-ada" } }));
  const bob = pusherClient(t, app, { port, user: { id: "to-bob" } });
  const coming = ada.map((client) => nextEvent(client.pusher.user, "notice"));
  for (const client of [...ada, bob]) {
    client.pusher.signin();
    await client.message("pusher_internal:subscription_succeeded");
  }
  const library = serverLibrary(app, { port });
  const response = await library.sendToUser("to-ada", "notice", { text: "hello" });
  assert.equal(await response.text(), "{}");
  for (const { data } of await Promise.all(coming)) assert.deepEqual(data, { text: "hello" });
  await library.sendToUser("to-bob", "marker", {});
  await bob.message("marker");
  assert.equal(bob.got("notice").length, 0);
});

test("Server to user: nobody but the signed-in user may subscribe to the user's channel", async (t) => {
  const client = await rawClient(t, app, { port });
  const refused =
    "Subscription to channel #server-to-user-ada refused: the connection is not signed in as that user";
  client.askToSubscribe("#server-to-user-ada");
  assert.equal((await client.socket.error()).message, refused);
  await client.signIn({ id: "bob" });
  client.askToSubscribe("#server-to-user-ada");
  assert.equal((await client.socket.error()).message, refused);
  assert.deepEqual(await client.subscribe("#server-to-user-bob"), {});
});

test("Server to user: the user's channel is no channel that the API lists", async (t) => {
  const client = await rawClient(t, without, { port });
  await client.signIn({ id: "hidden" });
  await client.subscribe("#server-to-user-hidden");
  await client.subscribe("shown");
  const { body } = await callApi(without, port, { path: "/channels" });
  assert.deepEqual(JSON.parse(body), { channels: { shown: {} } });
});

test("Terminate: all connections signed in as the user are closed with 4009, pusher-js stays away, others stay", async (t) => {
  const gone = [0, 1].map(() => pusherClient(t, app, { port, user: { id: "unwanted" } }));
  const kept = pusherClient(t, app, { port, user: { id: "wanted" } });
  const stranger = pusherClient(t, app, { port });
  for (const client of [...gone, kept]) {
    client.pusher.signin();
    await client.message("pusher:signin_success");
  }
  await stranger.connected();
  const response = await serverLibrary(app, { port }).terminateUserConnections("unwanted");
  assert.equal(await response.text(), "{}");
  for (const client of gone) {
    await client.reached("disconnected");
    assert.deepEqual(await client.error(), {
      code: 4009,
      message: "Connection terminated by the application",
    });
  }
  for (const client of [kept, stranger]) {
    await client.subscribe("after-the-termination");
    assert.deepEqual(client.states.all, ["connected"]);
  }
});

test("Terminate: a connection that was not signed in stays, although it is on a presence channel under that id", async (t) => {
  const present = pusherClient(t, app, { port, member: { user_id: "lookalike" } });
  await present.subscribe("presence-lookalike");
  await serverLibrary(app, { port }).terminateUserConnections("lookalike");
  await publish(app, port, "presence-lookalike", "still-here");
  await present.message("still-here");
});

test("Watchlist: the first event tells who is online and who is not, later ones who comes and goes", async (t) => {
  const early = await rawClient(t, app, { port });
  await early.signIn({ id: "w-early" });
  const watcher = pusherClient(t, app, {
    port,
    user: { id: "w-watcher", watchlist: ["w-early", "w-late", "w-never"] },
  });
  const online = nextEvent(watcher.pusher.user.watchlist, "online");
  const offline = nextEvent(watcher.pusher.user.watchlist, "offline");
  watcher.pusher.signin();
  assert.deepEqual((await online).data, { name: "online", user_ids: ["w-early"] });
  assert.deepEqual((await offline).data, { name: "offline", user_ids: ["w-late", "w-never"] });

  const late = [await rawClient(t, app, { port }), await rawClient(t, app, { port })];
  const told = async (): Promise<unknown> => {
    const { data } = await watcher.message("pusher_internal:watchlist_events");
    return data;
  };
  await told();
  for (const client of late) await client.signIn({ id: "w-late" });
  assert.deepEqual(await told(), { events: [{ name: "online", user_ids: ["w-late"] }] });
  late[0]!.socket.close();
  await late[0]!.socket.closed;
  late[1]!.socket.close();
  assert.deepEqual(await told(), { events: [{ name: "offline", user_ids: ["w-late"] }] });
  early.socket.destroy();
  assert.deepEqual(await told(), { events: [{ name: "offline", user_ids: ["w-early"] }] });
  assert.equal(watcher.got("pusher_internal:watchlist_events").length, 4);
});

test("Watchlist: of more than 100 users the first 100 are watched, and error 4302 says so after the sign-in", async (t) => {
  const client = await rawClient(t, app, { port });
  const watchlist = Array.from({ length: 101 }, (_, number) => `many-${number}`);
  await client.signIn({ id: "curious", watchlist });
  assert.deepEqual(await client.socket.error(), {
    code: 4302,
    message: "Watchlist limit exceeded: only the first 100 users are watched",
  });
  assert.deepEqual(await client.socket.data("pusher_internal:watchlist_events"), {
    events: [{ name: "offline", user_ids: watchlist.slice(0, 100) }],
  });
  const beyond = await rawClient(t, app, { port });
  await beyond.signIn({ id: "many-100" });
  const last = await rawClient(t, app, { port });
  await last.signIn({ id: "many-99" });
  assert.deepEqual(await client.socket.data("pusher_internal:watchlist_events"), {
    events: [{ name: "online", user_ids: ["many-99"] }],
  });
});

test("Watchlist: an app that has not enabled it sends nothing of it", async (t) => {
  const client = await rawClient(t, without, { port });
  await client.signIn({ id: "a", watchlist: ["b"] });
  const other = await rawClient(t, without, { port });
  await other.signIn({ id: "b" });
  await client.socket.settled();
  assert.equal(
    client.socket.messages.all.some(({ event }) => event.includes("watchlist")),
    false,
  );
});
