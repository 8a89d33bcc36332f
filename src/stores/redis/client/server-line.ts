import type { Clock } from "../../../channels/ports/clock.ts";
import { backOffMs } from "./back-off.ts";
import { RedisFault, type Reply } from "../connection.ts";
import { faultOf } from "./fault.ts";
import type { Script } from "../script.ts";
import { noRecovery, ServerLink, type Recovery } from "./server-link.ts";
import { addressText, type Access, type RedisAddress } from "../settings.ts";

export const LINE_BACK_OFF = { firstMs: 50, mostMs: 5_000 };

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
 *                    └──retire──▶ retired ──lost, or after the time of one call──▶ closed
 *
 * A connection that does not last is a failure like one that was not made: else a server that takes everybody in and
 * throws everybody out would be asked without a pause.
 */
export class ServerLine {
  readonly address: RedisAddress;
  readonly #options: ServerLineOptions;
  readonly #closing = new AbortController();
  readonly #waiting = new Set<() => void>();
  #link: ServerLink | undefined;
  #lastFault: RedisFault | undefined;
  #failures = 0;
  #opened = 0;
  #openedAtMs = 0;
  #cancel: (() => void) | undefined;
  #isRetired = false;

  constructor(options: ServerLineOptions) {
    this.address = options.address;
    this.#options = options;
    void this.#connect();
  }

  get isOpen(): boolean {
    return this.#link?.isOpen === true;
  }

  /** It is open, and was before. */
  get isReconnected(): boolean {
    return this.isOpen && this.#opened > 1;
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Rejects with `RedisFault`: at once while there is no connection. */
  send(
    command: readonly string[],
    script?: Script,
    recover: Recovery = noRecovery,
  ): Promise<Reply> {
    if (this.#link !== undefined) return this.#link.send(command, script, recover);
    const why = this.#lastFault === undefined ? "" : `: ${this.#lastFault.message}`;
    const message = `no connection to ${addressText(this.address)}${why}`;
    return recover(new RedisFault(this.#lastFault?.kind ?? "unreachable", message), 0);
  }

  forget(script: Script): void {
    this.#link?.forget(script);
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

  /** Nothing new is sent here. What is under way has its time; then it closes. */
  retire(onClosed: () => void): void {
    const { clock, access } = this.#options;
    this.#cancel?.();
    this.#isRetired = true;
    this.#cancel = clock.after(access.commandTimeoutMs, () => {
      this.close();
      onClosed();
    });
  }

  close(): void {
    this.#closing.abort();
    this.#cancel?.();
    this.#link?.close();
    this.#tellWaiting();
  }

  async #connect(): Promise<void> {
    const { access, clock } = this.#options;
    let fault: RedisFault | undefined;
    try {
      const link = await ServerLink.open(this.address, access, clock, {
        mustServe: true,
        signal: this.#closing.signal,
        onLost: () => this.#lost(link),
      });
      this.#link = link;
      this.#opened++;
      this.#openedAtMs = clock.elapsedMs();
    } catch (error) {
      fault = faultOf(error);
      this.#retry();
    }
    this.#lastFault = fault;
    this.#tellWaiting();
    if (!this.#isClosed && !this.#isRetired) this.#options.onChange(this, fault);
  }

  #lost(link: ServerLink): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    if (this.#isClosed || this.#isRetired) return;
    const livedMs = this.#options.clock.elapsedMs() - this.#openedAtMs;
    if (livedMs > LINE_BACK_OFF.mostMs) this.#failures = 0;
    this.#retry();
    this.#options.onChange(this, undefined);
  }

  #retry(): void {
    if (this.#isClosed || this.#isRetired) return;
    const { clock, random } = this.#options;
    const delayMs = backOffMs(this.#failures++, LINE_BACK_OFF, random);
    this.#cancel = clock.after(delayMs, () => void this.#connect());
  }

  #tellWaiting(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
