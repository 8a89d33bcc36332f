import { createClient, ErrorReply } from "@redis/client";
import type { Clock } from "../../../channels/ports/clock.ts";
import { RedisFault, type Reply } from "../connection.ts";
import { faultOf, faultOfReply } from "./fault.ts";
import type { Script } from "../script.ts";
import { checkServer } from "./server-info.ts";
import { addressText, type Access, type RedisAddress } from "../settings.ts";
import { tlsOptions } from "./tls-options.ts";

/**
 * Time is counted in looks, in the time that an answer may take. Between two of them the event loop has read what came: a
 * process that stood still itself has not waited.
 */
export const LOOKS_PER_TIMEOUT = 10;

export interface LinkOptions {
  /** It is not open before the server has said that it takes our calls, and then does. */
  readonly mustServe?: boolean;
  /** Gives up while it is not open yet. */
  readonly signal?: AbortSignal | undefined;
  /** Called once when it was open and is not any more, whoever ended it. */
  onLost?(): void;
}

/** What else can be done about a call that failed, after so long; rejects where that is nothing. */
export type Recovery = (fault: RedisFault, waitedMs: number) => Promise<Reply>;

export const noRecovery: Recovery = (fault) => Promise.reject(fault);

interface Call {
  readonly resolve: (reply: Reply | Promise<Reply>) => void;
  readonly recover: Recovery;
  readonly sentAtLook: number;
}

/**
 * One connection to one server, from its beginning to its end; it is never rebuilt. What is under way when it breaks is
 * rejected, and nothing is sent twice: the library's own reconnecting and queueing are off.
 *
 * A call that has no answer in time is rejected. When meanwhile nothing else was answered either, the server has stopped,
 * or is cut off: then the connection ends.
 */
export class ServerLink {
  readonly #client: ReturnType<typeof newClient>;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onLost: () => void;
  readonly #calls = new Set<Call>();
  /** Hashes of the scripts that were sent as text. */
  readonly #taught = new Set<string>();
  #looks = 0;
  #heardAtLook = 0;
  #cancelLook: (() => void) | undefined;
  #isOpen = true;

  private constructor(
    client: ReturnType<typeof newClient>,
    clock: Clock,
    timeoutMs: number,
    onLost: () => void,
  ) {
    this.#client = client;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onLost = onLost;
    client.on("error", () => this.close());
    client.on("end", () => this.close());
  }

  /** Rejects with `RedisFault`. */
  static async open(
    address: RedisAddress,
    access: Access,
    clock: Clock,
    { mustServe = false, signal, onLost = () => {} }: LinkOptions = {},
  ): Promise<ServerLink> {
    const client = newClient(address, access);
    // Without a listener its errors would be everybody's.
    client.on("error", () => {});
    const { promise: end, reject } = Promise.withResolvers<never>();
    const message = `${addressText(address)} did not answer in ${access.connectTimeoutMs} ms`;
    // The library limits the TCP handshake alone. TLS may hang as well, and a process that was stopped accepts connections.
    const cancel = clock.after(access.connectTimeoutMs, () =>
      reject(new RedisFault("unreachable", message)),
    );
    const abort = (): void => reject(new RedisFault("unreachable", "The connection is closed."));
    signal?.addEventListener("abort", abort);
    const greet = async (): Promise<void> => {
      await client.connect();
      if (mustServe) checkServer(await client.sendCommand<string>(["INFO"]), access.isCluster);
    };
    try {
      await Promise.race([greet(), end]);
      signal?.throwIfAborted();
      return new ServerLink(client, clock, access.commandTimeoutMs, onLost);
    } catch (error) {
      destroy(client);
      throw faultOfCall(error);
    } finally {
      cancel();
      signal?.removeEventListener("abort", abort);
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** An EVALSHA of the script is sent as EVAL the first time: so later calls cannot overtake it. */
  send(
    command: readonly string[],
    script?: Script,
    recover: Recovery = noRecovery,
  ): Promise<Reply> {
    if (!this.#isOpen)
      return recover(new RedisFault("unreachable", "The connection is closed."), 0);
    let sent = command;
    if (script !== undefined && !this.#taught.has(script.hash)) {
      this.#taught.add(script.hash);
      sent = ["EVAL", script.source, ...command.slice(2)];
    }
    return new Promise((resolve) => {
      const call: Call = { resolve, recover, sentAtLook: this.#looks };
      this.#calls.add(call);
      this.#cancelLook ??= this.#lookLater();
      this.#client.sendCommand<Reply>(sent as string[]).then(
        (reply) => {
          this.#heardAtLook = this.#looks;
          if (this.#calls.delete(call)) resolve(reply);
        },
        (error: unknown) => {
          this.#heardAtLook = this.#looks;
          this.#fail(call, faultOfCall(error));
        },
      );
    });
  }

  /** The server does not know it any more. */
  forget({ hash }: Script): void {
    this.#taught.delete(hash);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#cancelLook?.();
    destroy(this.#client);
    this.#onLost();
  }

  /** Nothing happens where it has ended already, overdue. */
  #fail(call: Call, fault: RedisFault): void {
    if (!this.#calls.delete(call)) return;
    const waitedMs = ((this.#looks - call.sentAtLook) * this.#timeoutMs) / LOOKS_PER_TIMEOUT;
    call.resolve(call.recover(fault, waitedMs));
  }

  #lookLater(): () => void {
    return this.#clock.after(this.#timeoutMs / LOOKS_PER_TIMEOUT, () => {
      this.#cancelLook = undefined;
      this.#looks++;
      const overdue = this.#looks - LOOKS_PER_TIMEOUT;
      let isAnyOverdue = false;
      for (const call of this.#calls) {
        if (call.sentAtLook > overdue) break;
        isAnyOverdue = true;
        this.#fail(call, new RedisFault("timeout", `No answer in ${this.#timeoutMs} ms.`));
      }
      if (isAnyOverdue && this.#heardAtLook <= overdue) this.close();
      else if (this.#calls.size > 0) this.#cancelLook = this.#lookLater();
    });
  }
}

function newClient({ host, port }: RedisAddress, access: Access) {
  const { username, password, database, tls, connectTimeoutMs } = access;
  const socket = {
    host,
    port,
    connectTimeout: connectTimeoutMs,
    reconnectStrategy: false as const,
  };
  return createClient({
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    ...(database === 0 ? {} : { database }),
    socket: tls === null ? socket : { ...socket, tls: true as const, ...tlsOptions(host, tls) },
  });
}

function faultOfCall(error: unknown): RedisFault {
  return error instanceof ErrorReply ? faultOfReply(error.message, error) : faultOf(error);
}

function destroy(client: ReturnType<typeof newClient>): void {
  try {
    client.destroy();
  } catch {
    // It is closed already.
  }
}
