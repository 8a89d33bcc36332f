import { createHash, createHmac } from "node:crypto";
import type { AppKey } from "../../src/protocol/app.ts";

/** Signatures made here on purpose without `src/protocol`: what checks a thing must not be made of it. */
export function hmac(secret: string, text: string): string {
  return createHmac("sha256", secret).update(text).digest("hex");
}

export function channelAuth(
  { key, secret }: AppKey,
  socketId: string,
  channel: string,
  channelData?: string,
): string {
  const data = channelData === undefined ? "" : `:${channelData}`;
  return `${key}:${hmac(secret, `${socketId}:${channel}${data}`)}`;
}

export function userAuth({ key, secret }: AppKey, socketId: string, userData: string): string {
  return `${key}:${hmac(secret, `${socketId}::user::${userData}`)}`;
}

export interface SignableRequest {
  readonly method: string;
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly body: string | Uint8Array;
}

/** The query that a server library would send: parameters, auth_* and the signature. */
export function signedQuery(
  key: AppKey,
  request: SignableRequest,
  nowMs: number,
): [string, string][] {
  const parameters: [string, string][] = [
    ...request.query.map(([name, value]): [string, string] => [name, value]),
    ["auth_key", key.key],
    ["auth_timestamp", String(Math.floor(nowMs / 1000))],
    ["auth_version", "1.0"],
  ];
  if (request.body.length > 0) {
    parameters.push(["body_md5", createHash("md5").update(request.body).digest("hex")]);
  }
  const text = parameters
    .map(([name, value]): [string, string] => [name.toLowerCase(), value])
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
  parameters.push([
    "auth_signature",
    hmac(key.secret, `${request.method}\n${request.path}\n${text}`),
  ]);
  return parameters;
}

export function encodeQuery(parameters: readonly (readonly [string, string])[]): string {
  return parameters
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join("&");
}
