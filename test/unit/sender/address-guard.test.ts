import { describe, expect, test } from "bun:test";
import { AddressGuard } from "../../../src/sender/address-guard.ts";
import { destinationOf } from "../../../src/sender/destination.ts";
import { judgeAddresses } from "../../../src/sender/ways.ts";

const guard = new AddressGuard([]);

describe("refused is", () => {
  test.each([
    // The first and the last address of each range, and what makes it one.
    ["0.0.0.0", "unspecified"],
    ["0.255.255.255", "unspecified"],
    ["10.0.0.0", "private"],
    ["10.255.255.255", "private"],
    ["100.64.0.0", "carrier-grade NAT"],
    ["100.100.100.200", "carrier-grade NAT"],
    ["100.127.255.255", "carrier-grade NAT"],
    ["127.0.0.1", "loopback"],
    ["127.255.255.255", "loopback"],
    ["169.254.169.254", "cloud metadata"],
    ["168.63.129.16", "cloud metadata"],
    ["169.254.0.0", "link-local"],
    ["169.254.170.2", "link-local"],
    ["169.254.255.255", "link-local"],
    ["172.16.0.0", "private"],
    ["172.31.255.255", "private"],
    ["192.0.0.0", "protocol assignments"],
    ["192.0.0.192", "protocol assignments"],
    ["192.0.0.255", "protocol assignments"],
    ["192.0.2.0", "documentation"],
    ["192.0.2.255", "documentation"],
    ["192.88.99.1", "6to4"],
    ["192.168.0.0", "private"],
    ["192.168.255.255", "private"],
    ["198.18.0.0", "benchmarking"],
    ["198.19.255.255", "benchmarking"],
    ["198.51.100.0", "documentation"],
    ["198.51.100.255", "documentation"],
    ["203.0.113.0", "documentation"],
    ["203.0.113.255", "documentation"],
    ["224.0.0.0", "multicast"],
    ["239.255.255.255", "multicast"],
    ["240.0.0.0", "reserved"],
    ["255.255.255.254", "reserved"],
    ["255.255.255.255", "broadcast"],
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["::7f00:1", "IPv4-compatible"],
    ["::8.8.8.8", "IPv4-compatible"],
    ["::ffff:127.0.0.1", "IPv4-mapped"],
    ["::ffff:8.8.8.8", "IPv4-mapped"],
    ["::ffff:0:8.8.8.8", "not global"],
    ["64:ff9b::", "NAT64"],
    ["64:ff9b::8.8.8.8", "NAT64"],
    ["64:ff9b:1::", "NAT64"],
    ["64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "NAT64"],
    ["100::", "discard"],
    ["100::ffff:ffff:ffff:ffff", "discard"],
    ["100:0:0:1::1", "not global"],
    ["2001::", "Teredo"],
    ["2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo"],
    ["2001:1::1", "protocol assignments"],
    ["2001:2::1", "benchmarking"],
    ["2001:10::", "ORCHID"],
    ["2001:1f:ffff::1", "ORCHID"],
    ["2001:20::", "ORCHID"],
    ["2001:2f:ffff::1", "ORCHID"],
    ["2001:1ff:ffff::1", "protocol assignments"],
    ["2001:db8::", "documentation"],
    ["2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"],
    ["2002::", "6to4"],
    ["2002:0808:0808::1", "6to4"],
    ["2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4"],
    ["3fff::", "documentation"],
    ["3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"],
    ["4000::1", "not global"],
    ["5f00::1", "segment routing"],
    ["5f00:ffff::", "segment routing"],
    ["fc00::1", "unique local"],
    ["fd00:ec2::254", "cloud metadata"],
    ["fd20:ce::254", "unique local"],
    ["fdff:ffff::1", "unique local"],
    ["fe80::1", "link-local"],
    ["febf:ffff::1", "link-local"],
    ["fec0::1", "site-local"],
    ["feff:ffff::1", "site-local"],
    ["ff02::1", "multicast"],
    ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"],
  ])("%s: %s", (address, name) => {
    const { dial, refused } = guard.judge(address);
    expect(dial).toBeUndefined();
    expect(refused).toStartWith(name);
    expect(refused).toMatch(/[\d:.a-f]+\/\d+$/);
  });

  test.each([
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "8.8.8.08",
    "8.8.8.256",
    "8.8.8.8.",
    "8.8.8.8 ",
    "8.8.8",
    "2600::1%eth0",
    "fe80::1%eth0",
    "2600::1::2",
    "2600:1:2:3:4:5:6",
    "2600:1:2:3:4:5:6:7:8",
    "2600:1:2:3:4:5:6:7::",
    "2600::12345",
    "2600::8.8.8.8:1",
    "8.8.8.8::",
    "[2600::1]",
    ":::",
    ":",
  ])("%p, which is no address", (text) => {
    expect(guard.judge(text)).toEqual({ refused: "no address" });
  });
});

describe("let through is", () => {
  test.each([
    // The neighbours of the ranges above, and addresses that people use.
    ["1.0.0.0", "1.0.0.0"],
    ["8.8.8.8", "8.8.8.8"],
    ["9.255.255.255", "9.255.255.255"],
    ["11.0.0.0", "11.0.0.0"],
    ["100.63.255.255", "100.63.255.255"],
    ["100.128.0.0", "100.128.0.0"],
    ["126.255.255.255", "126.255.255.255"],
    ["128.0.0.0", "128.0.0.0"],
    ["169.253.255.255", "169.253.255.255"],
    ["169.255.0.0", "169.255.0.0"],
    ["172.15.255.255", "172.15.255.255"],
    ["172.32.0.0", "172.32.0.0"],
    ["192.0.1.0", "192.0.1.0"],
    ["192.167.255.255", "192.167.255.255"],
    ["192.169.0.0", "192.169.0.0"],
    ["198.17.255.255", "198.17.255.255"],
    ["198.20.0.0", "198.20.0.0"],
    ["223.255.255.255", "223.255.255.255"],
    ["2000::", "2000:0:0:0:0:0:0:0"],
    ["2001:200::1", "2001:200:0:0:0:0:0:1"],
    ["2001:4860:4860::8888", "2001:4860:4860:0:0:0:0:8888"],
    ["2001:db7:ffff::1", "2001:db7:ffff:0:0:0:0:1"],
    ["2003::1", "2003:0:0:0:0:0:0:1"],
    ["2606:4700::1.1.1.1", "2606:4700:0:0:0:0:101:101"],
    ["3ffe:FFFF::1", "3ffe:ffff:0:0:0:0:0:1"],
    ["3fff:1000::1", "3fff:1000:0:0:0:0:0:1"],
  ])("%s, dialled as %s", (address, dial) => {
    expect(guard.judge(address)).toEqual({ dial });
  });
});

describe("a URL is judged by the host that is dialled", () => {
  test.each([
    "http://2130706433/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0x7f.1/",
    "http://127.1/",
    "http://127.0.0.1./",
    "http://0x7f000001./",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::1]/",
    "http://[0:0::1]/",
    "http://0/",
    "http://[::]/",
    "http://%31%32%37.0.0.1/",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http://8.8.8.8@127.0.0.1/",
    "http://8.8.8.8:80@127.0.0.1:80/",
    "http://8.8.8.8%2f@127.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http:/127.0.0.1/",
    "http:127.0.0.1",
    "\thttp://127.0.\n0.1/",
    "https://[fd00:ec2::254]/latest/meta-data",
  ])("%p is refused", (url) => {
    const destination = destinationOf(url);
    const addresses = destination?.resolution?.addresses;
    expect(addresses).toBeDefined();
    const { ways, refusal } = judgeAddresses(guard, destination!, addresses!);
    expect(ways).toEqual([]);
    expect(refusal).toMatch(/loopback|unspecified|IPv4-mapped|metadata/);
  });

  test("what stands before the host, or looks like one behind it, is not dialled", () => {
    for (const url of ["http://127.0.0.1@8.8.8.8/", "http://8.8.8.8\\@127.0.0.1/"])
      expect(destinationOf(url)?.resolution?.addresses).toEqual(["8.8.8.8"]);
  });

  test.each([
    "ftp://8.8.8.8/",
    "file:///etc/passwd",
    "http://",
    "http://1.2.3.4.5/",
    "8.8.8.8",
    "",
  ])("%p is no destination", (url) => {
    expect(destinationOf(url)).toBeUndefined();
  });
});

