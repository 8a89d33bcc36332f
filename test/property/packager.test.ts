import { createHmac } from "node:crypto";
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { App } from "../../src/protocol/app.ts";
import type { Job } from "../../src/protocol/job.ts";
import type { WebhookEvent } from "../../src/protocol/webhook-event.ts";
import { DEBOUNCE_MS, wantsEvent, type Webhook } from "../../src/protocol/webhook.ts";
import {
  PackagerRig,
  added,
  bodyOf,
  clientEvent,
  occupied,
  removed,
  testWebhook,
  vacated,
  webhookApp,
} from "../support/packager-rig.ts";

/** Lives of a packager, with all that may befall it; what customers were told in the end must be what happened. */

const CHANNELS = ["presence-a", "presence-b", "c"];
const USERS = ["u", "v"];
const KEYS = [
  ...CHANNELS.map((channel) => ({ come: occupied(channel), go: vacated(channel) })),
  ...USERS.flatMap((user) =>
    CHANNELS.slice(0, 2).map((channel) => ({
      come: added(user, channel),
      go: removed(user, channel),
    })),
  ),
];

const keyOf = (event: WebhookEvent): string =>
  `${event.channel} ${"user_id" in event ? event.user_id : ""}`;

function tenant(id: string, batchWebhooks: boolean): App {
  return webhookApp({
    id,
    keys: [{ key: `key-${id}`, secret: `secret-${id}`, active: true }],
    batchWebhooks,
    webhooks: [
      testWebhook({ id: "all" }),
      testWebhook({ id: "existence", events: ["channel_occupied", "channel_vacated"] }),
      testWebhook({ id: "b", channelSuffix: "-b", url: `https://${id}.example/b` }),
    ],
  });
}

const APPS = ["1", "11"];

type Step =
  | { readonly kind: "toggle"; readonly app: number; readonly key: number }
  | { readonly kind: "speak"; readonly app: number; readonly count: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "jump"; readonly ms: number }
  | {
      readonly kind: "trouble";
      readonly way: "fail" | "failLate";
      readonly method: "read" | "settle";
    }
  | { readonly kind: "set"; readonly app: number; readonly batches: boolean }
  | { readonly kind: "mend" | "crash" | "hand-over" | "steal" | "give-back" };

const app = fc.nat(APPS.length - 1);
const one = <Kind extends string>(kind: Kind) => fc.constant({ kind });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant("toggle"), app, key: fc.nat(KEYS.length - 1) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("speak"), app, count: fc.nat(25) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("pass"),
      ms: fc.oneof(fc.nat(300), fc.nat(5_000), fc.constantFrom(DEBOUNCE_MS, DEBOUNCE_MS + 1)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("jump"),
      ms: fc.integer({ min: -9_000, max: 9_000 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("trouble"),
      way: fc.constantFrom("fail" as const, "failLate" as const),
      method: fc.constantFrom("read" as const, "settle" as const, "settle" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("set"), app, batches: fc.boolean() }) },
  { weight: 3, arbitrary: one("mend") },
  { weight: 3, arbitrary: one("crash") },
  { weight: 1, arbitrary: one("hand-over") },
  { weight: 1, arbitrary: one("steal") },
  { weight: 2, arbitrary: one("give-back") },
);

/** A packager, the customers, and what really happened. */
class World {
  readonly rig: PackagerRig;
  /** Who is there, by app and key. */
  readonly present = APPS.map(() => new Set<string>());
  /** Numbers of what clients said, by app. */
  readonly said = APPS.map((): string[] => []);
  /** Every job that any process tried to settle. */
  readonly tried: Job[] = [];
  #thief: PackagerRig["journal"] | undefined;
  #stepMs = 1;

  constructor(stepMs: number) {
    this.#stepMs = stepMs;
    this.rig = new PackagerRig([tenant("1", true), tenant("11", false)], 3);
    this.rig.packager.start();
  }

