import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { AddressGuard } from "../../src/sender/address-guard.ts";
import {
  formatIpAddress,
  IPV4_GROUPS,
  IPV6_GROUPS,
  parseIpAddress,
  type IpAddress,
} from "../../src/sender/ip-address.ts";
import { isInNetwork, parseIpNetwork } from "../../src/sender/ip-network.ts";
import { whyNoHelm } from "./support/helm.ts";
import { ONE_APP, Release } from "./support/release.ts";

interface Peer {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

interface Rule {
  readonly to?: readonly Peer[];
  readonly from?: readonly object[];
  readonly ports?: readonly { readonly port: string | number; readonly protocol: string }[];
}

function rulesOf(release: Release, part: string, direction: "ingress" | "egress"): readonly Rule[] {
  const { spec } = release.one("NetworkPolicy", `-${part}`) as unknown as {
    spec: { policyTypes: string[]; ingress?: Rule[]; egress?: Rule[] };
  };
  expect(spec.policyTypes).toEqual(["Ingress", "Egress"]);
  return spec[direction] ?? [];
}

/** Whether the rule for webhooks, the one that lets any port through, lets this address through. */
function letsThrough(release: Release, address: IpAddress): boolean {
  const rule = rulesOf(release, "sender", "egress").find(({ ports }) => ports === undefined);
  return (rule?.to ?? []).some(({ ipBlock }) => {
    if (ipBlock === undefined) return false;
    const isIn = (network: string): boolean => isInNetwork(address, parseIpNetwork(network));
    return isIn(ipBlock.cidr) && !(ipBlock.except ?? []).some(isIn);
  });
}

const groups = (count: number): fc.Arbitrary<IpAddress> =>
  fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: count, maxLength: count });

describe.skipIf(whyNoHelm() !== undefined)("the sender's NetworkPolicy", () => {
  const release = Release.of(ONE_APP);
  const guard = new AddressGuard([]);

  // Both sides of every border that either of them draws. The guard's are read off its source: it tells nobody its list.
  const source = readFileSync(
    new URL("../../src/sender/address-guard.ts", import.meta.url),
    "utf8",
  );
  const guarded = [...source.matchAll(/"([0-9a-f.:]+\/[0-9]+)"/g)].map(
    ([, network]) => network ?? "",
  );
  const drawn = rulesOf(release, "sender", "egress")
    .flatMap(({ to }) => to ?? [])
    .flatMap(({ ipBlock }) =>
      ipBlock === undefined ? [] : [ipBlock.cidr, ...(ipBlock.except ?? [])],
    );
  const borders = [...new Set([...guarded, ...drawn])].flatMap((network) => {
    const [text = "", bits = "0"] = network.split("/");
    const first = parseIpAddress(text) as IpAddress;
    const last = lastOf(first, Number(bits));
    return [first, last, moved(first, -1), moved(last, 1)];
  });

  test("lets through exactly what the address guard would dial", () => {
    expect(guarded.length).toBeGreaterThan(35);
    expect(drawn.length).toBeGreaterThan(20);
    const addresses = fc.oneof(
      fc.constantFrom(...borders),
      groups(IPV4_GROUPS),
      groups(IPV6_GROUPS),
      groups(IPV6_GROUPS - 1).map((rest) => [0x2001, ...rest]),
      groups(IPV6_GROUPS - 2).map((rest) => [0x2001, 0, ...rest]),
    );
    fc.assert(
      fc.property(addresses, (address) => {
        const text = formatIpAddress(address);
        const isDialled = guard.judge(text).refused === undefined;
        expect(`${text} ${letsThrough(release, address)}`).toBe(`${text} ${isDialled}`);
      }),
      { numRuns: 3_000 },
    );
    for (const address of borders)
      expect(letsThrough(release, address)).toBe(
        guard.judge(formatIpAddress(address)).refused === undefined,
      );
  });

  test.each([
    "169.254.169.254",
    "168.63.129.16",
    "fd00:ec2::254",
    "10.96.0.1",
    "172.20.0.10",
    "192.168.1.1",
    "100.64.0.1",
    "127.0.0.1",
    "::1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
  ])("stops %s", (text) => {
    expect(letsThrough(release, parseIpAddress(text) as IpAddress)).toBe(false);
  });

  test("has what its values allow and deny, as the guard has the former", () => {
    const other = Release.ofFile("gateway");
    expect(other.environment("sender")["RINGMASTER_SENDER_ALLOWED_NETWORKS"]).toBe(
      "10.20.0.0/16,fd00:20::/32",
    );
    const isLet = (text: string): boolean => letsThrough(other, parseIpAddress(text) as IpAddress);
    expect(["10.20.3.4", "fd00:20::1", "8.8.8.8", "2a00::1"].map(isLet)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(["10.21.0.1", "fd00:21::1", "52.95.1.1", "2600:1f00::1"].map(isLet)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe.skipIf(whyNoHelm() !== undefined)("NetworkPolicies", () => {
  test("let channels and packagers out to names and Redis alone", () => {
    const release = Release.of(ONE_APP);
    for (const part of ["channels", "packager"]) {
      const rules = rulesOf(release, part, "egress");
      expect(rules.map(({ ports }) => ports?.map(({ port }) => port))).toEqual([
        [53, 53],
        ["redis"],
      ]);
      expect(rules.every(({ to }) => to !== undefined && to.length > 0)).toBe(true);
    }
  });

  test("let everybody at the sockets, and few at the operations port", () => {
    const release = Release.of(ONE_APP);
    const [sockets, ops, ...others] = rulesOf(release, "channels", "ingress");
    expect(sockets).toEqual({ ports: [{ protocol: "TCP", port: "channels" }] });
    expect(ops?.ports).toEqual([{ protocol: "TCP", port: "ops" }]);
    expect(ops?.from).toEqual([
      { podSelector: {} },
      { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } },
      { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "keda" } } },
    ]);
    expect(others).toEqual([]);
    for (const part of ["packager", "sender"])
      expect(rulesOf(release, part, "ingress")).toEqual([ops as Rule]);
  });

  test("let nobody at the operations port, where the values say so", () => {
    const release = Release.of(ONE_APP, { networkPolicy: { opsFrom: [] } });
    expect(rulesOf(release, "sender", "ingress")).toEqual([]);
    expect(rulesOf(release, "channels", "ingress").length).toBe(1);
  });

  test("are left out, where the values say so", () => {
    expect(Release.ofFile("minimal").all("NetworkPolicy")).toEqual([]);
  });
});

function lastOf(first: IpAddress, bits: number): IpAddress {
  return first.map((group, index) => {
    const own = Math.min(16, Math.max(0, bits - index * 16));
    return group | (0xffff >> own);
  });
}

/** To the next address, or the one before; round the end. */
function moved(address: IpAddress, by: 1 | -1): IpAddress {
  const groupsOf = [...address];
  for (let index = groupsOf.length - 1; index >= 0; index--) {
    const group = ((groupsOf[index] ?? 0) + by) & 0xffff;
    groupsOf[index] = group;
    if (group !== (by === 1 ? 0 : 0xffff)) break;
  }
  return groupsOf;
}
