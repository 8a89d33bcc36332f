import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { newKey, testApp, withKey } from "./support/apps.ts";
import { publish } from "./support/http-api.ts";
import { nextEvent, pusherClient, serverLibrary } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster } from "./support/ringmaster.ts";

const app = testApp({ limits: { subscriptionsPerConnection: 20 } });
const rotated = testApp();
const twoKeys = {
  ...rotated.entry,
  keys: [...rotated.entry.keys, newKey(), { ...newKey(), active: false }],
};
const server = await Ringmaster.start({ config: { apps: [app.entry, twoKeys] } });
after(() => server.stop());
const { port } = server;
const encryptionMasterKey = randomBytes(32).toString("base64");

const KINDS = [
  { kind: "public", channel: "news" },
  { kind: "private", channel: "private-news" },
  { kind: "presence", channel: "presence-news" },
  { kind: "encrypted", channel: "private-encrypted-news" },
  { kind: "cache", channel: "cache-news" },
  { kind: "private cache", channel: "private-cache-news" },
  { kind: "presence cache", channel: "presence-cache-news" },
  { kind: "encrypted cache", channel: "private-encrypted-cache-news" },
];
for (const { kind, channel } of KINDS) {
  test(`Channel, ${kind}: pusher-js subscribes and gets what the server library triggers`, async (t) => {
    const client = pusherClient(t, app, { port, member: { user_id: "a" }, encryptionMasterKey });
    const subscribed = await client.subscribe(channel);
    const coming = nextEvent(subscribed, "greeting");
    const data = { text: "hello", list: [1, "ü", "\u2028", null] };
    const response = await serverLibrary(app, { port, encryptionMasterKey }).trigger(
      channel,
      "greeting",
      data,
    );
    assert.equal(await response.text(), "{}");
    assert.deepEqual((await coming).data, data);
  });
}

test("An encrypted channel: what crosses the wire is ciphertext, and only holders of the key read it", async (t) => {
  const spy = await rawClient(t, app, { port });
  await spy.subscribe("private-encrypted-secrets");
  await serverLibrary(app, { port, encryptionMasterKey }).trigger(
    "private-encrypted-secrets",
    "tell",
    { word: "swordfish" },
  );
  const { data } = await spy.socket.message("tell", "private-encrypted-secrets");
  assert.deepEqual(Object.keys(JSON.parse(String(data)) as object).toSorted(), [
    "ciphertext",
    "nonce",
  ]);
  assert.equal(String(data).includes("swordfish"), false);
});

test("An event's data reaches the subscriber as the very string that was published", async (t) => {
  const client = await rawClient(t, app, { port });
  await client.subscribe("exact");
  for (const data of ["", "no JSON", '{"a" : 1.0}', '\u0000\u001f"\\ü😀', "null"]) {
    await publish(app, port, "exact", "as-it-is", data);
    assert.deepEqual(await client.socket.message("as-it-is"), {
      event: "as-it-is",
      channel: "exact",
      data,
    });
  }
});

test("One publish to several channels reaches the subscribers of each", async (t) => {
  const clients = [pusherClient(t, app, { port }), pusherClient(t, app, { port })];
  await clients[0]!.subscribe("several-1");
  await clients[1]!.subscribe("several-2");
  await serverLibrary(app, { port }).trigger(["several-1", "several-2", "several-3"], "both", 1);
  assert.equal((await clients[0]!.message("both")).channel, "several-1");
  assert.equal((await clients[1]!.message("both")).channel, "several-2");
});

test("Events of one channel arrive in the order in which they were published", async (t) => {
  const client = pusherClient(t, app, { port });
  await client.subscribe("ordered");
  for (let number = 0; number < 200; number++)
    await publish(app, port, "ordered", "number", number);
  await publish(app, port, "ordered", "last");
  await client.message("last");
  assert.deepEqual(
    client.got("number").map(({ data }) => data),
    Array.from({ length: 200 }, (_, number) => number),
  );
});