  async take(taken: Step): Promise<void> {
    const { rig } = this;
    switch (taken.kind) {
      case "toggle":
        this.#toggle(taken.app, taken.key);
        break;
      case "speak":
        this.#speak(taken.app, taken.count);
        break;
      case "pass":
        await rig.pass(taken.ms, this.#stepMs);
        break;
      case "jump":
        rig.clock.jumpWall(taken.ms);
        break;
      case "trouble":
        rig.log[taken.way](taken.method);
        break;
      case "set":
        rig.apps.set(APPS[taken.app]!, tenant(APPS[taken.app]!, taken.batches));
        break;
      case "mend":
        rig.log.mend();
        break;
      case "crash":
        this.#remember();
        await rig.restart();
        break;
      case "hand-over":
        rig.log.mend();
        await rig.packager.drain();
        this.#remember();
        await rig.restart();
        break;
      case "steal":
        await rig.log.inner.release();
        this.#thief ??= rig.journal.another();
        await this.#thief.own();
        break;
      case "give-back":
        await this.#thief?.release();
        break;
    }
  }

  async end(): Promise<void> {
    const { rig } = this;
    rig.log.mend();
    await this.#thief?.release();
    // An outage pauses for 5 s at most; then what waits comes due, and batches close.
    await rig.pass(10_000, this.#stepMs);
    this.#remember();
    expect(rig.packager.figures().unsettled).toBe(0);
    expect(await rig.leftovers()).toEqual([]);
  }

  #remember(): void {
    this.tried.push(...this.rig.log.settlements.flatMap(({ jobs }) => jobs));
  }

  #toggle(number: number, keyNumber: number): void {
    const { come, go } = KEYS[keyNumber]!;
    const present = this.present[number]!;
    const key = keyOf(come);
    const isThere = present.delete(key);
    if (!isThere) present.add(key);
    this.rig.journal.record(APPS[number]!, [isThere ? go : come]);
  }

  #speak(number: number, count: number): void {
    const said = this.said[number]!;
    for (let i = 0; i < count; i++) {
      const data = `${said.length}`;
      said.push(data);
      this.rig.journal.record(APPS[number]!, [clientEvent(data, "presence-b")]);
    }
  }
}

/** What the webhook was told, by the number of the event: as a receiver would put it in order. */
function toldTo(jobs: readonly Job[], appId: string, webhook: Webhook): WebhookEvent[] {
  const told = new Map<string, WebhookEvent>();
  const order: { readonly sequence: number; readonly event: WebhookEvent }[] = [];
  for (const job of jobs) {
    if (job.appId !== appId || job.webhookId !== webhook.id) continue;
    expect(job.url).toBe(webhook.url);
    const secret = `secret-${appId}`;
    const signature = createHmac("sha256", secret).update(job.body).digest("hex");
    expect(job.headers["x-pusher-signature"]).toBe(signature);
    expect(job.headers["x-pusher-key"]).toBe(`key-${appId}`);
    const sequences = job.headers["ringmaster-sequence"]!.split(",").map(Number);
    const { events } = bodyOf(job);
    expect(events.length).toBe(sequences.length);
    expect(events.length).toBeLessThanOrEqual(20);
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
    for (const [i, event] of events.entries()) {
      expect(wantsEvent(webhook, event.name, event.channel)).toBe(true);
      const place = `${event.channel} ${sequences[i]}`;
      expect(told.has(place)).toBe(false);
      told.set(place, event);
      order.push({ sequence: sequences[i]!, event });
    }
  }
  return order.toSorted((a, b) => a.sequence - b.sequence).map(({ event }) => event);
}

function checkTold({ present, said, rig, tried }: World): void {
  const contents = new Map<string, string>();
  for (const job of tried) {
    const content = JSON.stringify([job.headers["ringmaster-sequence"], bodyOf(job).events]);
    expect(contents.get(job.id) ?? content).toBe(content);
    contents.set(job.id, content);
  }
  expect(new Set(rig.jobs.map(({ id }) => id)).size).toBe(rig.jobs.length);
  for (const [number, appId] of APPS.entries()) {
    for (const webhook of tenant(appId, true).webhooks) {
      const told = toldTo(rig.jobs, appId, webhook);
      const spoken = told.flatMap((event) => (event.name === "client_event" ? event.data : []));
      const hears = wantsEvent(webhook, "client_event", "presence-b");
      expect(spoken).toEqual(hears ? said[number]! : []);
      for (const { come, go } of KEYS) {
        if (!wantsEvent(webhook, come.name, come.channel)) continue;
        const key = keyOf(come);
        const edges = told.filter((event) => event.name !== "client_event" && keyOf(event) === key);
        // They take turns, a coming first, and the last one says how it is.
        expect(edges).toEqual(edges.map((_, i) => (i % 2 === 0 ? come : go)));
        expect(edges.length % 2 === 1).toBe(present[number]!.has(key));
      }
    }
  }
}

test("whatever befalls it, every webhook is told what happened, once, and in the end how it is", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 80 }),
      // Between two steps of time, what was begun ends: long ones make it all late.
      fc.constantFrom(5, 20, 100),
      async (steps, stepMs) => {
        const world = new World(stepMs);
        for (const taken of steps) await world.take(taken);
        await world.end();
        checkTold(world);
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);
