import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../../../channels/ports/clock.ts";
import type { Log } from "../../../channels/ports/log.ts";
import { RedisFault } from "../connection.ts";
import { faultOf, faultOfReply } from "./fault.ts";
import { ErrorReply, ReplyParser, type ParsedReply } from "./reply-parser.ts";
import { LOOKS_PER_TIMEOUT } from "./server-link.ts";
import { addressText, type Access, type RedisAddress } from "../settings.ts";
import { tlsOptions } from "./tls-options.ts";

/** A server that is silent is asked for a sign of life this often. */
const PING_INTERVAL_MS = 10_000;

export interface SubscriptionLinkOptions {
  readonly address: RedisAddress;
  readonly access: Access;
  readonly clock: Clock;
  readonly log: Log;
  /** Gives up while it is not open yet. */
  readonly signal: AbortSignal;
  /** What it throws is logged, and costs nothing but this reply. */
  onReply(reply: ParsedReply): void;
  /** Called once when it was open and is not any more, whoever ended it. */
  onLost(): void;
}

/**
 * One connection for subscriptions, from its beginning to its end. It speaks the protocol itself: the library pairs
 * commands and replies by counting, and a slot that moves away sends replies that nobody asked for.
 *
 * Nothing need ever come on such a line, so it asks for signs of life: without one in time it ends.
 */
export class SubscriptionLink {
  readonly #socket: Socket;
  readonly #options: SubscriptionLinkOptions;
  #hasHeard = false;
  #cancelWatch: (() => void) | undefined;
  #isOpen = true;

  private constructor(socket: Socket, options: SubscriptionLinkOptions) {
    this.#socket = socket;
    this.#options = options;
    const parser = new ReplyParser((reply) => this.#hear(reply));
    socket.removeAllListeners("data");
    socket.on("data", (piece: Buffer) => {
      this.#hasHeard = true;
      try {
        parser.write(piece);
      } catch (err) {
        this.#distrust(err);
      }
    });
    socket.on("close", () => this.close());
    socket.on("error", () => this.close());
    this.#pingLater();
  }

  /** Rejects with `RedisFault`. */
  static async open(options: SubscriptionLinkOptions): Promise<SubscriptionLink> {
    const { address, access, clock, signal } = options;
    const socket = connect(address, access);
    const { promise: end, reject } = Promise.withResolvers<never>();
    const message = `${addressText(address)} did not answer in ${access.connectTimeoutMs} ms`;
    const cancel = clock.after(access.connectTimeoutMs, () =>
      reject(new RedisFault("unreachable", message)),
    );
    const abort = (): void => reject(new RedisFault("unreachable", "The connection is closed."));
    signal.addEventListener("abort", abort);
    socket.on("error", reject);
    socket.on("close", () => reject(new RedisFault("unreachable", "The connection broke.")));
    const greeted = new Promise<void>((resolve, refuse) => {
      socket.once(access.tls === null ? "connect" : "secureConnect", () => {
        greet(socket, access).then(resolve, refuse);
      });
    });
    try {
      await Promise.race([greeted, end]);
      signal.throwIfAborted();
      return new SubscriptionLink(socket, options);
    } catch (error) {
      socket.destroy();
      throw faultOf(error);
    } finally {
      cancel();
      signal.removeEventListener("abort", abort);
    }
  }

  /** All in one piece. */
  send(commands: readonly (readonly string[])[]): void {
    if (this.#isOpen) this.#socket.write(commands.map(encoded).join(""));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#cancelWatch?.();
    this.#socket.destroy();
    this.#options.onLost();
  }

  #hear(reply: ParsedReply): void {
    try {
      this.#options.onReply(reply);
    } catch (err) {
      const { address, log } = this.#options;
      const servers = [addressText(address)];
      log.error({ err, servers }, "could not handle a message from Redis: it is lost");
    }
  }

  /** Nothing that comes behind what is no reply can be read. */
  #distrust(err: unknown): void {
    const { address, log } = this.#options;
    log.error(
      { err, servers: [addressText(address)] },
      "what came on a connection to Redis for subscriptions is no RESP2: making another",
    );
    this.close();
  }

  #pingLater(): void {
    this.#cancelWatch = this.#options.clock.after(PING_INTERVAL_MS, () => {
      this.#hasHeard = false;
      this.send([["PING"]]);
      this.#listen(LOOKS_PER_TIMEOUT);
    });
  }

  /** Time is counted in looks, as in `ServerLink`. */
  #listen(looksLeft: number): void {
    const { clock, access } = this.#options;
    this.#cancelWatch = clock.after(access.commandTimeoutMs / LOOKS_PER_TIMEOUT, () => {
      if (this.#hasHeard) this.#pingLater();
      else if (looksLeft === 1) this.close();
      else this.#listen(looksLeft - 1);
    });
  }
}

function connect({ host, port }: RedisAddress, { tls }: Access): Socket {
  const socket =
    tls === null
      ? connectPlain({ host, port })
      : connectTls({ host, port, ...tlsOptions(host, tls) });
  socket.setNoDelay(true);
  return socket;
}

/** Says who we are, where the server asks, and hears that it is Redis. */
async function greet(socket: Socket, { username, password }: Access): Promise<void> {
  const auth = username === null ? [] : [username];
  const commands = [...(password === null ? [] : [["AUTH", ...auth, password]]), ["PING"]];
  await new Promise<void>((resolve, reject) => {
    let left = commands.length;
    const parser = new ReplyParser((reply) => {
      if (reply instanceof ErrorReply) reject(faultOfReply(reply.message));
      else if (--left === 0) resolve();
    });
    socket.on("data", (piece: Buffer) => {
      try {
        parser.write(piece);
      } catch (error) {
        reject(error);
      }
    });
    socket.write(commands.map(encoded).join(""));
  });
}

function encoded(command: readonly string[]): string {
  let text = `*${command.length}\r\n`;
  for (const part of command) text += `$${Buffer.byteLength(part)}\r\n${part}\r\n`;
  return text;
}
