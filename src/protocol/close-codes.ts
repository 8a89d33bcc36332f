/** Why a socket is closed: the WebSocket close code and its reason. */
export interface CloseReason {
  readonly code: number;
  readonly text: string;
}

/**
 * Every code with which Ringmaster closes a socket (contract 1.7) but 4001, see `unknownKey`; and what pusher-js does about it:
 *
 *   4000         switches to TLS and retries now
 *   4001 - 4099  gives up: nothing will change by trying again
 *   4100 - 4199  retries after a second
 *   4200 - 4299  retries at once, without jitter; only the server can spread that herd
 *
 * A code of 4300 and above makes pusher-js give up too, so those are sent as `pusher:error` and never close a socket.
 */
export const CLOSE = {
  tlsRequired: {
    code: 4000,
    text: "Application only accepts SSL connections, reconnect using wss://",
  },
  appDisabled: { code: 4003, text: "Application disabled" },
  overQuota: { code: 4004, text: "Account over quota" },
  pathNotFound: { code: 4005, text: "Path not found" },
  invalidVersion: { code: 4006, text: "Invalid version string format" },
  unsupportedProtocol: { code: 4007, text: "Unsupported protocol version" },
  noProtocol: { code: 4008, text: "No protocol version supplied" },
  notAuthorizedInTime: { code: 4009, text: "Connection not authorized within timeout" },
  originNotAllowed: { code: 4009, text: "Connection not authorized: origin not allowed" },
  terminated: { code: 4009, text: "Connection terminated by the application" },
  overCapacity: { code: 4100, text: "Over capacity" },
  reconnect: { code: 4200, text: "Please reconnect immediately" },
  pongNotReceived: { code: 4201, text: "Pong reply not received" },
  inactive: { code: 4202, text: "Closed after inactivity" },
} as const satisfies Record<string, CloseReason>;

/** The hosted server's words, although there are no clusters here: client libraries and people look for them. */
export function unknownKey(key: string): CloseReason {
  return {
    code: 4001,
    text: `App key ${key} not in this cluster. Did you forget to specify the cluster?`,
  };
}

/** Clients of protocol 5 and older are told in a `pusher:error` frame as well, before the close frame (contract 1.2). */
export function wantsErrorBeforeClose(protocol: number): boolean {
  return protocol < 6;
}

const MAX_REASON_BYTES = 123;

/** The text cut to what a close frame can carry, never inside a character. */
export function closeFrameReason(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_REASON_BYTES) return text;
  let end = MAX_REASON_BYTES;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
