import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent } from "node:http";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { mostInOneSecond, mostReconnects, Stalls } from "../drain/support/rates.ts";
import { answering, hanging } from "./support/answers.ts";
import { testApp } from "./support/apps.ts";
import { callApi, publish } from "./support/http-api.ts";
import { agentPublisher, tcpPublisher, type Outcome } from "./support/publisher.ts";
import { pusherClient } from "./support/pusher-client.ts";
import { rawClient, rawSocket } from "./support/raw-web-socket.ts";
import { receiverFor } from "./support/receiver.ts";
import { Ringmaster, type RingmasterOptions } from "./support/ringmaster.ts";
import { lockForWriting } from "./support/sqlite.ts";
import { eventually, within } from "./support/wait.ts";
import { dataOf, webhookConfig } from "./support/webhook-server.ts";
import { OCCUPIED, to } from "./support/webhook-traffic.ts";

const app = testApp();
const FORCED = "asked again: stopping at once";
const LATE = "stopping takes longer than planned";
const CUT_OFF = "the deadline came before everything was closed";

async function drainable(
  t: TestContext,
  {
    noticeMs,
    windowMs,
    deadlineMs,
    ...options
  }: { noticeMs: number; windowMs: number; deadlineMs: number } & RingmasterOptions,
): Promise<Ringmaster> {
  const server = await Ringmaster.start({
    config: { apps: [app.entry] },
    ...options,
    flags: {
      "--drain-notice-ms": String(noticeMs),
      "--drain-window-ms": String(windowMs),
      "--drain-deadline-ms": String(deadlineMs),
      ...options.flags,
    },
  });
  // Whatever a test does with it, nothing is left; how it ended is for the test to say.
  t.after(() => server.signal("SIGKILL"));
  return server;
}

test("Draining: after SIGTERM readiness is false at once, publishes are answered and delivered, and the exit code is 0", async (t) => {
  const server = await drainable(t, { noticeMs: 1_500, windowMs: 1_000, deadlineMs: 10_000 });
  const client = await rawClient(t, app, { port: server.port });
  await client.subscribe("private-late");
  const asked = performance.now();
  server.signal("SIGTERM");
  await server.logged("stopping; a second signal forces");
  const ready = await server.ops("/readyz");
  assert.deepEqual([ready.status, await ready.text()], [503, "draining\n"]);
  assert.equal((await server.ops("/healthz")).status, 200);
  const scrape = await server.metrics();
  assert.deepEqual([scrape.sum("ringmaster_ready"), scrape.sum("ringmaster_draining")], [0, 1]);

  await publish(app, server.port, "private-late", "still-served");
  await client.socket.message("still-served");
  const newcomer = await rawClient(t, app, { port: server.port });
  await newcomer.subscribe("private-late");
  assert.ok(performance.now() - asked < 1_500, "all of that happened within the notice");

  const closings = await Promise.all([client, newcomer].map(({ socket }) => socket.closed));
  for (const { code, reason, atMs } of closings) {
    assert.deepEqual([code, reason], [4200, "Please reconnect immediately"]);
    assert.ok(
      atMs - asked >= 1_400,
      `closed ${atMs - asked} ms after the signal, within the notice`,
    );
  }
  assert.equal((await within("the server ends", server.exited)).code, 0);
});

