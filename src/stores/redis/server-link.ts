import { createClient } from "@redis/client";
import type { Clock } from "../../channels/ports/clock.ts";
import { RedisFault, type Reply } from "./connection.ts";
import { faultOf } from "./fault.ts";
import { addressText, type Access, type RedisAddress } from "./settings.ts";

/** How often it is looked whether answers are overdue, in the time that they may take. */
const LOOKS_PER_TIMEOUT = 4;

interface Checkpoint {
  /** Commands sent by then. */
  readonly sent: number;
  readonly atMs: number;
}

/**
 * One connection to one server, from its beginning to its end; it is never rebuilt. What is under way when it breaks is
 * rejected, and nothing is sent twice: the library's own reconnecting and queueing are off.
 *
 * Answers come in the order of the calls, so a server that owes one for too long has stopped, or is cut off: then the
 * connection ends.
 */
export class ServerLink {
  readonly #client: ReturnType<typeof newClient>;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onLost: () => void;
  #sent = 0;
  #answered = 0;
  #checkpoints: Checkpoint[] = [];
  #cancelLook: (() => void) | undefined;
  #isOpen = true;
  #isTimedOut = false;

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

  /** Rejects with `RedisFault`. `onLost` is called once, whoever ends it. */
  static async open(
    address: RedisAddress,
    access: Access,
    clock: Clock,
    onLost: () => void = () => {},
  ): Promise<ServerLink> {
    const client = newClient(address, access);
    // Without a listener its errors would be everybody's.
    client.on("error", () => {});
    let cancel: () => void = () => {};
    const late = new Promise<never>((_, reject) => {
      const message = `${addressText(address)} did not answer in ${access.connectTimeoutMs} ms`;
      // The library limits the TCP handshake alone; TLS and the greeting may hang as well.
      cancel = clock.after(access.connectTimeoutMs, () =>
        reject(new RedisFault("unreachable", message)),
      );
    });
    try {
      await Promise.race([client.connect(), late]);
    } catch (error) {
      destroy(client);
      throw faultOf(error);
    } finally {
      cancel();
    }
    return new ServerLink(client, clock, access.commandTimeoutMs, onLost);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Rejects with what the server said, or with `RedisFault`. `asking` goes before it, for a slot that is moving. */
  async send(command: readonly string[], asking = false): Promise<Reply> {
    if (!this.#isOpen) throw new RedisFault("unreachable", "The connection is closed.");
    this.#sent++;
    this.#cancelLook ??= this.#lookLater();
    try {
      if (asking) this.#client.sendCommand(["ASKING"]).catch(() => {});
      return await this.#client.sendCommand<Reply>(command as string[]);
    } catch (error) {
      if (!this.#isTimedOut) throw error;
      throw new RedisFault("timeout", `No answer in ${this.#timeoutMs} ms.`, error);
    } finally {
      this.#answered++;
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#cancelLook?.();
    destroy(this.#client);
    this.#onLost();
  }

  #lookLater(): () => void {
    return this.#clock.after(this.#timeoutMs / LOOKS_PER_TIMEOUT, () => {
      this.#cancelLook = undefined;
      const nowMs = this.#clock.elapsedMs();
      this.#checkpoints = this.#checkpoints.filter(({ sent }) => sent > this.#answered);
      const [oldest] = this.#checkpoints;
      if (oldest !== undefined && nowMs - oldest.atMs >= this.#timeoutMs) {
        this.#isTimedOut = true;
        this.close();
        return;
      }
      if (this.#sent === this.#answered) return;
      this.#checkpoints.push({ sent: this.#sent, atMs: nowMs });
      this.#cancelLook = this.#lookLater();
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

/** For node:tls. */
export function tlsOptions(
  host: string,
  { ca, cert, key, serverName }: NonNullable<Access["tls"]>,
): { ca?: string; cert?: string; key?: string; servername?: string } {
  const name = serverName ?? host;
  return {
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
    servername: name,
  };
}

function destroy(client: ReturnType<typeof newClient>): void {
  try {
    client.destroy();
  } catch {
    // It is closed already.
  }
}
