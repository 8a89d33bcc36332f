import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Packager } from "../../../src/packager/packager.ts";
import type { WebhookEvent } from "../../../src/protocol/webhook-event.ts";
import { Sender } from "../../../src/sender/sender.ts";
import { SqliteStore } from "../../../src/stores/sqlite/store.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { occupied, testWebhook, vacated, webhookApp } from "../../support/packager-rig.ts";
import { recorder, settled, type LogEntry } from "../../support/ring.ts";
import { FakeTransport, status } from "../../support/sender-doubles.ts";
import { TEST_SENDER_SETTINGS } from "../../support/sender-ring.ts";

const HOUR_MS = 3_600_000;
const APP = "3";
const [STEADY, TROUBLED] = ["https://example.com/steady", "https://example.com/troubled"];
/** A leaving waits for three seconds, is read within a quarter of one, and then goes on its way at once. */
const MAX_LEAVING_MS = 3_001 + 250 + 100;
const MAX_OTHER_MS = 250 + 100;

/** All that stands behind the sockets, at one file, with a clock that a test sets as it likes. */
class Pipeline {
  readonly clock = new FakeClock();
  readonly transport = new FakeTransport(this.clock);
  readonly logged: LogEntry[] = [];
  /** By channel: what happened last. */
  readonly truth = new Map<string, "channel_occupied" | "channel_vacated">();
  /** By name and channel: the elapsed times at which the event was recorded. */
  readonly recordedAtMs = new Map<string, number[]>();
  isTroubled = false;
  readonly store: SqliteStore;
  readonly #folder = mkdtempSync(join(tmpdir(), "ringmaster-clock-"));
  readonly #packager: Packager;
  readonly #sender: Sender;

  constructor() {
    const { clock, transport } = this;
    const log = recorder(this.logged);
    const app = webhookApp({
      webhooks: [
        testWebhook({ id: "steady", url: STEADY }),
        testWebhook({ id: "troubled", url: TROUBLED }),
      ],
    });
    this.store = new SqliteStore({
      file: join(this.#folder, "ringmaster.db"),
      durability: "process",
      commitIntervalMs: 2,
      clock,
      log,
    });
    const apps = { byId: (id: string) => (id === APP ? app : undefined) };
    this.#packager = new Packager({ events: this.store.events, apps, clock, log });
    this.#sender = new Sender({
      settings: TEST_SENDER_SETTINGS,
      queue: this.store.queue,
      log: this.store.deliveries,
      transport,
      clock,
      logger: log,
      random: () => 0.5,
      senderVersion: "1",
    });
    transport.at(STEADY, () => ({ reply: status(200) }));
    transport.at(TROUBLED, () => ({ reply: status(this.isTroubled ? 503 : 200), afterMs: 100 }));
    this.#packager.start();
    this.#sender.start();
  }

  /** The channel is left where it is occupied, and occupied where it is not. */
  async toggle(channel: string): Promise<void> {
    const isOccupied = this.truth.get(channel) === "channel_occupied";
    const event = isOccupied ? vacated(channel) : occupied(channel);
    this.truth.set(channel, isOccupied ? "channel_vacated" : "channel_occupied");
    void this.store.recorder.record(APP, [event]);
    const key = `${event.name} ${channel}`;
    const times = this.recordedAtMs.get(key) ?? [];
    times.push(this.clock.elapsedMs());
    this.recordedAtMs.set(key, times);
    await this.pass(10);
  }

  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= 50) {
      this.clock.advance(Math.min(leftMs, 50));
      // A turn for each of those that wait for one another.
      for (let turn = 0; turn < 3; turn++) await settled();
    }
  }

  /** What that webhook knows by now, webhooks that were repeated counted once, in the order in which they came. */
  known(url: string): Map<string, string> {
    const known = new Map<string, string>();
    for (const { events } of this.#told(url))
      for (const { name, channel } of events) known.set(channel, name);
    return known;
  }

  /** Tellings to the steady webhook that nothing explains that was recorded shortly before. */
  late(): string[] {
    const late: string[] = [];
    const left = structuredClone(this.recordedAtMs);
    for (const { atMs, events } of this.#told(STEADY)) {
      for (const { name, channel } of events) {
        const key = `${name} ${channel}`;
        const maxMs = name === "channel_vacated" ? MAX_LEAVING_MS : MAX_OTHER_MS;
        const times = left.get(key) ?? [];
        // Those before it were dropped with their opposites.
        const place = times.findIndex((time) => time >= atMs - maxMs && time <= atMs);
        if (place === -1) late.push(`${key} at ${atMs}, recorded at ${times.join(", ")}`);
        left.set(key, times.slice(place + 1));
      }
    }
    return late;
  }

  async close(): Promise<void> {
    await this.#packager.close();
    await this.#sender.close();
    this.store.close();
    rmSync(this.#folder, { recursive: true });
  }

  #told(url: string): { readonly atMs: number; readonly events: readonly WebhookEvent[] }[] {
    const seen = new Set<string>();
    return this.transport.to(url).flatMap(({ body, atMs }) => {
      if (seen.has(body)) return [];
      seen.add(body);
      return [{ atMs, events: (JSON.parse(body) as { events: WebhookEvent[] }).events }];
    });
  }
}

