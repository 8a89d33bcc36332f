import { describe, expect, test } from "bun:test";
import { connectionFault, mayHaveBeenDead } from "../../../src/sender/http/connection-fault.ts";
import type { Break } from "../../../src/sender/http/connection.ts";

function broken(stage: Break["stage"], code: string, rest: Partial<Break> = {}): Break {
  return { stage, code, badAnswer: undefined, isSilent: true, ...rest };
}

describe("that no connection came about", () => {
  test.each([
    ["ECONNREFUSED", "refused"],
    // No route; the gateway's neighbour; a prohibiting and a dropping route; a firewall.
    ["ENETUNREACH", "egress"],
    ["ENETDOWN", "egress"],
    ["EACCES", "egress"],
    ["EINVAL", "egress"],
    ["EPERM", "egress"],
    ["EAFNOSUPPORT", "egress"],
    // Every local port in use; every file descriptor.
    ["EADDRNOTAVAIL", "egress"],
    ["EMFILE", "egress"],
    ["ENFILE", "egress"],
    ["ENOBUFS", "egress"],
    ["ENOMEM", "egress"],
  ] as const)("%s: %s, nothing was sent, so another address may be tried", (code, result) => {
    const fault = connectionFault(broken("connecting", code), true);
    expect(fault).toMatchObject({ result, isUnsent: true });
    expect(fault.detail).not.toContain(code);
  });

  test("ETIMEDOUT: timeout", () => {
    expect(connectionFault(broken("connecting", "ETIMEDOUT"), true).result).toBe("timeout");
  });

  test("EHOSTUNREACH is the receiver's fault while others answer, and else ours", () => {
    const unreachable = broken("connecting", "EHOSTUNREACH");
    expect(connectionFault(unreachable, true)).toMatchObject({ result: "refused", isUnsent: true });
    expect(connectionFault(unreachable, false)).toMatchObject({ result: "egress", isUnsent: true });
  });
});

describe("that a connection broke", () => {
  test.each([
    ["EPROTO", "tls"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "tls"],
    ["CERT_HAS_EXPIRED", "tls"],
    ["CERT_NOT_YET_VALID", "tls"],
    ["CERT_REVOKED", "tls"],
    ["CERT_CHAIN_TOO_LONG", "tls"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls"],
    ["SELF_SIGNED_CERT_IN_CHAIN", "tls"],
    ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "tls"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls"],
    ["HOSTNAME_MISMATCH", "tls"],
    ["INVALID_CA", "tls"],
    ["INVALID_PURPOSE", "tls"],
    ["UNHANDLED_CRITICAL_EXTENSION", "tls"],
    ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "tls"],
    ["", "connection"],
    ["ECONNRESET", "connection"],
    ["EPIPE", "connection"],
    ["SomethingNew", "connection"],
    ["ETIMEDOUT", "timeout"],
    // Of a connection that was there, it says nothing of this machine.
    ["EHOSTUNREACH", "connection"],
    ["ENETUNREACH", "connection"],
  ] as const)("%p: %s, and something may have been sent", (code, result) => {
    for (const stage of ["securing", "exchanging"] as const)
      expect(connectionFault(broken(stage, code), true)).toMatchObject({ result, isUnsent: false });
  });

  test("because of what came says what was wrong with it", () => {
    const bad = broken("exchanging", "", { badAnswer: "what came is no HTTP", isSilent: false });
    const detail = "what came is no HTTP";
    expect(connectionFault(bad, true)).toEqual({ result: "connection", detail, isUnsent: false });
  });

  test("may mean that it had been dead before, when it was closed and not a byte had come", () => {
    for (const code of ["", "ECONNRESET", "EPIPE"]) {
      expect(mayHaveBeenDead(broken("exchanging", code))).toBe(true);
      expect(mayHaveBeenDead(broken("exchanging", code, { isSilent: false }))).toBe(false);
    }
    for (const code of ["EPROTO", "ETIMEDOUT", "SomethingNew"])
      expect(mayHaveBeenDead(broken("exchanging", code))).toBe(false);
  });
});
