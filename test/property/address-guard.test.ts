import { isIP } from "node:net";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { AddressGuard } from "../../src/sender/address-guard.ts";
import { formatIpAddress, parseIpAddress } from "../../src/sender/ip-address.ts";
import { isInNetwork, parseIpNetwork } from "../../src/sender/ip-network.ts";

const ipv4 = fc.tuple(fc.nat(0xffff), fc.nat(0xffff));
const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.nat(0xffff));
const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 });
const address = fc.oneof(ipv4, ipv6);
const bits = (groups: readonly number[]) =>
  groups.map((one) => one.toString(2).padStart(16, "0")).join("");

/** The host as the URL standard reads it, without brackets; undefined where it is none. */
function hostOf(text: string): string | undefined {
  const url = `http://${text.includes(":") ? `[${text}]` : text}/`;
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, "") : undefined;
}

test("what is dialled is, for the URL standard too, the very address that was judged", () => {
  const everything = new AddressGuard(["0.0.0.0/0", "::/0"]);
  fc.assert(
    fc.property(address, (groups) => {
      const { dial } = everything.judge(formatIpAddress(groups));
      fc.pre(dial !== undefined);
      expect(parseIpAddress(hostOf(dial!)!)).toEqual(parseIpAddress(dial!)!);
      expect(parseIpAddress(formatIpAddress(groups))).toEqual([...groups]);
    }),
    { numRuns: 2_000 },
  );
});

test("an address is what the runtime takes for one, and read as the URL standard reads it", () => {
  const piece = fc.constantFrom(
    "0",
    "1",
    "7f",
    "127",
    "255",
    "256",
    "08",
    "ffff",
    "12345",
    "::",
    ":",
    ".",
    "x",
  );
  const text = fc.oneof(
    fc.array(piece, { minLength: 1, maxLength: 16 }).map((pieces) => pieces.join("")),
    fc.ipV4(),
    fc.ipV6(),
  );
  let compared = 0;
  fc.assert(
    fc.property(text, (candidate) => {
      const parsed = parseIpAddress(candidate);
      expect(parsed !== undefined).toBe(isIP(candidate) !== 0);
      // Bun's URL refuses a few that end as IPv4: those never come from one.
      const host = hostOf(candidate);
      if (parsed === undefined || host === undefined) return;
      compared++;
      expect(host).toBe(hostOf(formatIpAddress(parsed))!);
    }),
    { numRuns: 20_000 },
  );
  expect(compared).toBeGreaterThan(5_000);
});

test("a network holds exactly the addresses that begin with its bits", () => {
  fc.assert(
    fc.property(address, address, fc.nat(128), (network, other, length) => {
      const prefixBits = Math.min(length, network.length * 16);
      const parsed = parseIpNetwork(`${formatIpAddress(network)}/${prefixBits}`);
      // Half of the addresses are built to be inside: two of chance nearly never are.
      const near = network.map((one, index) => (index < prefixBits / 16 ? one : 0));
      for (const candidate of [other, near, network]) {
        const isInside =
          candidate.length === network.length &&
          bits(candidate).startsWith(bits(network).slice(0, prefixBits));
        expect(isInNetwork(candidate, parsed)).toBe(isInside);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("outside 2000::/3 no IPv6 address passes, and none that carries an IPv4 address", () => {
  const guard = new AddressGuard([]);
  const carrying = fc
    .tuple(
      fc.constantFrom(
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0xffff],
        [0, 0, 0, 0, 0xffff, 0],
        [0x64, 0xff9b, 0, 0, 0, 0],
        [0x64, 0xff9b, 1, 0, 0, 0],
        [0x2001, 0, 0, 0, 0, 0],
      ),
      ipv4,
    )
    .map(([prefix, carried]) => [...prefix, ...carried]);
  const sixToFour = ipv4.map((carried) => [0x2002, ...carried, 0, 0, 0, 0, 1]);
  const outside = ipv6.filter(([first = 0]) => first >> 13 !== 1);
  fc.assert(
    fc.property(fc.oneof(carrying, sixToFour, outside), (groups) => {
      expect(guard.judge(formatIpAddress(groups)).dial).toBeUndefined();
    }),
    { numRuns: 5_000 },
  );
});
