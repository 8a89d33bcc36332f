import { describe, expect, test } from "bun:test";
import { attributeTable } from "../../../src/cli/client/channel-attributes.ts";
import { eventJson, eventText, type ReceivedEvent } from "../../../src/cli/client/event-line.ts";
import { printable } from "../../../src/cli/client/printable.ts";
import { reconnectDelayMs } from "../../../src/cli/client/reconnection.ts";
import { table } from "../../../src/cli/client/table.ts";

const EVENT: ReceivedEvent = {
  at: new Date(2026, 0, 2, 3, 4, 5, 6),
  channel: "demo",
  event: "hello",
  data: '{"a":1}',
  userId: null,
};

describe("an event as text", () => {
  test("is time, channel, event and data on one line", () => {
    expect(eventText(EVENT)).toBe('03:04:05.006  demo  hello  {"a":1}');
  });

  test("names the sender of a client event", () => {
    expect(eventText({ ...EVENT, data: "hi", userId: "alice" })).toBe(
      "03:04:05.006  demo  hello  hi  (from alice)",
    );
  });

  test("has a dash where there is no channel, and nothing where there is no data", () => {
    expect(eventText({ ...EVENT, channel: null, data: undefined })).toBe("03:04:05.006  -  hello");
  });

  test("shows data that is no string as JSON", () => {
    expect(eventText({ ...EVENT, data: { code: null } })).toEndWith('hello  {"code":null}');
  });

  test("keeps numbers that JavaScript would round", () => {
    expect(eventText({ ...EVENT, data: '{"id":12345678901234567890}' })).toEndWith(
      '{"id":12345678901234567890}',
    );
  });

  test("shows JSON of several lines on one", () => {
    expect(eventText({ ...EVENT, data: '{\n  "a": 1\n}' })).toEndWith('hello  {"a":1}');
  });

  test("shows text of several lines on one", () => {
    expect(eventText({ ...EVENT, data: "a\nb" })).toEndWith("hello  a\\nb");
  });

  test("cannot steer the terminal, wherever the control characters are", () => {
    const steering = "\u001b[2J\u009b2J";
    const line = eventText({
      ...EVENT,
      event: steering,
      data: JSON.stringify(steering),
      userId: steering,
    });
    // oxlint-disable-next-line no-control-regex -- control characters are what it is about
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});

describe("an event as JSON", () => {
  test("has the same members always", () => {
    const members = ["time", "channel", "event", "data", "user_id"];
    expect(Object.keys(JSON.parse(eventJson(EVENT)) as object)).toEqual(members);
    const bare = { ...EVENT, channel: null, data: undefined };
    expect(JSON.parse(eventJson(bare))).toEqual({
      time: EVENT.at.toISOString(),
      channel: null,
      event: "hello",
      data: null,
      user_id: null,
    });
  });

  test("has the data decoded if it is JSON, and as text otherwise", () => {
    expect(JSON.parse(eventJson(EVENT))).toMatchObject({ data: { a: 1 } });
    expect(JSON.parse(eventJson({ ...EVENT, data: "{no json" }))).toMatchObject({
      data: "{no json",
    });
    expect(JSON.parse(eventJson({ ...EVENT, data: { a: 1 } }))).toMatchObject({ data: { a: 1 } });
  });

  test("is one line", () => {
    expect(eventJson({ ...EVENT, data: "a\nb" })).not.toContain("\n");
  });
});

describe("printable", () => {
  test("leaves letters of all scripts alone", () => {
    expect(printable("Grüße, 世界 🎪")).toBe("Grüße, 世界 🎪");
  });

  test("escapes controls and line separators", () => {
    expect(printable("\t\r\n\u0000\u007f\u2028")).toBe("\\t\\r\\n\\u0000\\u007f\\u2028");
  });
});

describe("tables", () => {
  test("have columns as wide as their widest cell, counted as a terminal does", () => {
    expect(
      table([
        ["A", "B"],
        ["世界", "1"],
        ["x", ""],
      ]),
    ).toBe("A     B\n世界  1\nx\n");
  });

  test("of channels have a column for each attribute that one of them has", () => {
    const channels = { demo: {}, "presence-a": { user_count: 2, subscription_count: 3 } };
    expect(attributeTable(channels)).toBe(
      "CHANNEL     USER_COUNT  SUBSCRIPTION_COUNT\ndemo        -           -\npresence-a  2           3\n",
    );
  });

  test("take the empty arrays that PHP writes for empty objects", () => {
    expect(attributeTable({ demo: [] })).toBe("CHANNEL\ndemo\n");
  });
});

describe("after a close, as pusher-js", () => {
  test.each([
    [1000, 1000],
    [1006, 1000],
    [3999, 1000],
    [4000, undefined],
    [4001, undefined],
    [4099, undefined],
    [4100, 1000],
    [4199, 1000],
    [4200, 0],
    [4299, 0],
    [4300, undefined],
  ])("with %d it tries again after %p ms", (code, delayMs) => {
    expect(reconnectDelayMs(code)).toBe(delayMs);
  });
});
