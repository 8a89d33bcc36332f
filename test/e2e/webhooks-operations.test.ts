import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { CertificateAuthority } from "../support/certificate-authority.ts";
import { attempts, deadLetters, webhooks, type ShownAttempt } from "./support/admin.ts";
import { answering, delayed, hanging } from "./support/answers.ts";
import { testApp, withKey } from "./support/apps.ts";
import { ringmaster, webhooksCommand } from "./support/cli.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { receiverFor } from "./support/receiver.ts";
import { Ringmaster } from "./support/ringmaster.ts";
import { lockForWriting, sqlite } from "./support/sqlite.ts";
import { eventually, within } from "./support/wait.ts";
import { dataOf, webhookConfig, webhookServer } from "./support/webhook-server.ts";
import { OCCUPIED, SINGLE, allTold, occupiedOf, occupy, to } from "./support/webhook-traffic.ts";

const TOKEN = "operators-only-0123456789";

const authority = new CertificateAuthority();
const folder = mkdtempSync(join(tmpdir(), "ringmaster-operations-"));
const authorityFile = join(folder, "authority.pem");
writeFileSync(authorityFile, authority.cert);
after(() => {
  authority[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

// Each has a server of its own, and most of them wait: they wait a few at a time.
describe("Webhook operations:", { concurrency: 2 }, () => {
  test("`webhooks test` sends an event through the queue and tells how it went; list and attempts show it; all of it only with the token", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = to(receiver, plain, { channelPrefix: "presence-" });
    const server = await webhookServer(t, {
      apps: [app.entry],
      settings: { ops: { adminToken: TOKEN } },
    });
    const name = `${app.id}/hook`;
    const env = { RINGMASTER_ADMIN_TOKEN: TOKEN };
    for (const words of [["list"], ["test", name], ["pause", name], ["replay", "--all"]]) {
      const { code, stderr } = await ringmaster(server, ["webhooks", ...words]);
      assert.deepEqual([code, /answered 401/.test(stderr)], [1, true], stderr);
    }
    const wrong = await ringmaster(server, ["webhooks", "list"], {
      RINGMASTER_ADMIN_TOKEN: `${TOKEN}9`,
    });
    assert.deepEqual([wrong.code, /answered 401/.test(wrong.stderr)], [1, true], wrong.stderr);
    assert.equal(receiver.connections, 0);

    const tested = await ringmaster(server, ["webhooks", "test", name], env);
    assert.match(tested.stdout, new RegExp(`^Delivered to ${name}: status 200 after \\d+ ms`));
    const call = await receiver.call();
    assert.deepEqual(call.events, [
      { name: "channel_occupied", channel: "presence-ringmaster-test" },
    ]);
    const listed = await ringmaster(server, ["webhooks", "list"], env);
    assert.match(listed.stdout, new RegExp(`${name} .* active +0 +0 +0 +1 +0 +delivered 200`));
    const shown = await ringmaster(server, ["webhooks", "attempts", name], env);
    assert.match(shown.stdout, new RegExp(`${name} +delivered 200 .*${call.id} +channel_occupied`));

    receiver.answer = (_call, response) => response.writeHead(500).end("our database is away");
    const refused = await ringmaster(server, ["webhooks", "test", "hook"], env);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /answered 500 after \d+ ms: our database is away/);
    const failed = await ringmaster(server, ["webhooks", "attempts", "--failed", "--json"], env);
    const { attempts: list } = JSON.parse(failed.stdout) as { attempts: ShownAttempt[] };
    assert.deepEqual(
      list.map(({ result, status, detail }) => [result, status, detail]),
      [["status", 500, "our database is away"]],
    );
    const written = JSON.stringify(server.log.all) + listed.stdout + shown.stdout + refused.stderr;
    assert.equal(written.includes(TOKEN) || written.includes(app.secret), false);
  });

  test("`webhooks pause` holds everything back, under way or not; `resume` sends all that waits", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = to(receiver, plain, OCCUPIED, SINGLE);
    const server = await webhookServer(t, { apps: [app.entry] });
    const client = await rawClient(t, app, { port: server.port });
    const told = await webhooksCommand(server, "pause", "hook", "--reason", "they move house");
    assert.match(told, /^\d+\/hook is paused/);
    occupy(client, "held-", 5);
    await eventually("all of them are due", async () => (await webhooks(server))[0]!.due === 5);
    assert.match(await webhooksCommand(server, "list"), /paused \(they move house\)/);
    assert.equal(receiver.calls.all.length, 0);
    const refused = await ringmaster(server, ["webhooks", "test", "hook"]);
    assert.deepEqual([refused.code, /answered 409/.test(refused.stderr)], [1, true]);
    await webhooksCommand(server, "resume", "hook");
    await occupiedOf(receiver, "held-", 5);
    assert.match(await webhooksCommand(server, "resume", "hook"), /was not paused/);
  });

  test("`webhooks failed` lists what was given up, and `replay` sends it with the id and the body that it had", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], answer: answering(500) });
    const app = to(receiver, plain, { ...OCCUPIED, retryWindowMs: 500 }, SINGLE);
    const server = await webhookServer(t, { apps: [app.entry] });
    const client = await rawClient(t, app, { port: server.port });
    await client.subscribe("lost-0");
    await client.subscribe("lost-1");
    const letters = await eventually("both are given up", async () => {
      const list = await deadLetters(server);
      return list.length === 2 && list;
    });
    for (const { reason, attempts: tried } of letters) {
      assert.match(reason, /^status 500, tried (once|\d+ times in \d+ s)$/);
      assert.ok(tried >= 1);
    }
    const firstOf = (id: string): unknown =>
      receiver.calls.all.find((call) => call.id === id)?.body;
    // Both fail at the same time: which of them was given up last is chance.
    const letterOf = (channel: string) =>
      letters.find(({ job }) => String(firstOf(job)).includes(`"${channel}"`));
    const [later, earlier] = [letterOf("lost-1"), letterOf("lost-0")];
    const listed = await webhooksCommand(server, "failed", `${app.id}/hook`, "--body");
    assert.match(listed, new RegExp(`${later!.job} .*status 500.*"channel":"lost-1"`));
    assert.equal((await webhooks(server))[0]!.dead, 2);

    receiver.answer = answering(200);
    const replayed = await webhooksCommand(server, "replay", earlier!.job);
    assert.equal(replayed, "1 dead letter is back in the queue.\n");
    await receiver.event("channel_occupied", "lost-0");
    const { id, body } = receiver.calls.all.at(-1)!;
    assert.deepEqual([id, body], [earlier!.job, firstOf(earlier!.job)]);
    await webhooksCommand(server, "replay", "--webhook", "hook", "--since", "1h");
    await receiver.event("channel_occupied", "lost-1");
    assert.equal(receiver.calls.all.at(-1)!.id, later!.job);
    assert.match(await webhooksCommand(server, "failed"), /^There is no such dead letter/);
    assert.equal((await ringmaster(server, ["webhooks", "replay", earlier!.job])).code, 1);
  });

  test("the metrics tell what became of everything, under names that stay", async (t) => {
    const [good, bad] = [testApp(), testApp()];
    const receiver = await receiverFor(t, { apps: [good, bad] });
    receiver.answer = (call, response) =>
      answering(call.path === "/bad" ? 500 : 200)(call, response);
    const apps = [
      to(receiver, good, OCCUPIED, SINGLE),
      to(receiver, bad, { ...OCCUPIED, url: receiver.url("/bad"), retryWindowMs: 0 }),
    ];
    const server = await webhookServer(t, { apps: apps.map(({ entry }) => entry) });
    const { port } = server;
    occupy(await rawClient(t, apps[0]!, { port }), "good-", 3);
    await occupiedOf(receiver, "good-", 3);
    await (await rawClient(t, apps[1]!, { port })).subscribe("bad");
    await allTold(server);
    const scrape = await eventually("the last one is counted", async () => {
      const now = await server.metrics();
      return now.sum("ringmaster_webhook_jobs") === 1 && now;
    });
    const [of, ofBad] = [{ app: good.id }, { app: bad.id }];
    for (const [name, labels, value] of [
      ["ringmaster_database_ok", {}, 1],
      ["ringmaster_database_waiting_changes", {}, 0],
      ["ringmaster_webhook_events", {}, 0],
      ["ringmaster_webhook_oldest_event_seconds", {}, 0],
      ["ringmaster_webhook_jobs", { state: "due" }, 0],
      ["ringmaster_webhook_jobs", { state: "leased" }, 0],
      ["ringmaster_webhook_jobs", { state: "delayed" }, 0],
      ["ringmaster_webhook_jobs", { state: "dead" }, 1],
      ["ringmaster_webhook_oldest_due_seconds", {}, 0],
      ["ringmaster_webhook_paused_endpoints", {}, 0],
      ["ringmaster_packager_events_read_total", {}, 4],
      ["ringmaster_packager_events_suppressed_total", {}, 0],
      ["ringmaster_packager_jobs_total", of, 3],
      ["ringmaster_packager_jobs_total", ofBad, 1],
      ["ringmaster_packager_failures_total", {}, 0],
      ["ringmaster_packager_partitions", {}, 1],
      ["ringmaster_packager_oldest_due_seconds", {}, 0],
      ["ringmaster_sender_attempts_total", { ...of, result: "delivered" }, 3],
      ["ringmaster_sender_attempts_total", of, 3],
      ["ringmaster_sender_attempts_total", { ...ofBad, result: "status" }, 1],
      ["ringmaster_sender_attempts_total", ofBad, 1],
      ["ringmaster_sender_buried_total", of, 0],
      ["ringmaster_sender_buried_total", ofBad, 1],
      ["ringmaster_sender_slots", {}, 200],
      ["ringmaster_sender_open_breakers", {}, 0],
      ["ringmaster_sender_leases_lost_total", {}, 0],
      ["ringmaster_sender_attempt_seconds_count", {}, 4],
      ["ringmaster_sender_delivery_age_seconds_count", {}, 3],
    ] as const) {
      assert.equal(scrape.sum(name, labels), value, `${name} ${JSON.stringify(labels)}`);
      const family = name.replace(/_count$/, "");
      assert.ok(scrape.names.includes(family), `${family} is declared`);
    }
    const [sample] = /^ringmaster_sender_attempts_total\{.*$/m.exec(scrape.text) ?? [];
    assert.match(sample ?? "", /sender_version="\d+\.\d+\.\d+/);
  });

  test("a webhook that is added gets what happens from then on; of one that is removed, what waits is still sent", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const webhook = { events: ["channel_occupied"] };
    const added = { id: "added", url: receiver.url("/added"), ...webhook };
    const stays = { id: "stays", url: receiver.url("/stays"), ...webhook };
    const appWith = (webhooksOf: (typeof stays)[]): ReturnType<typeof withKey> =>
      withKey({ ...plain.entry, webhooks: webhooksOf });
    const server = await webhookServer(t, { apps: [appWith([stays]).entry] });
    const configure = async (webhooksOf: (typeof stays)[]): Promise<void> => {
      server.configure(webhookConfig([appWith(webhooksOf).entry]));
      await server.logged("apps changed");
    };
    const callOf = (path: string, channel: string): Promise<unknown> =>
      receiver.call((call) => call.path === path && call.body.includes(`"${channel}"`));
    const client = await rawClient(t, plain, { port: server.port });
    await client.subscribe("before");
    await callOf("/stays", "before");
    await configure([stays, added]);
    await client.subscribe("between");
    await callOf("/added", "between");

    receiver.answer = (call, response) =>
      answering(call.path === "/added" ? 503 : 200)(call, response);
    await client.subscribe("removed");
    await callOf("/added", "removed");
    await configure([stays]);
    await client.subscribe("after");
    await callOf("/stays", "after");
    const gone = (await webhooks(server)).find(({ webhook: id }) => id === "added");
    assert.deepEqual([gone?.configured, gone?.delayed], [false, 1]);
    assert.match(await webhooksCommand(server, "list"), /\/added +\S+ +- +gone/);
    receiver.answer = answering(200);
    await callOf("/added", "removed");
    await client.subscribe("at-last");
    await callOf("/stays", "at-last");
    const channels = receiver
      .callsTo("/added")
      .flatMap(({ events }) => events.map(({ channel }) => channel));
    assert.deepEqual([...new Set(channels)], ["between", "removed"]);
  });

  test("SIGTERM with requests under way and webhooks waiting: over stop and start nothing is lost and nothing sent twice", async (t) => {
    const EVENTS = 200;
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], answer: delayed(100) });
    const app = to(receiver, plain, OCCUPIED, SINGLE);
    const options = { apps: [app.entry], sender: { endpointConcurrency: 4 } };
    const first = await webhookServer(t, options);
    occupy(await rawClient(t, app, { port: first.port }), "kept-", EVENTS);
    await eventually("some have come", () => receiver.events.all.length >= 10);
    await first.stop();
    const before = receiver.calls.all.length;
    assert.ok(before < EVENTS, "the rest waits");
    assert.equal(receiver.events.all.length, before, "what was under way was ended");

    const next = await webhookServer(t, { ...options, dataDir: dataOf(first) });
    await occupiedOf(receiver, "kept-", EVENTS);
    await allTold(next);
    assert.equal(receiver.calls.all.length, EVENTS);
    assert.equal(new Set(receiver.calls.all.map(({ id }) => id)).size, EVENTS);
  });

  test("SIGTERM while a receiver hangs: the request is broken off, counts for nothing, and is sent by the next process", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], answer: hanging });
    const app = to(receiver, plain, { ...OCCUPIED, timeoutMs: 30_000, retryWindowMs: 0 });
    const options = { apps: [app.entry], sender: { stopTimeoutMs: 300 } };
    const first = await webhookServer(t, options);
    await (await rawClient(t, app, { port: first.port })).subscribe("hung");
    const hung = await receiver.call();
    await first.stop();
    receiver.answer = answering(200);
    const next = await webhookServer(t, { ...options, dataDir: dataOf(first) });
    await receiver.event("channel_occupied", "hung");
    assert.equal(receiver.calls.all.at(-1)!.id, hung.id);
    const list = await eventually("both attempts are in the log", async () => {
      const found = await attempts(next);
      return found.length === 2 && found;
    });
    assert.deepEqual(
      list.map(({ attempt, result }) => `${attempt} ${result}`),
      ["1 delivered", "1 shutdown"],
    );
  });

  test("several senders share one database with the channels, and each has its part", async (t) => {
    const EVENTS = 100;
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], answer: delayed(50) });
    const app = to(receiver, plain, OCCUPIED, SINGLE);
    const options = { apps: [app.entry], sender: { endpointConcurrency: 2 } };
    const channels = await webhookServer(t, {
      ...options,
      flags: { "--roles": "channels,packager" },
    });
    const flags = {
      "--roles": "sender",
      "--database-file": join(dataOf(channels), "ringmaster.db"),
    };
    const senders = [
      await webhookServer(t, { ...options, flags }),
      await webhookServer(t, { ...options, flags }),
    ];
    occupy(await rawClient(t, app, { port: channels.port }), "shared-", EVENTS);
    await occupiedOf(receiver, "shared-", EVENTS);
    assert.equal(new Set(receiver.calls.all.map(({ id }) => id)).size, EVENTS);
    const parts = await eventually("all attempts are counted", async () => {
      const scrapes = await Promise.all(senders.map((sender) => sender.metrics()));
      const counts = scrapes.map((scrape) => scrape.sum("ringmaster_sender_attempts_total"));
      return counts[0]! + counts[1]! >= EVENTS && counts;
    });
    assert.equal(parts[0]! + parts[1]!, EVENTS);
    assert.ok(Math.min(...parts) >= EVENTS / 10, `parts of ${parts.join()}`);
    // Whoever is asked, the figures of the shared database are the same; only a sender has those of a sender.
    await eventually(
      "the channels' process knows them too",
      async () => (await attempts(channels)).length === 50,
    );
    assert.equal((await webhooks(channels))[0]!.sender, null);
    assert.equal((await webhooks(senders[0]!))[0]!.sender?.breaker, "closed");
  });

  test("what a sender had under way when it was killed is sent by another, under the same ids", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], answer: hanging });
    const app = to(receiver, plain, { ...OCCUPIED, timeoutMs: 30_000 }, SINGLE);
    const options = { apps: [app.entry] };
    const channels = await webhookServer(t, {
      ...options,
      flags: { "--roles": "channels,packager" },
    });
    const flags = {
      "--roles": "sender",
      "--database-file": join(dataOf(channels), "ringmaster.db"),
    };
    const doomed = await webhookServer(t, { ...options, flags });
    occupy(await rawClient(t, app, { port: channels.port }), "leased-", 2);
    const held = [await receiver.call(), await receiver.call()].map(({ id }) => id);
    const heir = await webhookServer(t, { ...options, flags });
    receiver.answer = answering(200);
    await doomed.kill();
    await occupiedOf(receiver, "leased-", 2);
    const again = receiver.calls.all.slice(2).map(({ id }) => id);
    assert.deepEqual(again.toSorted(), held.toSorted());
    await allTold(heir);
  });

  test("a second process that would serve channels with the same database is refused, with a sentence", async (t) => {
    const app = testApp();
    const server = await webhookServer(t, {
      apps: [withKey({ ...app.entry, webhooks: [{ url: "https://example.com/" }] }).entry],
    });
    const second = Ringmaster.launch({
      config: webhookConfig([{ ...app.entry, webhooks: [{ url: "https://example.com/" }] }]),
      dataDir: dataOf(server),
    });
    t.after(() => second.signal("SIGKILL"));
    assert.equal((await within("it ends", second.exited)).code, 1);
    const { level, msg } = second.log.all.at(-1)!;
    assert.equal(level, "fatal");
    assert.match(msg, /^Another process serves channels with the database .*ringmaster\.db/);
    assert.match(msg, /give this one a database\.file or dataDir of its own/);
    await rawClient(t, app, { port: server.port });
  });

  test("a job of a newer version is left alone, and hinders nobody", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = to(receiver, plain, OCCUPIED, SINGLE);
    const server = await webhookServer(t, { apps: [app.entry] });
    const client = await rawClient(t, app, { port: server.port });
    await client.subscribe("before");
    await receiver.event("channel_occupied", "before");
    const file = join(dataOf(server), "ringmaster.db");
    const newer = JSON.stringify({ version: 2, id: "job_new", what: "nobody here knows" });
    // At the head of its endpoint's line.
    await sqlite(
      file,
      `INSERT INTO jobs (app, endpoint, version, due_at, changed_at, waiting_since, job)
       VALUES ('${app.id}', '${app.id}/hook', 2, 1, 1, 1, '${newer}')`,
    );
    occupy(client, "beside-", 40);
    await occupiedOf(receiver, "beside-", 40);
    await eventually("all else is done", async () => {
      const scrape = await server.metrics();
      return (
        scrape.sum("ringmaster_webhook_events") + scrape.sum("ringmaster_sender_in_flight") === 0
      );
    });
    const [left] = await sqlite(
      file,
      "SELECT version, state, attempts, job FROM jobs WHERE version = 2",
    );
    assert.deepEqual(left, { version: 2, state: 0, attempts: 0, job: newer });
    assert.deepEqual(await deadLetters(server), []);
    assert.equal((await server.ops("/healthz")).status, 200);
  });

  test("/healthz stays well while every receiver hangs; it is not the server's fault", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], answer: hanging });
    const app = to(receiver, plain, { ...OCCUPIED, timeoutMs: 1_000 }, SINGLE);
    const server = await webhookServer(t, { apps: [app.entry] });
    occupy(await rawClient(t, app, { port: server.port }), "hung-", 10);
    await server.logged("a webhook's endpoint keeps failing, and is left alone");
    for (const path of ["/healthz", "/readyz"])
      assert.equal((await server.ops(path)).status, 200, path);
  });

  test("while another program keeps the database locked, sockets are served; what happened meanwhile is told afterwards", async (t) => {
    const LOCKED = "the database cannot be written: everything waits until it can";
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = to(receiver, plain, OCCUPIED);
    const server = await webhookServer(t, { apps: [app.entry], expectedErrors: [LOCKED] });
    const client = await rawClient(t, app, { port: server.port });
    const unlock = await lockForWriting(join(dataOf(server), "ringmaster.db"));
    occupy(client, "meanwhile-", 20);
    await client.socket.settled();
    await server.logged(LOCKED);
    const scrape = await server.metrics();
    assert.equal(scrape.sum("ringmaster_database_ok"), 0);
    assert.ok(scrape.sum("ringmaster_database_waiting_changes") > 0);
    assert.equal((await server.ops("/healthz")).status, 200);
    await client.subscribe("still-served");
    assert.equal(receiver.calls.all.length, 0);
    await unlock();
    await occupiedOf(receiver, "meanwhile-", 20);
    await receiver.event("channel_occupied", "still-served");
    await server.logged("the database can be written again");
    assert.equal((await server.metrics()).sum("ringmaster_database_ok"), 1);
  });

  test("HTTPS: a certificate of a private authority is verified for the name, and the name is asked for", async (t) => {
    const plain = testApp();
    const tls = authority.issue("DNS:localhost");
    const receiver = await receiverFor(t, { apps: [plain], tls });
    const app = to(receiver, plain, OCCUPIED);
    const server = await webhookServer(t, {
      apps: [app.entry],
      sender: { caFile: authorityFile },
    });
    await (await rawClient(t, app, { port: server.port })).subscribe("secure");
    await receiver.event("channel_occupied", "secure");
    assert.deepEqual(receiver.serverNames, ["localhost"]);
    assert.equal(receiver.calls.all[0]!.headers.host, `localhost:${receiver.port}`);
  });

  for (const { what, issue, knowsAuthority, detail } of [
    {
      what: "for another name",
      issue: () => authority.issue("DNS:other.example"),
      knowsAuthority: true,
      detail: /for another name/,
    },
    {
      what: "that has expired",
      issue: () => authority.issue("DNS:localhost", 0),
      knowsAuthority: true,
      detail: /expired/,
    },
    {
      what: "of an authority that nobody knows",
      issue: () => authority.issue("DNS:localhost"),
      knowsAuthority: false,
      detail: /signed by an unknown authority/,
    },
  ]) {
    test(`HTTPS: to a certificate ${what} nothing is sent, and the attempt says tls`, async (t) => {
      const plain = testApp();
      const receiver = await receiverFor(t, { apps: [plain], tls: issue() });
      const app = to(receiver, plain, { ...OCCUPIED, retryWindowMs: 0 });
      const server = await webhookServer(t, {
        apps: [app.entry],
        sender: knowsAuthority ? { caFile: authorityFile } : {},
      });
      await (await rawClient(t, app, { port: server.port })).subscribe("secure");
      const [letter] = await eventually("it is given up", async () => {
        const list = await deadLetters(server);
        return list.length > 0 && list;
      });
      assert.equal(letter!.reason, "tls, tried once");
      const [attempt] = await attempts(server);
      assert.equal(attempt!.result, "tls");
      assert.match(attempt!.detail ?? "", detail);
      assert.equal(receiver.calls.all.length, 0);
    });
  }
});
