import { describe, expect, test } from "bun:test";
import { originationOf } from "../../../src/channels/forwarded.ts";

const PEER = { address: "10.0.0.1", secure: false };

function seen(
  headers: Record<string, string>,
  trustedHops: number,
  peer = PEER,
): { clientAddress: string; secure: boolean } {
  return originationOf(new Headers(headers), peer, trustedHops);
}

describe("the client's address", () => {
  const chain = { "x-forwarded-for": "6.6.6.6, 1.1.1.1,2.2.2.2" };
  test.each([
    [0, "10.0.0.1"],
    [1, "2.2.2.2"],
    [2, "1.1.1.1"],
    [3, "6.6.6.6"],
  ])("behind %d trusted proxies is the one that the outermost of them saw: %s", (hops, address) => {
    expect(seen(chain, hops).clientAddress).toBe(address);
  });

  test("is not what a client writes itself, however much it writes", () => {
    const forged = { "x-forwarded-for": `${"9.9.9.9, ".repeat(50)}1.2.3.4` };
    expect(seen(forged, 1).clientAddress).toBe("1.2.3.4");
    expect(seen(forged, 0).clientAddress).toBe("10.0.0.1");
  });

  test("differs between two clients behind one proxy", () => {
    expect(seen({ "x-forwarded-for": "1.1.1.1" }, 1)).not.toEqual(
      seen({ "x-forwarded-for": "2.2.2.2" }, 1),
    );
  });

  test("is the peer's where no proxy says anything", () => {
    for (const headers of [{}, { "x-forwarded-for": "" }]) {
      expect(seen(headers as Record<string, string>, 1).clientAddress).toBe("10.0.0.1");
    }
  });
});

describe("whether the client came over TLS", () => {
  test.each<[proto: string | undefined, hops: number, peer: boolean, secure: boolean]>([
    [undefined, 0, true, true],
    [undefined, 1, true, true],
    [undefined, 1, false, false],
    ["https", 0, false, false],
    ["http", 0, true, true],
    ["https", 1, false, true],
    ["HTTPS", 1, false, true],
    ["wss", 1, false, true],
    ["http", 1, true, false],
    ["ws", 1, true, false],
    ["https, http", 1, false, false],
    ["https, http", 2, false, true],
    ["http, https", 1, false, true],
    ["https", 2, false, true],
    ["gopher", 1, true, false],
  ])("X-Forwarded-Proto %p, %d trusted hops, peer over TLS %p: %p", (proto, hops, peer, secure) => {
    const headers = proto === undefined ? {} : { "x-forwarded-proto": proto };
    expect(seen(headers as Record<string, string>, hops, { ...PEER, secure: peer }).secure).toBe(
      secure,
    );
  });
});