test("Exclusion: the socket named in socket_id does not get the event, all others do", async (t) => {
  const [publisher, other] = [pusherClient(t, app, { port }), pusherClient(t, app, { port })];
  await Promise.all([publisher.subscribe("excluding"), other.subscribe("excluding")]);
  const library = serverLibrary(app, { port });
  await library.trigger("excluding", "not-for-me", {}, { socket_id: await publisher.connected() });
  await library.trigger("excluding", "for-all", {}, { socket_id: "1.1" });
  await Promise.all([publisher.message("for-all"), other.message("for-all")]);
  assert.equal(publisher.got("not-for-me").length, 0);
  assert.equal(other.got("not-for-me").length, 1);
});

test("Unsubscribe: nothing more arrives, and the channel can be subscribed again", async (t) => {
  const client = pusherClient(t, app, { port });
  await client.subscribe("left");
  await client.subscribe("kept");
  client.pusher.unsubscribe("left");
  await client.subscribe("after-unsubscribing");
  await publish(app, port, "left", "unheard");
  await publish(app, port, "kept", "heard");
  await client.message("heard");
  assert.equal(client.got("unheard").length, 0);
  await client.subscribe("left");
  await publish(app, port, "left", "heard-again");
  await client.message("heard-again", "left");
});

test("Subscribing twice to one channel is an error that names it, and the subscription stays", async (t) => {
  const client = await rawClient(t, app, { port });
  await client.subscribe("twice");
  client.askToSubscribe("twice");
  assert.deepEqual(await client.socket.error(), {
    code: null,
    message: "Existing subscription to channel twice",
  });
  await publish(app, port, "twice", "once");
  await client.socket.message("once");
  await client.socket.settled();
  assert.equal(client.socket.messages.all.filter(({ event }) => event === "once").length, 1);
});

test("Unsubscribing from a channel that was never subscribed is an error that names it", async (t) => {
  const client = await rawClient(t, app, { port });
  client.unsubscribe("never");
  assert.deepEqual(await client.socket.error(), {
    code: null,
    message: "No current subscription to channel never, or subscription in progress",
  });
});

test("A wrong signature is refused with the hosted server's text, and nothing is delivered", async (t) => {
  const client = pusherClient(t, { ...app, secret: "wrong" }, { port, member: { user_id: "a" } });
  const socketId = await client.connected();
  client.pusher.subscribe("private-guarded");
  const fault = await client.error();
  assert.equal(fault.code, null);
  const expected = (signed: string): RegExp =>
    new RegExp(
      `^Invalid signature: Expected HMAC SHA256 hex digest of ${signed}, but got [0-9a-f]{64}$`,
    );
  assert.match(fault.message, expected(`${socketId}:private-guarded`));
  client.pusher.subscribe("presence-guarded");
  assert.match(
    (await client.error()).message,
    expected(`${socketId}:presence-guarded:{"user_id":"a"}`),
  );
  await client.subscribe("open");
  await publish(app, port, "private-guarded", "guarded");
  await publish(app, port, "open", "open");
  await client.message("open");
  assert.equal(client.got("guarded").length, 0);
});

test("A signature for another socket or another channel is worth nothing", async (t) => {
  const [mine, other] = [await rawClient(t, app, { port }), await rawClient(t, app, { port })];
  const signature = serverLibrary(app, { port }).authorizeChannel(
    other.socketId,
    "private-mine",
  ).auth;
  mine.socket.send({
    event: "pusher:subscribe",
    data: { channel: "private-mine", auth: signature },
  });
  assert.match((await mine.socket.error()).message, /^Invalid signature: /);
  const elsewhere = serverLibrary(app, { port }).authorizeChannel(
    mine.socketId,
    "private-other",
  ).auth;
  mine.socket.send({
    event: "pusher:subscribe",
    data: { channel: "private-mine", auth: elsewhere },
  });
  assert.match((await mine.socket.error()).message, /^Invalid signature: /);
});

