import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { answering, delayed, hanging } from "./support/answers.ts";
import { testApp } from "./support/apps.ts";
import { webhooksCommand } from "./support/cli.ts";
import { otherVersion } from "./support/other-version.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { receiverFor } from "./support/receiver.ts";
import type { Ringmaster } from "./support/ringmaster.ts";
import { eventually } from "./support/wait.ts";
import { dataOf, webhookServer } from "./support/webhook-server.ts";
import { OCCUPIED, SINGLE, occupiedOf, occupy, to } from "./support/webhook-traffic.ts";

const CANARY = "99.1.0-canary.1";
const { version: CURRENT } = JSON.parse(readFileSync("package.json", "utf8")) as {
  version: string;
};

interface ShownVersion {
  readonly version: string;
  readonly senders: number;
  readonly delivered: number;
  readonly failed: number;
  readonly share: number | null;
}

async function versionsIn(server: Ringmaster): Promise<ReadonlyMap<string, ShownVersion>> {
  const { versions } = JSON.parse(await webhooksCommand(server, "versions", "--json")) as {
    versions: readonly ShownVersion[];
  };
  return new Map(versions.map((shown) => [shown.version, shown]));
}

/** Figures of the whole fleet are a second old at most, and senders report every two. */
async function fleetOf(server: Ringmaster): Promise<{ backlog: number; senders: number }> {
  const scrape = await server.metrics();
  return {
    backlog: scrape.sum("ringmaster_sender_backlog_seconds"),
    senders: scrape.sum("ringmaster_senders"),
  };
}

function senderOf(channels: Ringmaster): { readonly flags: Readonly<Record<string, string>> } {
  return {
    flags: { "--roles": "sender", "--database-file": join(dataOf(channels), "ringmaster.db") },
  };
}

const ELSEWHERE = { flags: { "--roles": "channels,packager" } };

