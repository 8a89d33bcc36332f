import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { testApp, withKey } from "./support/apps.ts";
import {
  answering,
  closing,
  delayed,
  dripping,
  endless,
  hanging,
  inTurn,
  redirecting,
  resetting,
} from "./support/answers.ts";
import { attempts, deadLetters, webhooks } from "./support/admin.ts";
import { webhooksCommand } from "./support/cli.ts";
import { rawClient, type RawClient } from "./support/raw-web-socket.ts";
import { receiverFor, type Receiver } from "./support/receiver.ts";
import { eventually, pause } from "./support/wait.ts";
import { dataOf, webhookServer } from "./support/webhook-server.ts";
import {
  DEBOUNCE_MS,
  OCCUPIED,
  SINGLE,
  allTold,
  occupiedOf,
  occupy,
  to,
} from "./support/webhook-traffic.ts";

const REAPED = "the process before this one ended without saying goodbye: done now";

/** What was told of the channel, once each and in the order in which it happened, as a careful customer sorts it. */
function toldInOrder(receiver: Receiver, channel: string): string[] {
  const names = new Map<number, string>();
  for (const { headers, events } of receiver.calls.all) {
    const places = String(headers["ringmaster-sequence"]).split(",");
    for (const [place, event] of events.entries())
      if (event.channel === channel) names.set(Number(places[place]), event.name);
  }
  return [...names].toSorted(([a], [b]) => a - b).map(([, name]) => name);
}

