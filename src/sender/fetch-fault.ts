import type { WebhookReply } from "./transport.ts";

export type FailureResult = Extract<WebhookReply, { kind: "failure" }>["result"];

/** What a fetch that failed means. */
export interface FetchFault {
  readonly result: FailureResult;
  /** For people. Never Bun's own message: it repeats the URL, and a URL may hold a customer's secret. */
  readonly detail: string;
  /** No connection came about, so nothing was sent: another address may be tried. */
  readonly isUnsent: boolean;
  /** The connection broke: what a kept one does that the receiver had closed meanwhile. */
  readonly isBroken: boolean;
}

/** This machine has no way there, no port or no socket left, or is not let out. */
const EGRESS: Readonly<Record<string, string>> = {
  ENETUNREACH: "this machine has no route there",
  ENETDOWN: "this machine's network is down",
  EADDRNOTAVAIL: "this machine has no local port left",
  EMFILE: "this process has no file descriptor left",
  ENFILE: "this machine has no file descriptor left",
  ENOBUFS: "this machine has no buffer space left",
  ENOMEM: "this machine has no memory left",
  EACCES: "this machine's routing forbids it",
  EPERM: "this machine's firewall forbids it",
  EINVAL: "this machine's routing drops it",
};

const TLS: Readonly<Record<string, string>> = {
  EPROTO:
    "the TLS handshake failed: it speaks no TLS here, only an old one, or wants another certificate of ours",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another name",
  CERT_HAS_EXPIRED: "the certificate has expired",
  CERT_NOT_YET_VALID: "the certificate is not valid yet",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is signed by itself",
  SELF_SIGNED_CERT_IN_CHAIN: "the certificate is signed by an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT: "the certificate is signed by an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the certificate is signed by an unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate is signed by an unknown authority",
};

/** Every other code of the TLS library, which has some seventy reasons to refuse a certificate. */
const OTHER_TLS =
  /TLS|SSL|CERT|CRL|SIGN|ISSUER|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH|INVALID_PURPOSE|VIOLATION|EXTENSION|POLICY/;

const CONNECTION: Readonly<Record<string, string>> = {
  ECONNRESET: "the connection was closed before the answer was complete",
  EPIPE: "the connection was closed before the request was sent",
  Malformed_HTTP_Response: "what came is no HTTP",
  InvalidHTTPResponse: "what came is no HTTP",
  InvalidContentLength: "the answer has no valid content-length",
  ResponseHeadersTooLarge: "the answer's headers are too large",
  UnrequestedUpgrade: "it changed to another protocol",
};

/** What we end ourselves. */
export const BROKEN_OFF: Readonly<Record<"timeout" | "shutdown", FetchFault>> = {
  timeout: sent("timeout", "no complete answer in time"),
  shutdown: sent("shutdown", "the sender was stopped before the answer came"),
};

/**
 * Reads the code of a rejected fetch. All codes that Bun 1.4.5 was seen to give for a real peer are in the tests.
 *
 * `EHOSTUNREACH` is said by the last router before a machine that is off, and by ours when our own way out is gone. It is
 * the machine's fault when others answered lately.
 */
export function fetchFault(error: unknown, othersAnswer: boolean): FetchFault {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ECONNREFUSED") return unsent("refused", "nobody listens");
  if (code === "EHOSTUNREACH" || code === "EHOSTDOWN")
    return othersAnswer
      ? unsent("refused", "the machine cannot be reached")
      : unsent("egress", "the machine cannot be reached, and nobody else answered lately");
  if (code === "ETIMEDOUT") return sent("timeout", "no connection in time");
  const egress = EGRESS[code];
  if (egress !== undefined) return unsent("egress", egress);
  const tls = TLS[code];
  if (tls !== undefined) return sent("tls", tls);
  if (OTHER_TLS.test(code)) return sent("tls", `the certificate was refused (${code})`);
  const connection = CONNECTION[code];
  if (connection !== undefined)
    return {
      ...sent("connection", connection),
      isBroken: code === "ECONNRESET" || code === "EPIPE",
    };
  if (code === "") return sent("connection", "the request could not be made; is a header invalid?");
  return sent("connection", `the connection failed (${code})`);
}

function unsent(result: FailureResult, detail: string): FetchFault {
  return { result, detail, isUnsent: true, isBroken: false };
}

function sent(result: FailureResult, detail: string): FetchFault {
  return { result, detail, isUnsent: false, isBroken: false };
}
