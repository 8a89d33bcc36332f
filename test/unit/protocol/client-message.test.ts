import { describe, expect, test } from "bun:test";
import {
  echo,
  parseClientMessage,
  type ParsedMessage,
} from "../../../src/protocol/client-message.ts";

const invalid = (message: string): ParsedMessage => ({ kind: "invalid", message });

describe("a message of the contract, section 1.5, is understood", () => {
  test.each<[string, ParsedMessage]>([
    ['{"event":"pusher:ping","data":{}}', { kind: "ping" }],
    ['{"event":"pusher:ping"}', { kind: "ping" }],
    ['{"event":"pusher:pong","data":{}}', { kind: "pong" }],
    ['{"event":"pusher:pong","data":"{}"}', { kind: "pong" }],
    [
      '{"event":"pusher:subscribe","data":{"channel":"c","auth":"k:s","channel_data":"{}"}}',
      { kind: "subscribe", channel: "c", auth: "k:s", channelData: "{}" },
    ],
    [
      '{"event":"pusher:subscribe","data":{"auth":"","channel":"c"}}',
      { kind: "subscribe", channel: "c", auth: "", channelData: undefined },
    ],
    [
      '{"event":"pusher:subscribe","data":{"channel":"c"}}',
      { kind: "subscribe", channel: "c", auth: undefined, channelData: undefined },
    ],
    [
      '{"event":"pusher:unsubscribe","data":{"channel":"c"}}',
      { kind: "unsubscribe", channel: "c" },
    ],
    [
      '{"event":"pusher:signin","data":{"auth":"k:s","user_data":"{\\"id\\":\\"1\\"}"}}',
      { kind: "signin", auth: "k:s", userData: '{"id":"1"}' },
    ],
    [
      '{"event":"client-foo","data":{"a":1},"channel":"private-x"}',
      { kind: "client-event", event: "client-foo", channel: "private-x", data: '{"a":1}' },
    ],
    [
      '{"event":"client-foo","data":"text","channel":"private-x"}',
      { kind: "client-event", event: "client-foo", channel: "private-x", data: "text" },
    ],
    [
      '{"event":"client-foo","data":null,"channel":"private-x"}',
      { kind: "client-event", event: "client-foo", channel: "private-x", data: "null" },
    ],
  ])("%s", (frame, message) => {
    expect(parseClientMessage(frame)).toEqual(message);
  });
});

describe("a faulty message is answered in the hosted server's words", () => {
  test.each<[string, string]>([
    ["", "Received invalid JSON"],
    ["{", "Received invalid JSON"],
    ["null", "Received invalid JSON"],
    ["7", "Received invalid JSON"],
    ['"pusher:ping"', "Received invalid JSON"],
    ['["pusher:ping"]', "Received invalid JSON"],
    ['{"data":{}}', "Received invalid JSON"],
    ['{"event":7}', "Received invalid JSON"],
    ['{"event":["pusher:ping"]}', "Received invalid JSON"],
    [
      '{"event":"client-x","channel":"private-x"}',
      "Invalid client event (must contain channel and data)",
    ],
    ['{"event":"client-x","data":{}}', "Invalid client event (must contain channel and data)"],
    [
      '{"event":"client-x","channel":7,"data":{}}',
      "Invalid client event (must contain channel and data)",
    ],
    ['{"event":"pusher:foo","data":{}}', "Unsupported event received on socket: pusher:foo"],
    [
      '{"event":"pusher_internal:member_added","data":"{}","channel":"presence-x"}',
      "Unsupported event received on socket: pusher_internal:member_added",
    ],
    ['{"event":"foo"}', "Unsupported event received on socket: foo"],
    [
      '{"event":"foo","channel":"private-x","data":{}}',
      "Client event rejected - client events must be prefixed by 'client-'",
    ],
    [
      '{"event":" client-x","channel":"private-x","data":{}}',
      "Client event rejected - client events must be prefixed by 'client-'",
    ],
    ['{"event":"pusher:subscribe"}', "Invalid subscribe: must contain channel"],
    [
      '{"event":"pusher:subscribe","data":"{\\"channel\\":\\"c\\"}"}',
      "Invalid subscribe: must contain channel",
    ],
    [
      '{"event":"pusher:subscribe","data":{"channel":["c"]}}',
      "Invalid subscribe: must contain channel",
    ],
    ['{"event":"pusher:unsubscribe","data":{}}', "Invalid unsubscribe: must contain channel"],
    [
      '{"event":"pusher:signin","data":{"auth":"k:s"}}',
      "Invalid signin: must contain auth and user_data",
    ],
    [
      '{"event":"pusher:signin","data":{"auth":"k:s","user_data":{"id":"1"}}}',
      "Invalid signin: must contain auth and user_data",
    ],
  ])("%s", (frame, message) => {
    expect(parseClientMessage(frame)).toEqual(invalid(message));
  });

  test("which repeats no more than 200 characters of what was sent", () => {
    const parsed = parseClientMessage(JSON.stringify({ event: `pusher:${"x".repeat(50_000)}` }));
    expect(parsed).toEqual(
      invalid(`Unsupported event received on socket: pusher:${"x".repeat(193)}…`),
    );
    expect(echo("y".repeat(200))).toBe("y".repeat(200));
  });
});

test("names that every object inherits are not mistaken for fields", () => {
  expect(
    parseClientMessage('{"event":"pusher:subscribe","data":{"__proto__":{"channel":"c"}}}'),
  ).toEqual(invalid("Invalid subscribe: must contain channel"));
  expect(parseClientMessage('{"__proto__":{"event":"pusher:ping"}}')).toEqual(
    invalid("Received invalid JSON"),
  );
});

describe("nesting", () => {
  const nested = (levels: number, open = "[", close = "]"): string =>
    `{"event":"client-x","channel":"private-x","data":${open.repeat(levels)}0${close.repeat(levels)}}`;

  test("of 900 levels passes as it is", () => {
    const parsed = parseClientMessage(nested(900));
    expect(parsed).toMatchObject({
      kind: "client-event",
      data: `${"[".repeat(900)}0${"]".repeat(900)}`,
    });
  });

  test.each([
    ["arrays", nested(32_000)],
    ["objects", nested(10_000, '{"a":', "}")],
    ["a little more than allowed", nested(1_100)],
  ])(
    "of %s, deeper than a message has reason to be, is refused: to write it again would take a second",
    (_what, frame) => {
      expect(parseClientMessage(frame)).toEqual(
        invalid("Client event rejected - data is nested too deep"),
      );
    },
  );

  test("is not what brackets in a text make", () => {
    const data = { brackets: '[{"\\'.repeat(2_000) };
    const parsed = parseClientMessage(
      JSON.stringify({ event: "client-x", channel: "private-x", data }),
    );
    expect(parsed).toMatchObject({ kind: "client-event", data: JSON.stringify(data) });
  });

  test("that is wide but not deep passes", () => {
    const data = Array.from({ length: 5_000 }, () => [{}]);
    const parsed = parseClientMessage(
      JSON.stringify({ event: "client-x", channel: "private-x", data }),
    );
    expect(parsed).toMatchObject({ kind: "client-event", data: JSON.stringify(data) });
  });
});