test("Draining: 200 sockets are closed with 4200 evenly over the window while publishes go on, well before the deadline", async (t) => {
  const SOCKETS = 200;
  const WINDOW_MS = 3_000;
  const server = await drainable(t, { noticeMs: 0, windowMs: WINDOW_MS, deadlineMs: 15_000 });
  const clients = await Promise.all(
    Array.from({ length: SOCKETS }, () => rawClient(t, app, { port: server.port })),
  );
  for (const client of clients) await client.subscribe("news");
  const closings = Promise.all(clients.map(({ socket }) => socket.closed));
  const stalls = new Stalls();
  const startedAt = performance.now();
  server.signal("SIGTERM");
  await server.logged("draining");

  let published = 0;
  const publishing = (async () => {
    while (performance.now() - startedAt < WINDOW_MS * 0.8) {
      const { status } = await callApi(app, server.port, {
        path: "/events",
        body: { name: `during-${published}`, data: "", channel: "news" },
      });
      assert.equal(status, 200);
      published++;
    }
  })();
  const ends = await within("all sockets are closed", closings);
  await publishing;
  const { code, atMs } = await within("the server ends", server.exited);
  assert.equal(code, 0);
  assert.ok(atMs - startedAt < 10_000, `ended ${atMs - startedAt} ms after the signal`);

  assert.deepEqual(new Set(ends.map((end) => end.code)), new Set([4200]));
  const most = mostInOneSecond(ends.map((end) => end.atMs));
  const allowed = mostReconnects(SOCKETS, WINDOW_MS, stalls.longestMs);
  stalls.close();
  assert.ok(most <= allowed, `${most} sockets in one second, ${allowed} at most`);
  const last = Math.max(...ends.map((end) => end.atMs)) - startedAt;
  assert.ok(
    last >= WINDOW_MS * 0.8 && last <= WINDOW_MS + 1_500,
    `the last close came after ${last} ms`,
  );

  // Whoever was still there heard everything up to its end: a prefix without a hole, longer for those closed later.
  const heard = clients.map(({ socket }) =>
    socket.messages.all.filter(({ event }) => event.startsWith("during-")),
  );
  for (const events of heard) {
    assert.deepEqual(
      events.map(({ event }) => event),
      events.map((_, number) => `during-${number}`),
    );
  }
  assert.ok(
    Math.max(...heard.map((events) => events.length)) >= published * 0.8,
    `of ${published} published`,
  );
});

test("Draining: the metrics tell what is left of the window and of the sockets, from the notice on", async (t) => {
  const SOCKETS = 20;
  const server = await drainable(t, { noticeMs: 2_000, windowMs: 4_000, deadlineMs: 20_000 });
  for (let number = 0; number < SOCKETS; number++)
    await rawSocket(t, { port: server.port, key: app.key });
  const told = async () => {
    const scrape = await server.metrics();
    return {
      open: scrape.sum("ringmaster_process_connections"),
      left: scrape.sum("ringmaster_drain_sockets_left"),
      windowLeft: scrape.sum("ringmaster_drain_window_left_seconds"),
      overrun: scrape.sum("ringmaster_drain_overrun_seconds"),
    };
  };
  assert.deepEqual(await told(), { open: SOCKETS, left: 0, windowLeft: 0, overrun: 0 });
  server.signal("SIGTERM");
  await server.logged("stopping; a second signal forces");
  const first = await told();
  // The window has not begun, unless this machine stood still for the notice.
  if (!server.log.all.some(({ msg }) => msg === "draining"))
    assert.deepEqual(first, { open: SOCKETS, left: SOCKETS, windowLeft: 4, overrun: 0 });
  const some = await eventually("some of the window and of the sockets is left", async () => {
    const figures = await told();
    return figures.left < SOCKETS && figures.left > 0 && figures;
  });
  assert.ok(some.windowLeft > 0 && some.windowLeft < 4, `${some.windowLeft} s`);
  assert.equal(some.open, some.left);
  assert.equal((await within("the server ends", server.exited)).code, 0);
  assert.ok(!server.log.all.some(({ msg }) => msg === LATE));
});

const SUCCEEDED = "pusher_internal:subscription_succeeded";

test("Draining: pusher-js comes back to the next server on the port by itself and is subscribed again", async (t) => {
  const old = await drainable(t, { noticeMs: 0, windowMs: 500, deadlineMs: 5_000 });
  const client = pusherClient(t, app, { port: old.port, member: { user_id: "a" } });
  await client.subscribe("private-lasting");
  await client.subscribe("presence-lasting");
  const asked = performance.now();
  old.signal("SIGTERM");
  const { code, atMs } = await within("the old server ends", old.exited);
  assert.equal(code, 0);
  assert.ok(
    atMs - asked < 2_500,
    `it took ${atMs - asked} ms, with a client that comes back at once`,
  );
  // Nobody but the old server was there to come back to: once is what the close asks for, more would be a storm.
  assert.ok(
    client.got(SUCCEEDED, "private-lasting").length <= 2,
    `bounced ${client.got(SUCCEEDED, "private-lasting").length} times`,
  );

  const seen = client.got(SUCCEEDED, "presence-lasting").length;
  const next = await drainable(t, {
    noticeMs: 0,
    windowMs: 0,
    deadlineMs: 5_000,
    flags: { "--port": String(old.port) },
  });
  // pusher-js tries again 15 s after it found nobody listening.
  await eventually(
    "pusher-js is subscribed again",
    () => client.got(SUCCEEDED, "presence-lasting").length > seen,
    40_000,
  );
  await publish(app, next.port, "private-lasting", "from-the-next");
  await client.message("from-the-next");
});

