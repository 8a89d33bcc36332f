import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { attempts } from "../e2e/support/admin.ts";
import { answering, delayed, type Answer } from "../e2e/support/answers.ts";
import { testApp, withKey } from "../e2e/support/apps.ts";
import { nothingOwed } from "../e2e/support/nothing-owed.ts";
import { connectRaw } from "../e2e/support/raw-web-socket.ts";
import { receiverFor } from "../e2e/support/receiver.ts";
import { eventually } from "../e2e/support/wait.ts";
import { isInstalled } from "../support/redis-server.ts";
import { Arrivals } from "./support/arrivals.ts";
import { Site } from "./support/site.ts";

const SENDERS = 3;
const ROUNDS = 2;
const STOP_TIMEOUT_MS = 5_000;
const DRAIN = { noticeMs: 0, windowMs: 0, deadlineMs: 15_000 };
/** As long as it may be: what hangs is never given up in this test, only cut off. */
const PATIENCE_MS = 30_000;

interface Endpoint {
  readonly name: string;
  readonly perSecond: number;
  readonly answer: Answer;
}

const skip = isInstalled("redis-server") ? false : "redis-server is not installed";

test(
  "A deploy of senders under 200 webhooks a second: each is delivered, once, and what hangs costs no attempt",
  { skip },
  async (t) => {
    const hanging: ServerResponse[] = [];
    let isHealed = false;
    const seen = new Set<string>();
    const steady: readonly Endpoint[] = [
      { name: "at-once", perSecond: 80, answer: answering(200) },
      { name: "20-ms", perSecond: 60, answer: delayed(20) },
      { name: "100-ms", perSecond: 30, answer: delayed(100) },
      { name: "500-ms", perSecond: 15, answer: delayed(500) },
      { name: "1-s", perSecond: 6, answer: delayed(1_000) },
      { name: "2-s", perSecond: 4, answer: delayed(2_000) },
    ];
    const failing: Endpoint = {
      name: "failing",
      perSecond: 2,
      answer(call, response) {
        const isFirst = !seen.has(call.id);
        seen.add(call.id);
        answering(isFirst ? 500 : 200)(call, response);
      },
    };
    const hangs: Endpoint = {
      name: "hangs",
      perSecond: 3,
      answer(call, response) {
        if (isHealed) answering(200)(call, response);
        else hanging.push(response);
      },
    };
    const endpoints = [...steady, failing, hangs];
    const answers = new Map(endpoints.map(({ name, answer }) => [`/${name}`, answer]));
    const plain = testApp({ batchWebhooks: false, limits: { subscriptionsPerConnection: null } });
    const receiver = await receiverFor(t, {
      apps: [plain],
      answer: (call, response) => answers.get(call.path)?.(call, response),
    });
    const app = withKey({
      ...plain.entry,
      webhooks: endpoints.map(({ name }) => ({
        id: name,
        url: receiver.url(`/${name}`),
        events: ["channel_occupied"],
        channelPrefix: `${name}-`,
        timeoutMs: PATIENCE_MS,
      })),
    });
    const site = await Site.open(t, {
      apps: [app],
      drain: DRAIN,
      sender: { stopTimeoutMs: STOP_TIMEOUT_MS },
    });
    const [ring, senders] = await Promise.all([
      site.start("channels,packager"),
      site.startMany("sender", SENDERS),
    ]);

    const client = await connectRaw(app, { port: ring.port });
    t.after(() => client.socket.destroy());
    const arrivals = Arrivals.start(
      t,
      client,
      new Map(endpoints.map(({ name, perSecond }) => [name, perSecond])),
    );

    const underWay = (): number => hanging.filter(({ destroyed }) => !destroyed).length;
    for (let round = 0; round < ROUNDS; round++) {
      // Each holds some of what hangs, the one that is to be stopped as well.
      await eventually("requests hang at every sender", async () => {
        const busy = await Promise.all(
          senders.map(async (one) => (await one.metrics()).sum("ringmaster_sender_in_flight")),
        );
        return underWay() >= SENDERS && busy.every((count) => count > 0);
      });
      senders.push(await site.start("sender"));
      await site.stop(senders.shift()!);
    }
    await arrivals.stop();
    isHealed = true;
    for (const response of hanging) if (!response.destroyed) response.writeHead(200).end();
    await nothingOwed(ring);

    for (const { name } of endpoints) {
      const told = receiver.events.all.filter(({ channel }) => channel.startsWith(`${name}-`));
      const channels = new Set(told.map(({ channel }) => channel));
      assert.equal(channels.size, arrivals.of(name), `webhooks that arrived at ${name}`);
      assert.equal(told.length, channels.size, `of ${name} none under two ids`);
    }
    for (const { name } of steady) {
      const calls = receiver.callsTo(`/${name}`);
      assert.equal(calls.length, arrivals.of(name), `${name} was asked once for each`);
    }
    assert.equal(receiver.callsTo("/failing").length, 2 * arrivals.of("failing"));

    const ended = await attempts(ring, app.id, { webhook: "hangs", limit: "1000" });
    const cut = ended.filter(({ result }) => result === "shutdown");
    const delivered = ended.filter(({ result }) => result === "delivered");
    assert.ok(cut.length >= ROUNDS, `${cut.length} were cut off`);
    assert.equal(cut.length + delivered.length, ended.length, JSON.stringify(ended.slice(0, 5)));
    assert.deepEqual(new Set(ended.map(({ attempt }) => attempt)), new Set([1]));
    assert.equal(receiver.callsTo("/hangs").length, arrivals.of("hangs") + cut.length);
    t.diagnostic(`${arrivals.total} webhooks, ${cut.length} attempts cut off`);
  },
);
