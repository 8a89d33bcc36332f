import fc from "fast-check";
import { describe, expect, test } from "bun:test";
import { isoTime, momentOf } from "../../../src/ops/admin/moment.ts";

const NOW_MS = Date.UTC(2026, 0, 31, 12);
const SECOND_MS = 1_000;

describe("a moment that a person names", () => {
  test.each([
    ["30s", NOW_MS - 30 * SECOND_MS],
    ["15m", NOW_MS - 900 * SECOND_MS],
    ["1h", NOW_MS - 3_600 * SECOND_MS],
    ["7d", NOW_MS - 604_800 * SECOND_MS],
    ["0s", NOW_MS],
    ["2026-01-31T12:00:00Z", NOW_MS],
    ["2026-01-31T12:00Z", NOW_MS],
    ["2026-01-31T12:00:00.250Z", NOW_MS + 250],
    ["2026-01-31T13:00:00+01:00", NOW_MS],
    ["2026-01-31", NOW_MS - 43_200 * SECOND_MS],
  ])("is %s", (text, timeMs) => {
    expect(momentOf(text, NOW_MS)).toBe(timeMs);
  });

  test.each([
    "",
    "now",
    "1",
    "1 h",
    "-1h",
    "1.5h",
    "1w",
    "1H",
    "1h30m",
    "9999999999d",
    "2026-01-31T12:00:00",
    "2026-01-31 12:00:00Z",
    "2026-13-01",
    "2026-01-31T25:00:00Z",
    "31.1.2026",
    "1769860800000",
    " 1h",
    "1h\n",
  ])("is not %p", (text) => {
    expect(momentOf(text, NOW_MS)).toBeUndefined();
  });

  test("is found again from how it is shown", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (timeMs) => {
        expect(momentOf(isoTime(timeMs), 0)).toBe(timeMs);
      }),
    );
  });
});

test("a time that cannot be is shown as the last one that can", () => {
  expect(isoTime(1e300)).toBe("+275760-09-13T00:00:00.000Z");
  expect(isoTime(NOW_MS)).toBe("2026-01-31T12:00:00.000Z");
});
