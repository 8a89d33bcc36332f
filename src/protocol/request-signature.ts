import { activeKey, type App, type AppKey } from "./app.ts";
import { md5Hex, sign, verify } from "./signature.ts";
import { queryValue, type QueryParameter } from "./query.ts";

/** An API request as far as its signature covers it. */
export interface SignedRequest {
  readonly method: string;
  /** As sent: not decoded, without the query. */
  readonly path: string;
  readonly query: readonly QueryParameter[];
  /** The query as sent, without `?`, where it is known: it mostly is the signed text already. */
  readonly queryText?: string;
  readonly body: string | Uint8Array;
}

const WINDOW_SECONDS = 600;
const MAX_DATE_SECONDS = 8.64e12;

/**
 * The text that is signed: method, path and all query parameters but the signature, names lower-cased, sorted by name,
 * values as decoded (contract 2.1).
 */
export function requestSigningText(request: SignedRequest): string {
  const asSent =
    request.queryText === undefined ? undefined : signedPart(request.queryText, request.query);
  if (asSent !== undefined) return `${request.method}\n${request.path}\n${asSent}`;
  const parameters: QueryParameter[] = [];
  for (const [name, value] of request.query) {
    const lower = name.toLowerCase();
    if (lower === "auth_signature") continue;
    parameters.push([lower, value]);
  }
  // Equal names keep their order.
  parameters.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  const joined = parameters.map(([name, value]) => `${name}=${value}`).join("&");
  return `${request.method}\n${request.path}\n${joined}`;
}

/** Nothing escaped, names of ASCII without capitals, each with "=", and the signature last. */
const PLAIN_QUERY = /^(?:[^%+&=A-Z\u0080-\uffff]+=[^%+&]*&)+auth_signature=[^%+&]*$/;

/**
 * The signed part of a query that needs no change, or undefined. Every server library sends it so, and putting it together
 * again would cost more than the signature itself.
 */
function signedPart(text: string, query: readonly QueryParameter[]): string | undefined {
  if (!PLAIN_QUERY.test(text)) return undefined;
  for (let i = 0; i < query.length - 1; i++) {
    const name = query[i]![0];
    if (name === "auth_signature" || (i > 0 && query[i - 1]![0] > name)) return undefined;
  }
  return text.slice(0, text.lastIndexOf("&"));
}

/** Adds the signature's own parameters to a request: what a server library does, and our command line with it. */
export function signRequest(key: AppKey, request: SignedRequest, nowMs: number): QueryParameter[] {
  const query: QueryParameter[] = [
    ...request.query,
    ["auth_key", key.key],
    ["auth_timestamp", String(Math.floor(nowMs / 1000))],
    ["auth_version", "1.0"],
  ];
  if (request.body.length > 0) query.push(["body_md5", md5Hex(request.body)]);
  query.push(["auth_signature", sign(key.secret, requestSigningText({ ...request, query }))]);
  return query;
}

/**
 * Checks a request in the hosted server's order and words: key, version, timestamp, signature, and at last that the
 * body is the one that was signed for. Answers what is wrong, or undefined. Every fault is a 401.
 */
export function requestSignatureFault(
  app: App,
  request: SignedRequest,
  nowMs: number,
): string | undefined {
  const { query } = request;
  const authKey = authValue(query, "auth_key");
  if (!authKey) return "Missing parameter: auth_key";
  const key = activeKey(app, authKey);
  if (key === undefined) return "Unknown auth_key";

  const version = authValue(query, "auth_version");
  if (!version) return "Version required";
  if (version !== "1.0") return "Version not supported";

  const timestamp = authValue(query, "auth_timestamp");
  if (!timestamp) return "Timestamp required";
  const seconds = Number.parseInt(timestamp, 10) || 0;
  if (Math.abs(Math.floor(nowMs / 1000) - seconds) >= WINDOW_SECONDS) {
    return `Timestamp expired: Given timestamp (${isoSeconds(seconds)}) not within ${WINDOW_SECONDS}s of server time (${isoSeconds(nowMs / 1000)})`;
  }

  const signature = authValue(query, "auth_signature") ?? "";
  const text = requestSigningText(request);
  if (!verify(key.secret, text, signature)) {
    return `Invalid signature: you should have sent HmacSHA256Hex(${JSON.stringify(text)}, your_secret_key), but you sent ${JSON.stringify(signature)}`;
  }

  // The Python library sends the digest of the empty body on GETs, so a digest may stand where it is not required.
  const digest = authValue(query, "body_md5");
  if (digest === undefined) {
    return request.body.length > 0 ? "Missing parameter: body_md5" : undefined;
  }
  return digest === md5Hex(request.body)
    ? undefined
    : "Invalid body_md5: it is not the MD5 of the body that was received";
}

/** These names may be written in capitals: they are signed in lower case. */
function authValue(query: readonly QueryParameter[], name: string): string | undefined {
  return queryValue(query, name) ?? query.find(([given]) => given.toLowerCase() === name)?.[1];
}

function isoSeconds(seconds: number): string {
  const bounded = Math.max(-MAX_DATE_SECONDS, Math.min(MAX_DATE_SECONDS, seconds));
  return new Date(bounded * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}
