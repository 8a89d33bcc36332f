import { formatIpAddress, IPV6_GROUPS, mappedIpv4, parseIpAddress } from "./ip-address.ts";
import { isInNetwork, parseIpNetwork, type IpNetwork } from "./ip-network.ts";

/** Either the address to dial, or why it must not be dialled. */
export type Verdict =
  | { readonly dial: string; readonly refused?: never }
  | { readonly refused: string; readonly dial?: never };

/** IPv6 unicast that is routed: nothing outside of it passes, whatever will be assigned there. */
const GLOBAL_IPV6 = parseIpNetwork("2000::/3");

/**
 * What is inside the unicast space and still no public machine. The more telling of two that overlap comes first.
 *
 * An IPv6 address that carries an IPv4 address is refused whatever it carries: which gateway would unpack it, and where
 * that one stands, cannot be known here.
 */
const SPECIAL: readonly { readonly network: IpNetwork; readonly name: string }[] = [
  ["169.254.169.254/32", "cloud metadata"],
  ["168.63.129.16/32", "cloud metadata"],
  ["fd00:ec2::254/128", "cloud metadata"],
  ["0.0.0.0/8", "unspecified"],
  ["10.0.0.0/8", "private"],
  ["100.64.0.0/10", "carrier-grade NAT"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["172.16.0.0/12", "private"],
  ["192.0.0.0/24", "protocol assignments"],
  ["192.0.2.0/24", "documentation"],
  ["192.88.99.0/24", "6to4 relays"],
  ["192.168.0.0/16", "private"],
  ["198.18.0.0/15", "benchmarking"],
  ["198.51.100.0/24", "documentation"],
  ["203.0.113.0/24", "documentation"],
  ["224.0.0.0/4", "multicast"],
  ["255.255.255.255/32", "broadcast"],
  ["240.0.0.0/4", "reserved"],
  ["::/128", "unspecified"],
  ["::1/128", "loopback"],
  ["::/96", "IPv4-compatible"],
  ["64:ff9b::/96", "NAT64"],
  ["64:ff9b:1::/48", "NAT64"],
  ["100::/64", "discard"],
  ["2001::/32", "Teredo"],
  ["2001:2::/48", "benchmarking"],
  ["2001:10::/28", "ORCHID"],
  ["2001:20::/28", "ORCHID"],
  ["2001::/23", "protocol assignments"],
  ["2001:db8::/32", "documentation"],
  ["2002::/16", "6to4"],
  ["3fff::/20", "documentation"],
  ["5f00::/16", "segment routing"],
  ["fc00::/7", "unique local"],
  ["fe80::/10", "link-local"],
  ["fec0::/10", "site-local"],
  ["ff00::/8", "multicast"],
].map(([network = "", name = ""]) => ({
  network: parseIpNetwork(network),
  name: `${name}, ${network}`,
}));

/**
 * Says which addresses a webhook may be sent to: public machines, and the networks that the operator allows.
 *
 * A customer writes the URL and owns its name service, so without this the sender would carry requests into the network
 * it stands in. It judges addresses, never names: what is dialled is what was judged.
 */
export class AddressGuard {
  readonly #allowed: readonly IpNetwork[];

  /** Throws where a text is no network (`10.0.0.0/8`). */
  constructor(allowedNetworks: readonly string[]) {
    this.#allowed = allowedNetworks.map(parseIpNetwork);
  }

  judge(text: string): Verdict {
    const address = parseIpAddress(text);
    if (address === undefined) return { refused: "no address" };
    const isAllowed = (wanted: typeof address): boolean =>
      this.#allowed.some((network) => isInNetwork(wanted, network));

    const embedded = mappedIpv4(address);
    if (embedded !== undefined)
      return isAllowed(embedded)
        ? { dial: formatIpAddress(embedded) }
        : { refused: "IPv4-mapped, ::ffff:0:0/96" };

    if (!isAllowed(address)) {
      const special = SPECIAL.find(({ network }) => isInNetwork(address, network));
      if (special !== undefined) return { refused: special.name };
      if (address.length === IPV6_GROUPS && !isInNetwork(address, GLOBAL_IPV6))
        return { refused: "not global, outside 2000::/3" };
    }
    return { dial: formatIpAddress(address) };
  }
}
