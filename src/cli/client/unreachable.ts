import { CommandFailure } from "./command-failure.ts";
import { printable } from "./printable.ts";

const UNKNOWN_AUTHORITY =
  "its TLS certificate is not from a known authority; name the file with the authority's certificate in NODE_EXTRA_CA_CERTS";

/** For the end of a sentence. */
export const WHETHER_COMPATIBLE = "whether a Pusher-compatible server is behind it";

/** How a command is told where its server is, in words that fit into the sentences below. */
export interface AddressWording {
  readonly sayWhere: string;
  readonly useTls: string;
  readonly leaveTlsOut: string;
  /** What to check where something else answers. */
  readonly whatIsThere: string;
}

const TARGET_WORDING: AddressWording = {
  sayWhere: "say where it is with --url, or --host and --port",
  useTls: "use --tls (or https:// in the URL)",
  leaveTlsOut: "leave --tls out (or write http:// in the URL)",
  whatIsThere: WHETHER_COMPATIBLE,
};

/** By the code of the system or of the TLS library: what is the matter and what to do. */
const EXPLANATIONS: Readonly<Record<string, string | ((wording: AddressWording) => string)>> = {
  ECONNREFUSED: ({ sayWhere }) =>
    `nothing listens there (connection refused); start a server with \`ringmaster serve\`, or ${sayWhere}`,
  ENOTFOUND: "its name is not known (DNS); check the spelling of the host",
  EAI_AGAIN:
    "its name cannot be looked up now (DNS); check the network, and the spelling of the host",
  EHOSTUNREACH: "there is no route to the host; check the address and the network",
  ENETUNREACH: "there is no route to its network; check the address and the network",
  ETIMEDOUT: "it does not answer; check the address, and whether a firewall is in between",
  ECONNRESET: ({ useTls }) =>
    `it closed the connection without an answer; if that port speaks TLS, ${useTls}`,
  EPROTO: ({ leaveTlsOut }) =>
    `that port does not speak TLS; ${leaveTlsOut}, or use the port that does`,
  CERT_HAS_EXPIRED: "its TLS certificate has expired; renew it",
  CERT_NOT_YET_VALID: "its TLS certificate is not valid yet; check the clocks of both machines",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "its TLS certificate is for another host name; use the name that the certificate was issued for",
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
};

/** The failure to reach a server: `address` is its URL without credentials, `cause` what the runtime threw. */
export function unreachable(
  address: string,
  cause: unknown,
  wording = TARGET_WORDING,
): CommandFailure {
  const code = codeOf(cause);
  const explained = code === undefined ? undefined : EXPLANATIONS[code];
  const explanation = typeof explained === "function" ? explained(wording) : explained;
  const told = cause instanceof Error ? cause.message : "the connection failed";
  const status = /Expected 101 status code: (\d+)/.exec(told)?.[1];
  if (status !== undefined) {
    return new CommandFailure(
      `${address} answered ${status} in place of opening a WebSocket; check the path prefix, and ${wording.whatIsThere}`,
      { cause },
    );
  }
  return new CommandFailure(`cannot reach ${address}: ${explanation ?? printable(told)}`, {
    cause,
  });
}

/** The failure of a server that took the connection and then said nothing. */
export function unanswered(
  address: string,
  timeoutMs: number,
  { whatIsThere } = TARGET_WORDING,
): CommandFailure {
  return new CommandFailure(
    `${address} did not answer within ${timeoutMs / 1000} s; check the address, and ${whatIsThere}`,
  );
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined;
}
