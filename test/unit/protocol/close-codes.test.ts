import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  CLOSE,
  closeFrameReason,
  unknownKey,
  type CloseReason,
} from "../../../src/protocol/close-codes.ts";

const MAX_REASON_BYTES = 123;

describe("the close codes of the contract, section 1.7", () => {
  const table: [CloseReason, number, string][] = [
    [CLOSE.tlsRequired, 4000, "Application only accepts SSL connections, reconnect using wss://"],
    [
      unknownKey("X"),
      4001,
      "App key X not in this cluster. Did you forget to specify the cluster?",
    ],
    [CLOSE.appDisabled, 4003, "Application disabled"],
    [CLOSE.overQuota, 4004, "Account over quota"],
    [CLOSE.pathNotFound, 4005, "Path not found"],
    [CLOSE.invalidVersion, 4006, "Invalid version string format"],
    [CLOSE.unsupportedProtocol, 4007, "Unsupported protocol version"],
    [CLOSE.noProtocol, 4008, "No protocol version supplied"],
    [CLOSE.notAuthorizedInTime, 4009, "Connection not authorized within timeout"],
    [CLOSE.originNotAllowed, 4009, "Connection not authorized: origin not allowed"],
    [CLOSE.terminated, 4009, "Connection terminated by the application"],
    [CLOSE.overCapacity, 4100, "Over capacity"],
    [CLOSE.reconnect, 4200, "Please reconnect immediately"],
    [CLOSE.pongNotReceived, 4201, "Pong reply not received"],
    [CLOSE.inactive, 4202, "Closed after inactivity"],
  ];
  test.each(table.map(([reason, code, text]) => [code, text, reason] as const))(
    "%d %s",
    (code, text, reason) => {
      expect(reason).toEqual({ code, text });
    },
  );

  test("are all in this table", () => {
    expect(Object.keys(CLOSE)).toHaveLength(table.length - 1);
  });

  test("never include one of 4300 and above, at which pusher-js gives up for good", () => {
    for (const { code } of Object.values(CLOSE)) {
      expect(code).toBeGreaterThanOrEqual(4000);
      expect(code).toBeLessThan(4300);
    }
  });

  test("have texts that fit into a close frame uncut", () => {
    for (const { text } of Object.values(CLOSE)) expect(closeFrameReason(text)).toBe(text);
  });
});

describe("closeFrameReason", () => {
  test("cuts at 123 bytes, not characters", () => {
    expect(closeFrameReason("a".repeat(123))).toBe("a".repeat(123));
    expect(closeFrameReason("a".repeat(124))).toBe("a".repeat(123));
    expect(closeFrameReason("ü".repeat(62))).toBe("ü".repeat(61));
    expect(closeFrameReason(`a${"ü".repeat(61)}`)).toBe(`a${"ü".repeat(61)}`);
    expect(closeFrameReason(`${"a".repeat(121)}😀`)).toBe("a".repeat(121));
  });

  test("answers the longest prefix in whole characters that fits, for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 0, maxLength: 200 }), (text) => {
        const cut = closeFrameReason(text);
        expect(text.startsWith(cut)).toBe(true);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(MAX_REASON_BYTES);
        expect(cut.isWellFormed()).toBe(true);
        if (cut !== text) {
          const next = String.fromCodePoint(text.codePointAt(cut.length)!);
          expect(Buffer.byteLength(cut + next)).toBeGreaterThan(MAX_REASON_BYTES);
        }
      }),
    );
  });

  test("never throws nor overflows for text that is not well-formed", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0xd7f0, max: 0xe010 }), { maxLength: 200 }),
        (units) => {
          const cut = closeFrameReason(String.fromCharCode(...units));
          expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(MAX_REASON_BYTES);
        },
      ),
    );
  });
});
