import { describe, expect, test } from "bun:test";
import type { WebhookEventName } from "../../../src/protocol/webhook-event.ts";
import {
  PackagerRig,
  added,
  bodyOf,
  clientEvent,
  occupied,
  testWebhook,
  webhookApp,
} from "../../support/packager-rig.ts";

const only = (id: string, ...events: WebhookEventName[]) => testWebhook({ id, events });

describe("an app that does not batch", () => {
  test("gets each event by itself, at once, in order", async () => {
    const rig = await PackagerRig.started();
    rig.record(occupied(), clientEvent("1"), clientEvent("2"));
    await rig.pass(5);
    expect(rig.jobs.map((job) => bodyOf(job).events)).toEqual([
      [occupied()],
      [clientEvent("1")],
      [clientEvent("2")],
    ]);
    expect(bodyOf(rig.jobs[0]!).time_ms).toBe(rig.clock.now());
    expect(await rig.leftovers()).toEqual([]);
  });
});

describe("an app that batches", () => {
  const batching = webhookApp({ batchWebhooks: true });

  test("gets the events of a quarter of a second in one body", async () => {
    const rig = await PackagerRig.started([batching]);
    rig.record(occupied("a"));
    await rig.pass(5);
    rig.record(occupied("b"));
    await rig.pass(249);
    expect(rig.jobs).toEqual([]);
    await rig.pass(1);
    expect(rig.jobs.map((job) => bodyOf(job).events)).toEqual([[occupied("a"), occupied("b")]]);
    rig.record(occupied("c"));
    await rig.pass(255);
    expect(rig.told()).toHaveLength(2);
    expect(await rig.leftovers()).toEqual([]);
  });

  test("gets twenty events at once, and the rest when its time is up", async () => {
    const rig = await PackagerRig.started([batching]);
    rig.record(...Array.from({ length: 45 }, (_, i) => clientEvent(`${i}`)));
    await rig.pass(5);
    expect(rig.told().map(({ length }) => length)).toEqual([20, 20]);
    await rig.pass(250);
    expect(rig.told().map(({ length }) => length)).toEqual([20, 20, 5]);
    const order = rig.jobs.flatMap((job) => bodyOf(job).events);
    expect(order).toEqual(Array.from({ length: 45 }, (_, i) => clientEvent(`${i}`)));
  });

  test("that stops to batch gets what has gathered one by one, behind nothing that came later", async () => {
    const rig = await PackagerRig.started([batching]);
    rig.record(occupied("a"), occupied("b"));
    await rig.pass(5);
    rig.setApps(webhookApp());
    rig.record(occupied("c"));
    await rig.pass(5);
    const channels = rig.jobs.map((job) => bodyOf(job).events.map(({ channel }) => channel));
    expect(channels).toEqual([["a"], ["b"], ["c"]]);
    expect(await rig.leftovers()).toEqual([]);
  });
});

describe("webhooks", () => {
  test("get in their bodies what they want, and nothing else", async () => {
    const rig = await PackagerRig.started([
      webhookApp({
        batchWebhooks: true,
        webhooks: [
          only("existence", "channel_occupied"),
          only("presence", "member_added"),
          testWebhook({ id: "private", channelPrefix: "private-" }),
          testWebhook({ id: "end", channelSuffix: "-end" }),
        ],
      }),
    ]);
    rig.record(occupied("presence-c"), added("u"), clientEvent("d"), occupied("the-end"));
    await rig.pass(255);
    const events = rig.jobs.map((job) => [job.webhookId, bodyOf(job).events]);
    expect(Object.fromEntries(events)).toEqual({
      existence: [occupied("presence-c"), occupied("the-end")],
      presence: [added("u")],
      private: [clientEvent("d")],
      end: [occupied("the-end")],
    });
    expect(await rig.leftovers()).toEqual([]);
  });

  test("of two apps have each their own bodies, key and URL", async () => {
    const keys = [{ key: "k2", secret: "s2", active: true }];
    const webhooks = [testWebhook({ url: "https://b.example/" })];
    const rig = await PackagerRig.started([
      webhookApp({ batchWebhooks: true }),
      webhookApp({ id: "4", keys, webhooks, batchWebhooks: true }),
    ]);
    rig.record(occupied("of-3"));
    rig.journal.record("4", [occupied("of-4")]);
    await rig.pass(255);
    expect(rig.jobs.map((job) => [job.appId, job.url, bodyOf(job).events])).toEqual([
      ["3", "https://example.com/hook", [occupied("of-3")]],
      ["4", "https://b.example/", [occupied("of-4")]],
    ]);
    expect(rig.jobs[1]!.headers["x-pusher-key"]).toBe("k2");
    expect(rig.packager.figures().counters.jobsMade).toEqual(
      new Map([
        ["3", 1],
        ["4", 1],
      ]),
    );
  });

  test("are signed with the oldest key that is active", async () => {
    const keys = [
      { key: "old", secret: "s1", active: false },
      { key: "older", secret: "s2", active: true },
      { key: "new", secret: "s3", active: true },
    ];
    const rig = await PackagerRig.started([webhookApp({ keys })]);
    rig.record(occupied());
    await rig.pass(5);
    expect(rig.jobs[0]!.headers["x-pusher-key"]).toBe("older");
  });
});