test("Draining: a client that does not answer the close frame holds nothing up", async (t) => {
  const server = await drainable(t, { noticeMs: 0, windowMs: 200, deadlineMs: 10_000 });
  const mute = await rawClient(t, app, { port: server.port });
  mute.socket.tcp.pause();
  const startedAt = performance.now();
  server.signal("SIGTERM");
  const { code, atMs } = await within("the server ends", server.exited);
  assert.equal(code, 0);
  assert.ok(atMs - startedAt < 5_000, `it took ${atMs - startedAt} ms`);
});

/** Publishes more than the system's buffers take, so that most of it waits in the server. */
async function flood(port: number, channel: string): Promise<number> {
  const EVENTS = 3_000;
  for (let sent = 0; sent < EVENTS; sent += 10) {
    const batch = Array.from({ length: 10 }, () => ({
      channel,
      name: "e",
      data: "x".repeat(10_000),
    }));
    const { status } = await callApi(app, port, { path: "/batch_events", body: { batch } });
    assert.equal(status, 200);
  }
  return EVENTS;
}

const LARGE_QUEUE = { "--websocket-send-queue-bytes": "200000000" };

test("Draining: what waits for a slow reader is delivered to it before its close frame", async (t) => {
  const server = await drainable(t, {
    noticeMs: 0,
    windowMs: 1_000,
    deadlineMs: 10_000,
    flags: LARGE_QUEUE,
  });
  const slow = await rawClient(t, app, { port: server.port });
  await slow.subscribe("flood");
  slow.socket.tcp.pause();
  const events = await flood(server.port, "flood");
  server.signal("SIGTERM");
  await server.logged("draining");
  slow.socket.tcp.resume();
  assert.equal((await slow.socket.closed).code, 4200);
  assert.equal(slow.socket.messages.all.filter(({ event }) => event === "e").length, events);
  assert.equal((await within("the server ends", server.exited)).code, 0);
});

test("Draining: a socket that reads nothing at all is cut off a second after the window", async (t) => {
  const server = await drainable(t, {
    noticeMs: 0,
    windowMs: 200,
    deadlineMs: 10_000,
    flags: LARGE_QUEUE,
  });
  const mute = await rawClient(t, app, { port: server.port });
  await mute.subscribe("flood");
  mute.socket.tcp.pause();
  await flood(server.port, "flood");
  const startedAt = performance.now();
  server.signal("SIGTERM");
  const { code, atMs } = await within("the server ends", server.exited);
  assert.equal(code, 0);
  assert.ok(
    atMs - startedAt >= 1_100 && atMs - startedAt < 6_000,
    `it took ${atMs - startedAt} ms`,
  );
});

test("Draining: the deadline is kept although a socket is still open then; exit code and log tell", async (t) => {
  const server = await drainable(t, {
    noticeMs: 0,
    windowMs: 100,
    deadlineMs: 700,
    flags: LARGE_QUEUE,
  });
  const mute = await rawClient(t, app, { port: server.port });
  await mute.subscribe("flood");
  mute.socket.tcp.pause();
  await flood(server.port, "flood");
  const startedAt = performance.now();
  server.signal("SIGTERM");
  const { code, atMs } = await within("the server ends", server.exited);
  assert.equal(code, 1);
  assert.ok(atMs - startedAt >= 650 && atMs - startedAt < 5_000, `it took ${atMs - startedAt} ms`);
  const { parts, sockets } = await server.logged(CUT_OFF);
  assert.deepEqual(
    [parts, sockets],
    [["channels", "packager", "sender", "store", "operations"], 1],
  );
});

