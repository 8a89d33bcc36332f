import type { Peer } from "./connection.ts";

/** What `Bun.connect` says of nearly all that keeps a connection from coming about, whatever the system said. */
export const AMBIGUOUS = "ECONNREFUSED";
const UNREACHABLE = "EHOSTUNREACH";

/**
 * Why a connection did not come about, where `Bun.connect` does not tell. Ours and theirs must be told apart: a machine that
 * has no way out must not use up a customer's attempts.
 *
 * Two that do tell are asked, and nothing of the webhook is in either: a UDP socket, which sends nothing and shows what
 * this machine itself lacks (a route, a file descriptor); then a `fetch`, which repeats the connecting and shows what the
 * network said. Should it come about this time, it is given up in the TLS handshake, which trusts nobody.
 */
export async function connectErrorOf(
  { address, port }: Peer,
  signal: AbortSignal,
): Promise<string> {
  return (await errorOfUdp(address, port)) ?? (await errorOfFetch(address, port, signal));
}

async function errorOfUdp(address: string, port: number): Promise<string | undefined> {
  // Without it the socket is one of IPv4, whatever it is to be connected to.
  const hostname = address.includes(":") ? "::" : "0.0.0.0";
  try {
    const socket = await Bun.udpSocket({ hostname, connect: { hostname: address, port } });
    socket.close();
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

async function errorOfFetch(address: string, port: number, signal: AbortSignal): Promise<string> {
  const host = address.includes(":") ? `[${address}]` : address;
  try {
    await fetch(`https://${host}:${port}/`, {
      tls: {
        rejectUnauthorized: true,
        checkServerIdentity: () => new Error("nobody is trusted here"),
      },
      keepalive: false,
      proxy: false,
      redirect: "manual",
      signal,
    });
    return AMBIGUOUS;
  } catch (error) {
    // Who refuses says so at once; what is silent this time was silence before.
    if (signal.aborted) return UNREACHABLE;
    const code = codeOf(error);
    return code !== undefined && NETWORK.test(code) ? code : AMBIGUOUS;
  }
}

/** Errors of `connect(2)`. Others come from a connection that came about after all. */
const NETWORK =
  /^(?:EHOST|ENET|EADDR|EAFNOSUPPORT|EMFILE|ENFILE|ENOBUFS|ENOMEM|EACCES|EPERM|EINVAL)/;

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
