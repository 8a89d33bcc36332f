/** An address as groups of 16 bits: two for IPv4, eight for IPv6. */
export type IpAddress = readonly number[];

export const IPV4_GROUPS = 2;
export const IPV6_GROUPS = 8;

const OCTET = /^(?:0|[1-9]\d{0,2})$/;
const HEX_GROUP = /^[0-9a-f]{1,4}$/i;

/**
 * Reads the one plain form of an IPv4 address (four decimal numbers) and every form of an IPv6 address but those with a
 * zone. The many other ways to write an IPv4 address are no addresses here: in a URL, its parser makes them plain.
 */
export function parseIpAddress(text: string): IpAddress | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** A form that every parser reads alike, so that the address that was checked is the one that is dialled. */
export function formatIpAddress(address: IpAddress): string {
  if (address.length === IPV6_GROUPS) return address.map((group) => group.toString(16)).join(":");
  return address.flatMap((group) => [group >> 8, group & 0xff]).join(".");
}

/** The IPv4 address in `::ffff:a.b.c.d`; undefined for all others. */
export function mappedIpv4(address: IpAddress): IpAddress | undefined {
  const isMapped =
    address.length === IPV6_GROUPS &&
    address[5] === 0xffff &&
    address.slice(0, 5).every((group) => group === 0);
  return isMapped ? address.slice(6) : undefined;
}

function parseIpv4(text: string): IpAddress | undefined {
  const octets = text.split(".");
  if (octets.length !== 4 || !octets.every((octet) => OCTET.test(octet) && Number(octet) <= 255))
    return undefined;
  const [a, b, c, d] = octets.map(Number) as [number, number, number, number];
  return [(a << 8) | b, (c << 8) | d];
}

function parseIpv6(text: string): IpAddress | undefined {
  const halves = text.split("::");
  const [head, tail] = [groupsOf(halves[0] ?? "", halves.length === 1), groupsOf(halves[1] ?? "")];
  if (halves.length > 2 || head === undefined || tail === undefined) return undefined;
  const missing = IPV6_GROUPS - head.length - tail.length;
  if (halves.length === 1) return missing === 0 ? head : undefined;
  // `::` stands for at least one group.
  return missing > 0 ? [...head, ...Array<number>(missing).fill(0), ...tail] : undefined;
}

/** The groups of one side of a `::`. Only the end of the address may be written as IPv4. */
function groupsOf(text: string, isEnd = true): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (HEX_GROUP.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const embedded = isEnd && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (embedded === undefined) return undefined;
    groups.push(...embedded);
  }
  return groups;
}
