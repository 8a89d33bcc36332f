import { createHash, timingSafeEqual } from "node:crypto";
import { isIPv4 } from "node:net";

export interface AccessRefusal {
  readonly status: 401 | 403;
  readonly message: string;
}

const WITHOUT_TOKEN =
  "Without ops.adminToken the admin API is only for programs on this machine that address it as localhost; " +
  "set ops.adminToken and send it as a bearer token";

/** A browser adds these by itself, and a page cannot leave them out. */
const ADDED_BY_BROWSERS = /^(origin|sec-fetch-.+)$/;
/** With one of these, the caller on this machine is a proxy, and who called it could be anybody. */
const ADDED_BY_PROXIES = /^(forwarded|x-forwarded-.+|x-real-ip|via)$/;

/**
 * Who may use the admin API.
 *
 * With a token, whoever sends it, from wherever. Without one, programs on this machine alone. A loopback peer is not enough
 * for that: a page in this machine's browser is one as well (hence no header that only browsers add), also under a name of
 * its own that it has let resolve to 127.0.0.1 (hence the check of `Host`), and so is a proxy that is meant for the world.
 */
export class AdminAccess {
  readonly #tokenDigest: Buffer | null;

  constructor(token: string | null) {
    this.#tokenDigest = token === null ? null : digest(token);
  }

  /** Undefined: let in. The address is that of the socket's other end; undefined where it has none. */
  refusal(headers: Headers, peerAddress: string | undefined): AccessRefusal | undefined {
    if (this.#tokenDigest === null) return outsiderRefusal(headers, peerAddress);
    const given = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
    if (given === undefined) {
      return { status: 401, message: "Send the server's ops.adminToken as a bearer token" };
    }
    // Digests are of one length, and tell nothing of how far two tokens agree.
    if (timingSafeEqual(digest(given), this.#tokenDigest)) return undefined;
    return { status: 401, message: "The bearer token is not the server's ops.adminToken" };
  }
}

function outsiderRefusal(
  headers: Headers,
  peerAddress: string | undefined,
): AccessRefusal | undefined {
  const forbidden = (reason: string): AccessRefusal => ({
    status: 403,
    message: `${WITHOUT_TOKEN} (${reason})`,
  });
  if (peerAddress === undefined || !isLoopbackAddress(peerAddress)) {
    return forbidden("this caller is on another machine");
  }
  if (!isLoopbackHost(headers.get("host") ?? "")) {
    return forbidden("this request is addressed to another name");
  }
  for (const [name, value] of headers) {
    // Node's own fetch says so, and nothing else; a browser that does adds where the request comes from.
    if (name === "sec-fetch-mode" && value === "cors") continue;
    if (ADDED_BY_BROWSERS.test(name)) return forbidden("this request is from a browser");
    if (ADDED_BY_PROXIES.test(name)) return forbidden("this request came through a proxy");
  }
  return undefined;
}

/** Also as a socket that takes both families writes it: `::ffff:127.0.0.1`. */
function isLoopbackAddress(address: string): boolean {
  const plain = address.toLowerCase().replace(/^::ffff:/, "");
  return plain === "::1" || (isIPv4(plain) && plain.startsWith("127."));
}

/** Of a `Host` header, port and all. Two such headers arrive joined by a comma, and are neither. */
function isLoopbackHost(host: string): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::[0-9]+)?$/.exec(host) ?? [];
  if (bracketed !== undefined) return isLoopbackAddress(bracketed);
  if (plain === undefined) return false;
  return plain.toLowerCase() === "localhost" || isLoopbackAddress(plain);
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
