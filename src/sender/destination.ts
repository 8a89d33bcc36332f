import { parseIpAddress } from "./ip-address.ts";
import type { Resolution } from "./resolver.ts";

/** What a URL says about where and how a request goes. */
export interface Destination {
  /** Scheme, name and port: requests that agree in it may share connections. */
  readonly origin: string;
  readonly isSecure: boolean;
  /** The host's name, or its address without brackets. */
  readonly name: string;
  /** Where the host is an address already, and nothing is left to resolve. */
  readonly resolution: Resolution | undefined;
  readonly port: number;
  /** The `host` header: with the port where it is not the scheme's own. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  /** The `authorization` header that the URL's user and password ask for. */
  readonly authorization: string | undefined;
}

/** Undefined where a webhook cannot be sent to such a URL. */
export function destinationOf(url: string): Destination | undefined {
  if (!URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  const isSecure = parsed.protocol === "https:";
  if (!isSecure && parsed.protocol !== "http:") return undefined;
  const name = parsed.hostname.replace(/^\[|\]$/g, "");
  return {
    origin: parsed.origin,
    isSecure,
    name,
    resolution: parseIpAddress(name) === undefined ? undefined : { addresses: [name] },
    port: parsed.port === "" ? (isSecure ? 443 : 80) : Number(parsed.port),
    host: parsed.host,
    target: `${parsed.pathname}${parsed.search}`,
    authorization: basicAuthorization(parsed),
  };
}

function basicAuthorization({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  const credentials = `${percentDecoded(username)}:${percentDecoded(password)}`;
  return `Basic ${Buffer.from(credentials, "utf8").toString("base64")}`;
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
