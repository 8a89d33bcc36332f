import type { Clock } from "../../../channels/ports/clock.ts";
import type { Log } from "../../../channels/ports/log.ts";
import type { RedisFault } from "../connection.ts";

/**
 * Says once that a connection was lost, and once that it is back, however many attempts lie between.
 *
 *   new ──failed──▶ absent ──well──▶ well ⇄ lost
 */
export class OutageLog {
  readonly #purpose: string;
  readonly #log: Log;
  readonly #clock: Clock;
  #state: "new" | "absent" | "well" | "lost" = "new";
  #lostAtMs = 0;

  /** `purpose`: what the connection is for, in a word. */
  constructor(purpose: string, log: Log, clock: Clock) {
    this.#purpose = purpose;
    this.#log = log;
    this.#clock = clock;
  }

  well(servers: readonly string[]): void {
    if (this.#state === "well") return;
    const fields =
      this.#state === "lost"
        ? { servers, awayMs: Math.round(this.#clock.elapsedMs() - this.#lostAtMs) }
        : { servers };
    this.#state = "well";
    this.#log.info(fields, `connected to Redis for ${this.#purpose}`);
  }

  /** `fault`: of an attempt to connect. */
  troubled(fault: RedisFault | undefined): void {
    const fields = fault === undefined ? {} : { err: fault };
    if (this.#state === "well") {
      this.#state = "lost";
      this.#lostAtMs = this.#clock.elapsedMs();
      this.#log.error(fields, `lost the connection to Redis for ${this.#purpose}: rebuilding it`);
    } else if (fault !== undefined && this.#state === "new") {
      this.#state = "absent";
      this.#log.warn(fields, `cannot connect to Redis for ${this.#purpose} yet: trying again`);
    } else if (fault !== undefined) {
      this.#log.debug(fields, `could not connect to Redis for ${this.#purpose}`);
    }
  }
}