describe("the operator's networks", () => {
  test("are let through, and nothing beside them", () => {
    const allowing = new AddressGuard(["10.1.0.0/16", "fd00:1::/32", "127.0.0.1/32"]);
    expect(allowing.judge("10.1.255.255")).toEqual({ dial: "10.1.255.255" });
    expect(allowing.judge("fd00:1::5")).toEqual({ dial: "fd00:1:0:0:0:0:0:5" });
    expect(allowing.judge("127.0.0.1")).toEqual({ dial: "127.0.0.1" });
    for (const refused of ["10.2.0.0", "10.0.255.255", "fd00:2::5", "127.0.0.2", "::1"])
      expect(allowing.judge(refused).dial).toBeUndefined();
    expect(allowing.judge("8.8.8.8")).toEqual({ dial: "8.8.8.8" });
  });

  test("let an IPv4 address in IPv6 clothes through as the plain address it is", () => {
    const allowing = new AddressGuard(["10.0.0.0/8", "::/0"]);
    expect(allowing.judge("::ffff:10.1.2.3")).toEqual({ dial: "10.1.2.3" });
    expect(allowing.judge("::ffff:192.168.0.1").dial).toBeUndefined();
    expect(allowing.judge("::ffff:8.8.8.8").dial).toBeUndefined();
  });

  test("may be everything, and begin anywhere in the network", () => {
    const allowing = new AddressGuard(["0.0.0.0/0", "::/0"]);
    expect(allowing.judge("127.0.0.1").dial).toBe("127.0.0.1");
    expect(allowing.judge("::1").dial).toBe("0:0:0:0:0:0:0:1");
    expect(new AddressGuard(["10.9.8.7/8"]).judge("10.0.0.1").dial).toBe("10.0.0.1");
  });

  test.each([
    "",
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0/8",
    "fd00::/129",
    "fd00::%1/8",
    "a/8",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
  ])("%p is refused as one", (text) => {
    expect(() => new AddressGuard(["127.0.0.0/8", text])).toThrow(`${text} is no network`);
  });
});

test("a name's addresses that pass are used, whatever others it has", () => {
  const destination = destinationOf("https://user:secret@hook.example.com:8443/path?secret")!;
  const addresses = ["10.0.0.1", "8.8.8.8", "::1", "2600::1"];
  expect(judgeAddresses(guard, destination, addresses).ways).toEqual([
    { address: "8.8.8.8", dial: "8.8.8.8", origin: "https://8.8.8.8:8443" },
    { address: "2600::1", dial: "2600:0:0:0:0:0:0:1", origin: "https://[2600:0:0:0:0:0:0:1]:8443" },
  ]);
});

test("why a name is refused says each address and its range, and no secret of the URL", () => {
  const destination = destinationOf("https://user:secret@hook.example.com/path?secret")!;
  expect(judgeAddresses(guard, destination, ["10.0.0.1", "fd00:ec2::254"]).refusal).toBe(
    "hook.example.com: 10.0.0.1 is refused (private, 10.0.0.0/8); " +
      "fd00:ec2::254 is refused (cloud metadata, fd00:ec2::254/128)",
  );
});
