import { describe, expect, test } from "bun:test";
import { fetchFault } from "../../../src/sender/fetch-fault.ts";

function failed(code: string): Error {
  return Object.assign(new TypeError(`${code} fetching "http://8.8.8.8/secret"`), { code });
}

describe("what a failed fetch means", () => {
  // Each as Bun rejects for it; those that no test can bring about on every machine were seen in a network namespace.
  test.each([
    ["ECONNREFUSED", "refused"],
    // No route; the gateway's neighbour; a prohibiting and a dropping route; a firewall.
    ["ENETUNREACH", "egress"],
    ["ENETDOWN", "egress"],
    ["EACCES", "egress"],
    ["EINVAL", "egress"],
    ["EPERM", "egress"],
    // Every local port in use; every file descriptor.
    ["EADDRNOTAVAIL", "egress"],
    ["EMFILE", "egress"],
    ["ENFILE", "egress"],
    ["ENOBUFS", "egress"],
    ["ENOMEM", "egress"],
    ["ETIMEDOUT", "timeout"],
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
    ["ECONNRESET", "connection"],
    ["EPIPE", "connection"],
    ["Malformed_HTTP_Response", "connection"],
    ["InvalidHTTPResponse", "connection"],
    ["InvalidContentLength", "connection"],
    ["ResponseHeadersTooLarge", "connection"],
    ["UnrequestedUpgrade", "connection"],
    ["SomethingNew", "connection"],
  ] as const)("%s: %s", (code, result) => {
    const fault = fetchFault(failed(code), true);
    expect(fault.result).toBe(result);
    expect(fault.detail).not.toContain("secret");
    // A name of Bun's own is only told where no sentence is.
    if (code !== "SomethingNew" && result !== "tls") expect(fault.detail).not.toContain(code);
  });

  test.each(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "EMFILE"])(
    "%s: nothing was sent, so another address may be tried",
    (code) => {
      expect(fetchFault(failed(code), true).isUnsent).toBe(true);
    },
  );

  test.each([
    "ECONNRESET",
    "EPIPE",
    "EPROTO",
    "ETIMEDOUT",
    "Malformed_HTTP_Response",
    "",
    "SomethingNew",
  ])("%p: something may have been sent", (code) => {
    expect(fetchFault(failed(code), true).isUnsent).toBe(false);
  });

  test("EHOSTUNREACH is the receiver's fault while others answer, and else ours", () => {
    expect(fetchFault(failed("EHOSTUNREACH"), true).result).toBe("refused");
    expect(fetchFault(failed("EHOSTUNREACH"), false).result).toBe("egress");
  });

  test("what is no error of the network is told as such, without its message", () => {
    for (const error of [
      new TypeError("Header 'x' has invalid value: secret"),
      "secret",
      undefined,
    ]) {
      const { result, detail } = fetchFault(error, true);
      expect(result).toBe("connection");
      expect(detail).not.toContain("secret");
    }
  });
});
