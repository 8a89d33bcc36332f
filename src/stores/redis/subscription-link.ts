import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../../channels/ports/clock.ts";
import { RedisFault } from "./connection.ts";
import { faultOf } from "./fault.ts";
import { ErrorReply, ReplyParser, type ParsedReply } from "./reply-parser.ts";
import { tlsOptions } from "./server-link.ts";
import { addressText, type Access, type RedisAddress } from "./settings.ts";

/** A line that nothing comes from is asked for a sign of life this often. */
const PING_INTERVAL_MS = 10_000;

export interface LinkListener {
  reply(reply: ParsedReply): void;
  /** Once, whoever ended it, unless it was never open. */
  lost(): void;
}

/**
 * One connection for subscriptions, from its beginning to its end. It speaks the protocol itself: the library pairs
 * commands and replies by counting, and a slot that moves away sends replies that nobody asked for.
 */
export class SubscriptionLink {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #listener: LinkListener;
  #heardAtMs: number;
  #cancelPing: (() => void) | undefined;
  #isOpen = true;

  private constructor(socket: Socket, clock: Clock, timeoutMs: number, listener: LinkListener) {
    this.#socket = socket;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#listener = listener;
    this.#heardAtMs = clock.elapsedMs();
    const parser = new ReplyParser((reply) => listener.reply(reply));
    socket.removeAllListeners("data");
    socket.on("data", (piece: Buffer) => {
      this.#heardAtMs = clock.elapsedMs();
      try {
        parser.write(piece);
      } catch {
        this.close();
      }
    });
    socket.on("close", () => this.close());
    socket.on("error", () => this.close());
    this.#pingLater();
  }

  /** Rejects with `RedisFault`. */
  static async open(
    address: RedisAddress,
    access: Access,
    clock: Clock,
    listener: LinkListener,
  ): Promise<SubscriptionLink> {
    const socket = connect(address, access);
    let cancel: () => void = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        const message = `${addressText(address)} did not answer in ${access.connectTimeoutMs} ms`;
        cancel = clock.after(access.connectTimeoutMs, () =>
          reject(new RedisFault("unreachable", message)),
        );
        socket.once("error", reject);
        socket.once("close", () => reject(new RedisFault("unreachable", "The connection broke.")));
        socket.once(access.tls === null ? "connect" : "secureConnect", () => {
          greet(socket, access).then(resolve, reject);
        });
      });
    } catch (error) {
      socket.on("error", () => {});
      socket.destroy();
      throw faultOf(error);
    } finally {
      cancel();
    }
    return new SubscriptionLink(socket, clock, access.commandTimeoutMs, listener);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  send(command: readonly string[]): void {
    if (this.#isOpen) this.#socket.write(encoded(command));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#cancelPing?.();
    this.#socket.destroy();
    this.#listener.lost();
  }

  #pingLater(): void {
    this.#cancelPing = this.#clock.after(PING_INTERVAL_MS, () => {
      const pingedAtMs = this.#clock.elapsedMs();
      this.send(["PING"]);
      this.#cancelPing = this.#clock.after(this.#timeoutMs, () => {
        if (this.#heardAtMs < pingedAtMs) this.close();
        else this.#pingLater();
      });
    });
  }
}

function connect({ host, port }: RedisAddress, { tls }: Access): Socket {
  const socket =
    tls === null
      ? connectPlain({ host, port })
      : connectTls({ host, port, ...tlsOptions(host, tls), rejectUnauthorized: true });
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
      if (reply instanceof ErrorReply) reject(faultOf(new Error(reply.message)));
      else if (--left === 0) resolve();
    });
    socket.on("data", (piece: Buffer) => {
      try {
        parser.write(piece);
      } catch (error) {
        reject(faultOf(error));
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