test("An unknown key in the subscription's auth is refused by name", async (t) => {
  const client = await rawClient(t, app, { port });
  client.socket.send({
    event: "pusher:subscribe",
    data: { channel: "private-x", auth: "stranger:abc" },
  });
  assert.deepEqual(await client.socket.error(), {
    code: null,
    message: "Invalid key in subscription auth data: 'stranger'",
  });
});

test("A private channel without auth, or with auth that is no token, is refused", async (t) => {
  const { socket } = await rawClient(t, app, { port });
  socket.send({ event: "pusher:subscribe", data: { channel: "private-x" } });
  assert.equal((await socket.error()).message, "Auth info required to subscribe to private-x");
  socket.send({ event: "pusher:subscribe", data: { channel: "private-x", auth: "no token" } });
  assert.equal(
    (await socket.error()).message,
    "Auth value for subscription to private-x is invalid: should be of format 'key:signature'",
  );
});

test("Key rotation: signatures of every active key are taken, those of an inactive one are not", async (t) => {
  const [older, newer, inactive] = [withKey(twoKeys, 0), withKey(twoKeys, 1), withKey(twoKeys, 2)];
  const client = await rawClient(t, older, { port });
  const subscribe = (signer: typeof older, channel: string): void => {
    const { auth } = serverLibrary(signer, { port }).authorizeChannel(client.socketId, channel);
    client.socket.send({ event: "pusher:subscribe", data: { channel, auth } });
  };
  for (const [position, signer] of [older, newer].entries()) {
    const channel = `private-by-key-${position}`;
    subscribe(signer, channel);
    await client.socket.message("pusher_internal:subscription_succeeded", channel);
    await serverLibrary(signer, { port }).trigger(channel, `by-key-${position}`, {});
    await client.socket.message(`by-key-${position}`, channel);
  }
  subscribe(inactive, "private-by-none");
  assert.equal(
    (await client.socket.error()).message,
    `Invalid key in subscription auth data: '${inactive.key}'`,
  );
  const refused = serverLibrary(inactive, { port }).trigger("x", "y", {});
  await assert.rejects(refused, { status: 401, body: "Unknown auth_key\n" });
});

test("An invalid channel name is refused", async (t) => {
  const client = await rawClient(t, app, { port });
  for (const channel of ["", "with space", "slash/es", "#reserved", "ü", "x".repeat(201)]) {
    client.askToSubscribe(channel);
    assert.match((await client.socket.error()).message, /^Invalid channel name: /);
  }
  await client.subscribe("A-z0_9=@,.;".padEnd(200, "x"));
});

test("More subscriptions than a connection may have are refused, and the others stay", async (t) => {
  const client = await rawClient(t, app, { port });
  for (let number = 0; number < 20; number++) await client.subscribe(`one-of-many-${number}`);
  client.askToSubscribe("one-too-many");
  assert.equal(
    (await client.socket.error()).message,
    "Subscription to channel one-too-many refused: a connection may have at most 20 subscriptions",
  );
  client.unsubscribe("one-of-many-0");
  await client.subscribe("one-too-many");
});

test("What is no message of the protocol is answered with what is wrong, and the socket stays", async (t) => {
  const { socket } = await rawClient(t, app, { port });
  const wrong = [
    ["not JSON", "Received invalid JSON"],
    ["[]", "Received invalid JSON"],
    ["null", "Received invalid JSON"],
    ['{"event":7}', "Received invalid JSON"],
    ['{"event":"pusher:dance"}', "Unsupported event received on socket: pusher:dance"],
    [
      '{"event":"pusher_internal:member_added","channel":"a","data":"{}"}',
      "Unsupported event received on socket: pusher_internal:member_added",
    ],
    ['{"event":"pusher:subscribe","data":{}}', "Invalid subscribe: must contain channel"],
  ] as const;
  for (const [text, message] of wrong) {
    socket.sendText(text);
    assert.deepEqual(await socket.error(), { code: null, message });
  }
  socket.sendBinary(Buffer.from('{"event":"pusher:ping"}'));
  assert.equal((await socket.error()).message, "Binary WebSocket frames are not supported");
  await socket.settled();
});
