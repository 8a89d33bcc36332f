/** Where a request came from, seen through the proxies before us. */
export interface Origination {
  readonly clientAddress: string;
  readonly secure: boolean;
}

/**
 * Reads the client's address and scheme.
 *
 * Each proxy appends to X-Forwarded-For the address it was called from, so with one trusted proxy the last entry is the
 * client, with two the last but one; what stands further left was written by someone we do not trust. With no trusted
 * proxy the headers count for nothing. X-Forwarded-Proto is read at the same place, or as it is where a proxy sets a
 * single value.
 */
export function originationOf(
  headers: { get(name: string): string | null },
  peer: { readonly address: string; readonly secure: boolean },
  trustedHops: number,
): Origination {
  if (trustedHops === 0) return { clientAddress: peer.address, secure: peer.secure };
  const address = atHop(headers.get("x-forwarded-for"), trustedHops) ?? peer.address;
  const proto = atHop(headers.get("x-forwarded-proto"), trustedHops)?.toLowerCase();
  return {
    clientAddress: address,
    secure: proto === undefined ? peer.secure : proto === "https" || proto === "wss",
  };
}

function atHop(header: string | null, trustedHops: number): string | undefined {
  if (header === null) return undefined;
  const entries = header.split(",").map((entry) => entry.trim());
  return entries[Math.max(0, entries.length - trustedHops)] || undefined;
}
