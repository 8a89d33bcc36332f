import type { Lookup } from "./resolver.ts";

/** What c-ares says of a name that is not there, or has no address. */
const NO_ADDRESS = new Set(["DNS_ENOTFOUND", "DNS_ENODATA"]);

/**
 * The name service of this machine: its hosts file, its search domains, its name servers.
 *
 * By c-ares: the C library's own look-up holds one of a few threads for as long as a name server is silent, so some twenty
 * dead names would stop all others; and it hides how long an answer may be kept.
 */
export const systemLookup: Lookup = async (name) => {
  try {
    const found = await Bun.dns.lookup(name, { backend: "c-ares" });
    return found.map(({ address, ttl }) => ({ address, ttlMs: ttl * 1_000 }));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (NO_ADDRESS.has(code)) return [];
    throw error;
  }
};
