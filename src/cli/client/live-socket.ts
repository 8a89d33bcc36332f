/** A message of the server (contract 1.4), as far as it is well-formed. */
export interface ServerMessage {
  readonly event: string;
  readonly channel: string | null;
  /** Undefined where there is none. */
  readonly data: unknown;
  readonly userId: string | null;
}

/** Why a socket is over. */
export type Ending =
  | { readonly kind: "closed"; readonly code: number; readonly reason: string }
  /** It never opened. */
  | { readonly kind: "unreachable"; readonly cause: unknown }
  /** It took too long to open, or a ping was not answered. */
  | { readonly kind: "silent" }
  /** We closed it. */
  | { readonly kind: "left" };

export interface LiveSocketHandlers {
  /** The server has said who we are. */
  established(socketId: string): void;
  /** Everything else, but pings and pongs. */
  received(message: ServerMessage): void;
}

export interface LiveSocketTimeouts {
  /** The longest that opening may take: socket, TLS and the server's first message. */
  readonly handshakeMs: number;
  /** The longest that the server may take to answer a ping. */
  readonly pongMs: number;
}

/** Those of pusher-js. */
export const PUSHER_TIMEOUTS: LiveSocketTimeouts = { handshakeMs: 15_000, pongMs: 30_000 };
const MAX_ACTIVITY_TIMEOUT_MS = 120_000;
const FAREWELL_TIMEOUT_MS = 1_000;
const NORMAL_CLOSURE = 1000;

/**
 * One WebSocket, from its handshake to its end:
 *
 *   opening ──connection_established──▶ open ──▶ ended
 *      └────────────────────────────────────────▲
 *
 *   opening  the server has `handshakeMs` to say who we are. A `pusher:error` with a code counts as a close with
 *            that code: servers for older protocols send it, and some close without a code behind it.
 *   open     any message is a sign of life. After the server's activity timeout without one we ping, and the pong has
 *            `pongMs` to come. The server's pings are answered.
 *   ended    `ended` has resolved, nothing is handed over any more.
 */
export class LiveSocket {
  /** Resolves when the socket is over; never rejects. */
  readonly ended: Promise<Ending>;
  readonly #socket: WebSocket;
  readonly #handlers: LiveSocketHandlers;
  readonly #timeouts: LiveSocketTimeouts;
  readonly #resolve: (ending: Ending) => void;
  #state: "opening" | "open" | "ended" = "opening";
  #activityTimeoutMs = MAX_ACTIVITY_TIMEOUT_MS;
  #timer: ReturnType<typeof setTimeout>;
  #failure: unknown;

  constructor(url: string, handlers: LiveSocketHandlers, timeouts = PUSHER_TIMEOUTS) {
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.ended = promise;
    this.#resolve = resolve;
    this.#handlers = handlers;
    this.#timeouts = timeouts;
    this.#socket = new WebSocket(url);
    this.#timer = setTimeout(() => this.#end({ kind: "silent" }), timeouts.handshakeMs);
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data as unknown));
    this.#socket.addEventListener("error", (event) => {
      this.#failure = (event as ErrorEvent).error;
    });
    this.#socket.addEventListener("close", ({ code, reason }) => {
      const neverOpened = this.#state === "opening" && this.#failure !== undefined;
      this.#end(
        neverOpened
          ? { kind: "unreachable", cause: this.#failure }
          : { kind: "closed", code, reason },
      );
    });
  }

  /** Sends `{"event":…,"data":…}`; nothing when the socket is not open. */
  send(event: string, data: object): void {
    if (this.#state === "open") this.#socket.send(JSON.stringify({ event, data }));
  }

  /** Ends it from our side. */
  leave(): void {
    this.#end({ kind: "left" });
  }

  #receive(frame: unknown): void {
    if (this.#state === "ended") return;
    const message = typeof frame === "string" ? parse(frame) : undefined;
    if (message === undefined) return;
    if (this.#state === "opening") return this.#handshake(message);
    this.#awaitActivity();
    if (message.event === "pusher:ping") return this.send("pusher:pong", {});
    if (message.event !== "pusher:pong") this.#handlers.received(message);
  }

  #handshake(message: ServerMessage): void {
    const data = asObject(message.data);
    if (message.event === "pusher:error" && typeof data["code"] === "number") {
      return this.#end({
        kind: "closed",
        code: data["code"],
        reason: String(data["message"] ?? ""),
      });
    }
    if (
      message.event !== "pusher:connection_established" ||
      typeof data["socket_id"] !== "string"
    ) {
      return this.#handlers.received(message);
    }
    const seconds = data["activity_timeout"];
    if (typeof seconds === "number" && seconds > 0) {
      this.#activityTimeoutMs = Math.min(seconds * 1000, MAX_ACTIVITY_TIMEOUT_MS);
    }
    this.#state = "open";
    this.#awaitActivity();
    this.#handlers.established(data["socket_id"]);
  }

  #awaitActivity(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.send("pusher:ping", {});
      this.#timer = setTimeout(() => this.#end({ kind: "silent" }), this.#timeouts.pongMs);
    }, this.#activityTimeoutMs);
  }

  #end(ending: Ending): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    clearTimeout(this.#timer);
    this.#say(ending);
    this.#resolve(ending);
  }

  /** A server that does not answer the close frame must not keep the process alive. */
  #say(ending: Ending): void {
    const socket = this.#socket;
    if (socket.readyState === WebSocket.CLOSED) return;
    if (ending.kind === "silent" || socket.readyState === WebSocket.CONNECTING) {
      return socket.terminate();
    }
    const farewell = setTimeout(() => socket.terminate(), FAREWELL_TIMEOUT_MS);
    socket.addEventListener("close", () => clearTimeout(farewell));
    socket.close(NORMAL_CLOSURE);
  }
}

function parse(frame: string): ServerMessage | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(frame);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null || !("event" in parsed)) return undefined;
  const { event, channel, data, user_id: userId } = parsed as Record<string, unknown>;
  if (typeof event !== "string") return undefined;
  return {
    event,
    channel: typeof channel === "string" ? channel : null,
    data,
    userId: typeof userId === "string" ? userId : null,
  };
}

/** The data of the protocol's own messages: an object, or a string with one. */
export function asObject(data: unknown): Readonly<Record<string, unknown>> {
  let value = data;
  if (typeof data === "string") {
    try {
      value = JSON.parse(data) as unknown;
    } catch {
      value = undefined;
    }
  }
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
