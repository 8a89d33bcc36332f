import { RedisFault, type RedisFaultKind } from "./connection.ts";

/** What the first word of an error says of it. */
const KINDS: Readonly<Record<string, RedisFaultKind>> = {
  LOADING: "not-ready",
  MASTERDOWN: "not-ready",
  CLUSTERDOWN: "not-ready",
  TRYAGAIN: "not-ready",
  READONLY: "not-ready",
  UNBLOCKED: "not-ready",
  BUSY: "not-ready",
  NOREPLICAS: "not-ready",
  MOVED: "not-ready",
  ASK: "not-ready",
  OOM: "full",
  MISCONF: "full",
  NOAUTH: "denied",
  WRONGPASS: "denied",
  NOPERM: "denied",
};

/** Errors of the client when the connection is gone, or was not made. */
const UNREACHABLE =
  /closed|destroyed|offline|disconnect|ECONN|EPIPE|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT|timeout|socket/i;

/** A redirection of a Cluster: the slot is elsewhere, for good or for this once. */
export interface Redirection {
  readonly isForOnce: boolean;
  readonly host: string;
  readonly port: number;
}

export function faultOf(error: unknown): RedisFault {
  if (error instanceof RedisFault) return error;
  const message = error instanceof Error ? error.message : String(error);
  const kind = KINDS[firstWord(message)];
  if (kind !== undefined) return new RedisFault(kind, message, error);
  // A script's own error carries that of its command behind: "… script: hash, on @user_script:12."
  for (const [word, inner] of Object.entries(KINDS))
    if (message.includes(`-${word} `) || message.includes(`: ${word} `))
      return new RedisFault(inner, message, error);
  if (/invalid password|invalid username-password/i.test(message))
    return new RedisFault("denied", message, error);
  return new RedisFault(UNREACHABLE.test(message) ? "unreachable" : "refused", message, error);
}

export function isScriptUnknown(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

/** `MOVED 3999 127.0.0.1:6381`; undefined where the error is something else. */
export function redirectionOf(error: unknown): Redirection | undefined {
  if (!(error instanceof Error)) return undefined;
  const [word, , place = ""] = error.message.split(" ");
  if (word !== "MOVED" && word !== "ASK") return undefined;
  const colon = place.lastIndexOf(":");
  return {
    isForOnce: word === "ASK",
    host: place.slice(0, colon),
    port: Number(place.slice(colon + 1)),
  };
}

/** The server does not take writes, or not for this slot: things have changed. */
export function isElsewhere(error: unknown): boolean {
  const message = error instanceof Error ? error.message : "";
  return /\b(READONLY|MASTERDOWN|CLUSTERDOWN)\b/.test(message);
}

function firstWord(message: string): string {
  const space = message.indexOf(" ");
  return space === -1 ? message : message.slice(0, space);
}
