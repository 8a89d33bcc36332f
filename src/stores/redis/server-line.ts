import type { Clock } from "../../channels/ports/clock.ts";
import { backOffMs } from "./back-off.ts";
import { RedisFault, type Reply } from "./connection.ts";
import { faultOf } from "./fault.ts";
import { ServerLink } from "./server-link.ts";
import { addressText, type Access, type RedisAddress } from "./settings.ts";

const BACK_OFF = { firstMs: 50, mostMs: 5_000 };

export interface ServerLineOptions {
  readonly address: RedisAddress;
  readonly access: Access;
  readonly clock: Clock;
  random(): number;
  /** It is open, or not any more; `fault` says why it could not be opened. */
  onChange(line: ServerLine, fault: RedisFault | undefined): void;
}

/**
 * The connection to one server, rebuilt for ever.
 *
 *   connecting ──▶ open ──lost──▶ waiting ──back-off──▶ connecting ──▶ …        (close, from anywhere) ──▶ closed
 */
export class ServerLine {
  readonly address: RedisAddress;
  readonly #options: ServerLineOptions;
  readonly #waiting = new Set<() => void>();
  #link: ServerLink | undefined;
  #lastFault: RedisFault | undefined;
  #failures = 0;
  #cancel: (() => void) | undefined;
  #isClosed = false;

  constructor(options: ServerLineOptions) {
    this.address = options.address;
    this.#options = options;
    void this.#connect();
  }

  get isOpen(): boolean {
    return this.#link?.isOpen === true;
  }

  /** Rejects with what the server said, or with `RedisFault`: at once while there is no connection. */
  send(command: readonly string[], asking = false): Promise<Reply> {
    if (this.#link !== undefined) return this.#link.send(command, asking);
    const why = this.#lastFault === undefined ? "" : `: ${this.#lastFault.message}`;
    const message = `no connection to ${addressText(this.address)}${why}`;
    return Promise.reject(new RedisFault(this.#lastFault?.kind ?? "unreachable", message));
  }

  /** Resolves when the next attempt to connect has ended, or at once while it is open. */
  async attempted(): Promise<void> {
    if (this.isOpen || this.#isClosed) return;
    await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** Ends the connection, as one that leads to the wrong server; another is made. */
  cut(): void {
    this.#link?.close();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#link?.close();
    this.#tellWaiting();
  }

  async #connect(): Promise<void> {
    const { access, clock } = this.#options;
    let fault: RedisFault | undefined;
    try {
      const link = await ServerLink.open(this.address, access, clock, () => this.#lost(link));
      if (this.#isClosed) return link.close();
      this.#link = link;
      this.#failures = 0;
    } catch (error) {
      fault = faultOf(error);
      this.#retry();
    }
    this.#lastFault = fault;
    this.#tellWaiting();
    if (!this.#isClosed) this.#options.onChange(this, fault);
  }

  #lost(link: ServerLink): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    if (this.#isClosed) return;
    this.#retry();
    this.#options.onChange(this, undefined);
  }

  #retry(): void {
    if (this.#isClosed) return;
    const { clock, random } = this.#options;
    const delayMs = backOffMs(this.#failures++, BACK_OFF, random);
    this.#cancel = clock.after(delayMs, () => void this.#connect());
  }

  #tellWaiting(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
