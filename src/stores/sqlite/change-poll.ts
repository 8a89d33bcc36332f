import type { Database } from "bun:sqlite";
import type { Clock } from "../../channels/ports/clock.ts";

const POLL_INTERVAL_MS = 50;

/** Tells listeners when the database may have changed: at once for changes of this process, by looking for others'. */
export class ChangePoll {
  readonly #clock: Clock;
  readonly #version: () => number;
  readonly #listeners = new Set<() => void>();
  #seen: number;
  #cancel: (() => void) | undefined;

  constructor(db: Database, clock: Clock) {
    this.#clock = clock;
    // It moves with commits of other connections only.
    const query = db.query<{ data_version: number }, []>("PRAGMA data_version");
    this.#version = () => query.get()?.data_version ?? 0;
    this.#seen = this.#version();
  }

  listen(listener: () => void): () => void {
    const subscription = () => listener();
    this.#listeners.add(subscription);
    this.#poll();
    return () => {
      this.#listeners.delete(subscription);
      if (this.#listeners.size === 0) this.close();
    };
  }

  /** This process has changed something. */
  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #poll(): void {
    this.#cancel ??= this.#clock.after(POLL_INTERVAL_MS, () => {
      this.#cancel = undefined;
      this.#poll();
      const version = this.#version();
      if (version === this.#seen) return;
      this.#seen = version;
      this.tell();
    });
  }
}
