import { activeKey, type App, type AppKey } from "./app.ts";
import { md5Hex, sign, verify } from "./signature.ts";
import { queryValue, type QueryParameter } from "./query.ts";

/** An API request as far as its signature covers it. */
export interface SignedRequest {
  readonly method: string;
  /** As sent: not decoded, without the query. */
  readonly path: string;
  readonly query: readonly QueryParameter[];
  readonly body: string | Uint8Array;
}

const WINDOW_SECONDS = 600;
const MAX_DATE_SECONDS = 8.64e12;

/**
 * The text that is signed: method, path and all query parameters but the signature, names lower-cased, sorted by name,
 * values as decoded (contract 2.1).
 */
export function requestSigningText(request: SignedRequest): string {
  const parameters: QueryParameter[] = [];
  for (const [name, value] of request.query) {
    const lower = name.toLowerCase();
    if (lower !== "auth_signature") parameters.push([lower, value]);
  }
  parameters.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  let text = `${request.method}\n${request.path}\n`;
  let separator = "";
  for (const [name, value] of parameters) {
    text += `${separator}${name}=${value}`;
    separator = "&";
  }
  return text;
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
export function requestSignatureFault(app: App, request: SignedRequest, nowMs: number): string | undefined {
  const { query } = request;
  const authKey = queryValue(query, "auth_key");
  if (!authKey) return "Missing parameter: auth_key";
  const key = activeKey(app, authKey);
  if (key === undefined) return "Unknown auth_key";

  const version = queryValue(query, "auth_version");
  if (!version) return "Version required";
  if (version !== "1.0") return "Version not supported";

  const timestamp = queryValue(query, "auth_timestamp");
  if (!timestamp) return "Timestamp required";
  const seconds = Number.parseInt(timestamp, 10) || 0;
  if (Math.abs(Math.floor(nowMs / 1000) - seconds) >= WINDOW_SECONDS) {
    return `Timestamp expired: Given timestamp (${isoSeconds(seconds)}) not within ${WINDOW_SECONDS}s of server time (${isoSeconds(nowMs / 1000)})`;
  }

  const signature = queryValue(query, "auth_signature") ?? "";
  const text = requestSigningText(request);
  if (!verify(key.secret, text, signature)) {
    return `Invalid signature: you should have sent HmacSHA256Hex(${JSON.stringify(text)}, your_secret_key), but you sent ${JSON.stringify(signature)}`;
  }

  // The Python library sends the digest of the empty body on GETs, so a digest may stand where it is not required.
  const digest = queryValue(query, "body_md5");
  if (digest === undefined) {
    return request.body.length > 0 ? "Missing parameter: body_md5" : undefined;
  }
  return digest === md5Hex(request.body) ? undefined : "Invalid body_md5: it is not the MD5 of the body that was received";
}

function isoSeconds(seconds: number): string {
  const bounded = Math.max(-MAX_DATE_SECONDS, Math.min(MAX_DATE_SECONDS, seconds));
  return new Date(bounded * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}