describe("an event is settled without a job", () => {
  const cases = {
    "when its app is gone": [],
    "when its app has no webhooks": [webhookApp({ webhooks: [] })],
    "when no webhook wants it": [webhookApp({ webhooks: [only("w", "cache_miss")] })],
    "when no webhook wants its channel": [
      webhookApp({ webhooks: [testWebhook({ channelPrefix: "x" })] }),
    ],
  };
  test.each(Object.entries(cases))("%s", async (_when, apps) => {
    const rig = await PackagerRig.started(apps);
    rig.record(occupied());
    await rig.pass(5);
    expect(rig.jobs).toEqual([]);
    expect(rig.packager.figures().unsettled).toBe(0);
    expect(await rig.leftovers()).toEqual([]);
  });

  test("when no key of its app is active, and that is told once, until one is", async () => {
    const keyless = webhookApp({ keys: [{ key: "k", secret: "s", active: false }] });
    const rig = await PackagerRig.started([keyless]);
    for (let i = 0; i < 3; i++) rig.record(occupied(`${i}`));
    await rig.pass(5);
    expect(rig.jobs).toEqual([]);
    expect(rig.lines).toMatchObject([{ level: "warn", fields: { appId: "3" } }]);
    rig.setApps(webhookApp());
    rig.record(occupied("signed"));
    await rig.pass(5);
    expect(rig.told()).toEqual([["channel_occupied"]]);
    rig.setApps(keyless);
    rig.record(occupied("unsigned"));
    await rig.pass(5);
    expect(rig.linesOf("warn")).toHaveLength(2);
    expect(await rig.leftovers()).toEqual([]);
  });

  test.each([
    ["its app goes", []],
    [
      "its webhook goes",
      [webhookApp({ batchWebhooks: true, webhooks: [only("other", "cache_miss")] })],
    ],
    [
      "its webhook wants others",
      [webhookApp({ batchWebhooks: true, webhooks: [only("w", "cache_miss")] })],
    ],
  ])("when %s while its batch gathers", async (_what, apps) => {
    const rig = await PackagerRig.started([webhookApp({ batchWebhooks: true })]);
    rig.record(occupied());
    await rig.pass(5);
    rig.setApps(...apps);
    await rig.pass(250);
    expect(rig.jobs).toEqual([]);
    expect(await rig.leftovers()).toEqual([]);
  });

  test("alone of those in its batch, when its webhook wants only the others", async () => {
    const rig = await PackagerRig.started([webhookApp({ batchWebhooks: true })]);
    rig.record(occupied("a"), clientEvent("d"), occupied("b"));
    await rig.pass(5);
    rig.setApps(webhookApp({ batchWebhooks: true, webhooks: [only("w", "channel_occupied")] }));
    await rig.pass(250);
    expect(rig.jobs.map((job) => bodyOf(job).events)).toEqual([[occupied("a"), occupied("b")]]);
    expect(await rig.leftovers()).toEqual([]);
  });
});

describe("an event that several webhooks want", () => {
  const app = webhookApp({
    batchWebhooks: true,
    webhooks: [only("some", "channel_occupied"), testWebhook({ id: "all" })],
  });

  test("is settled with the last of its jobs; until then it is noted which are made", async () => {
    const rig = await PackagerRig.started([app]);
    rig.record(occupied("c"), ...Array.from({ length: 19 }, (_, i) => clientEvent(`${i}`)));
    await rig.pass(5);
    expect(rig.jobs.map(({ webhookId }) => webhookId)).toEqual(["all"]);
    expect(rig.packager.figures().unsettled).toBe(1);
    const [settlement] = rig.log.settlements;
    expect(settlement!.settled).toHaveLength(19);
    expect(settlement!.handled).toMatchObject([{ webhookId: "all" }]);
    await rig.pass(250);
    expect(rig.jobs.map(({ webhookId }) => webhookId)).toEqual(["all", "some"]);
    expect(rig.packager.figures().unsettled).toBe(0);
    expect(await rig.leftovers()).toEqual([]);
  });

  test("is not told again, after a crash, to those who have it", async () => {
    const rig = await PackagerRig.started([app]);
    rig.record(occupied("c"), ...Array.from({ length: 19 }, (_, i) => clientEvent(`${i}`)));
    await rig.pass(5);
    await rig.restart();
    rig.record(occupied("d"));
    await rig.pass(255);
    const channels = rig.jobs.map((job) => [
      job.webhookId,
      bodyOf(job).events.flatMap((event) =>
        event.name === "channel_occupied" ? event.channel : [],
      ),
    ]);
    expect(channels).toEqual([
      ["all", ["c"]],
      ["some", ["c", "d"]],
      ["all", ["d"]],
    ]);
    expect(await rig.leftovers()).toEqual([]);
  });

  test("is settled when the webhook that it waited for goes", async () => {
    const rig = await PackagerRig.started([app]);
    rig.record(occupied("c"), ...Array.from({ length: 19 }, (_, i) => clientEvent(`${i}`)));
    await rig.pass(5);
    rig.setApps(webhookApp({ batchWebhooks: true, webhooks: [testWebhook({ id: "all" })] }));
    await rig.pass(250);
    expect(rig.told()).toHaveLength(1);
    expect(await rig.leftovers()).toEqual([]);
  });
});