/** Long enough for whatever failed last to be tried again, and for an endpoint that was left alone to be looked at. */
const RECOVERY_MS = 4 * 60_000;

async function expectTold(pipeline: Pipeline): Promise<void> {
  pipeline.isTroubled = false;
  await pipeline.pass(RECOVERY_MS);
  expect(await pipeline.store.desk.figures()).toMatchObject({
    due: 0,
    leased: 0,
    delayed: 0,
    dead: 0,
  });
  expect(pipeline.store.figures()).toMatchObject({ waiting: 0, events: 0 });
  const occupiedNow = Array.from(pipeline.truth).filter(([, name]) => name === "channel_occupied");
  const known = Array.from(pipeline.known(STEADY)).filter(
    ([, name]) => name === "channel_occupied",
  );
  expect(known.toSorted()).toEqual(occupiedNow.toSorted());
  expect(pipeline.late()).toEqual([]);
  const bodies = (url: string): string[] => [
    ...new Set(pipeline.transport.to(url).map(({ body }) => body.replace(/"time_ms":\d+/, ""))),
  ];
  expect(bodies(TROUBLED).toSorted()).toEqual(bodies(STEADY).toSorted());
  expect(pipeline.logged.filter(({ level }) => level === "error")).toEqual([]);
}

describe("a wall clock that is set by an hour", () => {
  let pipeline: Pipeline;
  beforeEach(() => {
    pipeline = new Pipeline();
  });
  afterEach(() => pipeline.close());

  const jumps = [
    { set: "forth", jumpsMs: [HOUR_MS] },
    { set: "back", jumpsMs: [-HOUR_MS] },
    { set: "forth and back", jumpsMs: [HOUR_MS, -HOUR_MS] },
    { set: "back and forth", jumpsMs: [-HOUR_MS, HOUR_MS] },
  ];

  test.each(jumps)(
    "while a leaving waits: it is told after three seconds at most ($set)",
    async ({ jumpsMs }) => {
      await pipeline.toggle("a");
      await pipeline.pass(1_000);
      await pipeline.toggle("a");
      for (const jumpMs of jumpsMs) {
        await pipeline.pass(500);
        pipeline.clock.jumpWall(jumpMs);
      }
      await pipeline.pass(MAX_LEAVING_MS);
      expect(pipeline.known(STEADY)).toEqual(new Map([["a", "channel_vacated"]]));
      await expectTold(pipeline);
    },
  );

  test.each(jumps)(
    "while jobs wait to be tried again: they are, no later, and none is given up ($set)",
    async ({ jumpsMs }) => {
      pipeline.isTroubled = true;
      await pipeline.toggle("a");
      await pipeline.pass(500);
      expect((await pipeline.store.desk.figures()).delayed).toBe(1);
      for (const jumpMs of jumpsMs) {
        pipeline.clock.jumpWall(jumpMs);
        await pipeline.pass(100);
      }
      pipeline.isTroubled = false;
      const tried = pipeline.transport.to(TROUBLED).length;
      // The second attempt comes after a second and what chance adds; the queue looks every half second.
      await pipeline.pass(2_500);
      expect(pipeline.transport.to(TROUBLED).length).toBe(tried + 1);
      await expectTold(pipeline);
    },
  );

  test.each(jumps)(
    "while requests are under way: each is delivered once ($set)",
    async ({ jumpsMs }) => {
      pipeline.transport.at(TROUBLED, () => ({ reply: status(200), afterMs: 3_000 }));
      for (let i = 0; i < 10; i++) await pipeline.toggle(`channel-${i}`);
      for (const jumpMs of jumpsMs) {
        await pipeline.pass(300);
        pipeline.clock.jumpWall(jumpMs);
      }
      await pipeline.pass(20_000);
      expect(pipeline.transport.to(TROUBLED)).toHaveLength(10);
      await expectTold(pipeline);
    },
  );
});

test("whenever and however often the wall clock is set: nothing is lost, nothing given up, nothing late", async () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ toggle: fc.integer({ min: 0, max: 7 }) }) },
      { weight: 4, arbitrary: fc.record({ passMs: fc.integer({ min: 0, max: 4_000 }) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          jumpMs: fc.constantFrom(HOUR_MS, -HOUR_MS, 3 * HOUR_MS, 1_500, -1_500, -700),
        }),
      },
      { weight: 1, arbitrary: fc.record({ isTroubled: fc.boolean() }) },
    ),
    { minLength: 5, maxLength: 25 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (plan) => {
      const pipeline = new Pipeline();
      try {
        for (const step of plan) {
          if ("toggle" in step) await pipeline.toggle(`channel-${step.toggle}`);
          else if ("passMs" in step) await pipeline.pass(step.passMs);
          else if ("jumpMs" in step) pipeline.clock.jumpWall(step.jumpMs);
          else pipeline.isTroubled = step.isTroubled;
        }
        await expectTold(pipeline);
      } finally {
        await pipeline.close();
      }
    }),
    { numRuns: 25 },
  );
}, 120_000);
