import type { AddressGuard } from "./address-guard.ts";
import type { Destination } from "./destination.ts";

/** One address of a destination that the guard lets through. */
export interface Way {
  /** As the resolver knows it. */
  readonly address: string;
  /** The same, as it is dialled. */
  readonly dial: string;
  /** Scheme, address and port, for people. */
  readonly origin: string;
}

export interface Ways {
  /** The addresses that were judged. */
  readonly addresses: readonly string[];
  readonly ways: readonly Way[];
  /** Why there is no way, when there is none. */
  readonly refusal: string;
}

export function judgeAddresses(
  guard: AddressGuard,
  { isSecure, port, name }: Destination,
  addresses: readonly string[],
): Ways {
  const ways: Way[] = [];
  const refusals: string[] = [];
  for (const address of addresses) {
    const { dial, refused } = guard.judge(address);
    if (dial === undefined) {
      refusals.push(name === address ? refused : `${address} is refused (${refused})`);
      continue;
    }
    const host = dial.includes(":") ? `[${dial}]` : dial;
    ways.push({ address, dial, origin: `${isSecure ? "https" : "http"}://${host}:${port}` });
  }
  return { addresses, ways, refusal: `${name}: ${refusals.join("; ")}` };
}
