import type { Cache, CacheEntry, CachedEvent } from "../../channels/ports/cache.ts";
import type { Clock } from "../../channels/ports/clock.ts";

interface Stored {
  readonly event: CachedEvent;
  readonly expiresAtMs: number;
  readonly bytes: number;
}

/** What the map and the objects of one entry take beside its text. */
const ENTRY_OVERHEAD_BYTES = 200;
const SWEEP_INTERVAL_MS = 60_000;

/**
 * A Cache bounded in bytes: when it is full, the entry that was set longest ago goes first.
 *
 * Expired entries that nobody asks for are swept once a minute, so a channel used once does not stay for ever.
 */
export class MemoryCache implements Cache {
  /** In the order of setting: a `Map` keeps it, and `set` moves an entry to the end. */
  readonly #entries = new Map<string, Stored>();
  readonly #clock: Clock;
  readonly #maxBytes: number;
  #bytes = 0;
  #cancelSweep: (() => void) | undefined;

  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  set(appId: string, channel: string, event: CachedEvent, ttlMs: number): Promise<void> {
    const key = `${appId}/${channel}`;
    this.#remove(key);
    const bytes = 2 * (key.length + event.event.length + event.data.length) + ENTRY_OVERHEAD_BYTES;
    if (bytes <= this.#maxBytes) {
      this.#entries.set(key, { event, expiresAtMs: this.#clock.elapsedMs() + ttlMs, bytes });
      this.#bytes += bytes;
      for (const oldest of this.#entries.keys()) {
        if (this.#bytes <= this.#maxBytes) break;
        this.#remove(oldest);
      }
      this.#cancelSweep ??= this.#clock.after(SWEEP_INTERVAL_MS, this.#sweep);
    }
    return Promise.resolve();
  }

  get(appId: string, channel: string): Promise<CacheEntry | undefined> {
    const stored = this.#entries.get(`${appId}/${channel}`);
    if (stored === undefined) return Promise.resolve(undefined);
    const ttlMs = Math.floor(stored.expiresAtMs - this.#clock.elapsedMs());
    return Promise.resolve(ttlMs > 0 ? { ...stored.event, ttlMs } : undefined);
  }

  close(): Promise<void> {
    this.#cancelSweep?.();
    this.#entries.clear();
    this.#bytes = 0;
    return Promise.resolve();
  }

  #remove(key: string): void {
    const stored = this.#entries.get(key);
    if (stored === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= stored.bytes;
  }

  readonly #sweep = (): void => {
    const now = this.#clock.elapsedMs();
    for (const [key, stored] of this.#entries) if (stored.expiresAtMs <= now) this.#remove(key);
    this.#cancelSweep =
      this.#entries.size > 0 ? this.#clock.after(SWEEP_INTERVAL_MS, this.#sweep) : undefined;
  };
}
