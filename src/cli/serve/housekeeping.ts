import type { Logger } from "pino";
import type { Settings } from "../../ops/config/settings.ts";
import type { ProcessStore } from "./process-store.ts";

const INTERVAL_MS = 60_000;

/** Forgets attempts and dead letters that are beyond their bounds, once a minute. */
export class Housekeeping {
  readonly #store: ProcessStore;
  readonly #bounds: Pick<Settings, "deliveryLog" | "deadLetters">;
  readonly #log: Logger;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    store: ProcessStore,
    bounds: Pick<Settings, "deliveryLog" | "deadLetters">,
    log: Logger,
  ) {
    this.#store = store;
    this.#bounds = bounds;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#round(), INTERVAL_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #round(): Promise<void> {
    try {
      await this.#store.deliveries.prune(this.#bounds.deliveryLog);
      const forgotten = await this.#store.desk.prune(this.#bounds.deadLetters);
      if (forgotten > 0) this.#log.warn({ deadLetters: forgotten }, "dead letters were forgotten");
    } catch (err) {
      this.#log.error({ err }, "could not forget what is old in the store");
    }
  }
}