test("Draining: a part that takes longer than planned is named once, and the metrics tell by how much until the end", async (t) => {
  const plain = testApp();
  const receiver = await receiverFor(t, plain);
  const { entry, ...watched } = to(receiver, plain);
  const server = await drainable(t, {
    noticeMs: 0,
    windowMs: 0,
    deadlineMs: 60_000,
    config: webhookConfig([entry], { stopTimeoutMs: 100 }),
  });
  const client = await rawClient(t, { entry, ...watched }, { port: server.port });
  await client.subscribe("told-of");
  await receiver.event("channel_occupied", "told-of");
  // The socket's leaving must be written, and cannot be.
  const unlock = await lockForWriting(join(dataOf(server), "ringmaster.db"));
  server.signal("SIGTERM");
  const { part } = await server.logged(LATE);
  assert.ok(["packager", "sender", "store"].includes(String(part)), String(part));
  const overrun = async () => (await server.metrics()).sum("ringmaster_drain_overrun_seconds");
  const first = await overrun();
  assert.ok(first > 0);
  await eventually("it grows", async () => (await overrun()) > first);
  await unlock();
  await within("the server ends", server.exited);
  assert.equal(server.log.all.filter(({ msg }) => msg === LATE).length, 1);
});

test("Draining: from the signal on each answer of the HTTP API asks its connection to close, and closes it", async (t) => {
  const server = await drainable(t, { noticeMs: 3_000, windowMs: 0, deadlineMs: 20_000 });
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const call = (path: string, body?: object) =>
    callApi(app, server.port, { path, agent, ...(body === undefined ? {} : { body }) });
  const event = { name: "e", channel: "c", data: "" };
  assert.notEqual((await call("/events", event)).headers["connection"], "close");
  server.signal("SIGTERM");
  await server.logged("stopping; a second signal forces");
  for (const [path, body, status] of [
    ["/events", event, 200],
    ["/channels", undefined, 200],
    ["/channels/private-x/users", undefined, 400],
    ["/no-such-path", undefined, 404],
  ] as const) {
    const answer = await call(path, body);
    assert.deepEqual([path, answer.headers["connection"]], [path, "close"]);
    assert.equal(answer.status, status);
  }

  // The server closes by itself, whatever the client makes of the header.
  const tcp = connectTcp({ host: "127.0.0.1", port: server.port });
  t.after(() => tcp.destroy());
  let received = "";
  tcp.setEncoding("latin1").on("data", (text: string) => (received += text));
  tcp.write("GET /apps/1/none HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2));
  await within("the connection ends", once(tcp, "end"));
  assert.equal(received.match(/HTTP\/1\.1 404/g)?.length, 1, received);
  await within("the server ends", server.exited);
});

test("Draining: clients that keep their connections publish through it: what is executed is answered and delivered, and nothing else is executed", async (t) => {
  const CHANNEL = "through";
  // A webhook that hangs holds the process, not its port, so that one can ask how much it has published.
  const plain = testApp();
  const receiver = await receiverFor(t, { apps: [plain], answer: hanging });
  const hooked = to(receiver, plain, { ...OCCUPIED, timeoutMs: 30_000 });
  const server = await drainable(t, {
    noticeMs: 500,
    windowMs: 1_500,
    deadlineMs: 60_000,
    config: webhookConfig([hooked.entry], { stopTimeoutMs: 50_000 }),
  });
  const subscriber = await rawClient(t, hooked, { port: server.port });
  await subscriber.subscribe(CHANNEL);
  await receiver.call();

  // The first two let go of a connection when they are asked to, the others send into it until it is closed.
  const makers = [agentPublisher, agentPublisher, tcpPublisher, tcpPublisher];
  const publishers = makers.map((make) => make(hooked, server.port, CHANNEL));
  t.after(() => publishers.forEach((publisher) => publisher.close()));
  const outcomes = new Map<string, Outcome>();
  const running = publishers.map(async (publisher, number) => {
    for (let count = 0; ; count++) {
      const name = `${number}-${count}`;
      const outcome = await publisher.publish(name);
      outcomes.set(name, outcome);
      if (outcome === "refused") return;
    }
  });
  await eventually("all publish", () => outcomes.size > 200);
  assert.deepEqual(
    publishers.map(({ connections }) => connections),
    publishers.map(() => 1),
  );
  server.signal("SIGTERM");
  await within("nobody is let in any more", Promise.all(running));

  const tally = new Map<Outcome, number>();
  for (const outcome of outcomes.values()) tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
  assert.equal(tally.get("cut"), undefined, JSON.stringify([...tally]));
  const scrape = await server.metrics();
  assert.equal(
    scrape.sum("ringmaster_events_published_total", { app: hooked.id }),
    tally.get("answered"),
    `executed as often as answered: ${JSON.stringify([...tally])}`,
  );

  // The subscriber heard all that was answered up to its end, in order.
  const { code } = await within("the subscriber is closed", subscriber.socket.closed);
  assert.equal(code, 4200);
  for (const number of publishers.keys()) {
    const heard = subscriber.socket.messages.all
      .map(({ event }) => event)
      .filter((event) => event.startsWith(`${number}-`));
    const answered = [...outcomes.keys()].filter(
      (name) => name.startsWith(`${number}-`) && outcomes.get(name) === "answered",
    );
    if (makers[number] === agentPublisher) {
      // All but a connection, perhaps, that was made while the port was being closed.
      const named = [...outcomes.keys()].filter((name) => name.startsWith(`${number}-`));
      assert.ok(answered.length >= named.length - 2, `${answered.length} of ${named.length}`);
    }
    assert.ok(heard.length > 0);
    assert.deepEqual(heard, answered.slice(0, heard.length));
  }
  receiver.answer = answering(200);
  server.signal("SIGKILL");
});

test("Draining: a request that stops in the middle is cut off within a moment, and was not executed", async (t) => {
  const server = await drainable(t, { noticeMs: 100, windowMs: 100, deadlineMs: 60_000 });
  const tcp = connectTcp({ host: "127.0.0.1", port: server.port });
  t.after(() => tcp.destroy());
  tcp.on("error", () => {});
  await once(tcp, "connect");
  let received = "";
  tcp.setEncoding("latin1").on("data", (text: string) => (received += text));
  const half = `POST /apps/${app.id}/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf`;
  await new Promise((resolve) => tcp.write(half, resolve));
  await publish(app, server.port, "any", "the half request has been read too");
  server.signal("SIGTERM");
  // Long before the deadline, or it would be another code.
  assert.equal((await within("the server ends", server.exited)).code, 0);
  assert.equal(received, "");
});

test("Draining: a second signal forces", async (t) => {
  const server = await drainable(t, { noticeMs: 20_000, windowMs: 1_000, deadlineMs: 30_000 });
  await rawClient(t, app, { port: server.port });
  server.signal("SIGTERM");
  await server.logged("stopping; a second signal forces");
  const startedAt = performance.now();
  server.signal("SIGTERM");
  const { code, atMs } = await within("the server ends", server.exited);
  assert.equal(code, 1);
  assert.ok(atMs - startedAt < 5_000, `it took ${atMs - startedAt} ms`);
  await server.logged(FORCED);
});

test("Draining: ^C waits for no load balancer", async (t) => {
  const server = await drainable(t, { noticeMs: 20_000, windowMs: 20_000, deadlineMs: 60_000 });
  const client = await rawClient(t, app, { port: server.port });
  const startedAt = performance.now();
  server.signal("SIGINT");
  assert.equal((await client.socket.closed).code, 4200);
  const { code, atMs } = await within("the server ends", server.exited);
  assert.equal(code, 0);
  assert.ok(atMs - startedAt < 5_000, `it took ${atMs - startedAt} ms`);
});

test("Draining: a server without sockets ends right after the notice", async (t) => {
  const server = await drainable(t, { noticeMs: 200, windowMs: 20_000, deadlineMs: 30_000 });
  const startedAt = performance.now();
  server.signal("SIGTERM");
  const { code, atMs } = await within("the server ends", server.exited);
  assert.equal(code, 0);
  assert.ok(atMs - startedAt < 5_000, `it took ${atMs - startedAt} ms`);
});
