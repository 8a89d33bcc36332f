import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { testJob } from "../../../src/cli/serve/webhook-rings.ts";
import { buildJob } from "../../../src/packager/job-builder.ts";
import { JOB_VERSION, parseJob, type Job } from "../../../src/protocol/job.ts";
import { WEBHOOK_EVENT_NAMES, type WebhookEvent } from "../../../src/protocol/webhook-event.ts";
import { MAX_EVENTS_PER_WEBHOOK } from "../../../src/protocol/webhook.ts";
import {
  added,
  clientEvent,
  loggedEvent,
  occupied,
  removed,
  testWebhook,
  vacated,
  webhookApp,
} from "../../support/packager-rig.ts";
import { JsonSchema, SPECS, spoilt } from "./json-schema.ts";

const schema = JsonSchema.published("job.schema.json");
const KEY = { key: "278d425bdf160c739803", secret: "7ad3773142a6692b25b8", active: true };
const EVENTS: readonly WebhookEvent[] = [
  occupied(),
  vacated(),
  added("7"),
  removed("7"),
  clientEvent("ü \u0000 \ud800"),
  { name: "cache_miss", channel: "cache-c" },
  { name: "subscription_count", channel: "c", subscription_count: 0 },
];

function jobOf(events: readonly WebhookEvent[], changes: Parameters<typeof testWebhook>[0] = {}) {
  const told = events.map((event, i) => loggedEvent(i + 1, event));
  return buildJob("3", KEY, testWebhook(changes), told, 1_750_000_000_000);
}

describe("docs/specs/job.schema.json", () => {
  test("holds for every job that the packager makes", () => {
    const twenty = Array.from({ length: MAX_EVENTS_PER_WEBHOOK }, () => occupied());
    for (const job of [
      jobOf(EVENTS),
      jobOf([occupied()]),
      jobOf(twenty),
      jobOf([occupied()], {
        id: "a-webhook_of-64-characters-abcdefghijklmnopqrstuvwxyz0123456789-",
        url: "HTTPS://example.com:8443/hook?a=b",
        headers: { authorization: "Bearer x", "x-mine": "ÿ" },
        timeoutMs: 100,
        retryWindowMs: 0,
      }),
      testJob(webhookApp(), testWebhook()),
    ]) {
      expect(schema.faultsOf(JSON.parse(JSON.stringify(job)))).toEqual([]);
    }
  });

  const job = jobOf([occupied()]);

  test.each(spoilt(job))("refuses a job $how", ({ value }) => {
    expect(schema.faultsOf(value)).not.toEqual([]);
  });

  test.each(spoilt(job.headers).filter(({ how }) => how !== "with another field"))(
    "refuses headers $how",
    ({ value }) => {
      expect(schema.faultsOf({ ...job, headers: value })).not.toEqual([]);
    },
  );

  test.each([
    ["a version of the future", { version: JOB_VERSION + 1 }],
    ["an id that is another's kind", { id: "evt_1" }],
    ["a slash in the app's id", { appId: "a/b" }],
    ["another method", { method: "GET" }],
    ["another scheme", { url: "ftp://example.com/" }],
    ["a header's name in upper case", { headers: { ...job.headers, "X-Mine": "1" } }],
    ["a header that is no text", { headers: { ...job.headers, "x-mine": 1 } }],
    [
      "a charset",
      { headers: { ...job.headers, "content-type": "application/json; charset=utf-8" } },
    ],
    ["no events", { events: [] }],
    ["events beyond a batch", { events: Array(MAX_EVENTS_PER_WEBHOOK + 1).fill("cache_miss") }],
    ["an event that there is not", { events: ["channel_exploded"] }],
    ["half a millisecond", { createdAtMs: 0.5 }],
    ["a time before time", { retryWindowMs: -1 }],
  ] as const)("refuses %s", (_, changes) => {
    expect(schema.faultsOf({ ...job, ...changes })).not.toEqual([]);
  });

  test("demands what the type has, and what the sender refuses to do without", () => {
    expect(schema.document.required.toSorted()).toEqual(Object.keys(job).toSorted());
    expect(Object.keys(schema.document.properties).toSorted()).toEqual(Object.keys(job).toSorted());
    for (const { how, value } of spoilt(job)) {
      // The sender ignores what it does not know: a field that is new raises no version.
      const isRefused = "fault" in parseJob(JSON.stringify(value));
      expect({ how, isRefused }).toEqual({ how, isRefused: how !== "with another field" });
    }
  });

  test("knows this version, and every event", () => {
    expect(schema.document.properties).toMatchObject({
      version: { const: JOB_VERSION },
      events: { maxItems: MAX_EVENTS_PER_WEBHOOK, items: { enum: [...WEBHOOK_EVENT_NAMES] } },
    });
  });

  test("holds for the example in job.md, which is a job to the sender too", () => {
    const [, example = ""] =
      /```json\n([^`]+)```/.exec(readFileSync(join(SPECS, "job.md"), "utf8")) ?? [];
    expect(schema.faultsOf(JSON.parse(example))).toEqual([]);
    expect(parseJob(example)).toEqual({ job: JSON.parse(example) as Job });
  });
});
