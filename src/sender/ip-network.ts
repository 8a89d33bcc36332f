import { parseIpAddress, type IpAddress } from "./ip-address.ts";

/** All addresses that begin with the same bits. */
export interface IpNetwork {
  /** The bits behind the prefix are 0. */
  readonly address: IpAddress;
  readonly prefixBits: number;
}

const GROUP_BITS = 16;

/** Reads `address/bits`; bits of the address behind the prefix are nothing. Throws where it is no network. */
export function parseIpNetwork(text: string): IpNetwork {
  const [, addressText = "", bitsText = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseIpAddress(addressText);
  const prefixBits = Number(bitsText);
  if (address === undefined || prefixBits > address.length * GROUP_BITS)
    throw new Error(`${text} is no network; write one as 10.0.0.0/8 or fd00::/8`);
  return {
    address: address.map((group, index) => group & maskOf(prefixBits, index)),
    prefixBits,
  };
}

export function isInNetwork(address: IpAddress, network: IpNetwork): boolean {
  return (
    address.length === network.address.length &&
    address.every(
      (group, index) => (group & maskOf(network.prefixBits, index)) === network.address[index],
    )
  );
}

/** Which bits of a group belong to the prefix. */
function maskOf(prefixBits: number, group: number): number {
  const bits = Math.min(Math.max(prefixBits - group * GROUP_BITS, 0), GROUP_BITS);
  return (0xffff << (GROUP_BITS - bits)) & 0xffff;
}
