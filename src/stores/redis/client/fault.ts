import { RedisFault, type RedisFaultKind } from "../connection.ts";
import type { RedisAddress } from "../settings.ts";

/** What the first word of an error says of it. */
const KINDS: ReadonlyMap<string, RedisFaultKind> = new Map([
  ["LOADING", "not-ready"],
  ["MASTERDOWN", "not-ready"],
  ["CLUSTERDOWN", "not-ready"],
  ["TRYAGAIN", "not-ready"],
  ["READONLY", "not-ready"],
  ["UNBLOCKED", "not-ready"],
  ["BUSY", "not-ready"],
  ["UNKILLABLE", "not-ready"],
  ["NOREPLICAS", "not-ready"],
  ["MOVED", "not-ready"],
  // Half of a slot's keys are elsewhere. What a script did there it would do on half of the truth.
  ["ASK", "not-ready"],
  ["OOM", "full"],
  ["MISCONF", "full"],
  ["NOAUTH", "denied"],
  ["WRONGPASS", "denied"],
  ["NOPERM", "denied"],
]);

/** Errors that begin with ERR, as those of commands inside a script do. */
const PATTERNS: readonly (readonly [RegExp, RedisFaultKind])[] = [
  [/max number of clients|cluster is down|access a non local key/, "not-ready"],
  [/^ERR (?:AUTH|invalid password)|The user executing the script can't/, "denied"],
];

/** Of what a server answered. */
export function faultOfReply(message: string, cause?: unknown): RedisFault {
  const space = message.indexOf(" ");
  const kind =
    KINDS.get(space === -1 ? message : message.slice(0, space)) ??
    PATTERNS.find(([pattern]) => pattern.test(message))?.[1];
  return new RedisFault(kind ?? "refused", message, cause);
}

/** Of a connection that broke, or was not made. */
export function faultOf(error: unknown): RedisFault {
  if (error instanceof RedisFault) return error;
  const message = error instanceof Error ? error.message : String(error);
  // Of our making: an argument that is no text, for example.
  const isOurs = error instanceof TypeError && !("code" in error);
  return new RedisFault(isOurs ? "refused" : "unreachable", message, error);
}

export function isScriptUnknown({ message }: RedisFault): boolean {
  return message.startsWith("NOSCRIPT");
}

/** `MOVED 3999 127.0.0.1:6381`; an empty host is that of the server which says so. Undefined for any other fault. */
export function movedTo({ message }: RedisFault, from: RedisAddress): RedisAddress | undefined {
  if (!message.startsWith("MOVED ")) return undefined;
  const place = message.split(" ")[2] ?? "";
  const colon = place.lastIndexOf(":");
  const host = place.slice(0, colon);
  return { host: host === "" ? from.host : host, port: Number(place.slice(colon + 1)) };
}

/** The server does not take writes, or not for this slot: things have changed. */
export function isElsewhere({ kind, message }: RedisFault): boolean {
  return kind === "not-ready" && /^(?:MOVED|READONLY|MASTERDOWN|CLUSTERDOWN)\b/.test(message);
}
