import { describe, expect, test } from "bun:test";
import { isOriginAllowed } from "../../../src/protocol/origin.ts";

describe("isOriginAllowed", () => {
  test.each<[origin: string | null, allowed: readonly string[] | null, isAllowed: boolean]>([
    ["https://a.example.com", null, true],
    ["https://a.example.com", [], false],
    [null, [], true],
    [null, ["a.example.com"], true],
    ["https://a.example.com", ["a.example.com"], true],
    ["http://a.example.com:8080", ["a.example.com"], true],
    ["https://A.Example.COM", ["a.example.com"], true],
    ["https://a.example.com", ["A.EXAMPLE.com"], true],
    ["https://b.example.com", ["a.example.com"], false],
    ["https://a.example.com.evil.org", ["a.example.com"], false],
    ["https://evil-a.example.com", ["a.example.com"], false],
    ["https://a.example.com@evil.org", ["a.example.com"], false],
    ["https://evil.org/a.example.com", ["a.example.com"], false],
    ["https://evil.org#a.example.com", ["a.example.com"], false],
    ["https://a.example.com", ["*.example.com"], true],
    ["https://x.y.example.com", ["*.example.com"], true],
    ["https://example.com", ["*.example.com"], false],
    ["https://notexample.com", ["*.example.com"], false],
    ["https://example.com.evil.org", ["*.example.com"], false],
    ["https://example.com", ["example.com", "*.example.com"], true],
    ["https://a.example.com", ["https://a.example.com"], true],
    ["HTTPS://a.example.com", ["https://a.example.com"], true],
    ["http://a.example.com", ["https://a.example.com"], false],
    ["https://a.example.com:8443", ["https://a.example.com"], false],
    ["https://a.example.com:8443", ["https://a.example.com:8443"], true],
    ["https://a.example.com", ["*"], true],
    ["null", ["*"], true],
    ["null", ["null.example.com", "*.null"], false],
    ["", ["a.example.com"], false],
    ["http://localhost:3000", ["localhost"], true],
    ["http://[::1]:3000", ["[::1]"], true],
    ["file://", ["a.example.com"], false],
    ["capacitor://localhost", ["localhost"], true],
  ])("%p against %p: %p", (origin, allowed, isAllowed) => {
    expect(isOriginAllowed(origin, allowed)).toBe(isAllowed);
  });
});