describe("The senders of one store:", { concurrency: 2 }, () => {
  test("two versions share the work; metrics, attempts and `webhooks versions` tell them apart; scaling one to zero is the roll-back", async (t) => {
    const EVENTS = 120;
    const plain = testApp();
    const receiver = await receiverFor(t, { apps: [plain], answer: delayed(50) });
    const app = to(receiver, plain, OCCUPIED, SINGLE);
    const options = { apps: [app.entry], sender: { endpointConcurrency: 2 } };
    const channels = await webhookServer(t, { ...options, ...ELSEWHERE });
    const current = await webhookServer(t, { ...options, ...senderOf(channels) });
    const canary = await webhookServer(t, {
      ...options,
      ...senderOf(channels),
      tree: otherVersion(t, CANARY),
    });
    occupy(await rawClient(t, app, { port: channels.port }), "shared-", EVENTS);
    await occupiedOf(receiver, "shared-", EVENTS);

    const versions = await eventually("all attempts are told", async () => {
      const found = await versionsIn(channels);
      const delivered = [...found.values()].reduce((sum, shown) => sum + shown.delivered, 0);
      return delivered >= EVENTS && found;
    });
    assert.deepEqual([...versions.keys()], [CURRENT, CANARY]);
    const byReceiver = (version: string): number =>
      receiver.calls.all.filter(({ headers }) => headers["user-agent"]?.includes(version)).length;
    for (const { version, delivered, failed, senders, share } of versions.values()) {
      assert.equal(delivered, byReceiver(version), `deliveries of ${version}`);
      assert.deepEqual([failed, senders], [0, 1]);
      assert.ok(delivered >= EVENTS / 10, `${delivered} by ${version}`);
      assert.ok(Math.abs((share ?? 0) - delivered / EVENTS) < 0.001, `${share} by ${version}`);
    }
    const table = await webhooksCommand(current, "versions", "--since", "1h");
    assert.match(table, /^VERSION +SENDERS +SHARE +ATTEMPTS +DELIVERED +OWN FAULTS +P50 +P99 /);
    assert.match(table, new RegExp(`^${CANARY} +1 +[0-9.]+ % +\\d+ +100\\.0 % +0 +\\d+ ms`, "m"));

    for (const [server, version] of [
      [current, CURRENT],
      [canary, CANARY],
    ] as const) {
      const scrape = await server.metrics();
      const own = { sender_version: version };
      const delivered = versions.get(version)?.delivered;
      for (const name of ["attempt_seconds_count", "delivery_age_seconds_count"]) {
        assert.equal(scrape.sum(`ringmaster_sender_${name}`, own), delivered);
        assert.equal(scrape.sum(`ringmaster_sender_${name}`), delivered);
      }
      assert.equal(scrape.sum("ringmaster_sender_attempts_total", own), delivered);
    }
    for (const server of [channels, current, canary]) {
      const scrape = await server.metrics();
      for (const version of [CURRENT, CANARY])
        assert.equal(scrape.sum("ringmaster_senders", { version }), 1);
    }

    await canary.stop();
    const after = await versionsIn(channels);
    assert.deepEqual([after.get(CANARY)?.senders, after.get(CURRENT)?.senders], [0, 1]);
    assert.equal(after.get(CANARY)?.delivered, versions.get(CANARY)?.delivered);
    await eventually("its metric is gone", async () => (await fleetOf(channels)).senders === 1);
    occupy(await rawClient(t, app, { port: channels.port }), "after-", 20);
    await occupiedOf(receiver, "after-", 20);
    assert.equal(byReceiver(CANARY), versions.get(CANARY)?.delivered);
  });

  test("the backlog is there without any sender, is the same from every process, and goes as it is delivered; a hanging endpoint's is left out", async (t) => {
    const EVENTS = 100;
    const well = testApp();
    const ill = testApp();
    const receiver = await receiverFor(t, well);
    const hole = await receiverFor(t, { apps: [ill], answer: hanging });
    const apps = [
      to(receiver, well, OCCUPIED, SINGLE),
      to(hole, ill, { ...OCCUPIED, timeoutMs: 1_000 }, SINGLE),
    ];
    const options = { apps: apps.map(({ entry }) => entry) };
    const channels = await webhookServer(t, { ...options, ...ELSEWHERE });
    for (const app of apps)
      occupy(await rawClient(t, app, { port: channels.port }), "due-", EVENTS);
    // Nobody has measured anything: one with a quarter of a CPU makes 1,000 a second.
    await eventually(
      "the backlog is told",
      async () => (await fleetOf(channels)).backlog === (2 * EVENTS) / 1_000,
    );
    assert.deepEqual(await fleetOf(channels), { backlog: 0.2, senders: 0 });

    const sender = await webhookServer(t, { ...options, ...senderOf(channels) });
    await occupiedOf(receiver, "due-", EVENTS);
    const state = { state: "due" };
    for (const server of [channels, sender]) {
      await eventually("what is left is left out", async () => {
        const scrape = await server.metrics();
        return (
          scrape.sum("ringmaster_sender_backlog_seconds") === 0 &&
          scrape.sum("ringmaster_senders") === 1 &&
          scrape.sum("ringmaster_webhook_jobs", state) > EVENTS / 2
        );
      });
    }

    hole.answer = answering(200);
    await occupiedOf(hole, "due-", EVENTS);
    await eventually("all is delivered", async () => {
      const scrape = await channels.metrics();
      return scrape.sum("ringmaster_webhook_jobs", state) === 0;
    });
  });

  test("a sender that is killed is forgotten within ten seconds, one that stops at once", async (t) => {
    const app = testApp();
    const receiver = await receiverFor(t, app);
    const options = { apps: [to(receiver, app).entry] };
    const channels = await webhookServer(t, { ...options, ...ELSEWHERE });
    const senders = [
      await webhookServer(t, { ...options, ...senderOf(channels) }),
      await webhookServer(t, { ...options, ...senderOf(channels) }),
    ];
    const left = (count: number) => async (): Promise<boolean> =>
      (await fleetOf(channels)).senders === count;
    await eventually("two are there", left(2));
    await senders[0]?.kill();
    await eventually("one is left", left(1));
    await senders[1]?.stop();
    assert.deepEqual([...(await versionsIn(channels)).values()], []);
    await eventually("none is left", left(0));
  });
});
