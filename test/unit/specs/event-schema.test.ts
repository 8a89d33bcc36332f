import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../../src/channels/ports/clock.ts";
import type { LoggedEvent, Ownership } from "../../../src/packager/ports/event-log.ts";
import { WEBHOOK_EVENT_NAMES, type WebhookEvent } from "../../../src/protocol/webhook-event.ts";
import { SqliteStore } from "../../../src/stores/sqlite/store.ts";
import { added, clientEvent, occupied, removed, vacated } from "../../support/packager-rig.ts";
import { recorder } from "../../support/ring.ts";
import { JsonSchema, SPECS, spoilt } from "./json-schema.ts";

const schema = JsonSchema.published("event.schema.json");
const body = schema.definition("event");
const EVENTS: readonly WebhookEvent[] = [
  occupied("orders"),
  added("7"),
  clientEvent("data"),
  {
    name: "client_event",
    channel: "presence-c",
    event: "client-e",
    data: "",
    socket_id: "1.2",
    user_id: "7",
  },
  { name: "cache_miss", channel: "cache-c" },
  { name: "subscription_count", channel: "orders", subscription_count: 1 },
  removed("7"),
  { name: "subscription_count", channel: "orders", subscription_count: 0 },
  vacated("orders"),
];

describe("docs/specs/event.schema.json", () => {
  let folder: string;
  let store: SqliteStore;
  let ownership: Ownership;
  let logged: readonly LoggedEvent[];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "ringmaster-specs-"));
    store = new SqliteStore({
      file: join(folder, "ringmaster.db"),
      durability: "process",
      commitIntervalMs: 0,
      clock: systemClock,
      log: recorder([]),
    });
    await Promise.all(EVENTS.map((event) => store.recorder.append("3", event)));
    const [own] = await store.events.own();
    if (own === undefined) throw new Error("It owns nothing.");
    ownership = own;
    logged = await store.events.read(ownership, 0, 100);
  });
  afterAll(() => {
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("holds for every event that is read from the log, as JSON", () => {
    expect(logged).toHaveLength(EVENTS.length);
    for (const event of logged) {
      const json = JSON.parse(JSON.stringify(event)) as object;
      expect(schema.faultsOf(json)).toEqual([]);
      expect(body.faultsOf(JSON.parse(event.json))).toEqual([]);
    }
    expect(new Set(logged.map(({ name }) => name))).toEqual(new Set(WEBHOOK_EVENT_NAMES));
  });

  test("holds for an event that is in a webhook's job already", async () => {
    const [first] = logged;
    if (first === undefined) throw new Error("Nothing was logged.");
    const handled = [{ eventId: first.id, webhookId: "wh_0123456789-2" }];
    await store.events.settle(ownership, { jobs: [], settled: [], handled });
    const [again] = await store.events.read(ownership, 0, 1);
    expect(again?.handledFor).toEqual(["wh_0123456789-2"]);
    expect(schema.faultsOf(again)).toEqual([]);
  });

  test("refuses a logged event without any of its fields, with another, or with one of another type", () => {
    const member = logged.find(({ name }) => name === "member_added");
    if (member === undefined) throw new Error("Nobody was added.");
    for (const { how, value } of spoilt(member)) {
      // Only events of members have one.
      const isRefused = how !== "without userId";
      expect({ how, isRefused: schema.faultsOf(value).length > 0 }).toEqual({ how, isRefused });
    }
    expect(Object.keys(schema.document.properties).toSorted()).toEqual(
      Object.keys(member).toSorted(),
    );
  });

  test("refuses a body's event without any of its fields, with another, or with one of another type", () => {
    for (const event of EVENTS) {
      for (const { how, value } of spoilt(event)) {
        const isOptional = event.name === "client_event" && how === "without user_id";
        expect({ how, isRefused: body.faultsOf(value).length > 0 }).toEqual({
          how,
          isRefused: !isOptional,
        });
      }
    }
  });

  test.each([
    ["a name that there is not", { name: "channel_exploded", channel: "c" }],
    ["a user's id that is a number", { name: "member_added", channel: "presence-c", user_id: 7 }],
    [
      "a count that is no whole number",
      { name: "subscription_count", channel: "c", subscription_count: 0.5 },
    ],
    [
      "a count of a channel's edge",
      { name: "channel_occupied", channel: "c", subscription_count: 1 },
    ],
    [
      "data that is an object",
      { name: "client_event", channel: "c", event: "client-e", data: {}, socket_id: "1.2" },
    ],
  ])("refuses %s", (_, event) => {
    expect(body.faultsOf(event)).not.toEqual([]);
  });

  test("knows every event", () => {
    expect(schema.document.properties).toMatchObject({ name: { enum: [...WEBHOOK_EVENT_NAMES] } });
  });

  test("holds for the example in event.md", () => {
    const [, example = ""] =
      /```json\n([^`]+)```/.exec(readFileSync(join(SPECS, "event.md"), "utf8")) ?? [];
    const event = JSON.parse(example) as { readonly json: string };
    expect(schema.faultsOf(event)).toEqual([]);
    expect(body.faultsOf(JSON.parse(event.json))).toEqual([]);
  });
});
