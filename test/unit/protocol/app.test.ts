import { expect, test } from "bun:test";
import { activeKey, signingKey } from "../../../src/protocol/app.ts";
import { PUSHER_LIMITS } from "../../../src/protocol/limits.ts";
import { testApp } from "../../support/apps.ts";

const old = { key: "old", secret: "1", active: false };
const middle = { key: "middle", secret: "2", active: true };
const young = { key: "young", secret: "3", active: true };

test("the oldest active key signs", () => {
  expect(signingKey(testApp({ keys: [old, middle, young] }))).toBe(middle);
  expect(signingKey(testApp({ keys: [old] }))).toBeUndefined();
});

test("every active key verifies, and a deactivated one is as good as unknown", () => {
  const app = testApp({ keys: [old, middle, young] });
  expect([
    activeKey(app, "young"),
    activeKey(app, "middle"),
    activeKey(app, "old"),
    activeKey(app, "no"),
  ]).toEqual([young, middle, undefined, undefined]);
});

test("an app's limits are Pusher's until it says otherwise", () => {
  expect(PUSHER_LIMITS).toMatchObject({
    eventBytes: 10_240,
    channelsPerEvent: 100,
    eventsPerBatch: 10,
    channelNameLength: 200,
    eventNameLength: 200,
    presenceMembers: 100,
    presenceUserInfoBytes: 1_024,
    userIdLength: 128,
    clientEventsPerSecond: 10,
    watchlistUsers: 100,
    cacheTtlMs: 1_800_000,
  });
});
