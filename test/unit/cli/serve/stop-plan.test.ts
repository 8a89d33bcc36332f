import { expect, test } from "bun:test";
import { plannedStopMs, senderStopTimeoutMs } from "../../../../src/cli/serve/stop-plan.ts";
import { loadConfig } from "../../../../src/ops/config/load.ts";
import type { Settings } from "../../../../src/ops/config/settings.ts";

async function settingsOf(env: Readonly<Record<string, string>>): Promise<Settings> {
  const key = { RINGMASTER_APP_ID: "1", RINGMASTER_APP_KEY: "k", RINGMASTER_APP_SECRET: "s" };
  return (await loadConfig({ file: undefined, flags: {}, env: { ...key, ...env } })).settings;
}

const DRAIN = {
  RINGMASTER_DRAIN_NOTICE_MS: "1000",
  RINGMASTER_DRAIN_WINDOW_MS: "2000",
  RINGMASTER_DRAIN_DEADLINE_MS: "60000",
  RINGMASTER_SENDER_STOP_TIMEOUT_MS: "4000",
};

test.each([
  // The moment that parts take to hand over is half a second; sockets and requests that lag have a second each.
  ["channels", 1_000, 2_000, 5_500],
  ["packager", 0, 0, 500],
  ["sender", 0, 0, 4_500],
  ["channels,sender,packager", 1_000, 2_000, 9_500],
  // ^C.
  ["channels", 0, 1_000, 3_500],
])("%s with a notice of %d ms and a window of %d ms stop in %d ms", async (...row) => {
  const [roles, noticeMs, windowMs, plannedMs] = row;
  const settings = await settingsOf({ ...DRAIN, RINGMASTER_ROLES: roles });
  expect(plannedStopMs(settings, noticeMs, windowMs)).toBe(plannedMs);
});

test("nothing is planned behind the deadline, and the sender behind channels has what these leave", async () => {
  const settings = await settingsOf({ ...DRAIN, RINGMASTER_DRAIN_DEADLINE_MS: "5000" });
  expect(plannedStopMs(settings, 1_000, 2_000)).toBe(5_000);
  expect(senderStopTimeoutMs(settings)).toBe(1_500);
});
