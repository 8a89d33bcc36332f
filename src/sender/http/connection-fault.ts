import type { WebhookReply } from "../transport.ts";
import type { Break } from "./connection.ts";

export type FailureResult = Extract<WebhookReply, { kind: "failure" }>["result"];

/** What it means that a connection carried no answer. */
export interface ConnectionFault {
  readonly result: FailureResult;
  /** For people. */
  readonly detail: string;
  /** No connection came about, so nothing was sent: another address may be tried. */
  readonly isUnsent: boolean;
}

/** This machine has no way there, no port or no socket left, or is not let out. */
const EGRESS: Readonly<Record<string, string>> = {
  ENETUNREACH: "this machine has no route there",
  ENETDOWN: "this machine's network is down",
  EAFNOSUPPORT: "this machine has no such network",
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

/** What a connection does that the other end has closed. */
const CLOSED = new Set(["", "ECONNRESET", "EPIPE"]);

/** It may be that the other end had closed before it saw the request: so does a kept connection that was dead already. */
export function mayHaveBeenDead({ code, isSilent, badAnswer }: Break): boolean {
  return isSilent && badAnswer === undefined && CLOSED.has(code);
}

/**
 * `EHOSTUNREACH` is said by the last router before a machine that is off, and by ours when our own way out is gone. It is
 * the machine's fault when others answered lately.
 */
export function connectionFault(
  { stage, code, badAnswer }: Break,
  othersAnswer: boolean,
): ConnectionFault {
  if (badAnswer !== undefined) return sent("connection", badAnswer);
  if (code === "ETIMEDOUT") return sent("timeout", "no connection in time");
  if (stage === "connecting") return connectFault(code, othersAnswer);
  const tls = TLS[code];
  if (tls !== undefined) return sent("tls", tls);
  if (OTHER_TLS.test(code)) return sent("tls", `the certificate was refused (${code})`);
  if (CLOSED.has(code))
    return sent("connection", "the connection was closed before the answer was complete");
  return sent("connection", `the connection failed (${code})`);
}

function connectFault(code: string, othersAnswer: boolean): ConnectionFault {
  if (code === "ECONNREFUSED") return unsent("refused", "nobody listens");
  if (code === "EHOSTUNREACH" || code === "EHOSTDOWN")
    return othersAnswer
      ? unsent("refused", "the machine cannot be reached")
      : unsent("egress", "the machine cannot be reached, and nobody else answered lately");
  const egress = EGRESS[code];
  if (egress !== undefined) return unsent("egress", egress);
  return sent("connection", `the connection failed (${code || "for no reason it told"})`);
}

function unsent(result: FailureResult, detail: string): ConnectionFault {
  return { result, detail, isUnsent: true };
}

function sent(result: FailureResult, detail: string): ConnectionFault {
  return { result, detail, isUnsent: false };
}
