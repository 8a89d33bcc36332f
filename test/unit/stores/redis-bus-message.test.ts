import { describe, expect, test } from "bun:test";
import type { BusMessage, FrameMessage } from "../../../src/channels/ports/bus.ts";
import { decode, encode } from "../../../src/stores/redis/channels/bus-message.ts";

const FRAME: FrameMessage = {
  kind: "frame",
  appId: "1",
  channel: "c",
  source: "api",
  frame: "{}",
  exceptSocketId: undefined,
};

describe("a message of the Bus as text", () => {
  test.each<[text: string, message: BusMessage]>([
    ["fa\t\n{}", FRAME],
    ["fc\t1.2\n{}", { ...FRAME, source: "client", exceptSocketId: "1.2" }],
    ["fr\t\n{}", { ...FRAME, source: "roster" }],
    ["fa\t\n", { ...FRAME, frame: "" }],
    ["fa\t\nt\nfa\t\n", { ...FRAME, frame: "t\nfa\t\n" }],
    ["t\na\nb", { kind: "terminate", appId: "1", channel: "c", userId: "a\nb" }],
    ["t\n", { kind: "terminate", appId: "1", channel: "c", userId: "" }],
  ])("is %j, there and back", (text, message) => {
    expect(encode(message)).toBe(text);
    expect(decode("1", "c", text)).toEqual(message);
  });

  test.each(["", "f", "fa", "fa\t", "fx\t\n{}", "f\t\n{}", "g\n", "t", "tt\nu", "\n", "x\nfa\t\n"])(
    "that is no version's we know is nothing: %j",
    (text) => {
      expect(decode("1", "c", text)).toBeUndefined();
    },
  );
});