// They wait for back-offs, debounces and deadlines, each with a server of its own: they wait a few at a time.
describe("Faults of peers:", { concurrency: 2 }, () => {
  test("cross-app batch: no event of one app is ever in a body for another", async (t) => {
    const CHANNELS = 30;
    const plain = [testApp(), testApp()];
    const receivers = [await receiverFor(t, plain[0]!), await receiverFor(t, plain[1]!)];
    const apps = plain.map((app, number) => to(receivers[number]!, app));
    const { port } = await webhookServer(t, { apps: apps.map(({ entry }) => entry) });
    const clients = await Promise.all(
      apps.flatMap((app) => [rawClient(t, app, { port }), rawClient(t, app, { port })]),
    );
    const nameOf = (app: number, number: number): string => `presence-of-${app}-${number}`;
    // Churn, in turns: what is gathered in one window is of both.
    for (let number = 0; number < CHANNELS; number++) {
      for (const [place, client] of clients.entries()) {
        const channel = nameOf(place >> 1, number);
        client.askToSubscribe(channel, { user_id: `user-of-${place >> 1}-${place}` });
        if (number % 3 === 0) client.unsubscribe(channel);
      }
    }
    for (const [app, receiver] of receivers.entries()) {
      for (let number = 0; number < CHANNELS; number++) {
        await receiver.event("channel_occupied", nameOf(app, number));
        if (number % 3 === 0) await receiver.event("channel_vacated", nameOf(app, number));
      }
      for (const { body, events } of receiver.calls.all) {
        assert.ok(
          events.every(({ channel }) => channel.startsWith(`presence-of-${app}-`)),
          body,
        );
        assert.equal(body.includes(`of-${1 - app}-`), false, body);
      }
    }
  });

  test("unfiltered body: what a webhook did not ask for is not in its body, though it happened in the same moment", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = withKey({
      ...plain.entry,
      webhooks: [
        { url: receiver.url("/added"), events: ["member_added"] },
        { url: receiver.url("/occupied"), events: ["channel_occupied"] },
      ],
    });
    const { port } = await webhookServer(t, { apps: [app.entry] });
    const client = await rawClient(t, app, { port });
    for (let number = 0; number < 30; number++)
      client.askToSubscribe(`presence-${number}`, { user_id: "a" });
    for (let number = 0; number < 30; number++) {
      await receiver.event("channel_occupied", `presence-${number}`);
      await receiver.event("member_added", `presence-${number}`);
    }
    const named = (path: string): Set<string> =>
      new Set(receiver.callsTo(path).flatMap(({ events }) => events.map(({ name }) => name)));
    assert.deepEqual(named("/added"), new Set(["member_added"]));
    assert.deepEqual(named("/occupied"), new Set(["channel_occupied"]));
  });

  test("no retry: a webhook that is answered 500 comes again, later each time, with the same id and body, until it is taken", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    receiver.answer = inTurn(answering(500), answering(500), answering(500), answering(200));
    const app = to(receiver, plain, OCCUPIED);
    const { port } = await webhookServer(t, { apps: [app.entry] });
    const client = await rawClient(t, app, { port });
    await client.subscribe("wanted");
    await receiver.event("channel_occupied", "wanted");
    await client.subscribe("another");
    await receiver.event("channel_occupied", "another");

    const calls = receiver.calls.all.filter(({ body }) => body.includes('"wanted"'));
    assert.equal(calls.length, 4);
    assert.equal(new Set(calls.map(({ id }) => id)).size, 1);
    assert.equal(new Set(calls.map(({ body }) => body)).size, 1);
    const pauses = calls.slice(1).map(({ atMs }, place) => atMs - calls[place]!.atMs);
    for (const [place, leastMs] of [1_000, 2_000, 4_000].entries())
      assert.ok(pauses[place]! > leastMs - 50, `pauses of ${pauses.join()} ms`);
  });

  test("no retry: a connection that ends without an answer is a failed attempt like another", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    receiver.answer = inTurn(closing, resetting, answering(200));
    const app = to(receiver, plain, OCCUPIED);
    const server = await webhookServer(t, { apps: [app.entry] });
    await (await rawClient(t, app, { port: server.port })).subscribe("wanted");
    await receiver.event("channel_occupied", "wanted");
    assert.equal(new Set(receiver.calls.all.map(({ id }) => id)).size, 1);
    const list = await eventually("three attempts are in the log", async () => {
      const found = await attempts(server);
      return found.length === 3 && found;
    });
    assert.deepEqual(
      list.map(({ attempt, result }) => `${attempt} ${result}`),
      ["3 delivered", "2 connection", "1 connection"],
    );
  });

  test("permits held through back-off: one failing endpoint with many webhooks delays nobody else's", async (t) => {
    const [slots, jobs] = [4, 60];
    const [failing, healthy] = [testApp(), testApp()];
    const bad = await receiverFor(t, { apps: [failing], answer: answering(500) });
    const good = await receiverFor(t, healthy);
    const apps = [to(bad, failing, OCCUPIED, SINGLE), to(good, healthy, OCCUPIED, SINGLE)];
    const server = await webhookServer(t, {
      apps: apps.map(({ entry }) => entry),
      sender: { slots },
    });
    const { port } = server;
    occupy(await rawClient(t, apps[0]!, { port }), "bad-", jobs);
    await eventually(
      "more webhooks wait for their next attempt than there are slots",
      async () =>
        (await server.metrics()).sum("ringmaster_webhook_jobs", { state: "delayed" }) > slots,
    );
    occupy(await rawClient(t, apps[1]!, { port }), "good-", jobs);
    await occupiedOf(good, "good-", jobs);
    const [shown] = await webhooks(server, failing.id);
    assert.equal(
      shown!.due + shown!.leased + shown!.delayed,
      jobs,
      "nothing of the failing one was given up or taken",
    );
  });

  test("timers only in memory: a vacated that waits for its three seconds is sent by the process after the kill", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = to(receiver, plain);
    const first = await webhookServer(t, { apps: [app.entry] });
    const client = await rawClient(t, app, { port: first.port });
    await client.subscribe("left-before");
    await receiver.event("channel_occupied", "left-before");
    const recorded = async (): Promise<number> =>
      (await first.metrics()).sum("ringmaster_webhook_events");
    await eventually("nothing waits", async () => (await recorded()) === 0);
    client.unsubscribe("left-before");
    await eventually("the leaving is recorded", async () => (await recorded()) === 1);
    await first.kill();

    const next = await webhookServer(t, { apps: [app.entry], dataDir: dataOf(first) });
    await receiver.event("channel_vacated", "left-before");
    // Nobody was there any more when it was killed: so it was no goodbye of the next one's that told of it.
    assert.equal(
      next.log.all.some(({ msg }) => msg === REAPED),
      false,
    );
    assert.deepEqual(receiver.told(), [
      "channel_occupied left-before",
      "channel_vacated left-before",
    ]);
  });

  test("drop when full: thousands of events at once all arrive, each once, at a receiver that is slow", async (t) => {
    const EVENTS = 3_000;
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], answer: delayed(20) });
    const app = to(receiver, plain, OCCUPIED, SINGLE);
    const { port } = await webhookServer(t, { apps: [app.entry] });
    occupy(await rawClient(t, app, { port }), "many-", EVENTS);
    await eventually("all have come", () => receiver.events.all.length >= EVENTS, 60_000);
    const channels = new Set(receiver.events.all.map(({ channel }) => channel));
    assert.deepEqual([channels.size, receiver.calls.all.length], [EVENTS, EVENTS]);
    assert.equal(new Set(receiver.calls.all.map(({ id }) => id)).size, EVENTS);
  });

  test("no vacated after a crash: those who do not come back are told to have left, those who do within three seconds are not", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = to(receiver, plain);
    let server = await webhookServer(t, { apps: [app.entry] });
    const dataDir = dataOf(server);
    let crashes = 0;
    // On a machine that is slow with the start, nobody can be back in time, and nothing is shown.
    const crash = async (): Promise<false | { lost: string; back: string; client: RawClient }> => {
      const [lost, back] = [`presence-lost-${++crashes}`, `presence-back-${crashes}`];
      const before = await rawClient(t, app, { port: server.port });
      for (const channel of [lost, back]) await before.subscribe(channel, { user_id: "ada" });
      for (const channel of [lost, back])
        for (const name of ["channel_occupied", "member_added"])
          await receiver.event(name, channel);
      await server.kill();
      server = await webhookServer(t, { apps: [app.entry], dataDir });
      const client = await rawClient(t, app, { port: server.port });
      await client.subscribe(back, { user_id: "ada" });
      const { time } = await server.logged(REAPED);
      return Date.now() - Date.parse(String(time)) < DEBOUNCE_MS - 100 && { lost, back, client };
    };
    const { lost, back, client } = await eventually("a return in time", crash, 120_000);
    for (const name of ["channel_vacated", "member_removed"]) await receiver.event(name, lost);
    // What the crash did to both came at one moment: by now it would be here.
    assert.deepEqual(receiver.told((channel) => channel === back).toSorted(), [
      `channel_occupied ${back}`,
      `member_added ${back}`,
    ]);
    client.unsubscribe(back);
    for (const name of ["channel_vacated", "member_removed"]) await receiver.event(name, back);
    assert.equal(receiver.told((channel) => channel === back).length, 4);
    assert.equal(receiver.told((channel) => channel === lost).length, 4);
  });

  test("no vacated after a crash: killed again and again in the middle of everything, what is told of a channel still goes in turns and ends with its vacated", async (t) => {
    const [rounds, channels] = [4, 8];
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = to(receiver, plain, { events: ["channel_occupied", "channel_vacated"] });
    let server = await webhookServer(t, { apps: [app.entry] });
    const dataDir = dataOf(server);
    for (let round = 0; round < rounds; round++) {
      const clients = await Promise.all(
        Array.from({ length: 4 }, () => rawClient(t, app, { port: server.port })),
      );
      for (let step = 0; step < 60; step++) {
        const client = clients[step % clients.length]!;
        const channel = `stormy-${Math.floor(Math.random() * channels)}`;
        if (Math.random() < 0.5) client.askToSubscribe(channel);
        else client.unsubscribe(channel);
        await pause(Math.random() * 20);
      }
      // In the end some are left for as long as a leaving waits, so that there is something to tell.
      if (round % 2 === 1) await pause(DEBOUNCE_MS + Math.random() * 400);
      await server.kill();
      server = await webhookServer(t, { apps: [app.entry], dataDir });
    }
    await allTold(server);
    for (let number = 0; number < channels; number++) {
      const names = toldInOrder(receiver, `stormy-${number}`);
      const expected = names.map((_, place) =>
        place % 2 === 0 ? "channel_occupied" : "channel_vacated",
      );
      assert.deepEqual(names, expected);
      assert.ok(names.length > 0 && names.length % 2 === 0, `channel ${number}: ${names.join()}`);
    }
  });

  test("redirect followed: every 3xx is a failure, and where it leads to is never contacted", async (t) => {
    const CODES = [300, 301, 302, 303, 307, 308];
    const plain = testApp();
    const elsewhere = await receiverFor(t, plain);
    const receiver = await receiverFor(t, plain);
    receiver.answer = (call, response) =>
      redirecting(Number(call.path.slice(1)), elsewhere.url())(call, response);
    const app = withKey({
      ...plain.entry,
      webhooks: CODES.map((code) => ({
        id: `to-${code}`,
        url: receiver.url(`/${code}`),
        events: ["channel_occupied"],
        retryWindowMs: 0,
      })),
    });
    const server = await webhookServer(t, { apps: [app.entry] });
    await (await rawClient(t, app, { port: server.port })).subscribe("any");
    const letters = await eventually("all are given up", async () => {
      const list = await deadLetters(server);
      return list.length === CODES.length && list;
    });
    assert.deepEqual(
      letters.map(({ webhook, reason }) => `${webhook}: ${reason}`).toSorted(),
      CODES.map((code) => `to-${code}: status ${code}, tried once`),
    );
    assert.equal(elsewhere.connections, 0);
  });

  test("body without end: it is read no further than it has to, and its status counts", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const poured: number[] = [];
    receiver.answer = endless(200, (bytes) => poured.push(bytes));
    const app = to(receiver, plain, { ...OCCUPIED, timeoutMs: 10_000 });
    const server = await webhookServer(t, { apps: [app.entry] });
    const client = await rawClient(t, app, { port: server.port });
    await client.subscribe("first");
    await eventually("it is cut off", () => poured.length === 1);
    // What the system's buffers took is not known to anybody; without a cap, 10 s on this machine are gigabytes.
    assert.ok(poured[0]! < 64 * 1_024 * 1_024, `${poured[0]} bytes went out`);
    const [attempt] = await eventually("the attempt is in the log", async () => {
      const list = await attempts(server);
      return list.length > 0 && list;
    });
    assert.equal(attempt!.result, "delivered");
    receiver.answer = answering(200);
    await client.subscribe("second");
    await receiver.event("channel_occupied", "second");
    assert.equal(receiver.calls.all.length, 2, "the first was not sent again");
  });

  test("drip: a body that comes a byte at a time ends with the deadline, and the webhook is sent again", async (t) => {
    const [dripped, healthy] = [testApp(), testApp()];
    const slow = await receiverFor(t, dripped);
    const good = await receiverFor(t, healthy);
    slow.answer = inTurn(dripping(50), answering(200));
    const apps = [to(slow, dripped, { ...OCCUPIED, timeoutMs: 1_000 }), to(good, healthy)];
    const server = await webhookServer(t, { apps: apps.map(({ entry }) => entry) });
    const clients = await Promise.all(apps.map((app) => rawClient(t, app, { port: server.port })));
    await clients[0]!.subscribe("dripped");
    await slow.call();
    await clients[1]!.subscribe("beside");
    await good.event("channel_occupied", "beside");
    await slow.event("channel_occupied", "dripped");
    const list = await eventually("both attempts are in the log", async () => {
      const found = await attempts(server, dripped.id);
      return found.length === 2 && found;
    });
    assert.deepEqual(
      list.map(({ result }) => result),
      ["delivered", "timeout"],
    );
    assert.equal(slow.calls.all[1]!.id, slow.calls.all[0]!.id);
  });

  test("dead endpoints stalling the rest: the webhooks of a healthy one arrive while those of 20 others hang", async (t) => {
    const [dead, events] = [20, 40];
    const plain = Array.from({ length: dead }, () => testApp());
    const healthy = testApp();
    const pit = await receiverFor(t, { apps: plain, answer: hanging });
    const good = await receiverFor(t, healthy);
    const hung = plain.map((app) => to(pit, app, { ...OCCUPIED, timeoutMs: 30_000 }, SINGLE));
    const app = to(good, healthy, OCCUPIED, SINGLE);
    const server = await webhookServer(t, { apps: [...hung, app].map(({ entry }) => entry) });
    const { port } = server;
    // Twice as many as there are slots.
    await Promise.all(
      hung.map(async (one) => occupy(await rawClient(t, one, { port }), "dead-", 20)),
    );
    await eventually("each of them holds a request", () => {
      const held = new Set(pit.calls.all.map(({ headers }) => headers["x-pusher-key"]));
      return held.size === dead;
    });
    occupy(await rawClient(t, app, { port }), "good-", events);
    await occupiedOf(good, "good-", events);
    const inFlight = (await server.metrics()).sum("ringmaster_sender_in_flight");
    assert.ok(inFlight >= dead, `${inFlight} requests hang`);
    assert.equal(
      (await attempts(server)).some(({ app: id }) => id !== healthy.id),
      false,
    );
  });

  test("private addresses: a webhook to one is given up at once, with the reason, and nobody is connected to", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const { port: there } = receiver;
    const urls = [
      `http://127.0.0.1:${there}/`,
      `http://localhost:${there}/`,
      `http://[::1]:${there}/`,
      `http://2130706433:${there}/`,
      `http://[::ffff:127.0.0.1]:${there}/`,
      `http://0.0.0.0:${there}/`,
      "http://169.254.169.254/latest/meta-data/",
      "http://10.0.0.1/",
    ];
    const app = withKey({
      ...plain.entry,
      webhooks: urls.map((url, number) => ({ id: `hook-${number}`, url, ...OCCUPIED })),
    });
    const server = await webhookServer(t, {
      apps: [app.entry],
      sender: { allowedNetworks: [] },
    });
    await (await rawClient(t, app, { port: server.port })).subscribe("any");
    const letters = await eventually("all are given up", async () => {
      const list = await deadLetters(server);
      return list.length === urls.length && list;
    });
    for (const { webhook, reason } of letters)
      assert.match(reason, /^the address is not allowed: /, webhook);
    const reasonOf = (number: number): string =>
      letters.find(({ webhook }) => webhook === `hook-${number}`)!.reason;
    assert.equal(reasonOf(0), "the address is not allowed: 127.0.0.1: loopback, 127.0.0.0/8");
    assert.match(reasonOf(1), /localhost: .*127\.0\.0\.1 is refused \(loopback, 127\.0\.0\.0\/8\)/);
    assert.match(reasonOf(6), /cloud metadata/);
    assert.equal(receiver.connections, 0);
  });

  test("410 pauses: what happens meanwhile waits, and all of it is sent when somebody resumes", async (t) => {
    const EVENTS = 5;
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], answer: answering(410) });
    const app = to(receiver, plain, OCCUPIED, SINGLE);
    const server = await webhookServer(t, { apps: [app.entry] });
    const client = await rawClient(t, app, { port: server.port });
    await client.subscribe("waiting-0");
    await server.logged(
      "a webhook's endpoint says that it is gone; its webhooks wait until somebody resumes it",
    );
    receiver.answer = answering(200);
    for (let number = 1; number < EVENTS; number++) await client.subscribe(`waiting-${number}`);
    const shown = await eventually("all of them are due, the first one again", async () => {
      const [webhook] = await webhooks(server);
      return webhook!.due === EVENTS && webhook;
    });
    assert.equal(shown.paused?.reason, "410 Gone");
    assert.equal((await server.metrics()).sum("ringmaster_webhook_paused_endpoints"), 1);
    assert.equal(receiver.calls.all.length, 1);
    assert.match(await webhooksCommand(server, "list"), /paused \(410 Gone\)/);
    assert.equal(
      await webhooksCommand(server, "resume", `${app.id}/hook`),
      `${app.id}/hook is sent to again.\n`,
    );
    await occupiedOf(receiver, "waiting-", EVENTS);
    assert.equal(receiver.calls.all.length, EVENTS + 1);
  });

  test("Retry-After: the wait that a receiver asks for is kept", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    receiver.answer = inTurn(answering(503, { "retry-after": "4" }), answering(200));
    const app = to(receiver, plain, OCCUPIED);
    const { port } = await webhookServer(t, { apps: [app.entry] });
    await (await rawClient(t, app, { port })).subscribe("later");
    await receiver.event("channel_occupied", "later");
    const [asked, kept] = receiver.calls.all;
    // Without it, the second attempt comes after 1.2 s at most.
    assert.ok(kept!.atMs - asked!.atMs >= 3_950, `after ${kept!.atMs - asked!.atMs} ms`);
  });

  test("an endpoint that is down for a while gets, when it is back, all that happened meanwhile", async (t) => {
    const EVENTS = 20;
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = to(receiver, plain, OCCUPIED, SINGLE);
    const server = await webhookServer(t, { apps: [app.entry] });
    const client = await rawClient(t, app, { port: server.port });
    await client.subscribe("before");
    await receiver.event("channel_occupied", "before");
    await receiver.goDown();
    occupy(client, "meanwhile-", EVENTS);
    await server.logged("a webhook's endpoint keeps failing, and is left alone");
    const [shown] = await webhooks(server);
    assert.equal(shown!.sender?.breaker, "open");
    await receiver.comeBack();
    await occupiedOf(receiver, "meanwhile-", EVENTS);
    await server.logged("a webhook's endpoint is back");
    assert.equal(new Set(receiver.calls.all.map(({ id }) => id)).size, EVENTS + 1);
    assert.ok(
      (await server.metrics()).sum("ringmaster_sender_attempts_total", { result: "refused" }) > 0,
    );
  });
});
