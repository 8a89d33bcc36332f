import { CLOSE } from "../../protocol/close-codes.ts";
import { VERSION } from "../../ops/version.ts";
import { CommandFailure } from "./command-failure.ts";
import { LiveSocket, PUSHER_TIMEOUTS, type Ending, type ServerMessage } from "./live-socket.ts";
import { printable } from "./printable.ts";
import { reconnectDelayMs } from "./reconnection.ts";
import { keyOf, type Target } from "./target.ts";
import { WHETHER_COMPATIBLE, unanswered, unreachable } from "./unreachable.ts";

const LATER_MS = 1_000;

export interface ConnectionHandlers {
  /** Connected, for the first time or again: nothing is subscribed to. */
  connected(socketId: string): void;
  received(message: ServerMessage): void;
  /** Something that happened to the connection, for people. */
  note(text: string): void;
}

/**
 * A connection that comes back as that of pusher-js does.
 *
 * Until it is connected for the first time, a server that cannot be reached is a failure: somebody is waiting at the
 * terminal and the address may be wrong. From then on it is patient.
 */
export class Connection {
  readonly #target: Target;
  readonly #url: string;
  readonly #handlers: ConnectionHandlers;
  readonly #closing = Promise.withResolvers<void>();
  #isClosing = false;
  #wasConnected = false;
  #isLost = false;
  #socket: LiveSocket | undefined;

  constructor(target: Target, handlers: ConnectionHandlers) {
    this.#target = target;
    const query = `protocol=7&client=ringmaster-cli&version=${VERSION}`;
    this.#url = `${target.socketUrl}/app/${encodeURIComponent(keyOf(target))}?${query}`;
    this.#handlers = handlers;
  }

  /** Resolves when it was closed from our side; throws `CommandFailure` when there is no use in trying on. */
  async run(): Promise<void> {
    while (!this.#isClosing) {
      this.#socket = new LiveSocket(this.#url, {
        established: (socketId) => {
          this.#wasConnected = true;
          this.#isLost = false;
          this.#handlers.connected(socketId);
        },
        received: (message) => this.#handlers.received(message),
      });
      const delayMs = this.#delayAfter(await this.#socket.ended);
      if (delayMs > 0) await this.#pause(delayMs);
    }
  }

  /** Sends nothing while there is no connection. */
  send(event: string, data: object): void {
    this.#socket?.send(event, data);
  }

  close(): void {
    this.#isClosing = true;
    this.#closing.resolve();
    this.#socket?.leave();
  }

  #delayAfter(ending: Ending): number {
    switch (ending.kind) {
      case "left":
        return 0;
      case "unreachable":
        if (!this.#wasConnected) throw unreachable(this.#target.socketUrl, ending.cause);
        return this.#note("the server cannot be reached", LATER_MS);
      case "silent":
        if (!this.#wasConnected) {
          throw unanswered(this.#target.socketUrl, PUSHER_TIMEOUTS.handshakeMs);
        }
        return this.#note("the server does not answer", 0);
      case "closed":
        return this.#delayAfterClose(ending.code, printable(ending.reason));
    }
  }

  #delayAfterClose(code: number, reason: string): number {
    const said = reason || Object.values(CLOSE).find((known) => known.code === code)?.text;
    const what = `${code}${said === undefined ? "" : `: ${said}`}`;
    const delayMs = reconnectDelayMs(code);
    if (delayMs === undefined) {
      throw new CommandFailure(
        `${this.#target.socketUrl} closed the connection with ${what}${this.#advice(code)}`,
      );
    }
    if (code < 4000 && !this.#wasConnected) {
      throw new CommandFailure(
        `${this.#target.socketUrl} closed the connection before it was established (${what}); check ${WHETHER_COMPATIBLE}`,
      );
    }
    return this.#note(`the connection was closed with ${what}`, delayMs);
  }

  /** One note for each time that the connection was lost, however many attempts it takes to come back. */
  #note(what: string, delayMs: number): number {
    if (!this.#isLost) {
      this.#handlers.note(
        `${what}; connecting again${delayMs === 0 ? "" : ` in ${delayMs / 1000} s`}`,
      );
    }
    this.#isLost = true;
    return delayMs;
  }

  #advice(code: number): string {
    if (code === CLOSE.tlsRequired.code) return " — use --tls (or https:// in the URL)";
    if (code === 4001) return ` — check the app's key; ${this.#target.credentialsOrigin}`;
    if (code === CLOSE.pathNotFound.code) return " — check the path prefix";
    return "";
  }

  async #pause(delayMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const passed = new Promise<void>((resolve) => (timer = setTimeout(resolve, delayMs)));
    await Promise.race([passed, this.#closing.promise]);
    clearTimeout(timer);
  }
}
