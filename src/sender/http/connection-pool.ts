import type { Clock } from "../ports/clock.ts";
import { Connection, type Peer } from "./connection.ts";

/** Below what most servers and load balancers allow (60 s), above the pauses of an endpoint in use. */
const KEEP_IDLE_MS = 30_000;
/** How late an idle connection may be closed. */
const LOOK_EVERY_MS = 2_000;
const MAX_IDLE = 1_000;

/**
 * Connections that are idle, for 30 s at most, over all peers together no more than a number: when it is reached, the one
 * that was used longest ago is closed. One that carries a request is not here, and nobody closes it but who uses it.
 *
 * One timer looks at all of them, and only while there are any.
 */
export class ConnectionPool {
  readonly #clock: Clock;
  readonly #maxIdle: number;
  /** In the order in which they became idle. */
  readonly #idle = new Set<Connection>();
  #cancelLook: (() => void) | undefined;

  constructor(clock: Clock, maxIdle = MAX_IDLE) {
    this.#clock = clock;
    this.#maxIdle = maxIdle;
  }

  get size(): number {
    return this.#idle.size;
  }

  /** The idle one that was used last: the others grow old, and are closed when fewer are enough. */
  take(peer: Peer): Connection | undefined {
    const connection = peer.idle.pop();
    if (connection === undefined) return undefined;
    this.#idle.delete(connection);
    return connection;
  }

  /** One that is not connected yet. */
  create(peer: Peer): Connection {
    return new Connection(peer, this.#forget);
  }

  /** After its answer. One that cannot serve again is not kept. */
  giveBack(connection: Connection): void {
    if (!connection.isIdle) return;
    connection.idleSinceMs = this.#clock.elapsedMs();
    this.#idle.add(connection);
    connection.peer.idle.push(connection);
    if (this.#idle.size > this.#maxIdle) this.#closeOldest();
    this.#cancelLook ??= this.#clock.after(LOOK_EVERY_MS, this.#look);
  }

  closeAll(): void {
    for (const connection of this.#idle) connection.close();
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  #closeOldest(): void {
    for (const connection of this.#idle) return connection.close();
  }

  readonly #look = (): void => {
    const nowMs = this.#clock.elapsedMs();
    for (const connection of this.#idle) {
      if (nowMs - connection.idleSinceMs < KEEP_IDLE_MS) break;
      connection.close();
    }
    this.#cancelLook =
      this.#idle.size > 0 ? this.#clock.after(LOOK_EVERY_MS, this.#look) : undefined;
  };

  readonly #forget = (connection: Connection): void => {
    if (!this.#idle.delete(connection)) return;
    const { idle } = connection.peer;
    idle.splice(idle.indexOf(connection), 1);
  };
}
