import type { RequestText } from "./request-text.ts";
import { ResponseParser, type Answer } from "./response-parser.ts";
import type { TlsPeer } from "./tls-peer.ts";

/** Why a connection carried no answer. */
export interface Break {
  /** Nothing of the request was written before `exchanging`. */
  readonly stage: "connecting" | "securing" | "exchanging";
  /** Of the system or the TLS library; empty where the other end just closed. */
  readonly code: string;
  /** What is wrong with what came; undefined where the connection broke. */
  readonly badAnswer: string | undefined;
  /** Nothing came. */
  readonly isSilent: boolean;
}

export type Carried =
  | { readonly answer: Answer; readonly broken?: never }
  | { readonly broken: Break; readonly answer?: never };

/** Where connections go to: one address, which the guard has judged, of one origin. */
export class Peer {
  readonly address: string;
  readonly port: number;
  readonly tls: TlsPeer | undefined;
  /** Connections to it that are idle; the one that was used last is at the end. The pool's alone. */
  readonly idle: Connection[] = [];

  constructor(address: string, port: number, tls: TlsPeer | undefined) {
    this.address = address;
    this.port = port;
    this.tls = tls;
  }
}

/**
 * One connection, for one request after another; no two at once.
 *
 *   new ──▶ connecting ──▶ securing ──▶ exchanging ◀──▶ idle
 *                │  └─ (http) ────────────▲ │            │
 *                └──────────────┴───────────┴────────────┴──▶ closed
 *
 * Invariants:
 * - Nothing is written before the certificate and the name in it are verified.
 * - It is idle only after a request that was written whole got an answer that was read whole, and nothing more came.
 * - A byte that comes while it is idle closes it.
 *
 * This is the only file that knows Bun's sockets. One that is connecting cannot be called off: it is let go when it comes
 * about or the system gives it up.
 */
export class Connection {
  readonly peer: Peer;
  /** Called when it closes while it is idle. */
  readonly #idleClosed: (connection: Connection) => void;
  readonly #parser = new ResponseParser();
  #state: "new" | "connecting" | "securing" | "exchanging" | "idle" | "closed" = "new";
  #socket: Bun.Socket<Connection> | undefined;
  #request: RequestText | undefined;
  /** What the socket has not taken yet. */
  #unwritten: Uint8Array | undefined;
  #ended: ((carried: Carried) => void) | undefined;
  #code = "";
  #hasServed = false;
  /** When it became idle: its keeper's, to find the oldest. */
  idleSinceMs = 0;

  constructor(peer: Peer, idleClosed: (connection: Connection) => void) {
    this.peer = peer;
    this.#idleClosed = idleClosed;
  }

  get isIdle(): boolean {
    return this.#state === "idle";
  }

  /** Only on one that is new or idle. Never rejects. */
  carry(request: RequestText): Promise<Carried> {
    return new Promise((resolve) => {
      this.#ended = resolve;
      this.#request = request;
      if (this.#state === "idle") this.#write();
      else this.#dial();
    });
  }

  /** What it carries ends as broken. */
  close(): void {
    this.#break();
  }

  /** Handlers of the socket; not for others. */

  opened(socket: Bun.Socket<Connection>): void {
    if (this.#state === "closed") return void socket.terminate();
    this.#socket = socket;
    if (this.peer.tls === undefined) return this.#write();
    this.#state = "securing";
    const session = this.peer.tls.takeSession();
    if (session !== undefined) socket.setSession(session);
  }

  /** The TLS library has verified the chain of certificates, and that they are for the name or the address. */
  secured(isVerified: boolean, error: Error | null): void {
    if (this.#state !== "securing") return;
    if (isVerified && error === null && this.#socket?.authorized === true) return this.#write();
    this.#break(codeOf(error) || "EPROTO");
  }

  drained(): void {
    if (this.#unwritten === undefined || this.#state !== "exchanging") return;
    const taken = this.#socket?.write(this.#unwritten) ?? -1;
    if (taken > 0)
      this.#unwritten =
        taken === this.#unwritten.length ? undefined : this.#unwritten.subarray(taken);
  }

  received(bytes: Buffer): void {
    if (this.#state !== "exchanging") return this.close();
    if (this.#parser.push(bytes)) this.#answered();
  }

  failed(error: Error): void {
    this.#code ||= codeOf(error);
    // Without a code a handler of ours threw: that must not leave the request hanging.
    this.#break();
  }

  closed(error: Error | undefined): void {
    if (this.#state === "exchanging" && error === undefined && this.#parser.hasBegun) {
      this.#parser.close();
      if (this.#parser.fault === undefined) return this.#answered();
    }
    this.#break(codeOf(error));
  }

  #dial(): void {
    this.#state = "connecting";
    const { address, port, tls } = this.peer;
    const options = { hostname: address, port, data: this, socket: HANDLERS };
    // What it rejects with, `connectError` has been told, at times before this returns.
    Bun.connect(tls === undefined ? options : { ...options, tls: tls.options }).catch(() => {});
  }

  #write(): void {
    const { data, lengthBytes } = this.#request ?? { data: "", lengthBytes: 0 };
    this.#request = undefined;
    this.#parser.begin();
    this.#state = "exchanging";
    const taken = this.#socket?.write(data) ?? -1;
    // -1: it is closed, and will say so.
    if (taken === lengthBytes) return;
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    this.#unwritten = bytes.subarray(Math.max(taken, 0));
  }

  #answered(): void {
    const { fault, answer, isWhole, isReusable } = this.#parser;
    if (fault !== undefined) return this.#break("", fault);
    if (!this.#hasServed) {
      this.#hasServed = true;
      // Not sooner: the ticket comes some time after the handshake.
      this.peer.tls?.keepSession(this.#socket?.getSession());
    }
    if (isReusable && this.#unwritten === undefined) this.#state = "idle";
    else {
      this.#state = "closed";
      // Not `end`: over TLS it waits for the other end, for ever if need be, and then nothing ends it any more.
      if (isWhole) this.#socket?.close();
      else this.#socket?.terminate();
    }
    const ended = this.#ended;
    this.#ended = undefined;
    ended?.({ answer });
  }

  #break(code = "", badAnswer?: string): void {
    const stage = this.#state;
    if (stage === "closed") return;
    this.#state = "closed";
    if (stage === "new") return;
    this.#request = this.#unwritten = undefined;
    if (stage === "idle") {
      this.#socket?.close();
      return this.#idleClosed(this);
    }
    this.#socket?.terminate();
    const broken = {
      stage,
      code: this.#code || code,
      badAnswer,
      isSilent: stage !== "exchanging" || !this.#parser.hasBegun,
    };
    const ended = this.#ended;
    this.#ended = undefined;
    ended?.({ broken });
  }
}

/** One set for all: what is whose, the socket knows. */
const HANDLERS: Bun.SocketHandler<Connection> = {
  open: (socket) => socket.data.opened(socket),
  handshake: (socket, isVerified, error) => socket.data.secured(isVerified, error),
  data: (socket, bytes) => socket.data.received(bytes),
  drain: (socket) => socket.data.drained(),
  error: (socket, error) => socket.data.failed(error),
  close: (socket, error) => socket.data.closed(error),
  connectError: (socket, error) => socket.data.failed(error),
};

function codeOf(error: Error | null | undefined): string {
  return error !== null && error !== undefined && "code" in error ? String(error.code) : "";
}
