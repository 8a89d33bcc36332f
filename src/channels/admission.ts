import { CLOSE, unknownKey, type CloseReason } from "../protocol/close-codes.ts";
import { isOriginAllowed } from "../protocol/origin.ts";
import { queryValue, type QueryParameter } from "../protocol/query.ts";
import type { App } from "../protocol/app.ts";
import type { Node } from "./node.ts";
import { Session } from "./session.ts";

/** A WebSocket handshake, as far as it decides about admission. */
export interface Handshake {
  /** The path behind the prefix, as sent. */
  readonly path: string;
  readonly query: readonly QueryParameter[];
  readonly secure: boolean;
  readonly origin: string | null;
}

/**
 * A handshake that is turned down. The socket is opened all the same and closed with the code: a browser learns nothing
 * from a failed handshake, but reads the close frame.
 */
export interface Refusal {
  readonly reason: CloseReason;
  /** Decides whether the client wants an error frame before the close frame. */
  readonly protocol: number;
}

export type Admission = { readonly session: Session } | { readonly refusal: Refusal };

const PATH = /^\/app\/([^/]+)$/;
const OLDEST_PROTOCOL = 4;
const NEWEST_PROTOCOL = 7;

/** The app's settings that a socket must satisfy, at its start and after each change of them. */
export function connectionFault(
  app: App,
  socket: { secure: boolean; origin: string | null },
): CloseReason | undefined {
  if (!app.enabled) return CLOSE.appDisabled;
  if (app.forceTls && !socket.secure) return CLOSE.tlsRequired;
  if (!isOriginAllowed(socket.origin, app.allowedOrigins)) return CLOSE.originNotAllowed;
  return undefined;
}

/** Decides about a handshake. What needs the Roster, the app's quota, is asked when the socket is open. */
export function admit(node: Node, handshake: Handshake): Admission {
  const version = queryValue(handshake.query, "protocol");
  const protocol = Number(version);
  const refuse = (reason: CloseReason): Admission => ({
    refusal: {
      reason,
      protocol: version && Number.isInteger(protocol) ? protocol : NEWEST_PROTOCOL,
    },
  });

  const key = keyInPath(handshake.path);
  if (key === undefined) return refuse(CLOSE.pathNotFound);
  if (version === undefined || version === "") return refuse(CLOSE.noProtocol);
  if (!/^\d{1,9}$/.test(version)) return refuse(CLOSE.invalidVersion);
  if (protocol < OLDEST_PROTOCOL || protocol > NEWEST_PROTOCOL)
    return refuse(CLOSE.unsupportedProtocol);

  const app = node.apps.byKey(key);
  if (app === undefined) return refuse(unknownKey(key));
  const { secure, origin } = handshake;
  const fault = connectionFault(app, { secure, origin });
  if (fault !== undefined) return refuse(fault);
  if (node.sessions.size >= node.settings.maxConnections) return refuse(CLOSE.overCapacity);

  const number = node.nextConnectionNumber();
  const socketId = `${node.number}.${number}`;
  const tenant = node.tenant(app);
  return {
    session: new Session({
      number,
      socketId,
      tenant,
      key,
      protocol,
      secure,
      origin,
      elapsedMs: node.clock.elapsedMs(),
    }),
  };
}

function keyInPath(path: string): string | undefined {
  const key = PATH.exec(path)?.[1];
  if (key === undefined) return undefined;
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
